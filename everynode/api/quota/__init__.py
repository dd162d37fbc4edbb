"""What a ResourceQuota counts, and whether one more object goes in. Pure.

counted.py   an object → what it uses, and what scopes look at
rule.py      a quota → which objects it counts, in which amounts
tally.py     the rule, and what is used under it at this moment: kept up by one change at a time

Two ask it. The API server keeps a Tally for each quota of a namespace to judge creations by; the controller keeps one of its
own to write the quota's status by (docs/decisions/0006). Both see the same numbers, because they count by the same rules.
"""
