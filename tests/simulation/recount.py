"""A second opinion, straight from Kubernetes' rules: what a DaemonSet's nodes, pods and status must be.

In: objects as the API's JSON says them. Out: plain sets and numbers. Nothing of the controller is used here: no view, no
verdict, no tally. It is written to be slow and obvious, for whoever must decide which of the two is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from everynode.values.quantity import Quantity
from everynode.values.timestamps import parse

Json = dict[str, Any]

# The template's own mark, which its pods inherit: two templates are the same when their marks are.
MARK = "everynode.test/template"

_TOLERATED_BY_ALL = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


# Placement


def should_run(ds: Json, node: Json) -> bool:
    """R1: the selector matches, and every NoSchedule and NoExecute taint is tolerated."""
    return _selected(ds, node) and not _troubled(ds, node, ("NoSchedule", "NoExecute"))


def may_stay(ds: Json, node: Json) -> bool:
    """R2: the same, but only NoExecute taints send a pod away."""
    return _selected(ds, node) and not _troubled(ds, node, ("NoExecute",))


def _selected(ds: Json, node: Json) -> bool:
    spec = ds["spec"]["template"]["spec"]
    labels = node["metadata"].get("labels") or {}
    if spec.get("nodeName") not in (None, "", node["metadata"]["name"]):
        return False
    return all(labels.get(key) == value for key, value in (spec.get("nodeSelector") or {}).items())


def _troubled(ds: Json, node: Json, effects: tuple[str, ...]) -> bool:
    own = ds["spec"]["template"]["spec"].get("tolerations") or []
    return any(
        taint["effect"] in effects
        and (taint["key"], taint["effect"]) not in _TOLERATED_BY_ALL
        and not any(_tolerates(one, taint) for one in own)
        for taint in node["spec"].get("taints") or []
    )


def _tolerates(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


# Pods


def owned_by(ds: Json, pod: Json) -> bool:
    """Whether the pod has this very DaemonSet as its controller and matches its selector."""
    owners = pod["metadata"].get("ownerReferences") or []
    labels = pod["metadata"].get("labels") or {}
    return any(one.get("controller") and one["uid"] == ds["metadata"]["uid"] for one in owners) and all(
        labels.get(key) == value for key, value in ds["spec"]["selector"]["matchLabels"].items()
    )


def controller_of(pod: Json) -> str:
    """The uid of the pod's controller, "" if it has none."""
    return next((one["uid"] for one in pod["metadata"].get("ownerReferences") or [] if one.get("controller")), "")


def target(pod: Json) -> str:
    """R6: the node a daemon pod is for, bound or not."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    for term in (required or {}).get("nodeSelectorTerms") or []:
        for field in term.get("matchFields") or []:
            return str(field["values"][0])
    return ""


def terminating(pod: Json) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def terminal(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def live(pod: Json) -> bool:
    """Takes up its node's place: what is being deleted does until it has ended."""
    return not terminal(pod)


def readiness(pod: Json) -> tuple[bool, str]:
    """(ready, since when it is so by its node's clock)."""
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Ready":
            return condition["status"] == "True", condition.get("lastTransitionTime") or ""
    return False, ""


def moment(stamp: str, otherwise: float) -> float:
    return parse(stamp) if stamp else otherwise


def current(ds: Json, pod: Json) -> bool:
    """Whether the pod is of the DaemonSet's template of today."""
    return mark_of(ds["spec"]["template"]) == mark_of(pod)


def mark_of(one: Json) -> str:
    """The mark of a template or of a pod."""
    return str((one["metadata"].get("annotations") or {}).get(MARK, ""))


# Budgets


def scaled(value: int | str | None, total: int) -> int:
    """R16: a number, or a percentage of the whole, rounded up."""
    if isinstance(value, str):
        return math.ceil(int(value.rstrip("%")) * total / 100)
    return value or 0


def rolling(ds: Json) -> Json | None:
    """The budgets of a rolling update; None when pods are replaced only as they are deleted."""
    strategy = ds["spec"]["updateStrategy"]
    return strategy["rollingUpdate"] if strategy["type"] == "RollingUpdate" else None


def surges(ds: Json) -> bool:
    budgets = rolling(ds)
    return budgets is not None and scaled(budgets.get("maxSurge"), 1) > 0


def max_unavailable(ds: Json, desired: int) -> int:
    budgets = rolling(ds)
    return scaled(budgets.get("maxUnavailable"), desired) if budgets is not None else 0


def max_surge(ds: Json, desired: int) -> int:
    budgets = rolling(ds)
    return scaled(budgets.get("maxSurge"), desired) if budgets is not None else 0


# Status

Available = Callable[[Json, Json], bool]


def status(
    ds: Json, nodes: Mapping[str, Json], pods: Iterable[Json], hash: str, available: Available
) -> dict[str, int]:
    """R11: the numbers, over every node; of several pods on one node only the first counts."""
    numbers = dict.fromkeys(
        (
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
        ),
        0,
    )
    present: dict[str, list[Json]] = {}
    for pod in pods:
        if owned_by(ds, pod) and not (terminating(pod) and terminal(pod)):
            present.setdefault(target(pod), []).append(pod)
    for name, node in nodes.items():
        here = sorted(present.get(name, []), key=precedence)
        if not should_run(ds, node):
            numbers["numberMisscheduled"] += bool(here)
            continue
        numbers["desiredNumberScheduled"] += 1
        if here:
            first = here[0]
            numbers["currentNumberScheduled"] += 1
            numbers["numberReady"] += readiness(first)[0]
            numbers["numberAvailable"] += available(ds, first)
            numbers["updatedNumberScheduled"] += first["metadata"]["labels"].get("controller-revision-hash") == hash
    numbers["numberUnavailable"] = numbers["desiredNumberScheduled"] - numbers["numberAvailable"]
    return numbers


def precedence(pod: Json) -> tuple[bool, str, str]:
    """R9: bound before unbound, then the older, then by name."""
    meta = pod["metadata"]
    return not pod["spec"].get("nodeName"), meta.get("creationTimestamp") or "", meta["name"]


# Disruption budgets

# (pods there should be, healthy ones there must be), or None where nobody can say.
Asked = tuple[int, int] | None


def uid(one: Json) -> str:
    return str(one["metadata"]["uid"])


def healthy(pod: Json) -> bool:
    return readiness(pod)[0] and not terminating(pod)


def condemned_by(pod: Json, reason: str) -> bool:
    """Whether the pod says that it was ended, and for this reason."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(
        one["type"] == "DisruptionTarget" and one["status"] == "True" and one.get("reason") == reason
        for one in conditions
    )


def guards(budget: Json, pod: Json) -> bool:
    """Whether the budget selects the pod."""
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in budget["spec"]["selector"]["matchLabels"].items())


def asked_by(budget: Json, pods: Iterable[Json], daemon_sets: Iterable[Json]) -> Asked:
    """What a budget asks; of pods with a controller as many are expected as their DaemonSets say they want."""
    spec, mine = budget["spec"], [pod for pod in pods if guards(budget, pod)]
    if isinstance(spec.get("minAvailable"), int):
        return len(mine), spec["minAvailable"]
    wants = {uid(ds): (ds.get("status") or {}).get("desiredNumberScheduled", 0) for ds in daemon_sets}
    controllers = {controller_of(pod) for pod in mine} - {""}
    if not controllers <= wants.keys():
        return None
    total = sum(wants[one] for one in controllers)
    if "minAvailable" in spec:
        return total, scaled(spec["minAvailable"], total)
    return total, max(0, total - scaled(spec["maxUnavailable"], total))


def budget_status(budget: Json, pods: Iterable[Json], asked: Asked) -> dict[str, int]:
    """The numbers of a budget's status; a pod granted to an eviction that has yet to delete it is not healthy any more."""
    if asked is None:
        return {"disruptionsAllowed": 0}
    expected, desired = asked
    granted = budget["status"].get("disruptedPods") or {}
    mine = [pod for pod in pods if guards(budget, pod) and pod["metadata"]["name"] not in granted]
    current = sum(map(healthy, mine))
    return {
        "expectedPods": expected,
        "desiredHealthy": desired,
        "currentHealthy": current,
        "disruptionsAllowed": max(0, current - desired) if expected else 0,
    }


# Room on nodes, and whose it is


def priority(pod: Json) -> int:
    return int(pod["spec"].get("priority") or 0)


def nomination(pod: Json) -> str:
    """The node on which room is being made for a pod that has none yet."""
    return "" if pod["spec"].get("nodeName") else str((pod.get("status") or {}).get("nominatedNodeName") or "")


def millis(cpu: str) -> int:
    return Quantity.parse(cpu).milli_value()


def cpu_of(node: Json) -> int:
    """Thousandths of a CPU that the node has for pods."""
    return millis(node["status"]["allocatable"]["cpu"])


def cpu(pod: Json) -> int:
    """Thousandths of a CPU that the pod asks for."""
    requests = [(one.get("resources") or {}).get("requests") or {} for one in pod["spec"]["containers"]]
    return sum(millis(one.get("cpu", "0")) for one in requests)


def ports(pod: Json) -> set[int]:
    """The host ports that the pod takes."""
    return {
        port["hostPort"] for one in pod["spec"]["containers"] for port in one.get("ports") or () if port.get("hostPort")
    }


# Quotas


def counted(pod: Json, now: float) -> bool:
    """A pod uses its quota until it has ended, or ought to have: its grace, counted twice, is over."""
    meta = pod["metadata"]
    if terminal(pod):
        return False
    return not terminating(pod) or parse(meta["deletionTimestamp"]) + meta["deletionGracePeriodSeconds"] >= now


def quota_used(pods: Iterable[Json], now: float) -> dict[str, int]:
    """What these pods use of a quota, CPU in thousandths."""
    mine = [pod for pod in pods if counted(pod, now)]
    return {"pods": len(mine), "requests.cpu": sum(map(cpu, mine))}


def amount(name: str, value: str) -> int:
    return millis(value) if name == "requests.cpu" else Quantity.parse(value).value()


def within(used: Mapping[str, int], quota: Json) -> bool:
    return all(used[name] <= amount(name, value) for name, value in quota["spec"]["hard"].items())
