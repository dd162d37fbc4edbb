"""The metadata of every kind: names, namespaces, labels, annotations, owners, finalizers, and what of them stays."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from everynode.api import validation
from everynode.api.scheme import EVENTS, LEASES, NAMESPACES, NODES, PODS, SERVICES, Resource
from tests.api.validated import NODE, POD, REMOVED, Manifest, created, defaulted, edited, updated

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
OWNER = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": True}

CREATED: list[tuple[dict[str, Any], list[str]]] = [
    ({"metadata.name": ""}, ["metadata.name: Required value: name or generateName is required"]),
    ({"metadata.name": "Web"}, [f'metadata.name: Invalid value: "Web": {SUBDOMAIN}']),
    (
        {"metadata.name": "a" * 254},
        [f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 characters'],
    ),
    ({"metadata.generateName": "web-"}, []),
    ({"metadata.generateName": "Web-"}, [f'metadata.generateName: Invalid value: "Web-": {SUBDOMAIN}']),
    ({"metadata.namespace": REMOVED}, ["metadata.namespace: Required value"]),
    ({"metadata.namespace": "a.b"}, ['metadata.namespace: Invalid value: "a.b": must not contain dots']),
    (
        {"metadata.labels": {"a/b/c": "x"}},
        [
            'metadata.labels: Invalid value: "a/b/c": a valid label key '
            + LABEL_KEY.removeprefix("name part ")
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ],
    ),
    ({"metadata.labels": {"/a": "x"}}, ['metadata.labels: Invalid value: "/a": prefix part must be non-empty']),
    (
        {"metadata.labels": {"a": "x" * 64}},
        [f'metadata.labels: Invalid value: "{"x" * 64}": must be no more than 63 bytes'],
    ),
    ({"metadata.annotations": {"UPPER/Case": "anything, really: é"}}, []),
    ({"metadata.annotations": {"a b": ""}}, [f'metadata.annotations: Invalid value: "a b": {LABEL_KEY}']),
    (
        {"metadata.annotations": {"a": "x" * 262144}},
        ["metadata.annotations: Too long: may not be more than 262144 bytes"],
    ),
    ({"metadata.annotations": {"a": "x" * 262143}}, []),
    (
        {"metadata.ownerReferences": [{}]},
        [
            "metadata.ownerReferences[0].apiVersion: Required value: must not be empty",
            "metadata.ownerReferences[0].kind: Required value: must not be empty",
            "metadata.ownerReferences[0].name: Required value: must not be empty",
            "metadata.ownerReferences[0].uid: Required value: must not be empty",
        ],
    ),
    (
        {"metadata.ownerReferences": [{**OWNER, "apiVersion": "a/b/c"}]},
        ['metadata.ownerReferences[0].apiVersion: Invalid value: "a/b/c": must be <group>/<version> or <version>'],
    ),
    (
        {"metadata.ownerReferences": [OWNER, {**OWNER, "name": "other"}]},
        [
            'metadata.ownerReferences: Invalid value: [{"apiVersion":"apps/v1","kind":"DaemonSet","name":"agent",'
            '"uid":"u","controller":true},{"apiVersion":"apps/v1","kind":"DaemonSet","name":"other","uid":"u",'
            '"controller":true}]: Only one reference can have Controller set to true. Found "true" in references for '
            "DaemonSet/agent and DaemonSet/other"
        ],
    ),
    ({"metadata.finalizers": ["example.com/guard", "foregroundDeletion"]}, []),
    (
        {"metadata.finalizers": ["guard"]},
        [
            'metadata.finalizers[0]: Invalid value: "guard": '
            "name is neither a standard finalizer name nor is it fully qualified"
        ],
    ),
    (
        {"metadata.finalizers": ["orphan", "foregroundDeletion"]},
        [
            'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: '
            "finalizer orphan and foregroundDeletion cannot be both set"
        ],
    ),
    (
        {"metadata.managedFields": [{"operation": "Write", "fieldsType": "X"}]},
        [
            'metadata.managedFields[0].operation: Unsupported value: "Write": supported values: "Apply", "Update"',
            'metadata.managedFields[0].fieldsType: Invalid value: "X": must be `FieldsV1`',
        ],
    ),
]

UPDATED: list[tuple[dict[str, Any], list[str]]] = [
    ({"metadata.name": "other"}, ['metadata.name: Invalid value: "other": field is immutable']),
    ({"metadata.namespace": "other"}, ['metadata.namespace: Invalid value: "other": field is immutable']),
    ({"metadata.uid": "other"}, ['metadata.uid: Invalid value: "other": field is immutable']),
    (
        {"metadata.creationTimestamp": "2027-01-01T00:00:00Z"},
        ['metadata.creationTimestamp: Invalid value: "2027-01-01T00:00:00Z": field is immutable'],
    ),
    (
        {"metadata.deletionGracePeriodSeconds": 5},
        ["metadata.deletionGracePeriodSeconds: Invalid value: 5: field is immutable"],
    ),
    (
        {"metadata.resourceVersion": ""},
        ['metadata.resourceVersion: Invalid value: "": must be specified for an update'],
    ),
    ({"metadata.generation": 1}, ["metadata.generation: Invalid value: 1: must not be decremented"]),
    ({"metadata.labels": {"a": "b"}, "metadata.annotations": {"a": "b"}}, []),
]


@pytest.mark.parametrize(("changes", "expected"), CREATED, ids=lambda case: str(case)[:60])
def test_what_is_said_of_metadata(changes: dict[str, Any], expected: list[str]) -> None:
    assert created(PODS, edited(POD, changes)) == expected


@pytest.mark.parametrize(("changes", "expected"), UPDATED, ids=lambda case: str(case)[:60])
def test_what_is_said_of_changed_metadata(changes: dict[str, Any], expected: list[str]) -> None:
    before = edited(POD, {"metadata.generation": 2})
    assert updated(PODS, edited(before, changes), before) == expected


def test_an_object_that_is_being_deleted_takes_no_further_finalizers() -> None:
    before = edited(POD, {"metadata.deletionTimestamp": "2026-01-02T00:00:00Z", "metadata.finalizers": ["a.b/c"]})
    after = edited(before, {"metadata.finalizers": ["a.b/c", "a.b/e", "a.b/d"]})
    assert updated(PODS, after, before) == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"a.b/d", "a.b/e"}'
    ]
    assert updated(PODS, edited(before, {"metadata.finalizers": []}), before) == []


EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "web.1", "namespace": "default"},
    "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"},
}
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l", "namespace": "default"}}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"ports": [{"port": 80}]},
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}


@pytest.mark.parametrize(
    ("resource", "manifest", "name", "allowed"),
    [
        (PODS, POD, "a.b", True),
        (NODES, NODE, "a.b", True),
        (LEASES, LEASE, "a.b", True),
        (SERVICES, SERVICE, "a.b", False),
        (SERVICES, SERVICE, "1a", True),
        (NAMESPACES, NAMESPACE, "a.b", False),
        (EVENTS, EVENT, "Any_Thing at all", True),
        (EVENTS, EVENT, "a%b", False),
        (EVENTS, EVENT, "..", False),
    ],
)
def test_each_kind_has_its_own_rule_for_names(resource: Resource, manifest: Manifest, name: str, allowed: bool) -> None:
    errors = created(resource, edited(manifest, {"metadata.name": name}))
    assert (errors == []) is allowed
    assert all(error.startswith("metadata.name: Invalid value") for error in errors)


def test_kinds_of_the_whole_cluster_have_no_namespace() -> None:
    errors = created(NODES, edited(NODE, {"metadata.namespace": "default"}))
    assert errors == ["metadata.namespace: Forbidden: not allowed on this type"]


def test_validation_changes_nothing() -> None:
    for resource, manifest in ((PODS, POD), (SERVICES, SERVICE)):
        obj = defaulted(resource, edited(manifest, {"metadata.name": "Bad_Name"}))
        before = msgspec.json.encode(obj)
        validation.on_create(resource, obj)
        validation.on_update(resource, obj, defaulted(resource, manifest))
        validation.on_status_update(resource, obj, defaulted(resource, manifest))
        assert msgspec.json.encode(obj) == before


def test_names_beyond_measure_are_refused_and_not_remembered() -> None:
    errors = created(PODS, edited(POD, {"metadata.labels": {"k" * 100_000: "v" * 100_000}}))
    assert [error.rpartition(": ")[2] for error in errors] == [
        "name part must be no more than 63 bytes",
        "must be no more than 63 bytes",
    ]
