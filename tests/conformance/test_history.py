"""ControllerRevisions: names, numbers, labels, data, limits, duplicates, collisions; upstream's own scenario."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.world import HASH, ON_DELETE, STRATEGIC, World, daemon_set, eventually


def numbers(world: World) -> list[int]:
    return [one.revision for one in world.revisions()]


def raw_revisions(world: World) -> dict[str, Any]:
    """The list as the API sends it, for what a client's models would reshape."""
    answer = world.api.call_api(
        "GET", f"{world.api.configuration.host}/apis/apps/v1/namespaces/{world.namespace}/controllerrevisions"
    )
    answer.read()
    found: dict[str, Any] = json.loads(answer.data)
    return found


def started(world: World, **spec: Any) -> Any:
    world.node("n")
    ds = daemon_set(strategy=ON_DELETE)
    ds["spec"] |= spec
    made = world.create(ds)
    world.run_all(1)
    world.status(number_available=1)
    return made


def test_should_manage_the_lifecycle_of_a_controller_revision(world: World) -> None:
    ds = started(world)
    every = world.apps.list_controller_revision_for_all_namespaces(label_selector="name=test").items
    (initial,) = [one for one in every if one.metadata.namespace == world.namespace]
    assert initial.metadata.owner_references[0].uid == ds.metadata.uid
    patched = world.apps.patch_namespaced_controller_revision(
        initial.metadata.name,
        world.namespace,
        {"metadata": {"labels": {initial.metadata.name: "patched"}}},
        _content_type=STRATEGIC,
    )
    assert patched.metadata.labels[initial.metadata.name] == "patched"
    twin = {
        "metadata": {
            "name": "ds-twin",
            "labels": {"name": "test", HASH: "twin"},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "ds", "uid": ds.metadata.uid, "controller": True}
            ],
        },
        "data": raw_revisions(world)["items"][0]["data"],
        "revision": initial.revision + 1,
    }
    world.apps.create_namespaced_controller_revision(world.namespace, twin)
    # Both are there until something happens to the DaemonSet.
    assert numbers(world) == [1, 2]
    world.apps.delete_namespaced_controller_revision(initial.metadata.name, world.namespace)
    (left,) = eventually(world.revisions, lambda found: len(found) == 1)
    left.metadata.labels["ds-twin"] = "updated"
    world.apps.replace_namespaced_controller_revision(left.metadata.name, world.namespace, left)
    world.patch({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}})
    eventually(world.revisions, lambda found: len(found) == 2)
    world.apps.delete_collection_namespaced_controller_revision(world.namespace, label_selector="ds-twin=updated")
    (last,) = eventually(world.revisions, lambda found: len(found) == 1)
    assert last.revision == 3


def test_revision_as_it_is_made(world: World) -> None:
    made = started(world)
    (revision,) = raw_revisions(world)["items"]
    hash_ = revision["metadata"]["labels"][HASH]
    assert revision["metadata"]["name"] == f"ds-{hash_}"
    assert revision["metadata"]["labels"] == {"name": "test", HASH: hash_}
    assert revision["metadata"]["annotations"] == made.metadata.annotations
    assert revision["revision"] == 1
    template = revision["data"]["spec"]["template"]
    assert template["$patch"] == "replace"
    assert template["spec"]["containers"][0]["image"] == "bar"
    (pod,) = world.pods()
    assert pod.metadata.labels[HASH] == hash_
    (owner,) = revision["metadata"]["ownerReferences"]
    assert owner == {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "name": "ds",
        "uid": made.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def test_history_limit_and_numbers(world: World) -> None:
    """At most so many old ones; those whose hash a pod still carries stay; a rollback raises a number."""
    started(world, revisionHistoryLimit=2)
    first = world.revisions()[0]
    for number in range(2, 7):
        world.set_image(f"image{number}")
        eventually(lambda: numbers(world)[-1], lambda newest, number=number: newest == number)
        world.status()
    # The pod is of revision 1 still.
    eventually(lambda: numbers(world), lambda found: found == [1, 5, 6])
    world.set_image("bar")
    eventually(lambda: numbers(world), lambda found: found == [5, 6, 7])
    assert world.revisions()[-1].metadata.name == first.metadata.name
    world.patch({"spec": {"revisionHistoryLimit": 0}})
    eventually(lambda: numbers(world), lambda found: found == [7])


def test_change_cause_is_copied(world: World) -> None:
    started(world)
    world.patch({"metadata": {"annotations": {"kubernetes.io/change-cause": "because"}}})
    world.set_image("new")
    revision = eventually(world.revisions, lambda found: len(found) == 2)[-1]
    assert revision.metadata.annotations["kubernetes.io/change-cause"] == "because"


def test_launch_with_hash_collision(world: World) -> None:
    """Integration: the name of the next revision is taken by another template; collisionCount goes up, the update goes on."""
    started(world)
    world.set_image("new")
    taken = eventually(world.revisions, lambda found: len(found) == 2)[-1].metadata.name
    world.status()
    ds = world.ds()
    assert not ds.status.collision_count
    world.set_image("bar")
    eventually(lambda: numbers(world), lambda found: found == [2, 3])
    world.apps.delete_namespaced_controller_revision(taken, world.namespace)
    eventually(lambda: numbers(world), lambda found: found == [3])
    intruder = {"metadata": {"name": taken, "labels": {"other": "one"}}, "data": {"some": "thing"}, "revision": 9}
    world.apps.create_namespaced_controller_revision(world.namespace, intruder)
    world.set_image("new")
    status = eventually(lambda: world.ds().status, lambda status: status.collision_count == 1)
    assert status.collision_count == 1
    world.status(collision_count=1)
    mine = [one for one in world.revisions() if one.metadata.owner_references]
    assert len(mine) == 2
    assert taken not in [one.metadata.name for one in mine]


def test_orphan_revision_is_adopted_and_others_are_not(world: World) -> None:
    made = started(world)
    (current,) = world.revisions()
    for name, labels in (("matches", {"name": "test", HASH: "x"}), ("does-not", {"name": "other"})):
        body = {"metadata": {"name": name, "labels": labels}, "data": {"spec": {"template": {}}}, "revision": 1}
        world.apps.create_namespaced_controller_revision(world.namespace, body)
    adopted = eventually(
        lambda: world.apps.read_namespaced_controller_revision("matches", world.namespace),
        lambda one: bool(one.metadata.owner_references),
    )
    assert adopted.metadata.owner_references[0].uid == made.metadata.uid
    eventually(
        lambda: world.apps.read_namespaced_controller_revision(current.metadata.name, world.namespace).revision, bool
    )
    assert not world.apps.read_namespaced_controller_revision("does-not", world.namespace).metadata.owner_references


def test_deleted_current_revision_comes_back(world: World) -> None:
    started(world)
    (current,) = world.revisions()
    world.apps.delete_namespaced_controller_revision(current.metadata.name, world.namespace)
    (again,) = eventually(world.revisions, lambda found: bool(found) and found[0].metadata.uid != current.metadata.uid)
    assert (again.metadata.name, again.revision) == (current.metadata.name, 1)
