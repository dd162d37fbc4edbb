"""Pods leave a node whose NoExecute taints they do not tolerate, at once or when their patience is over.

observe.py  what is read of a pod
plan.py     pure: taints and tolerations → how long the pod may stay
shell.py    waits with the pods that wait, and ends those that must go
"""
