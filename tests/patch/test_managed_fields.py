"""Who owns which fields after plain writes, and how entries are read and written."""

from __future__ import annotations

from typing import Any

import pytest

from everynode.api import schema
from everynode.patch.field_set import FieldSet
from everynode.patch.managed_fields import MAX_UPDATERS, ManagedFieldsError, after_update, read, write

DAEMON_SET = schema.for_kind("apps", "v1", "DaemonSet")
Tree = dict[str, Any]


def tree(labels: dict[str, str] | None = None, **spec: Any) -> Tree:
    return {"metadata": {"name": "a", "uid": "u", **({"labels": labels} if labels is not None else {})}, "spec": spec}


def updated(old: Tree | None, new: Tree, manager: str, time: str = "2026-01-01T00:00:00Z", **more: Any) -> Tree:
    return after_update(old, new, DAEMON_SET, manager=manager, api_version="apps/v1", time=time, **more)


def owned(tree: Tree) -> dict[str, Tree]:
    return {entry["manager"]: entry["fieldsV1"] for entry in tree["metadata"].get("managedFields", [])}


def test_a_creation_owns_every_path() -> None:
    created = updated(None, tree({"a": "1"}, minReadySeconds=1, updateStrategy={}), "kubectl")
    assert owned(created) == {
        "kubectl": {
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {".": {}, "f:minReadySeconds": {}, "f:updateStrategy": {}},
        }
    }


def test_whoever_changes_a_field_owns_it_alone() -> None:
    live = updated(None, tree(minReadySeconds=1, revisionHistoryLimit=2), "one")
    live = updated(live, {**live, "spec": {"minReadySeconds": 5, "revisionHistoryLimit": 2}}, "two")
    assert owned(live)["one"]["f:spec"] == {".": {}, "f:revisionHistoryLimit": {}}
    assert owned(live)["two"] == {"f:spec": {"f:minReadySeconds": {}}}
    live = updated(live, {**live, "spec": {"minReadySeconds": 5}}, "three")
    assert owned(live) == {"one": {"f:spec": {}}, "two": {"f:spec": {"f:minReadySeconds": {}}}}


def test_a_write_that_changes_nothing_leaves_the_entries_as_they_are() -> None:
    live = updated(None, tree(minReadySeconds=1), "one")
    assert updated(live, {**live}, "two", "2027-01-01T00:00:00Z") == live


def test_what_was_never_tracked_stays_untracked_and_tracking_can_be_ended() -> None:
    assert owned(updated(tree(), tree(minReadySeconds=1), "one")) == {}
    live = updated(None, tree(minReadySeconds=1), "one")
    ended = {**live, "metadata": {**live["metadata"], "managedFields": []}}
    assert "managedFields" not in updated(live, ended, "one")["metadata"]


def test_clients_that_leave_the_entries_out_do_not_lose_them() -> None:
    live = updated(None, tree(minReadySeconds=1), "one")
    assert owned(updated(live, tree(minReadySeconds=1), "two")) == owned(live)


def test_subresources_and_ignored_members() -> None:
    live = updated(None, tree(minReadySeconds=1), "one", ignored=("status",))
    new = {**live, "status": {"numberReady": 1}}
    assert updated(live, new, "two", ignored=("status",)) == {**new, "metadata": live["metadata"]}
    with_status = updated(live, new, "two", subresource="status")
    (entry,) = (each for each in with_status["metadata"]["managedFields"] if each["manager"] == "two")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {".": {}, "f:numberReady": {}}})


def test_the_number_of_updaters_is_bounded() -> None:
    live = updated(None, tree({}), "creator")
    for number in range(MAX_UPDATERS + 3):
        labels = {**live["metadata"]["labels"], f"l{number}": "x"}
        new = {**live, "metadata": {**live["metadata"], "labels": labels}}
        live = updated(live, new, f"m{number}", f"2026-01-02T00:00:{number:02d}Z")
    fields = owned(live)
    assert len(fields) == MAX_UPDATERS
    assert {"f:l0", "f:l1"} < fields["ancient-changes"]["f:metadata"]["f:labels"].keys()


def test_entries_are_read_back_as_they_were_written_and_sorted() -> None:
    live = updated(None, tree({"a": "b"}, minReadySeconds=1), "one")
    listed = live["metadata"]["managedFields"]
    assert write(read(listed)) == listed
    assert read(None) == {}


@pytest.mark.parametrize(
    "entry",
    [
        {"operation": "Guess", "apiVersion": "v1", "fieldsType": "FieldsV1"},
        {"operation": "Update", "fieldsType": "FieldsV1"},
        {"operation": "Update", "apiVersion": "v1"},
        {"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"x": {}}},
        {"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:a": 1}},
        {"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"k:{": {}}},
    ],
)
def test_entries_that_cannot_be_read(entry: Tree) -> None:
    with pytest.raises(ManagedFieldsError):
        read([entry])


def test_path_elements_are_spelt_in_one_way() -> None:
    fields = FieldSet.from_fields_v1(
        {'k:{"protocol": "TCP", "port": 80}': {}, 'v:"x"': {}, "i:3": {}, "f:a": {"f:b": {}}}
    )
    assert list(fields.paths()) == [".a.b", "[3]", '[port=80,protocol="TCP"]', '[="x"]']
