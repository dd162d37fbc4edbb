"""Objects as kubectl prints them of some cluster: a DaemonSet under way over a few nodes, for tests to break."""

from __future__ import annotations

import json
from typing import Any

from everynode.controllers.daemonset.diagnosis.rollout import Diagnosis, diagnose
from everynode.controllers.daemonset.revisions import patch_of
from everynode.explain.evidence import Evidence, facts_of
from everynode.values.timestamps import seconds_text

NOW = 1_800_000_000.0
NAMESPACE, NAME = "logging", "agent"
OLD, NEW = "oldoldoldo", "newnewnewn"
CONTAINER: dict[str, Any] = {"name": "agent", "image": "registry.example/agent:v2"}

Json = dict[str, Any]


def ago(seconds: float) -> str:
    """A time in an object."""
    return seconds_text(NOW - seconds)


class Dump:
    """A DaemonSet with one container on nodes n0, n1, …; each gets an available pod of the old template."""

    def __init__(self, nodes: int = 3, **spec: Any) -> None:
        self.template: Json = {"metadata": {"labels": {"app": NAME}}, "spec": {"containers": [dict(CONTAINER)]}}
        self.spec: Json = {
            "selector": {"matchLabels": {"app": NAME}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            **spec,
        }
        self.generation = self.observed = 2
        self.nodes = [node(f"n{index}") for index in range(nodes)]
        self.pods = [self.pod(f"n{index}", OLD, ready()) for index in range(nodes)]
        self.more: list[Json] = []

    def pod(self, on: str, hash: str, status: Json, *, bound: bool = True, **metadata: Any) -> Json:
        """A pod of the DaemonSet for one node."""
        terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [on]}]}]
        pinned = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
        spec = {**self.template["spec"], "affinity": pinned, **({"nodeName": on} if bound else {})}
        owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": NAME, "uid": "ds", "controller": True}
        meta = {
            "name": f"{NAME}-{on}-{hash[:3]}",
            "namespace": NAMESPACE,
            "uid": f"{on}-{hash}",
            "creationTimestamp": ago(600 if hash == OLD else 120),
            "labels": {"app": NAME, "controller-revision-hash": hash},
            "ownerReferences": [owner],
            **metadata,
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}

    def updated(self, on: str, status: Json, **options: Any) -> Json:
        """Puts a pod of the new template in the place of the old one; the pod."""
        self.pods = [pod for pod in self.pods if target(pod) != on]
        made = self.pod(on, NEW, status, **options)
        self.pods.append(made)
        return made

    def evidence(self) -> Evidence:
        ds = {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "uid": "ds", "generation": self.generation},
            "spec": {**self.spec, "template": self.template},
            "status": {"observedGeneration": self.observed},
        }
        return Evidence(
            daemon_sets=[encode(ds), *self._of("DaemonSet")],
            revisions=[revision(OLD, 1, b'{"spec":{}}'), revision(NEW, 2, patch_of(encode(self.template)))],
            pods=[*map(encode, self.pods), *self._of("Pod")],
            nodes=[*map(encode, self.nodes)],
            events=self._of("Event"),
            budgets=self._of("PodDisruptionBudget"),
        )

    def diagnosed(self) -> Diagnosis:
        return diagnose(facts_of(self.evidence(), NAMESPACE, NAME, NOW), NOW)

    def _of(self, kind: str) -> list[bytes]:
        return [encode(one) for one in self.more if one["kind"] == kind]


def encode(one: Json) -> bytes:
    return json.dumps(one).encode()


def target(pod: Json) -> str:
    """The node that a daemon pod is for."""
    terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    name: str = terms["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
    return name


def revision(hash: str, number: int, data: bytes) -> bytes:
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": NAME, "uid": "ds", "controller": True}
    meta = {
        "name": f"{NAME}-{hash}",
        "namespace": NAMESPACE,
        "labels": {"app": NAME, "controller-revision-hash": hash},
        "ownerReferences": [owner],
    }
    return encode({"kind": "ControllerRevision", "metadata": meta, "data": json.loads(data), "revision": number})


def node(name: str, ready: str = "True", **spec: Any) -> Json:
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": ago(300), "reason": "KubeletReady"}
    if ready == "Unknown":
        condition |= {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": name},
        "spec": spec,
        "status": {"allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"}, "conditions": [condition]},
    }


def condition(type: str, status: str, since: float, **more: str) -> Json:
    return {"type": type, "status": status, "lastTransitionTime": ago(since), **more}


def ready(since: float = 500) -> Json:
    return {
        "phase": "Running",
        "conditions": [condition("PodScheduled", "True", since + 10), condition("Ready", "True", since)],
        "containerStatuses": [{"name": "agent", "ready": True, "state": {"running": {"startedAt": ago(since)}}}],
    }


def unready(since: float = 100, role: str = "containerStatuses", **status: Any) -> Json:
    """A pod that is on its node and not ready, with one container in this state."""
    return {
        "phase": "Pending" if "waiting" in status.get("state", {}) else "Running",
        "conditions": [condition("PodScheduled", "True", since), condition("Ready", "False", since)],
        role: [{"name": "agent", "image": CONTAINER["image"], "ready": False, **status}],
    }


def waiting(reason: str, message: str = "") -> Json:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def unscheduled(message: str = "0/3 nodes are available") -> Json:
    return {
        "phase": "Pending",
        "conditions": [condition("PodScheduled", "False", 60, reason="Unschedulable", message=message)],
    }


def ordinary(name: str, on: str, cpu: str = "1", **spec: Any) -> Json:
    """A pod without a controller."""
    containers = [{"name": "c", "image": "x", "resources": {"requests": {"cpu": cpu}}}]
    meta = {"name": name, "namespace": "default", "uid": name, "labels": {"app": name}}
    return {
        "kind": "Pod",
        "metadata": meta,
        "spec": {"nodeName": on, "containers": containers, **spec},
        "status": {"phase": "Running"},
    }


def event(about: str, reason: str, message: str, since: float = 5) -> Json:
    return {
        "kind": "Event",
        "metadata": {"name": f"{about}.{reason}", "namespace": NAMESPACE},
        "involvedObject": {"uid": about},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": ago(since),
    }
