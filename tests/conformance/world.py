"""A DaemonSet's world for tests that look from outside: a namespace of their own, and nodes whose kubelet is the test itself.

Everything goes over HTTPS with the official `kubernetes` client, as any other program would do it.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from kubernetes import client, config, watch

T = TypeVar("T")

# Far above what anything here takes; a test that waits this long has failed.
SECONDS = 20.0
HASH = "controller-revision-hash"
STRATEGIC = "application/strategic-merge-patch+json"
LABELS = {"name": "test"}


def eventually(look: Callable[[], T], expected: Callable[[T], bool], seconds: float = SECONDS) -> T:
    """Looks again and again until what is seen is as expected; raises AssertionError with what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if expected(seen):
            return seen
        assert time.monotonic() < deadline, f"still, after {seconds:.0f} s:\n{seen}"
        time.sleep(0.03)


def daemon_set(
    name: str = "ds", *, strategy: dict[str, Any] | None = None, image: str = "bar", **pod: Any
) -> dict[str, Any]:
    """A DaemonSet as a client writes it; `pod` goes into the pod spec, `strategy` is its updateStrategy."""
    spec: dict[str, Any] = {
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [{"name": "foo", "image": image}], "terminationGracePeriodSeconds": 0, **pod},
        },
    }
    if strategy is not None:
        spec["updateStrategy"] = strategy
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name}, "spec": spec}


def rolling(max_unavailable: int | str = 1, max_surge: int | str = 0) -> dict[str, Any]:
    """An updateStrategy."""
    budgets = {"maxUnavailable": max_unavailable, "maxSurge": max_surge}
    return {"type": "RollingUpdate", "rollingUpdate": budgets}


ON_DELETE = {"type": "OnDelete"}


def ago(seconds: float) -> str:
    """A moment in the past as the API writes it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def target(pod: Any) -> str:
    """The node a daemon pod is for, bound or not."""
    if pod.spec.node_name:
        return str(pod.spec.node_name)
    term = pod.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms[0]
    return str(term.match_fields[0].values[0])


class World:
    """One namespace and its nodes. What a method returns is what the API answered."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.api = config.new_client_from_config(str(kubeconfig))
        self.core = client.CoreV1Api(self.api)
        self.apps = client.AppsV1Api(self.api)
        self.namespace = namespace
        self.kubeconfig = kubeconfig

    # Making and changing

    def create(self, ds: dict[str, Any]) -> Any:
        return self.apps.create_namespaced_daemon_set(self.namespace, ds)

    def post(self, ds: dict[str, Any], query: str = "") -> tuple[int, dict[str, Any]]:
        """(code, answer) of a creation that the client's own models would not let through."""
        url = f"{self.api.configuration.host}/apis/apps/v1/namespaces/{self.namespace}/daemonsets{query}"
        answer = self.api.call_api("POST", url, {"Content-Type": "application/json"}, ds)
        answer.read()
        return answer.status, json.loads(answer.data)

    def patch(self, change: dict[str, Any], name: str = "ds") -> Any:
        return self.apps.patch_namespaced_daemon_set(name, self.namespace, change, _content_type=STRATEGIC)

    def set_image(self, image: str, name: str = "ds") -> Any:
        return self.patch({"spec": {"template": {"spec": {"containers": [{"name": "foo", "image": image}]}}}}, name)

    def node(
        self,
        name: str,
        *,
        labels: dict[str, str] | None = None,
        taints: list[dict[str, str]] | None = None,
        ready: bool | None = True,
        unschedulable: bool = False,
        conditions: list[dict[str, str]] | None = None,
        allocatable: dict[str, str] | None = None,
    ) -> Any:
        """A node, made by a client as a kubelet does it; `ready` None: it has not reported yet. Waits for its taint to go."""
        status: dict[str, Any] = {"allocatable": allocatable or {"pods": "110", "cpu": "4", "memory": "8Gi"}}
        status["capacity"] = status["allocatable"]
        reported = list(conditions or [])
        if ready is not None:
            reported.append({"type": "Ready", "status": str(ready)})
        status["conditions"] = reported
        self.core.create_node(
            {
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
                "spec": {"taints": taints or [], "unschedulable": unschedulable},
                "status": status,
            }
        )
        if ready:
            return self.settled_node(name)
        return self.core.read_node(name)

    def settled_node(self, name: str) -> Any:
        """The node, when it has no taint not-ready any more."""
        return eventually(
            lambda: self.core.read_node(name),
            lambda node: not any(one.key == "node.kubernetes.io/not-ready" for one in node.spec.taints or []),
        )

    def nodes(self, count: int, prefix: str = "n", **options: Any) -> list[str]:
        names = [f"{prefix}{number}" for number in range(count)]
        for name in names:
            self.node(name, **options)
        return names

    def label_node(self, name: str, **labels: str | None) -> None:
        self.core.patch_node(name, {"metadata": {"labels": labels}})

    def taint_node(self, name: str, *taints: dict[str, str]) -> None:
        self.core.patch_node(name, {"spec": {"taints": list(taints)}}, _content_type="application/merge-patch+json")

    # The kubelet

    def report(self, pod: Any, phase: str = "Running", *, ready: bool | None = True, since: str | None = None) -> Any:
        """Writes the pod's status as a kubelet does; `ready` None leaves the condition out."""
        status: dict[str, Any] = {"phase": phase}
        if ready is not None:
            condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": since or ago(0)}
            status["conditions"] = [condition]
        return self.core.patch_namespaced_pod_status(
            pod.metadata.name, self.namespace, {"status": status}, _content_type=STRATEGIC
        )

    def run_all(self, count: int, *, since: str | None = None) -> list[Any]:
        """Waits until `count` pods are bound and reports those that are not ready as ready."""
        pods = self.bound(count)
        for pod in pods:
            if not is_ready(pod):
                self.report(pod, since=since)
        return pods

    def finish(self, pod: Any) -> None:
        """What a kubelet does when a pod's containers have ended."""
        with suppress(client.ApiException):
            self.core.delete_namespaced_pod(pod.metadata.name, self.namespace, grace_period_seconds=0)

    def delete_pod(self, pod: Any, **options: Any) -> Any:
        return self.core.delete_namespaced_pod(pod.metadata.name, self.namespace, **options)

    @contextmanager
    def kubelet(self, *, ready: Callable[[Any], bool] = lambda pod: True) -> Iterator[Kubelet]:
        """A kubelet for all nodes, in a thread: reports bound pods as ready and finishes those that are being deleted."""
        one = Kubelet(World(self.kubeconfig, self.namespace), ready)
        one.start()
        try:
            yield one
        finally:
            one.stop()

    # Looking

    def ds(self, name: str = "ds") -> Any:
        return self.apps.read_namespaced_daemon_set(name, self.namespace)

    def pods(self, selector: str = "name=test") -> list[Any]:
        pods = self.core.list_namespaced_pod(self.namespace, label_selector=selector).items
        return sorted(
            pods, key=lambda pod: (target(pod) if pod.spec.affinity or pod.spec.node_name else "", pod.metadata.name)
        )

    def bound(self, count: int) -> list[Any]:
        """The pods, when there are `count` and all are on a node."""
        return eventually(self.pods, lambda pods: len(pods) == count and all(pod.spec.node_name for pod in pods))

    def on(self, node: str) -> list[Any]:
        return [pod for pod in self.pods() if target(pod) == node]

    def revisions(self) -> list[Any]:
        found = self.apps.list_namespaced_controller_revision(self.namespace).items
        return sorted(found, key=lambda one: one.revision)

    def events(self, reason: str) -> list[Any]:
        return [one for one in self.core.list_namespaced_event(self.namespace).items if one.reason == reason]

    def status(self, name: str = "ds", **expected: int) -> Any:
        """The status, when it has these numbers and tells of the newest generation."""

        def as_expected(ds: Any) -> bool:
            numbers = all((getattr(ds.status, field) or 0) == value for field, value in expected.items())
            return numbers and ds.status.observed_generation == ds.metadata.generation

        return eventually(lambda: self.ds(name), as_expected).status

    def quiet(self, name: str = "ds") -> Any:
        """Returns when the controller has dealt with all that was written before: two whole syncs have begun since."""
        for _ in range(2):
            limit = self.ds(name).spec.revision_history_limit
            changed = self.patch({"spec": {"revisionHistoryLimit": limit + 1}}, name)
            generation = changed.metadata.generation
            seen = eventually(
                lambda: self.ds(name), lambda ds, wanted=generation: (ds.status.observed_generation or 0) >= wanted
            )
        return seen.status

    def clear(self) -> None:
        """Takes away what the tests made."""
        for ds in self.apps.list_namespaced_daemon_set(self.namespace).items:
            with suppress(client.ApiException):
                self.apps.delete_namespaced_daemon_set(ds.metadata.name, self.namespace, propagation_policy="Orphan")
        self.core.delete_collection_node()
        for pod in self.core.list_namespaced_pod(self.namespace).items:
            if pod.metadata.finalizers:
                self.core.patch_namespaced_pod(pod.metadata.name, self.namespace, {"metadata": {"finalizers": None}})
        with suppress(client.ApiException):
            self.core.delete_collection_namespaced_pod(self.namespace, grace_period_seconds=0)
        self.core.delete_namespace(self.namespace)


def is_ready(pod: Any) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or [])


class Kubelet(threading.Thread):
    """All kubelets in one thread, and a witness: `most_unavailable` and `most_pods` are the worst that was ever seen."""

    def __init__(self, world: World, ready: Callable[[Any], bool]) -> None:
        super().__init__(daemon=True)
        self._world = world
        self._ready = ready
        self._watch = watch.Watch()
        self._pods: dict[str, Any] = {}
        self.nodes = 0  # of how many nodes to count those without an available pod; 0: do not
        self.most_unavailable = 0
        self.most_pods_on_a_node = 0
        self.most_live_on_a_node = 0
        self.most_pods = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        core, namespace = self._world.core, self._world.namespace
        try:
            for event in self._watch.stream(core.list_namespaced_pod, namespace, timeout_seconds=60):
                pod = event["object"]
                if event["type"] == "DELETED":
                    self._pods.pop(pod.metadata.uid, None)
                else:
                    self._pods[pod.metadata.uid] = pod
                self._witness()
                if event["type"] == "DELETED" or not pod.spec.node_name:
                    continue
                if pod.metadata.deletion_timestamp:
                    self._world.finish(pod)
                elif not is_ready(pod) and self._ready(pod):
                    with suppress(client.ApiException):
                        self._world.report(pod)
        except BaseException as error:
            self.failure = error

    def _witness(self) -> None:
        live = [pod for pod in self._pods.values() if not pod.metadata.deletion_timestamp]
        per_node = Counter(target(pod) for pod in self._pods.values())
        self.most_pods_on_a_node = max([self.most_pods_on_a_node, *per_node.values()])
        self.most_live_on_a_node = max([self.most_live_on_a_node, *Counter(target(pod) for pod in live).values()])
        self.most_pods = max(self.most_pods, len(self._pods))
        if self.nodes:
            serving = {pod.spec.node_name for pod in live if is_ready(pod)}
            self.most_unavailable = max(self.most_unavailable, self.nodes - len(serving))

    def stop(self) -> None:
        """Ends the watch; breaking its connection is how the client's own `stop` does that."""
        failure = self.failure
        self._watch.stop()
        self.join(5)
        assert failure is None, failure
