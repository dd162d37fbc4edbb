"""Node conditions become taints, so that pods keep away from nodes that are not well.

plan.py    pure: a node's conditions and spec → the NoSchedule taints it must have
shell.py   writes them
"""
