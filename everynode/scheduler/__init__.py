"""Where a pod goes: pods without a node are bound to one, or told why there is none.

observe.py   what is read of pods and nodes, and the room that is left on each node
plan.py      pure: one pod and the nodes → a node, or the sentence that says why not
shell.py     carries it out: queue, binding, condition, events
"""
