"""What becomes of a node that fails: it is noticed, pods keep away, its pods count as not ready, and in time they move on.

observe.py    what is read of nodes and leases
health.py     pure: when each node was heard of last, and which are overdue
zones.py      pure: how much of each zone has failed, and whose turn it is to be given a NoExecute taint
plan.py       pure: a node → the taints it must have, and the conditions of one that fell silent
shell.py      listens, judges once a second, writes
readiness.py  marks the pods of an unreachable node as not ready
"""
