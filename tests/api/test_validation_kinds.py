"""The kinds beside pods and DaemonSets, by what is changed in a well-formed object and what is then said of it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from everynode.api.scheme import (
    CONFIG_MAPS,
    EVENTS,
    EVENTS_V1,
    LEASES,
    NAMESPACES,
    NODES,
    PRIORITY_CLASSES,
    SECRETS,
    SERVICES,
    Resource,
)
from tests.api.validated import REMOVED, Manifest, created, edited, reported, updated

NAMESPACED = {"name": "it", "namespace": "default"}
MANIFESTS: dict[Resource, Manifest] = {
    NODES: {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}},
    NAMESPACES: {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}},
    CONFIG_MAPS: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": NAMESPACED, "data": {"a": "b"}},
    SECRETS: {"apiVersion": "v1", "kind": "Secret", "metadata": NAMESPACED, "data": {"a": "Yg=="}},
    SERVICES: {"apiVersion": "v1", "kind": "Service", "metadata": NAMESPACED, "spec": {"ports": [{"port": 80}]}},
    LEASES: {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": NAMESPACED},
    PRIORITY_CLASSES: {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": 1000,
    },
    EVENTS: {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": NAMESPACED,
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"},
    },
    EVENTS_V1: {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": NAMESPACED,
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "example.com/controller",
        "reportingInstance": "one",
        "action": "Started",
        "reason": "Started",
        "type": "Normal",
        "regarding": {"kind": "Pod", "namespace": "default", "name": "web"},
    },
}
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
FROZEN = "Forbidden: field is immutable when `immutable` is set"
TAINT = {"key": "a", "value": "b", "effect": "NoSchedule"}
A_MEBIBYTE = "x" * 1024 * 1024


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


CREATED: list[tuple[Resource, dict[str, Any], list[str]]] = [
    *((resource, {}, []) for resource in MANIFESTS),
    # nodes
    (NODES, {"spec.taints": [TAINT, TAINT | {"effect": "NoExecute"}]}, []),
    (
        NODES,
        {"spec.taints": [TAINT, TAINT | {"value": "c"}]},
        [
            'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"c","Effect":"NoSchedule","TimeAdded":null}: '
            "taints must be unique by key and effect pair"
        ],
    ),
    (
        NODES,
        {"spec.taints": [{"key": "a", "value": "b c"}]},
        [f'metadata.taints[0].value: Invalid value: "b c": {LABEL_VALUE}', "metadata.taints[0].effect: Required value"],
    ),
    (
        NODES,
        {"spec.taints": [TAINT | {"effect": "Never"}]},
        [
            'metadata.taints[0].effect: Unsupported value: "Never": '
            'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'
        ],
    ),
    (
        NODES,
        {"status.capacity": {"cpu": "-1", "pods": "1500m"}, "status.allocatable": {"cpu": "1"}},
        [
            'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0',
            'status.capacity.pods: Invalid value: "1500m": must be an integer',
        ],
    ),
    (
        NODES,
        {"spec.podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]},
        [
            'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: '
            "may specify no more than one CIDR for each IP family"
        ],
    ),
    (
        NODES,
        {"spec.podCIDRs": ["10.0.0/24"]},
        [
            'spec.podCIDRs[0]: Invalid value: "10.0.0/24": '
            "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
        ],
    ),
    (
        NODES,
        {"spec.podCIDRs": ["10.0.0.1/24"]},
        ['spec.podCIDRs[0]: Invalid value: "10.0.0.1/24": must not have bits set beyond the prefix length'],
    ),
    (
        NODES,
        {"spec.podCIDRs": ["010.0.0.0/24"]},
        ['spec.podCIDRs[0]: Invalid value: "010.0.0.0/24": must not have leading 0s in IP or prefix length'],
    ),
    # namespaces
    (
        NAMESPACES,
        {"spec.finalizers": ["kubernetes", "guard", "a/b"]},
        [
            'spec.finalizers: Invalid value: "guard": '
            "name is neither a standard finalizer name nor is it fully qualified"
        ],
    ),
    # config maps and secrets
    (CONFIG_MAPS, {"data": {"a/b": "c"}}, [f'data[a/b]: Invalid value: "a/b": {CONFIG_KEY}']),
    (CONFIG_MAPS, {"data": {"..": "c"}}, ["data[..]: Invalid value: \"..\": must not be '..'"]),
    (
        CONFIG_MAPS,
        {"binaryData": {"a": "Yg=="}},
        ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
    ),
    (CONFIG_MAPS, {"data": {"a": A_MEBIBYTE}}, []),
    (
        CONFIG_MAPS,
        {"data": {"a": A_MEBIBYTE, "b": "x"}},
        ["[]: Too long: may not be more than 1048576 bytes"],
    ),
    (SECRETS, {"data": {"a": encoded(A_MEBIBYTE)}}, []),
    (
        SECRETS,
        {"data": {"a": encoded(A_MEBIBYTE + "x")}},
        ["data: Too long: may not be more than 1048576 bytes"],
    ),
    (SECRETS, {"data": {"a b": "Yg=="}}, [f'data[a b]: Invalid value: "a b": {CONFIG_KEY}']),
    (SECRETS, {"type": "example.com/anything"}, []),
    (
        SECRETS,
        {"type": "kubernetes.io/service-account-token"},
        ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    ),
    (SECRETS, {"type": "kubernetes.io/dockerconfigjson"}, ["data[.dockerconfigjson]: Required value"]),
    (
        SECRETS,
        {"type": "kubernetes.io/basic-auth"},
        ["data[username]: Required value", "data[password]: Required value"],
    ),
    (SECRETS, {"type": "kubernetes.io/ssh-auth"}, ["data[ssh-privatekey]: Required value"]),
    (
        SECRETS,
        {"type": "kubernetes.io/tls", "data": {"tls.crt": ""}},
        ["data[tls.key]: Required value"],
    ),
    # services
    (SERVICES, {"spec.ports": []}, ["spec.ports: Required value"]),
    (SERVICES, {"spec.ports": [], "spec.clusterIP": "None", "spec.clusterIPs": ["None"]}, []),
    (
        SERVICES,
        {"spec.ports": [{"port": 80}, {"port": 80, "name": "b", "targetPort": "no--name"}]},
        [
            "spec.ports[0].name: Required value",
            'spec.ports[1].targetPort: Invalid value: "no--name": must not contain consecutive hyphens',
            'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,'
            '"TargetPort":0,"NodePort":0}',
        ],
    ),
    (
        SERVICES,
        {"spec.ports": [{"port": 0, "protocol": "X", "nodePort": 30000, "targetPort": 80}]},
        [
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            'spec.ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ],
    ),
    (
        SERVICES,
        {"spec.type": "Public"},
        [
            'spec.type: Unsupported value: "Public": '
            'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
        ],
    ),
    (SERVICES, {"spec.type": "ExternalName", "spec.externalName": "a.example."}, []),
    (SERVICES, {"spec.type": "ExternalName"}, ["spec.externalName: Required value"]),
    (
        SERVICES,
        {"spec.sessionAffinity": "Cookie"},
        ['spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"'],
    ),
    (
        SERVICES,
        {"spec.sessionAffinity": "ClientIP", "spec.sessionAffinityConfig.clientIP.timeoutSeconds": 90000},
        [
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000: "
            "must be greater than 0 and less than 86400"
        ],
    ),
    (
        SERVICES,
        {"spec.clusterIP": "10.0.0.1", "spec.clusterIPs": ["10.0.0.2"]},
        ['spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`'],
    ),
    (
        SERVICES,
        {"spec.clusterIP": "10.0.0.1", "spec.clusterIPs": ["10.0.0.1"], "spec.ipFamilies": ["IPv6"]},
        ['spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`'],
    ),
    (
        SERVICES,
        {"spec.externalIPs": ["127.0.0.1", "x"]},
        [
            'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
            'spec.externalIPs[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ],
    ),
    (
        SERVICES,
        {"spec.externalTrafficPolicy": "Local", "spec.internalTrafficPolicy": "Nearby"},
        [
            'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
            'spec.internalTrafficPolicy: Unsupported value: "Nearby": supported values: "Cluster", "Local"',
        ],
    ),
    (
        SERVICES,
        {"spec.loadBalancerClass": "a/b", "spec.loadBalancerSourceRanges": ["10.0.0.0/8"]},
        [
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
            "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ],
    ),
    # leases
    (
        LEASES,
        {"spec.leaseDurationSeconds": 0, "spec.leaseTransitions": -1, "spec.preferredHolder": "x"},
        [
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
            "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined",
        ],
    ),
    (
        LEASES,
        {"spec.strategy": "Newest"},
        ['spec.strategy.strategy: Unsupported value: "Newest": supported values: "OldestEmulationVersion"'],
    ),
    # priority classes
    (PRIORITY_CLASSES, {"value": 1_000_000_000}, []),
    (PRIORITY_CLASSES, {"value": -5}, []),
    (
        PRIORITY_CLASSES,
        {"value": 1_000_000_001},
        ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    ),
    (
        PRIORITY_CLASSES,
        {"metadata.name": "system-mine"},
        [
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
            "error: system-mine is not a known system priority class"
        ],
    ),
    (PRIORITY_CLASSES, {"metadata.name": "system-node-critical", "value": 2_000_001_000}, []),
    (
        PRIORITY_CLASSES,
        {"metadata.name": "system-cluster-critical"},
        [
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
            "error: value of system-cluster-critical PriorityClass must be 2000000000"
        ],
    ),
    (
        PRIORITY_CLASSES,
        {"preemptionPolicy": "Maybe"},
        ['preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"'],
    ),
    # events
    (
        EVENTS,
        {"involvedObject.namespace": "other"},
        ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
    ),
    (EVENTS, {"involvedObject.namespace": ""}, []),
    (
        EVENTS,
        {"involvedObject.namespace": "", "metadata.namespace": "team"},
        ['involvedObject.namespace: Invalid value: "": does not match event.namespace'],
    ),
    (
        EVENTS,
        {"eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "c", "message": "x" * 1025},
        [
            "reportingInstance: Required value",
            "action: Required value",
            "reason: Required value",
            'message: Invalid value: "": can have at most 1024 characters',
        ],
    ),
    (EVENTS_V1, {"eventTime": REMOVED}, ["eventTime: Required value"]),
    (EVENTS_V1, {"type": "Bad"}, ['type: Invalid value: "": has invalid value: Bad']),
    (
        EVENTS_V1,
        {"series": {"count": 1}, "deprecatedCount": 3, "deprecatedSource": {"component": "x"}},
        [
            'series.count: Invalid value: "": should be at least 2',
            "series.lastObservedTime: Required value",
            'count: Invalid value: "": needs to be unset',
            'source: Invalid value: "": needs to be unset',
        ],
    ),
]

UPDATED: list[tuple[Resource, dict[str, Any], dict[str, Any], list[str]]] = [
    *((resource, {}, {}, []) for resource in MANIFESTS),
    (NODES, {}, {"spec.podCIDRs": ["10.0.0.0/24"], "spec.providerID": "a://b"}, []),
    (
        NODES,
        {"spec.podCIDRs": ["10.0.0.0/24"], "spec.providerID": "a://b"},
        {"spec.podCIDRs": ["10.0.1.0/24"], "spec.providerID": "a://c"},
        [
            'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
            "spec.providerID: Invalid value: null: field cannot be modified once set",
        ],
    ),
    (
        NODES,
        {},
        {"status.addresses": [{"type": "InternalIP", "address": "10.0.0.1"}] * 2},
        ['status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}'],
    ),
    (CONFIG_MAPS, {"immutable": True}, {"metadata.labels": {"a": "b"}}, []),
    (
        CONFIG_MAPS,
        {"immutable": True},
        {"immutable": REMOVED, "data": {"a": "c"}, "binaryData": {"x": "Yg=="}},
        [f"immutable: {FROZEN}", f"data: {FROZEN}", f"binaryData: {FROZEN}"],
    ),
    (SECRETS, {"immutable": True}, {"data": {"a": "Yw=="}}, [f"data: {FROZEN}"]),
    (SECRETS, {}, {"type": "a.b/c"}, ['type: Invalid value: "a.b/c": field is immutable']),
    (
        SERVICES,
        {"spec.clusterIP": "10.0.0.1", "spec.clusterIPs": ["10.0.0.1"]},
        {"spec.clusterIP": "10.0.0.2", "spec.clusterIPs": ["10.0.0.2"]},
        ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'],
    ),
    (
        PRIORITY_CLASSES,
        {},
        {"value": 5, "preemptionPolicy": "Never", "description": "free"},
        [
            "value: Forbidden: may not be changed in an update.",
            'preemptionPolicy: Invalid value: "Never": field is immutable',
        ],
    ),
    (EVENTS, {}, {"count": 2, "message": "again"}, []),
    (
        EVENTS_V1,
        {},
        {"note": "other", "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}},
        ['message: Invalid value: "other": field is immutable'],
    ),
]


@pytest.mark.parametrize(("resource", "changes", "expected"), CREATED, ids=lambda case: str(case)[:50])
def test_what_is_said_of_a_new_object(resource: Resource, changes: dict[str, Any], expected: list[str]) -> None:
    assert created(resource, edited(MANIFESTS[resource], changes)) == expected


@pytest.mark.parametrize(("resource", "before", "changes", "expected"), UPDATED, ids=lambda case: str(case)[:50])
def test_what_is_said_of_a_changed_object(
    resource: Resource, before: dict[str, Any], changes: dict[str, Any], expected: list[str]
) -> None:
    old = edited(MANIFESTS[resource], before)
    assert updated(resource, edited(old, changes), old) == expected


def test_only_deletion_makes_a_namespace_terminate() -> None:
    living = MANIFESTS[NAMESPACES]
    assert reported(NAMESPACES, edited(living, {"status.phase": "Terminating"}), living) == [
        "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"
    ]
    dying = edited(living, {"metadata.deletionTimestamp": "2026-01-02T00:00:00Z"})
    assert reported(NAMESPACES, edited(dying, {"status.phase": "Terminating"}), dying) == []
    assert reported(NAMESPACES, edited(dying, {"status.phase": "Active"}), dying) == [
        "status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty"
    ]


def test_only_load_balancers_report_where_they_are_reached() -> None:
    plain = MANIFESTS[SERVICES]
    ingress = {"status.loadBalancer.ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}, {"hostname": "192.0.2.2"}]}
    assert reported(SERVICES, edited(plain, ingress), plain) == [
        "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
    ]
    balanced = edited(plain, {"spec.type": "LoadBalancer"})
    assert reported(SERVICES, edited(balanced, ingress), balanced) == [
        'status.loadBalancer.ingress[1].hostname: Invalid value: "192.0.2.2": must be a DNS name, not an IP address'
    ]


def test_docker_credentials_are_json_and_are_not_shown() -> None:
    changes = {"type": "kubernetes.io/dockercfg", "data": {".dockercfg": encoded("secret")}}
    (error,) = created(SECRETS, edited(MANIFESTS[SECRETS], changes))
    assert error.startswith('data[.dockercfg]: Invalid value: "<secret contents redacted>": ')
    fine = edited(MANIFESTS[SECRETS], changes | {"data": {".dockercfg": encoded("{}")}})
    assert created(SECRETS, fine) == []
