"""Gathers what a DaemonSet's rollout rests on, from a cluster or from a dump, and tells where it stands and why.

evidence.py   objects as bytes, wherever they came from -> `Facts` for `controllers.daemonset.diagnosis`
gather.py     evidence from an API server, read-only
dump.py       evidence from files (`kubectl get … -o yaml`)
telling.py    a Diagnosis as one screen of text, and as data
"""
