"""A namespace that is being deleted: its content goes first, then the namespace itself.

plan.py    pure: what is left → the conditions that tell it
shell.py   deletes, counts, tells, and lets go
"""
