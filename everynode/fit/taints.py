"""Taints and tolerations.

A toleration without an effect tolerates every effect, without a key (operator Exists) every key. `Exists` asks for no value;
`Equal`, and no operator at all, compare it. `Gt` and `Lt` are an alpha feature that is off in Kubernetes 1.37: they tolerate
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from everynode.fit.reasons import FITS, Reason, Unfit
from everynode.fit.views import Taint, Toleration

NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"
# What keeps a new pod away; PreferNoSchedule only makes a node less liked.
KEEPS_AWAY = frozenset((NO_SCHEDULE, NO_EXECUTE))

UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "", NO_SCHEDULE)


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether this one toleration covers this one taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return toleration.operator in ("", "Equal") and toleration.value == taint.value


def untolerated(
    taints: Iterable[Taint], tolerations: Iterable[Toleration], effects: frozenset[str] = KEEPS_AWAY
) -> Taint | None:
    """The first taint with one of the `effects` that nothing tolerates."""
    for taint in taints:
        if taint.effect in effects and not any(tolerates(toleration, taint) for toleration in tolerations):
            return taint
    return None


def refuse_taints(taints: Iterable[Taint], tolerations: Iterable[Toleration]) -> Unfit | None:
    taint = untolerated(taints, tolerations)
    return FITS if taint is None else Unfit(Reason.UNTOLERATED_TAINT, str(taint))
