"""PodDisruptionBudgets: how many of their pods may be disrupted now, kept in their status for the eviction API to ask.

observe.py   what is read of budgets, pods and DaemonSets
tally.py     the pods of one budget as counters; one change costs the same however many there are
plan.py      budget + tally -> the status to write, what to tell of, and when to look again
shell.py     DisruptionController: events in, statuses out
"""
