"""Why pods are not even made: what the API answered to the controller, as its FailedCreate events tell.

Only refusals of pods that are still lacking count: an event of this morning says nothing once every node has its pod. The words
are those of admission in any Kubernetes cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from everynode.controllers.daemonset.diagnosis.causes import Finding, Kind
from everynode.controllers.daemonset.diagnosis.facts import Facts

# Seconds for which a refusal counts: controllers try again at least every 1,000 s, and say so each time.
FRESH = 1200.0

_QUOTA = re.compile(r"exceeded quota: (?P<name>[^,\s]+)|failed quota: (?P<needs>[^:\s]+)")
_RANGE = re.compile(r"(maximum|minimum) \S+ usage per|max limit to request ratio per")
_ACCOUNT = re.compile(r"error looking up service account (?P<key>[^\s:]+)")


def creation_findings(facts: Facts, now: float) -> Iterator[Finding]:
    """One finding for each way in which pods that are lacking were refused, newest first."""
    lacking = tuple(islice(facts.tally.lacking, facts.closely))
    if not lacking:
        return
    told = [
        event
        for event in facts.events
        if event.reason == "FailedCreate"
        and event.involved_object.uid == facts.ds.metadata.uid
        and now - event.last < FRESH
    ]
    seen: set[tuple[Kind, str]] = set()
    for event in sorted(told, key=lambda one: one.last, reverse=True):
        kind, key, what, remedy = _read(event.message, facts.ds.metadata.namespace)
        if (kind, key) in seen:
            continue
        seen.add((kind, key))
        for node in lacking:
            yield Finding(kind, what, node=node, key=key, since=event.first, proof=event.message, remedy=remedy)


def _read(message: str, namespace: str) -> tuple[Kind, str, str, str]:
    """(kind, what tells two of the kind apart, the clause, the command)."""
    if found := _QUOTA.search(message):
        name = found["name"] or found["needs"]
        what = f"the ResourceQuota {name} allows no further pod"
        return Kind.QUOTA_EXCEEDED, name, what, f"kubectl describe quota -n {namespace} {name}"
    if found := _ACCOUNT.search(message):
        account = found["key"].rpartition("/")[2]
        what = f'the ServiceAccount "{account}" is not there'
        return Kind.SERVICE_ACCOUNT_MISSING, account, what, f"kubectl create serviceaccount -n {namespace} {account}"
    if _RANGE.search(message):
        what = "a LimitRange does not allow what the pod asks for"
        return Kind.LIMIT_RANGE, "", what, f"kubectl describe limitrange -n {namespace}"
    what = "the API refuses to create the pod"
    return Kind.CREATION_REFUSED, "", what, f"kubectl get events -n {namespace} --field-selector reason=FailedCreate"
