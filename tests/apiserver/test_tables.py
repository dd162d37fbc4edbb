"""Tables: what stands in each kind's row, and what the Table around it looks like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from everynode.api import scheme
from everynode.api.meta_v1 import ListMeta
from everynode.api.scheme import Resource
from everynode.api.status import ApiError
from everynode.apiserver import tables
from everynode.apiserver.tables.kinds import PRINTERS
from everynode.values.timestamps import parse

NOW = parse("2026-01-01T01:00:00Z")
CREATED = "2026-01-01T00:55:00Z"
Tree = dict[str, Any]


def encoded(tree: Tree, **metadata: Any) -> bytes:
    metadata = {"name": "a", "creationTimestamp": CREATED, "resourceVersion": "7", **metadata}
    return json.dumps({"metadata": metadata, **tree}).encode()


def printed(resource: Resource, *bodies: bytes, **options: Any) -> Tree:
    table: Tree = json.loads(tables.table(resource, bodies, now=NOW, **options))
    return table


def row(resource: Resource, tree: Tree, **metadata: Any) -> dict[str, Any]:
    """The only row, its cells by the names of their columns."""
    table = printed(resource, encoded(tree, **metadata))
    (row,) = table["rows"]
    return dict(zip([column["name"] for column in table["columnDefinitions"]], row["cells"], strict=True))


def shown(resource: Resource, tree: Tree, *columns: str, **metadata: Any) -> list[Any]:
    cells = row(resource, tree, **metadata)
    return [cells[column] for column in columns]


@pytest.mark.parametrize("resource", PRINTERS, ids=lambda resource: resource.group_resource)
def test_every_kind_prints_an_object_that_says_nothing_but_its_name(resource: Resource) -> None:
    cells = row(resource, {})
    assert cells["Name"] == "a"
    if "Age" in cells:
        assert cells["Age"] == "5m"


def test_the_columns_of_a_daemon_set() -> None:
    columns = printed(scheme.DAEMON_SETS)["columnDefinitions"]
    assert [column["name"] for column in columns if column["priority"] == 0] == [
        *("Name", "Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector", "Age"),
    ]
    assert [column["name"] for column in columns if column["priority"]] == ["Containers", "Images", "Selector"]
    assert columns[0] | {"description": ""} == {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "",
        "priority": 0,
    }
    assert [column["type"] for column in columns[1:6]] == ["integer"] * 5


def test_a_daemon_set() -> None:
    tree = {
        "spec": {
            "selector": {"matchLabels": {"b": "2", "a": "1"}},
            "template": {
                "spec": {
                    "nodeSelector": {"disk": "ssd", "a": "b"},
                    "containers": [{"name": "x", "image": "x:1"}, {"name": "y", "image": "y:2"}],
                }
            },
        },
        "status": {
            "desiredNumberScheduled": 5,
            "currentNumberScheduled": 4,
            "numberReady": 3,
            "updatedNumberScheduled": 2,
            "numberAvailable": 1,
        },
    }
    cells = list(row(scheme.DAEMON_SETS, tree).values())
    assert cells == ["a", 5, 4, 3, 2, 1, "a=b,disk=ssd", "5m", "x,y", "x:1,y:2", "a=1,b=2"]
    assert list(row(scheme.DAEMON_SETS, {}).values())[6:] == ["<none>", "5m", "", "", "<none>"]


def test_a_controller_revision_names_its_controller() -> None:
    owners = [
        {"apiVersion": "v1", "kind": "Node", "name": "n"},
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": True},
    ]
    assert list(row(scheme.CONTROLLER_REVISIONS, {"revision": 3}, ownerReferences=owners).values()) == [
        *("a", "daemonset.apps/d", 3, "5m"),
    ]
    assert shown(scheme.CONTROLLER_REVISIONS, {}, "Controller") == ["<none>"]


@pytest.mark.parametrize(
    ("conditions", "unschedulable", "status"),
    [
        ([{"type": "Ready", "status": "True"}], False, "Ready"),
        ([{"type": "Ready", "status": "Unknown"}], False, "NotReady"),
        ([{"type": "DiskPressure", "status": "True"}], False, "Unknown"),
        ([{"type": "Ready", "status": "True"}], True, "Ready,SchedulingDisabled"),
    ],
)
def test_the_status_of_a_node(conditions: list[Tree], unschedulable: bool, status: str) -> None:
    tree = {"spec": {"unschedulable": unschedulable}, "status": {"conditions": conditions}}
    assert shown(scheme.NODES, tree, "Status") == [status]


def test_a_node() -> None:
    labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge", "node-role.kubernetes.io/": "x"}
    tree = {
        "status": {
            "addresses": [{"type": "Hostname", "address": "h"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.37.0", "osImage": "Debian", "kernelVersion": "6.1"},
        }
    }
    assert list(row(scheme.NODES, tree, labels=labels).values()) == [
        *("a", "Unknown", "edge,worker", "5m", "v1.37.0", "10.0.0.1", "<none>", "Debian", "6.1", "<unknown>"),
    ]


def test_services() -> None:
    ports = [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP", "nodePort": 30053}]
    spec = {"type": "NodePort", "clusterIPs": ["10.0.0.1", "fd00::1"], "ports": ports, "selector": {"a": "b"}}
    assert list(row(scheme.SERVICES, {"spec": spec}).values()) == [
        *("a", "NodePort", "10.0.0.1", "<none>", "80/TCP,53:30053/UDP", "5m", "a=b"),
    ]
    balanced = {
        "spec": {"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]},
        "status": {"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}, {"hostname": "1.example"}]}},
    }
    assert shown(scheme.SERVICES, balanced, "External-IP") == ["1.example,2.2.2.2,9.9.9.9"]
    assert shown(scheme.SERVICES, {"spec": {"type": "LoadBalancer"}}, "External-IP") == ["<pending>"]
    outside = {"spec": {"type": "ExternalName", "externalName": "x.example"}}
    assert shown(scheme.SERVICES, outside, "External-IP", "Cluster-IP", "Port(s)") == ["x.example", "<none>", "<none>"]


def test_events_of_both_groups_read_alike() -> None:
    about = {"kind": "DaemonSet", "name": "d", "fieldPath": "spec.x"}
    core = {
        "involvedObject": about,
        "type": "Normal",
        "reason": "SuccessfulCreate",
        "message": " Created pod: x\n",
        "source": {"component": "daemonset-controller"},
        "firstTimestamp": "2026-01-01T00:50:00Z",
        "lastTimestamp": "2026-01-01T00:59:00Z",
        "count": 3,
    }
    new = {
        "regarding": about,
        "type": "Normal",
        "reason": "SuccessfulCreate",
        "note": " Created pod: x\n",
        "deprecatedSource": {"component": "daemonset-controller"},
        "deprecatedFirstTimestamp": "2026-01-01T00:50:00Z",
        "deprecatedLastTimestamp": "2026-01-01T00:59:00Z",
        "deprecatedCount": 3,
    }
    expected = [
        *("60s", "Normal", "SuccessfulCreate", "daemonset/d", "spec.x", "daemonset-controller", "Created pod: x"),
        *("10m", 3, "a"),
    ]
    assert list(row(scheme.EVENTS, core).values()) == expected
    assert list(row(scheme.EVENTS_V1, new).values()) == expected


def test_an_event_that_is_a_series_and_one_that_happened_once() -> None:
    once = {"eventTime": "2026-01-01T00:58:00.000000Z", "reportingComponent": "r", "reportingInstance": "i"}
    assert shown(scheme.EVENTS, once, "Last Seen", "First Seen", "Count", "Source") == ["2m", "2m", 1, "r, i"]
    series = {**once, "series": {"count": 9, "lastObservedTime": "2026-01-01T00:59:30.000000Z"}}
    assert shown(scheme.EVENTS, series, "Last Seen", "First Seen", "Count") == ["30s", "2m", 9]


def test_the_small_kinds() -> None:
    assert shown(scheme.NAMESPACES, {"status": {"phase": "Active"}}, "Status") == ["Active"]
    assert shown(scheme.SECRETS, {"type": "Opaque", "data": {"x": "eA==", "y": ""}}, "Type", "Data") == ["Opaque", 2]
    assert shown(scheme.CONFIG_MAPS, {"data": {"x": "1"}, "binaryData": {"y": "eA=="}}, "Data") == [2]
    assert shown(scheme.SERVICE_ACCOUNTS, {"secrets": [{"name": "s"}]}, "Secrets") == [1]
    assert shown(scheme.LEASES, {"spec": {"holderIdentity": "n"}}, "Holder") == ["n"]
    priority = {"value": 1000, "globalDefault": True, "preemptionPolicy": "Never"}
    assert list(row(scheme.PRIORITY_CLASSES, priority).values()) == ["a", 1000, True, "5m", "Never"]


def test_kinds_without_a_printer_show_when_they_were_created() -> None:
    assert row(scheme.SELF_SUBJECT_REVIEWS, {}) == {"Name": "a", "Created At": CREATED}


def test_what_a_row_carries_of_its_object() -> None:
    body = encoded({"status": {"phase": "Active"}})
    (with_metadata,) = printed(scheme.NAMESPACES, body)["rows"]
    assert with_metadata["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "a", "creationTimestamp": CREATED, "resourceVersion": "7"},
    }
    assert printed(scheme.NAMESPACES, body, include_object="Object")["rows"][0]["object"] == json.loads(body)
    assert printed(scheme.NAMESPACES, body, include_object="None")["rows"][0]["object"] is None
    with pytest.raises(ApiError, match="unrecognized includeObject value"):
        printed(scheme.NAMESPACES, body, include_object="All")


def test_the_table_speaks_of_its_list_or_of_its_one_object() -> None:
    assert printed(scheme.NAMESPACES, encoded({}))["metadata"] == {"resourceVersion": "7"}
    listed = printed(scheme.NAMESPACES, metadata=ListMeta(resource_version="9", continue_="c", remaining_item_count=2))
    assert listed["metadata"] == {"resourceVersion": "9", "continue": "c", "remainingItemCount": 2}
    assert (listed["kind"], listed["apiVersion"], listed["rows"]) == ("Table", "meta.k8s.io/v1", [])


def test_later_events_of_a_watch_do_not_describe_the_columns_again() -> None:
    assert printed(scheme.PODS, encoded({}), columns=False)["columnDefinitions"] is None


def test_partial_object_metadata_keeps_the_metadata_as_it_is() -> None:
    body = b'{"kind":"Pod","metadata":{"name": "a", "x":1.50},"spec":{"metadata":{}}}'
    one = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name": "a", "x":1.50}}'
    assert tables.partial_object_metadata(body) == one
    listed = tables.partial_object_metadata_list([body, body], ListMeta(resource_version="3"))
    assert json.loads(listed) == {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "3"},
        "items": [json.loads(one), json.loads(one)],
    }
