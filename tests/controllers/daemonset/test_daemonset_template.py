"""The pod that a DaemonSet wants on a node, and the back-off of nodes whose pods fail."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from everynode.controllers.daemonset.backoff import FORGOTTEN_AFTER, LONGEST_PAUSE, FailureBackoff
from everynode.controllers.daemonset.observe import DaemonSet, Pod
from everynode.controllers.daemonset.template import PodMould
from tests.controllers.daemonset.daemon_facts import daemon_set


def pod_of(ds: DaemonSet, node: str = "n1") -> dict[str, Any]:
    made: dict[str, Any] = json.loads(PodMould(ds, "h").pod_for(node))
    return made


def tolerated(pod: dict[str, Any]) -> list[str]:
    return [f"{one['key']}:{one['operator']}:{one['effect']}" for one in pod["spec"]["tolerations"]]


IMPLICIT = [
    "node.kubernetes.io/not-ready:Exists:NoExecute",
    "node.kubernetes.io/unreachable:Exists:NoExecute",
    "node.kubernetes.io/disk-pressure:Exists:NoSchedule",
    "node.kubernetes.io/memory-pressure:Exists:NoSchedule",
    "node.kubernetes.io/pid-pressure:Exists:NoSchedule",
    "node.kubernetes.io/unschedulable:Exists:NoSchedule",
]


def test_the_pod_is_named_labelled_owned_and_pinned() -> None:
    pod = pod_of(daemon_set({"containers": [{"name": "c", "image": "i"}]}), "node-7")
    assert pod["kind"] == "Pod"
    assert pod["metadata"]["generateName"] == "ds-"
    assert pod["metadata"]["labels"] == {"app": "ds", "controller-revision-hash": "h"}
    assert [owner["uid"] for owner in pod["metadata"]["ownerReferences"]] == ["ds-uid"]
    assert pod["spec"]["containers"] == [{"name": "c", "image": "i"}]
    assert "nodeName" not in pod["spec"]
    assert tolerated(pod) == IMPLICIT
    assert msgspec.convert(pod, Pod).target == "node-7"


def test_required_node_affinity_gives_way_and_all_other_affinity_stays() -> None:
    pod = pod_of(
        daemon_set(
            {
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [{"matchExpressions": []}]
                        },
                        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}],
                    },
                    "podAntiAffinity": {"kept": True},
                }
            }
        )
    )
    assert pod["spec"]["affinity"] == {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]},
                ]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}],
        },
        "podAntiAffinity": {"kept": True},
    }


def test_tolerations_of_the_template_stay_and_host_network_adds_one() -> None:
    own = {"key": "mine", "operator": "Exists", "effect": "NoSchedule"}
    assert tolerated(pod_of(daemon_set({"tolerations": [own]}))) == ["mine:Exists:NoSchedule", *IMPLICIT]
    assert (
        tolerated(pod_of(daemon_set({"hostNetwork": True})))[-1]
        == "node.kubernetes.io/network-unavailable:Exists:NoSchedule"
    )
    # Seconds would have the pod evicted after all.
    short = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    pod = pod_of(daemon_set({"tolerations": [short]}))
    assert sorted(tolerated(pod)) == sorted(IMPLICIT)
    assert "tolerationSeconds" not in json.dumps(pod)


def test_of_the_templates_metadata_a_pod_takes_labels_annotations_and_finalizers() -> None:
    ds = daemon_set()
    template = json.loads(bytes(ds.spec.template))
    template["metadata"] |= {"name": "no", "annotations": {"a": "1"}, "finalizers": ["f/f"], "namespace": "no"}
    ds.spec.template = msgspec.Raw(json.dumps(template).encode())
    ds.metadata.annotations = {"deprecated.daemonset.template.generation": "7"}
    metadata = pod_of(ds)["metadata"]
    assert metadata["annotations"] == {"a": "1"}
    assert metadata["finalizers"] == ["f/f"]
    assert metadata["labels"]["pod-template-generation"] == "7"
    assert not {"name", "namespace"} & metadata.keys()


def test_failing_nodes_wait_ever_longer_and_each_generation_starts_afresh() -> None:
    backoff = FailureBackoff()
    now, pauses = 0.0, []
    assert backoff.until("n", 1, now) <= now
    for _ in range(12):
        backoff.deleted("n", 1, now)
        until = backoff.until("n", 1, now)
        pauses.append(until - now)
        now = until
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == LONGEST_PAUSE
    assert backoff.until("other", 1, now) <= now
    assert backoff.until("n", 2, now) <= now
    backoff.deleted("n", 2, now)
    assert backoff.until("n", 2, now) - now == 1
    assert backoff.until("n", 2, now + FORGOTTEN_AFTER + 1) == 0
