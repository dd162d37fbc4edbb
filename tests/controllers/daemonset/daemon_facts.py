"""Short ways to say what a test is about: nodes, pods, rules."""

from __future__ import annotations

from typing import Any

import msgspec

from everynode.controllers.daemonset.observe import HASH_LABEL, ControllerRevision, DaemonSet, Node, Pod
from everynode.controllers.daemonset.placement import Rules, Verdict, judge
from everynode.controllers.daemonset.template import rules_of

NEW, OLD = "new-hash", "old-hash"
NOW = 1_000.0


def node(name: str = "n1", labels: dict[str, str] | None = None, *taints: tuple[str, str]) -> Node:
    listed = [{"key": key, "effect": effect} for key, effect in taints]
    return msgspec.convert({"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": listed}}, Node)


def pod(
    name: str = "p",
    hash: str = NEW,
    *,
    ready: bool = True,
    on: str = "n1",
    bound: bool = True,
    phase: str = "Running",
    terminating: bool = False,
    created: str = "2026-01-01T00:00:00Z",
) -> Pod:
    required = {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [on]}]}]}
    raw: dict[str, Any] = {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "creationTimestamp": created,
            "labels": {HASH_LABEL: hash},
        },
        "spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }
    if bound:
        raw["spec"]["nodeName"] = on
    if terminating:
        raw["metadata"]["deletionTimestamp"] = created
    return msgspec.json.decode(msgspec.json.encode(raw), type=Pod)


def daemon_set(template_spec: dict[str, Any] | None = None, **spec: Any) -> DaemonSet:
    template = {"metadata": {"labels": {"app": "ds"}}, "spec": {"containers": [], **(template_spec or {})}}
    raw = {
        "metadata": {"name": "ds", "namespace": "default", "uid": "ds-uid", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "ds"}}, "template": template, **spec},
    }
    return msgspec.json.decode(msgspec.json.encode(raw), type=DaemonSet)


def revision(name: str, number: int, data: bytes, hash: str | None = None) -> ControllerRevision:
    raw = {
        "metadata": {"name": name, "labels": {HASH_LABEL: hash} if hash is not None else {}},
        "data": msgspec.Raw(data),
        "revision": number,
    }
    return msgspec.json.decode(msgspec.json.encode(raw), type=ControllerRevision)


def rules(template_spec: dict[str, Any] | None = None, *, surge: bool = False, min_ready: int = 0) -> Rules:
    return rules_of(daemon_set(template_spec, minReadySeconds=min_ready), NEW, surge)


def judged(*pods: Pod, surge: bool = False, at: Node | None = None, **options: Any) -> Verdict:
    """The verdict on node n1 (open to everything unless `at` says otherwise) with these pods on it."""
    options.setdefault("ready_since", {})
    return judge(rules(surge=surge), "n1", at or node(), pods, NOW, **options)
