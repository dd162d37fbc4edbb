"""Keeps every ResourceQuota's status: what it bounds, and what of that is used.

observe.py   what is read of a quota; what it counts is read by the views of `api.quota`
plan.py      pure: a quota, and what is used under it → the change of its status
shell.py     watches what is counted, where there are quotas, and writes
"""
