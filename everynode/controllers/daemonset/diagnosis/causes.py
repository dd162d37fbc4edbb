"""The closed list of what can hold a rollout up, and what is said of each.

A `Finding` is one pod or node that is held; findings of the same kind and `key` (the same container with the same exit code,
the same image) are one `Cause` with many nodes, so that a broken update of a thousand nodes is one line.

`holds` tells whether such a pod gets on by itself: one that waits for its minReadySeconds does, one whose image does not exist
does not. Whether the whole rollout stands is worked out in `rollout`, from all of them and the budget.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec


class Kind(enum.Enum):
    """A kind of cause; its value is the word used in conditions, events, metrics and JSON."""

    NOT_OBSERVED = "NotObserved"
    BUDGET_USED_UP = "BudgetUsedUp"
    ON_DELETE = "WaitingForDeletion"
    # Creation is refused
    QUOTA_EXCEEDED = "QuotaExceeded"
    LIMIT_RANGE = "LimitRangeViolated"
    SERVICE_ACCOUNT_MISSING = "ServiceAccountMissing"
    CREATION_REFUSED = "CreationRefused"
    SELECTORS_OVERLAP = "SelectorsOverlap"
    NOT_ADOPTED = "PodsNotAdopted"
    # Nowhere to go
    INSUFFICIENT_RESOURCES = "InsufficientResources"
    HOST_PORT_TAKEN = "HostPortTaken"
    SURGE_WITH_HOST_PORT = "SurgeWithHostPort"
    TAINT_NOT_TOLERATED = "TaintNotTolerated"
    AFFINITY_UNMET = "AffinityUnmet"
    NODE_CORDONED = "NodeCordoned"
    NOT_SCHEDULED = "NotScheduled"
    # The machine
    NODE_NOT_READY = "NodeNotReady"
    NODE_GONE = "NodeGone"
    # The pod
    CRASH_LOOP = "CrashLoopBackOff"
    IMAGE_NOT_PULLED = "ImagePullBackOff"
    IMAGE_NAME_INVALID = "InvalidImageName"
    SECRET_MISSING = "SecretMissing"
    CONFIG_MAP_MISSING = "ConfigMapMissing"
    CONTAINER_NOT_CREATED = "ContainerNotCreated"
    VOLUME_NOT_MOUNTED = "VolumeNotMounted"
    INIT_RUNNING = "InitContainerRunning"
    STARTING = "ContainersStarting"
    NOT_READY = "PodNotReady"
    READINESS_GATE = "ReadinessGateClosed"
    POD_FAILED = "PodFailed"
    TERMINATING = "PodTerminating"
    FINALIZER = "FinalizerHoldsPod"
    MIN_READY = "MinReadySecondsRunning"
    CLOCK_SKEW = "ClockSkew"
    # Not the rollout's own, but in a person's way
    DRAIN_BLOCKED = "DrainBlockedByBudget"


class Finding(msgspec.Struct, frozen=True):
    """One pod or node that is held up.

    `what` is a clause about one pod ("container agent ends with exit code 1 …"); `proof` the fact as the API words it; `remedy`
    a command; `advice` further sentences. `since` and `until` are Unix seconds.
    """

    kind: Kind
    what: str
    node: str = ""
    pod: str = ""
    holds: bool = True
    key: str = ""
    since: float | None = None
    until: float | None = None
    proof: str = ""
    remedy: str = ""
    advice: tuple[str, ...] = ()


class Cause(msgspec.Struct, frozen=True):
    """What holds or slows the rollout, on which nodes and pods, since when, what proves it, and what mends it. Its `identity`
    stays while nodes come and go."""

    kind: Kind
    identity: str
    blocks: bool
    nodes: tuple[str, ...]
    pods: tuple[str, ...]
    since: float | None
    until: float | None
    sentence: str
    proof: str
    remedy: str
    advice: tuple[str, ...] = ()


def merged(findings: Iterable[Finding]) -> list[Cause]:
    """Findings of one kind and key as one cause; those that hold most nodes first, then in the order found."""
    groups: dict[tuple[Kind, str, bool], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.key, finding.holds), []).append(finding)
    causes = [_merge(group) for group in groups.values()]
    return sorted(causes, key=lambda cause: (not cause.blocks, -max(len(cause.nodes), len(cause.pods))))


def _merge(group: list[Finding]) -> Cause:
    first = group[0]
    nodes = tuple(dict.fromkeys(one.node for one in group if one.node))
    return Cause(
        kind=first.kind,
        identity=f"{first.kind.value} {first.key}".rstrip(),
        blocks=first.holds,
        nodes=nodes,
        pods=tuple(dict.fromkeys(one.pod for one in group if one.pod)),
        since=min((one.since for one in group if one.since is not None), default=None),
        until=max((one.until for one in group if one.until is not None), default=None),
        sentence=f"{first.what} on {counted(nodes)}" if nodes else first.what,
        proof=first.proof,
        remedy=first.remedy,
        advice=tuple(dict.fromkeys(line for one in group for line in one.advice)),
    )


def counted(nodes: tuple[str, ...]) -> str:
    """`node-00003`, or `node-00003 and 4 more nodes`."""
    match nodes:
        case [only]:
            return only
        case [first, second]:
            return f"{first} and {second}"
    return f"{nodes[0]} and {len(nodes) - 1} more nodes"
