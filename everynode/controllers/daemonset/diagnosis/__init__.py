"""What a rollout is doing, and what holds it: `diagnose(facts, now) -> Diagnosis`. Pure.

    facts.py         what is read: rich views, and `Facts`, all that a diagnosis rests on
    causes.py        the closed list of kinds; a `Finding` (one pod or node) and a `Cause` (all findings that are alike)
    rollout.py       the phase, the progress, the order of causes
    pods.py          why one pod does not serve its node: the questions, in their order
    containers.py    … because of its containers
    places.py        … because there is no place for it
    refusals.py      why pods are not made at all
    surroundings.py  what else is in the way

Conditions, events, metrics, `everynode why` and the rollout command all speak through it.
"""
