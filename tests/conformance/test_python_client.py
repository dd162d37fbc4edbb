"""The official `kubernetes` Python client lists, watches and patches, and does the rest of what people do with it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from kubernetes import client, watch

from tests.conformance.world import World, daemon_set, eventually


def test_lists_by_label_field_and_page(world: World) -> None:
    world.nodes(3)
    world.create(daemon_set())
    world.run_all(3)
    every = world.core.list_pod_for_all_namespaces(label_selector="name=test").items
    assert len([pod for pod in every if pod.metadata.namespace == world.namespace]) == 3
    (one,) = world.core.list_namespaced_pod(world.namespace, field_selector="spec.nodeName=n1").items
    assert one.spec.node_name == "n1"
    page = world.core.list_namespaced_pod(world.namespace, limit=2)
    assert (len(page.items), page.metadata.remaining_item_count) == (2, 1)
    rest = world.core.list_namespaced_pod(world.namespace, limit=2, _continue=page.metadata._continue)
    assert len(rest.items) == 1
    assert not rest.metadata._continue


def test_watches_from_the_list_on(world: World) -> None:
    world.node("n")
    listed = world.apps.list_namespaced_daemon_set(world.namespace)
    seen: list[tuple[str, str]] = []
    stream = watch.Watch().stream(
        world.apps.list_namespaced_daemon_set,
        world.namespace,
        resource_version=listed.metadata.resource_version,
        timeout_seconds=20,
    )

    def act() -> None:
        acting = World(world.kubeconfig, world.namespace)
        acting.create(daemon_set())
        acting.set_image("new")
        acting.apps.delete_namespaced_daemon_set("ds", world.namespace)

    actor = threading.Thread(target=act)
    actor.start()
    for event in stream:
        ds = event["object"]
        assert isinstance(ds, client.V1DaemonSet)
        seen.append((event["type"], ds.spec.template.spec.containers[0].image))
        if event["type"] == "DELETED":
            break
    actor.join()
    assert seen[0] == ("ADDED", "bar")
    assert seen[-1] == ("DELETED", "new")
    assert ("MODIFIED", "new") in seen


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("application/strategic-merge-patch+json", {"spec": {"minReadySeconds": 7}}),
        ("application/merge-patch+json", {"spec": {"minReadySeconds": 7}}),
        ("application/json-patch+json", [{"op": "add", "path": "/spec/minReadySeconds", "value": 7}]),
    ],
)
def test_patches(world: World, kind: str, change: Any) -> None:
    world.create(daemon_set())
    patched = world.apps.patch_namespaced_daemon_set("ds", world.namespace, change, _content_type=kind)
    assert patched.spec.min_ready_seconds == 7
    assert patched.metadata.generation == 2
    assert world.ds().spec.min_ready_seconds == 7


def test_what_was_read_can_be_written_back(world: World) -> None:
    """The client writes times in its own way (+00:00); that is no change."""
    world.node("n")
    world.create(daemon_set())
    world.run_all(1)
    world.status(number_available=1)
    ds = world.ds()
    ds.spec.template.spec.containers[0].image = "new"
    replaced = world.apps.replace_namespaced_daemon_set("ds", world.namespace, ds)
    assert replaced.metadata.generation == 2
    with pytest.raises(client.ApiException) as stale:
        world.apps.replace_namespaced_daemon_set("ds", world.namespace, ds)
    assert stale.value.status == 409
    node = world.core.read_node("n")
    node.metadata.labels["color"] = "blue"
    world.core.replace_node("n", node)
    status = world.core.read_node_status("n")
    assert world.core.replace_node_status("n", status).metadata.labels["color"] == "blue"
    (pod,) = eventually(world.pods, lambda pods: len(pods) == 1)
    pod.metadata.labels["seen"] = "yes"
    pod.metadata.resource_version = None
    assert world.core.replace_namespaced_pod(pod.metadata.name, world.namespace, pod).metadata.labels["seen"] == "yes"


def test_models_need_not_say_their_kind(world: World) -> None:
    body = client.V1Pod(
        metadata=client.V1ObjectMeta(name="p"),
        spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="i")]),
    )
    made = world.core.create_namespaced_pod(world.namespace, body)
    assert (made.kind, made.api_version, made.status.phase) == ("Pod", "v1", "Pending")
    world.node("n")
    bound = eventually(
        lambda: world.core.read_namespaced_pod("p", world.namespace), lambda pod: bool(pod.spec.node_name)
    )
    deleted = world.core.delete_namespaced_pod("p", world.namespace, grace_period_seconds=0)
    assert deleted.metadata.uid == bound.metadata.uid
