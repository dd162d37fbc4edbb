"""The pod that one DaemonSet wants on one node, as the bytes of a create request.

The template is taken as it is stored. Added are: the labels of the current revision, the owner, the tolerations that every
daemon pod has, and the one node it is for. The node is named by a required node affinity on metadata.name, and the scheduler
binds it: what the template itself required of nodes has been judged already and is replaced; what it merely preferred stays.

All but the node's name is the same for every pod of a revision. It is encoded once, with a mark where the name goes, so a
thousand pods cost a thousand joins of bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from everynode.controllers.daemonset.observe import (
    GENERATION_LABEL,
    HASH_LABEL,
    KIND,
    DaemonSet,
    Template,
    generation_of,
)
from everynode.controllers.daemonset.placement import Rules
from everynode.fit.affinity import NAME_FIELD, Requirements
from everynode.fit.taints import NO_EXECUTE, NO_SCHEDULE
from everynode.fit.views import PodSpec, Toleration

# What every daemon pod tolerates, in the order in which Kubernetes adds them.
_IMPLICIT = (
    Toleration("node.kubernetes.io/not-ready", "Exists", "", NO_EXECUTE),
    Toleration("node.kubernetes.io/unreachable", "Exists", "", NO_EXECUTE),
    Toleration("node.kubernetes.io/disk-pressure", "Exists", "", NO_SCHEDULE),
    Toleration("node.kubernetes.io/memory-pressure", "Exists", "", NO_SCHEDULE),
    Toleration("node.kubernetes.io/pid-pressure", "Exists", "", NO_SCHEDULE),
    Toleration("node.kubernetes.io/unschedulable", "Exists", "", NO_SCHEDULE),
)
_WITH_HOST_NETWORK = Toleration("node.kubernetes.io/network-unavailable", "Exists", "", NO_SCHEDULE)

# What Kubernetes lets a pod take over from its template's metadata.
_INHERITED = ("labels", "annotations", "finalizers")

_template = msgspec.json.Decoder(Template)


def implicit_tolerations(host_network: bool) -> tuple[Toleration, ...]:
    return (*_IMPLICIT, _WITH_HOST_NETWORK) if host_network else _IMPLICIT


def rules_of(ds: DaemonSet, hash: str, surge: bool) -> Rules:
    """What this DaemonSet asks of nodes and pods, with the hash of its current revision."""
    spec: PodSpec = _template.decode(ds.spec.template).spec
    return Rules(
        node_name=spec.node_name,
        requirements=Requirements.of(spec),
        tolerations=(*spec.tolerations, *implicit_tolerations(spec.host_network)),
        hash=hash,
        min_ready_seconds=ds.spec.min_ready_seconds,
        surge=surge,
    )


def template_labels(ds: DaemonSet) -> Mapping[str, str]:
    labels: dict[str, str] = _template.decode(ds.spec.template).metadata.labels
    return labels


def owner_reference(ds: DaemonSet) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": KIND,
        "name": ds.metadata.name,
        "uid": ds.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


class PodMould:
    """Makes the pods of one revision of one DaemonSet."""

    __slots__ = ("_parts",)

    def __init__(self, ds: DaemonSet, hash: str) -> None:
        template: dict[str, Any] = msgspec.json.decode(ds.spec.template)
        meta: dict[str, Any] = template.get("metadata") or {}
        metadata = {field: meta[field] for field in _INHERITED if meta.get(field)}
        labels = {**metadata.get("labels", {}), HASH_LABEL: hash}
        generation = generation_of(ds.metadata.annotations)
        if generation is not None:
            labels[GENERATION_LABEL] = generation
        metadata["labels"] = labels
        metadata["generateName"] = f"{ds.metadata.name}-"
        metadata["ownerReferences"] = [owner_reference(ds)]
        spec: dict[str, Any] = dict(template.get("spec") or {})
        spec["tolerations"] = _with_implicit(spec.get("tolerations") or [], bool(spec.get("hostNetwork")))
        affinity: dict[str, Any] = dict(spec.get("affinity") or {})
        # A UUID of this DaemonSet's own cannot stand anywhere in its template by chance.
        mark = f"everynode.dev/node-of-{ds.metadata.uid}"
        affinity["nodeAffinity"] = {**(affinity.get("nodeAffinity") or {}), **_pinned_to(mark)}
        spec["affinity"] = affinity
        pod = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}
        head, tail = msgspec.json.encode(pod).split(mark.encode())
        self._parts = (head, tail)

    def pod_for(self, node: str) -> bytes:
        """The body of the request that creates the pod for this node."""
        head, tail = self._parts
        return b"".join((head, node.encode(), tail))


def _pinned_to(node: str) -> dict[str, Any]:
    requirement = {"key": NAME_FIELD, "operator": "In", "values": [node]}
    terms = [{"matchFields": [requirement]}]
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}


def _with_implicit(own: list[dict[str, Any]], host_network: bool) -> list[dict[str, Any]]:
    """The template's tolerations and the implicit ones; one that is like an implicit one but for its seconds gives way."""
    tolerations = list(own)
    for implicit in implicit_tolerations(host_network):
        added = {"key": implicit.key, "operator": implicit.operator, "effect": implicit.effect}
        alike = [at for at, one in enumerate(tolerations) if _same(one, implicit)]
        for at in alike:
            tolerations[at] = added
        if not alike:
            tolerations.append(added)
    return tolerations


def _same(one: dict[str, Any], implicit: Toleration) -> bool:
    fields = (one.get("key", ""), one.get("operator", ""), one.get("value", ""), one.get("effect", ""))
    return fields == (implicit.key, implicit.operator, implicit.value, implicit.effect)
