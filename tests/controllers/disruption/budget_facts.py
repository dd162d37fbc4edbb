"""Pods and budgets as the controller reads them, for tests of what decides."""

from __future__ import annotations

from typing import Any

from everynode.api.meta_v1 import LabelSelector
from everynode.api.policy_v1 import PodDisruptionBudgetStatus
from everynode.controllers.daemonset.observe import Meta as PodMeta
from everynode.controllers.daemonset.observe import OwnerReference, PodStatusView
from everynode.controllers.disruption.observe import Budget, Meta, Pod, Spec
from everynode.controllers.disruption.tally import Tally
from everynode.values.timestamps import parse, seconds_text

NOW = parse("2026-01-01T12:00:00Z")


def ago(seconds: float) -> str:
    return seconds_text(NOW - seconds)


def owner(uid: str, kind: str = "DaemonSet", version: str = "apps/v1") -> OwnerReference:
    return OwnerReference(api_version=version, kind=kind, name=uid, uid=uid, controller=True)


def pod(name: str, by: OwnerReference | None = None, *, ready: bool = True, going: bool = False) -> Pod:
    meta = PodMeta(name=name, namespace="default", owner_references=(by,) if by else ())
    meta.deletion_timestamp = ago(0) if going else None
    return Pod(metadata=meta, status=PodStatusView(ready=ready))


def pods(count: int, by: OwnerReference | None = None) -> list[Pod]:
    """Healthy ones, `p0` onwards."""
    return [pod(f"p{number}", by) for number in range(count)]


def tally(*counted: Pod) -> Tally:
    result = Tally()
    for each in counted:
        result.put(each)
    return result


def budget(status: PodDisruptionBudgetStatus | None = None, **spec: Any) -> Budget:
    meta = Meta(name="web", namespace="default", generation=3)
    spec = {"selector": LabelSelector(match_labels={"app": "web"}), **spec}
    return Budget(metadata=meta, spec=Spec(**spec), status=status or PodDisruptionBudgetStatus())
