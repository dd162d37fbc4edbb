"""Objects whose owners are gone go too; owners that wait for their dependents, or leave them behind, are seen through.

observe.py   the graph of who owns whom, kept from metadata alone
plan.py      pure: an object, its owners and dependents → what is to be done
shell.py     does it
"""
