"""Pods that nobody will end any more are collected.

plan.py   pure: which pods have nobody, which finished ones are too many, and what their status says before they go
shell.py  finds them as they come to be, and ends them
"""
