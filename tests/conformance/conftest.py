"""`everynode up` without simulated nodes, one for all tests of a file, and for each test a namespace and an empty fleet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.conformance.world import World, eventually
from tests.running import Up

_numbers = count()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One `everynode up` without nodes: the tests bring their own."""
    one = Up(tmp_path_factory.mktemp("bare") / "data", ("--nodes", "0", "--store", "memory")).start()
    yield one
    one.kill()


@pytest.fixture
def world(bare: Up) -> Iterator[World]:
    """A namespace of this test's own in a cluster without nodes."""
    one = World(bare.kubeconfig, f"test-{next(_numbers)}")
    one.core.create_namespace({"metadata": {"name": one.namespace}})
    eventually(
        lambda: [each.metadata.name for each in one.core.list_namespaced_service_account(one.namespace).items],
        lambda names: "default" in names,
    )
    yield one
    one.clear()
