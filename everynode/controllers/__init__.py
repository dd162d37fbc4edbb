"""The controllers: each brings one part of the cluster to where its objects say it should be.

Every controller has the same files: `observe` (what it reads), `plan` (pure: what is to be done, and why) and `shell`
(reads, calls, carries out). A controller talks to the API through `client` and hears of changes through `reconcile`; it never
talks to another controller.
"""
