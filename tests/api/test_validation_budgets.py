"""PodDisruptionBudgets: what may be created, changed and reported, by what is changed in a well-formed one."""

from __future__ import annotations

from typing import Any

import pytest

from everynode.api.scheme import POD_DISRUPTION_BUDGETS
from tests.api.validated import REMOVED, Manifest, created, edited, reported, updated

BUDGET: Manifest = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
}
PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
CONDITION = {
    "type": "DisruptionAllowed",
    "status": "True",
    "reason": "SufficientPods",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"spec": {}}, []),
        ({"spec.selector": {}}, []),
        ({"spec.minAvailable": "0%"}, []),
        ({"spec.minAvailable": REMOVED, "spec.maxUnavailable": "100%"}, []),
        ({"spec.unhealthyPodEvictionPolicy": "AlwaysAllow"}, []),
        ({"spec.unhealthyPodEvictionPolicy": "IfHealthyBudget"}, []),
        (
            {"spec.unhealthyPodEvictionPolicy": "Sometimes"},
            [
                'spec.unhealthyPodEvictionPolicy: Unsupported value: "Sometimes": supported values: "AlwaysAllow", '
                '"IfHealthyBudget"'
            ],
        ),
        (
            {"spec.maxUnavailable": "10%"},
            [
                'spec: Invalid value: {"MinAvailable":2,"Selector":{"matchLabels":{"app":"web"}},"MaxUnavailable":"10%",'
                '"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set'
            ],
        ),
        ({"spec.minAvailable": -1}, ["spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"]),
        ({"spec.minAvailable": "two"}, [f'spec.minAvailable: Invalid value: "two": {PERCENT}']),
        (
            {"spec.minAvailable": REMOVED, "spec.maxUnavailable": "101%"},
            ['spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
        ),
        (
            {"spec.selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
            [
                "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or "
                "'NotIn'"
            ],
        ),
        ({"metadata.name": "a/b"}, ["metadata.name: Invalid value: \"a/b\": may not contain '/'"]),
    ],
)
def test_creation_and_change_are_judged_alike(changes: dict[str, Any], said: list[str]) -> None:
    new = edited(BUDGET, changes)
    assert created(POD_DISRUPTION_BUDGETS, new) == said
    if "metadata.name" not in changes:
        assert updated(POD_DISRUPTION_BUDGETS, new, BUDGET) == said


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"disruptionsAllowed": 1, "conditions": [CONDITION]}, []),
        (
            {"disruptionsAllowed": -1, "currentHealthy": -2, "desiredHealthy": -3, "expectedPods": -4},
            [
                "status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0",
                "status.currentHealthy: Invalid value: -2: must be greater than or equal to 0",
                "status.desiredHealthy: Invalid value: -3: must be greater than or equal to 0",
                "status.expectedPods: Invalid value: -4: must be greater than or equal to 0",
            ],
        ),
        ({"conditions": [CONDITION, CONDITION]}, ['status.conditions[1]: Duplicate value: "DisruptionAllowed"']),
        (
            {"conditions": [{"type": "", "status": "", "reason": "", "message": ""}]},
            [
                "status.conditions[0].type: Required value: is required",
                "status.conditions[0].status: Required value",
                "status.conditions[0].lastTransitionTime: Required value",
                "status.conditions[0].reason: Required value",
            ],
        ),
        (
            {"conditions": [{**CONDITION, "status": "Maybe", "observedGeneration": -1}]},
            [
                'status.conditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"',
                "status.conditions[0].observedGeneration: Invalid value: -1: must be greater than or equal to zero",
            ],
        ),
        (
            {"conditions": [{**CONDITION, "reason": "two words", "message": "x" * 32769}]},
            [
                'status.conditions[0].reason: Invalid value: "two words": a condition reason must start with alphabetic '
                "character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an "
                "alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or "
                "'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')",
                "status.conditions[0].message: Too long: may not be more than 32768 bytes",
            ],
        ),
    ],
)
def test_statuses(status: dict[str, Any], said: list[str]) -> None:
    counts = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    new = edited(BUDGET, {"status": {**counts, **status}})
    assert reported(POD_DISRUPTION_BUDGETS, new, BUDGET) == said
