"""Objects made to hurt: whatever stands in a body of three megabytes, validation ends soon and says a bounded amount."""

from __future__ import annotations

import time
from typing import Any

import pytest

from everynode.api import validation
from everynode.api.scheme import PODS
from everynode.api.validation.fields import ERRORS_MAX
from tests.api.validated import POD, defaulted, edited

MANY = 20_000
CPU_SECONDS = 10.0  # far above what any of these takes; what grows with the square would take minutes


def affinity(term: dict[str, Any]) -> dict[str, Any]:
    return {"spec.affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


@pytest.mark.parametrize(
    "changes",
    [
        {"spec.containers.0.ports": [{}] * MANY},
        {"spec.containers": [{}] * MANY},
        {"metadata.labels": {f"a b{index}": "c d" for index in range(MANY)}},
        {"metadata.ownerReferences": [{"kind": "K", "name": f"n{i}", "controller": True} for i in range(MANY)]},
        {"metadata.managedFields": [{"manager": "\x01" * MANY}]},
        {
            "spec.volumes": [{"name": f"v{i}", "ephemeral": {}} for i in range(MANY)]
            + [{"name": f"w{i}", "persistentVolumeClaim": {"claimName": "c"}} for i in range(MANY)]
        },
        {
            "spec.topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": f"k{i}", "whenUnsatisfiable": "ScheduleAnyway"} for i in range(MANY)
            ]
        },
        {
            "spec.resourceClaims": [{"name": f"c{i}", "resourceClaimName": "r"} for i in range(MANY)],
            "spec.containers.0.resources": {"claims": [{"name": f"d{i}"} for i in range(MANY)]},
        },
        {
            "spec.containers.0.volumeMounts": [{"name": f"v{i}", "mountPath": f"/m{i}"} for i in range(MANY)],
            "spec.containers.0.volumeDevices": [{"name": f"w{i}", "devicePath": f"/d{i}"} for i in range(MANY)],
        },
        affinity(
            {
                "topologyKey": "zone",
                "matchLabelKeys": [f"a{i}" for i in range(MANY)],
                "mismatchLabelKeys": [f"b{i}" for i in range(MANY)],
                "labelSelector": {"matchExpressions": [{"key": f"a{i}", "operator": "Exists"} for i in range(MANY)]},
            }
        ),
        {"spec.tolerations": [{"key": "k" * 100_000}] * 10},
        {"spec.containers.0.image": "a" * 3_000_000},
        {"spec.containers.0.env": [{"name": "\x00" * 3_000_000}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_work_and_the_words_are_bounded(changes: dict[str, Any]) -> None:
    pod = defaulted(PODS, edited(POD, changes))
    begun = time.process_time()
    errors = validation.on_create(PODS, pod)
    assert time.process_time() - begun < CPU_SECONDS
    assert len(errors) <= ERRORS_MAX
    assert sum(len(str(error)) for error in errors[:-1]) <= validation.SENTENCES_MAX_BYTES
