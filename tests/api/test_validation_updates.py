"""How a pod may change once it exists, and what its status may report."""

from __future__ import annotations

from typing import Any

import pytest

from everynode.api.scheme import PODS
from tests.api.validated import POD, REMOVED, edited, reported, updated

TOLERATION = {"key": "a", "operator": "Exists", "effect": "NoExecute"}
ONLY = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)
BOUND = edited(POD, {"spec.tolerations": [TOLERATION], "spec.activeDeadlineSeconds": 100, "spec.nodeName": "node-1"})
GATED = edited(
    POD,
    {
        "spec.schedulingGates": [{"name": "a"}, {"name": "b"}],
        "spec.nodeSelector": {"zone": "a"},
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms": [
            {"matchExpressions": [{"key": "x", "operator": "Exists"}]}
        ],
    },
)
TERMS = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"

UPDATED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"spec.containers.0.image": "nginx:2"}, []),
    ({"spec.containers.0.image": ""}, ["spec.containers[0].image: Required value"]),
    ({"spec.activeDeadlineSeconds": 50}, []),
    (
        {"spec.activeDeadlineSeconds": 200},
        ["spec.activeDeadlineSeconds: Invalid value: 200: must be less than or equal to previous value"],
    ),
    (
        {"spec.activeDeadlineSeconds": REMOVED},
        ["spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"],
    ),
    ({"spec.tolerations": [TOLERATION, {"key": "b", "operator": "Exists"}]}, []),
    ({"spec.tolerations": [TOLERATION | {"tolerationSeconds": 5}]}, []),
    (
        {"spec.tolerations": []},
        ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"],
    ),
    (
        {"spec.containers.1": {"name": "more", "image": "m:1"}},
        ["spec.containers: Forbidden: pod updates may not add or remove containers"],
    ),
    (
        {"spec.initContainers": [{"name": "more", "image": "m:1"}]},
        ["spec.initContainers: Forbidden: pod updates may not add or remove containers"],
    ),
    (
        {"spec.schedulingGates": [{"name": "late"}]},
        ["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'late'"],
    ),
    (
        {"metadata.annotations": {"kubernetes.io/config.mirror": "x"}},
        ["metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation"],
    ),
]

NARROWED: list[tuple[dict[str, Any], list[str]]] = [
    ({"spec.schedulingGates": [{"name": "b"}]}, []),
    ({"spec.nodeSelector": {"zone": "a", "disk": "fast"}}, []),
    (
        {"spec.nodeSelector": {"zone": "b"}},
        [
            'spec.nodeSelector: Invalid value: {"zone":"b"}: '
            "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        ],
    ),
    (
        {f"{TERMS}.0.matchExpressions.1": {"key": "y", "operator": "Exists"}},
        [],
    ),
    (
        {f"{TERMS}.1": {"matchExpressions": [{"key": "y", "operator": "Exists"}]}},
        [
            f'{TERMS}: Invalid value: [{{"MatchExpressions":[{{"Key":"x","Operator":"Exists","Values":null}}],'
            '"MatchFields":null},{"MatchExpressions":[{"Key":"y","Operator":"Exists","Values":null}],'
            '"MatchFields":null}]: no additions/deletions to non-empty NodeSelectorTerms list are allowed'
        ],
    ),
    (
        {f"{TERMS}.0.matchExpressions.0.operator": "DoesNotExist"},
        [
            f'{TERMS}[0]: Invalid value: {{"MatchExpressions":[{{"Key":"x","Operator":"DoesNotExist","Values":null}}],'
            '"MatchFields":null}: only additions are allowed (no mutations or deletions)'
        ],
    ),
]

ENDED = {"name": "main", "state": {"terminated": {"exitCode": 1}}}
RUNNING = {"name": "main", "state": {"running": {}}}

REPORTED: list[tuple[dict[str, Any], list[str]]] = [
    ({"status.phase": "Running", "status.podIP": "10.0.0.1", "status.hostIP": "10.1.0.1"}, []),
    (
        {"status.conditions": [{"type": "a b", "status": "True"}, {"type": "Ready", "status": "True"}]},
        [
            'status.conditions[0].Type: Invalid value: "a b": name part must consist of alphanumeric characters, '
            "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  "
            "or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        ],
    ),
    (
        {"status.nominatedNodeName": "node-2"},
        ["status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node"],
    ),
    ({"status.qosClass": "Guaranteed"}, ['status.qosClass: Invalid value: "Guaranteed": field is immutable']),
    ({"spec.nodeName": "node-2"}, ["status.nodeName: Forbidden: may not be changed directly"]),
    (
        {"status.podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]},
        [
            'status.podIPs: Invalid value: [{"IP":"10.0.0.1"},{"IP":"10.0.0.2"}]: '
            "may specify no more than one IP for each IP family"
        ],
    ),
    ({"status.podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}, []),
    (
        {"status.podIP": "10.0.0.300"},
        [
            'status.podIPs[0]: Invalid value: "10.0.0.300": '
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        ],
    ),
    (
        {"status.hostIP": "10.0.0.1", "status.hostIPs": [{"ip": "10.0.0.2"}]},
        ['status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`'],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), UPDATED, ids=lambda case: str(case)[:60])
def test_little_of_a_pod_may_change(changes: dict[str, Any], expected: list[str]) -> None:
    assert updated(PODS, edited(BOUND, changes), BOUND) == expected


@pytest.mark.parametrize(("changes", "expected"), NARROWED, ids=lambda case: str(case)[:60])
def test_a_gated_pod_may_be_narrowed(changes: dict[str, Any], expected: list[str]) -> None:
    assert updated(PODS, edited(GATED, changes), GATED) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"spec.nodeName": "node-2"},
        {"spec.hostNetwork": True},
        {"spec.containers.0.env": [{"name": "A", "value": "b"}]},
        {"spec.nodeSelector": {"a": "b"}},
        {"spec.terminationGracePeriodSeconds": 1},
    ],
    ids=str,
)
def test_everything_else_is_fixed_and_the_difference_is_shown(changes: dict[str, Any]) -> None:
    (error,) = updated(PODS, edited(BOUND, changes), BOUND)
    assert error.startswith(f"{ONLY}@@ ")
    assert any(line.startswith("+ ") for line in error.splitlines())


def test_the_difference_is_shown_as_kubernetes_shows_it() -> None:
    assert updated(PODS, edited(POD, {"spec.dnsPolicy": "Default"}), POD) == [
        ONLY + "@@ -38,7 +38,7 @@\n"
        '  "RestartPolicy": "Always",\n'
        '  "TerminationGracePeriodSeconds": 30,\n'
        '  "ActiveDeadlineSeconds": null,\n'
        '- "DNSPolicy": "ClusterFirst",\n'
        '+ "DNSPolicy": "Default",\n'
        '  "NodeSelector": null,\n'
        '  "ServiceAccountName": "",\n'
        '  "DeprecatedServiceAccount": "",\n'
    ]


@pytest.mark.parametrize(("changes", "expected"), REPORTED, ids=lambda case: str(case)[:60])
def test_what_is_said_of_a_pods_status(changes: dict[str, Any], expected: list[str]) -> None:
    assert reported(PODS, edited(BOUND, changes), BOUND) == expected


@pytest.mark.parametrize(
    ("policy", "exit_code", "container", "allowed"),
    [
        ("Always", 0, {}, True),
        ("OnFailure", 1, {}, True),
        ("OnFailure", 0, {}, False),
        ("Never", 1, {}, False),
        ("Never", 1, {"restartPolicy": "Always"}, True),
        (
            "Never",
            7,
            {
                "restartPolicy": "Never",
                "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [7]}}],
            },
            True,
        ),
        (
            "Never",
            8,
            {
                "restartPolicy": "Never",
                "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [7]}}],
            },
            False,
        ),
    ],
)
def test_what_has_ended_runs_again_only_if_its_policy_says_so(
    policy: str, exit_code: int, container: dict[str, Any], allowed: bool
) -> None:
    spec = {f"spec.containers.0.{name}": value for name, value in container.items()}
    ended = {"name": "main", "state": {"terminated": {"exitCode": exit_code}}}
    before = edited(POD, {**spec, "spec.restartPolicy": policy, "status.containerStatuses": [ended]})
    after = edited(before, {"status.containerStatuses": [RUNNING]})
    refused = ["status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"]
    assert reported(PODS, after, before) == ([] if allowed else refused)
