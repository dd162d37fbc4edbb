"""Whatever happens to a cluster: the budget holds, places hold, statuses are right, and in the end there is rest."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import AnyWeather

PROFILES = {
    "ci": settings(derandomize=True, max_examples=60, stateful_step_count=30, database=None),
    "long": settings(max_examples=6_000, stateful_step_count=50, print_blob=True),
}


def run(machine: type[AnyWeather], profile: settings) -> None:
    """A run may take as long as it takes, and draw as much."""
    profile = settings(profile, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=profile)


def test_a_cluster_in_any_weather() -> None:
    run(AnyWeather, PROFILES[os.environ.get("EVERYNODE_SIMULATION", "ci")])
