"""Objects as somebody stored them -> the `Facts` that a diagnosis rests on. Pure: where they came from does not matter.

Only what is needed is decoded: of every pod and node the planner's small view, which gives each node's Verdict by the very code
that plans; the rich views only of the nodes that are not as they should be. So 5,000 nodes that are done cost next to nothing.

On another cluster the controller's own memory is not to be had, so a pod has been ready since its lastTransitionTime.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from everynode.api.views import Identity, View
from everynode.controllers.daemonset.diagnosis.facts import CLOSELY, Budget, Event, Facts, moment
from everynode.controllers.daemonset.diagnosis.facts import Node as RichNode
from everynode.controllers.daemonset.diagnosis.facts import Pod as RichPod
from everynode.controllers.daemonset.observe import ControllerRevision, DaemonSet, Node, Pod
from everynode.controllers.daemonset.placement import Rules, judge
from everynode.controllers.daemonset.plan import Strategy
from everynode.controllers.daemonset.revisions import patch_of, review
from everynode.controllers.daemonset.tally import Tally
from everynode.controllers.daemonset.template import rules_of

T = TypeVar("T")


class NoSuchDaemonSet(LookupError):
    """Nothing of that name is among the objects."""


@dataclass(slots=True)
class Evidence:
    """Objects by kind, each as the JSON that the API gives of it, and what could not be read, by resource, with the reason."""

    daemon_sets: list[bytes] = field(default_factory=list)
    revisions: list[bytes] = field(default_factory=list)
    pods: list[bytes] = field(default_factory=list)
    nodes: list[bytes] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    budgets: list[bytes] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


class _ManagedFields(View):
    operation: str = ""
    subresource: str = ""
    time: str | None = None


class _Meta(Identity):
    managed_fields: list[_ManagedFields] = []


class _Managed(View):
    metadata: _Meta = msgspec.field(default_factory=_Meta)


def facts_of(evidence: Evidence, namespace: str, name: str, now: float) -> Facts:
    """What is known of one DaemonSet at `now` (Unix seconds). Raises NoSuchDaemonSet."""
    daemon_sets = [
        (raw, each) for raw, each in _decoded(evidence.daemon_sets, DaemonSet) if each.metadata.namespace == namespace
    ]
    found = [(raw, each) for raw, each in daemon_sets if each.metadata.name == name]
    if not found:
        raise NoSuchDaemonSet(f'daemonsets.apps "{name}" not found in the namespace {namespace}')
    raw, ds = found[0]
    strategy = Strategy.of(ds.spec.update_strategy)
    rules = rules_of(ds, _current_hash(ds, evidence.revisions), strategy.surge)
    pods = [(raw, pod) for raw, pod in _decoded(evidence.pods, Pod) if pod.metadata.namespace == namespace]
    nodes = {node.metadata.name: (raw, node) for raw, node in _decoded(evidence.nodes, Node)}
    mine = [(raw, pod) for raw, pod in pods if _is_controlled(pod, ds)]
    tally = _tally(rules, {name: node for name, (_, node) in nodes.items()}, [pod for _, pod in mine], now)
    cordoned = [name for name, (_, node) in nodes.items() if node.spec.unschedulable]
    close = {*tally.up_to_their_pods(CLOSELY), *cordoned}
    uids = {pod.metadata.uid for _, pod in mine}
    ours = [_rich(raw, RichPod) for raw, pod in mine if pod.target in close]
    others = [
        _rich(raw, RichPod)
        for raw, pod in _decoded(evidence.pods, Pod)
        if pod.spec.node_name in close and pod.metadata.uid not in uids
    ]
    about = {ds.metadata.uid, *(pod.metadata.uid for pod in ours)}
    return Facts(
        ds=ds,
        rules=rules,
        strategy=strategy,
        tally=tally,
        pods=ours,
        others=others,
        nodes={name: _rich(raw, RichNode) for name, (raw, node) in nodes.items() if name in close},
        events=[event for _, event in _decoded(evidence.events, Event) if event.involved_object.uid in about],
        budgets=[budget for _, budget in _decoded(evidence.budgets, Budget)],
        rivals=[each for _, each in daemon_sets if each.metadata.uid != ds.metadata.uid],
        unclaimed=[_rich(raw, RichPod) for raw, pod in pods if _is_anothers(pod, ds)],
        started=min(
            (
                at
                for _, pod in mine
                if pod.hash == rules.hash and (at := moment(pod.metadata.creation_timestamp)) is not None
            ),
            default=None,
        ),
        changed_at=_changed_at(raw),
        unread=dict(evidence.unread),
    )


def _current_hash(ds: DaemonSet, revisions: Iterable[bytes]) -> str:
    """The hash of the revision that holds today's template, or of the newest one: the controller may not have made it yet."""
    ours = [one for _, one in _decoded(revisions, ControllerRevision) if _is_controlled(one, ds)]
    found = review(ours, patch_of(ds.spec.template))
    newest = found.current or max(ours, key=lambda one: one.revision, default=None)
    return newest.hash if newest is not None else ""


def _tally(rules: Rules, nodes: dict[str, Node], pods: Iterable[Pod], now: float) -> Tally:
    """Every node judged, as the controller would at its start."""
    tally = Tally()
    on: defaultdict[str, list[Pod]] = defaultdict(list)
    ready_since: dict[str, float] = {}
    for pod in pods:
        on[pod.target].append(pod)
        since = moment(pod.status.ready_changed)
        if since is not None:
            ready_since[pod.metadata.uid] = since
    for name in sorted(nodes.keys() | {target for target in on if target}):
        tally.replace(judge(rules, name, nodes.get(name), on[name], now, ready_since=ready_since))
    return tally


def _is_controlled(one: Any, ds: DaemonSet) -> bool:
    owner = one.metadata.controller
    return owner is not None and owner.uid == ds.metadata.uid


def _is_anothers(pod: Pod, ds: DaemonSet) -> bool:
    """Whether it matches our selector and will never be ours."""
    owner = pod.metadata.controller
    never = pod.terminating if owner is None else owner.uid != ds.metadata.uid
    return never and ds.selector.matches(pod.metadata.labels)


def _changed_at(ds: bytes) -> float | None:
    """When its spec was last written, as far as its managed fields tell."""
    written = msgspec.json.decode(ds, type=_Managed).metadata.managed_fields
    return max((at for one in written if not one.subresource and (at := moment(one.time)) is not None), default=None)


def _decoded(objects: Iterable[bytes], view: type[T]) -> list[tuple[bytes, T]]:
    decode = msgspec.json.Decoder(view).decode
    return [(raw, decode(raw)) for raw in objects]


def _rich(raw: bytes, view: type[T]) -> T:
    return msgspec.json.decode(raw, type=view)
