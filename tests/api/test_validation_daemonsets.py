"""DaemonSets: creation, update and status, by what is changed and what is then said of it."""

from __future__ import annotations

from typing import Any

import pytest

from everynode.api.scheme import CONTROLLER_REVISIONS, DAEMON_SETS
from tests.api.validated import DAEMON_SET, REMOVED, created, edited, reported, updated

PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
ROLLING = "spec.updateStrategy.rollingUpdate"
NO_MATCH = "`selector` does not match template `labels`"
BOTH_ZERO = f"{ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"


def budgets(**numbers: Any) -> dict[str, Any]:
    return {f"{ROLLING}.{name}": value for name, value in numbers.items()}


CREATED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    # selector and template
    (
        {"spec.selector": REMOVED},
        [f'spec.template.metadata.labels: Invalid value: {{"app":"agent"}}: {NO_MATCH}'],
    ),
    ({"spec.selector": {}}, ["spec.selector: Invalid value: {}: empty selector is invalid for daemonset"]),
    (
        {"spec.template.metadata.labels": {"other": "x"}},
        [f'spec.template.metadata.labels: Invalid value: {{"other":"x"}}: {NO_MATCH}'],
    ),
    ({"spec.template.metadata": REMOVED}, [f"spec.template.metadata.labels: Invalid value: null: {NO_MATCH}"]),
    (
        {"spec.selector.matchExpressions": [{"key": "app", "operator": "In"}]},
        [
            "spec.selector.matchExpressions[0].values: Required value: "
            "must be specified when `operator` is 'In' or 'NotIn'"
        ],
    ),
    (
        {"spec.selector.matchExpressions": [{"key": "app", "operator": "Exists", "values": ["x"]}]},
        [
            "spec.selector.matchExpressions[0].values: Forbidden: "
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        ],
    ),
    (
        {"spec.selector.matchExpressions": [{"key": "app", "operator": "Gt", "values": ["1"]}]},
        ['spec.selector.matchExpressions[0].operator: Invalid value: "Gt": not a valid selector operator'],
    ),
    (
        {"spec.selector.matchLabels": {"app": "a b"}},
        [f'spec.selector.matchLabels: Invalid value: "a b": {LABEL_VALUE}'],
    ),
    ({"spec.template.spec.containers": []}, ["spec.template.spec.containers: Required value"]),
    (
        {"spec.template.spec.containers.0.image": ""},
        ["spec.template.spec.containers[0].image: Required value"],
    ),
    # a template may pad the image's name; a pod may not
    ({"spec.template.spec.containers.0.image": "agent:1 "}, []),
    (
        {"spec.template.metadata.labels": {"app": "agent", "x": "a b"}},
        [f'spec.template.labels: Invalid value: "a b": {LABEL_VALUE}'],
    ),
    (
        {"spec.template.spec.restartPolicy": "OnFailure"},
        ['spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"'],
    ),
    (
        {"spec.template.spec.activeDeadlineSeconds": 5},
        ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported"],
    ),
    (
        {"spec.template.spec.ephemeralContainers": [{"name": "d", "image": "d:1"}]},
        ["spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template"],
    ),
    # host ports of a template may be left for the pods to fill in
    (
        {
            "spec.template.spec.hostNetwork": True,
            "spec.template.spec.containers.0.ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 8}],
        },
        [
            "spec.template.spec.containers[0].ports[1].hostPort: Invalid value: 8: "
            "must match `containerPort` when `hostNetwork` is true"
        ],
    ),
    # numbers
    ({"spec.minReadySeconds": -1}, ["spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"]),
    (
        {"spec.revisionHistoryLimit": -1},
        ["spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"],
    ),
    ({"spec.revisionHistoryLimit": 0}, []),
    # strategy
    (
        {"spec.updateStrategy.type": "Recreate"},
        [
            'spec.updateStrategy: Unsupported value: {"Type":"Recreate","RollingUpdate":null}: '
            'supported values: "RollingUpdate", "OnDelete"'
        ],
    ),
    ({"spec.updateStrategy.type": "OnDelete"}, []),
    (budgets(maxUnavailable=3), []),
    (budgets(maxUnavailable="30%"), []),
    (budgets(maxUnavailable=0, maxSurge="1%"), []),
    (
        budgets(maxSurge=1),
        [f"{ROLLING}.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"],
    ),
    (
        budgets(maxUnavailable="5%", maxSurge="5%"),
        [f'{ROLLING}.maxSurge: Invalid value: "5%": may not be set when maxUnavailable is non-zero'],
    ),
    (budgets(maxUnavailable=0), [BOTH_ZERO]),
    (budgets(maxUnavailable="0%"), [BOTH_ZERO]),
    (
        budgets(maxUnavailable=-1),
        [f"{ROLLING}.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"],
    ),
    (
        budgets(maxUnavailable="101%"),
        [f'{ROLLING}.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
    ),
    (
        budgets(maxUnavailable=0, maxSurge="101%"),
        [f'{ROLLING}.maxSurge: Invalid value: "101%": must not be greater than 100%'],
    ),
    (
        budgets(maxUnavailable="some"),
        [f'{ROLLING}.maxUnavailable: Invalid value: "some": {PERCENT}', BOTH_ZERO],
    ),
    (
        budgets(maxUnavailable=0, maxSurge="5"),
        [f'{ROLLING}.maxSurge: Invalid value: "5": {PERCENT}'],
    ),
    (budgets(maxUnavailable=""), [f'{ROLLING}.maxUnavailable: Invalid value: "": {PERCENT}', BOTH_ZERO]),
]

UPDATED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"spec.template.spec.containers.0.image": "agent:2"}, []),
    ({"spec.updateStrategy.type": "OnDelete"}, []),
    (
        {"spec.selector.matchLabels": {"app": "b"}, "spec.template.metadata.labels": {"app": "b"}},
        ['spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable'],
    ),
    (
        {"spec.template.spec.containers": []},
        ["spec.template.spec.containers: Required value"],
    ),
]

REPORTED: list[tuple[dict[str, Any], list[str]]] = [
    ({"status.numberReady": 5, "status.collisionCount": 3}, []),
    (
        {"status.currentNumberScheduled": -1, "status.numberAvailable": -2, "status.observedGeneration": -3},
        [
            "status.currentNumberScheduled: Invalid value: -1: must be greater than or equal to 0",
            "status.observedGeneration: Invalid value: -3: must be greater than or equal to 0",
            "status.numberAvailable: Invalid value: -2: must be greater than or equal to 0",
        ],
    ),
    ({"status.collisionCount": 1}, ["status.collisionCount: Invalid value: 1: cannot be decremented"]),
    ({"status.collisionCount": REMOVED}, ["status.collisionCount: Invalid value: 0: cannot be decremented"]),
]


@pytest.mark.parametrize(("changes", "expected"), CREATED, ids=lambda case: str(case)[:60])
def test_what_is_said_of_a_daemon_set(changes: dict[str, Any], expected: list[str]) -> None:
    assert created(DAEMON_SETS, edited(DAEMON_SET, changes)) == expected


@pytest.mark.parametrize(("changes", "expected"), UPDATED, ids=lambda case: str(case)[:60])
def test_what_is_said_of_an_update(changes: dict[str, Any], expected: list[str]) -> None:
    assert updated(DAEMON_SETS, edited(DAEMON_SET, changes), DAEMON_SET) == expected


@pytest.mark.parametrize(("changes", "expected"), REPORTED, ids=lambda case: str(case)[:60])
def test_what_is_said_of_a_status(changes: dict[str, Any], expected: list[str]) -> None:
    before = edited(DAEMON_SET, {"status": {"collisionCount": 2}})
    assert reported(DAEMON_SETS, edited(before, changes), before) == expected


REVISION = {
    "apiVersion": "apps/v1",
    "kind": "ControllerRevision",
    "metadata": {"name": "agent-1", "namespace": "default"},
    "data": {"spec": {"template": {}}},
    "revision": 1,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"data": REMOVED}, ["data: Required value: data is mandatory"]),
        ({"data": None}, ["data: Required value: data is mandatory"]),
        ({"data": [1]}, ["data: Required value: data must be a valid JSON object"]),
        ({"revision": -1}, ["revision: Invalid value: -1: must be greater than or equal to 0"]),
    ],
    ids=str,
)
def test_what_is_said_of_a_revision(changes: dict[str, Any], expected: list[str]) -> None:
    assert created(CONTROLLER_REVISIONS, edited(REVISION, changes)) == expected


def test_the_number_of_a_revision_may_rise_and_its_data_stays() -> None:
    assert updated(CONTROLLER_REVISIONS, edited(REVISION, {"revision": 7}), REVISION) == []
    changed = edited(REVISION, {"data": {"spec": 1}})
    assert updated(CONTROLLER_REVISIONS, changed, REVISION) == ['data: Invalid value: {"spec":1}: field is immutable']
