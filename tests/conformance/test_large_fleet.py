"""Hundreds of nodes that a client makes: more than one sync's worth of creations and deletions."""

from __future__ import annotations

from tests.conformance.world import World, daemon_set, eventually, rolling

NODES = 320  # more than 250, the most that one sync creates or deletes


def test_hundreds_of_nodes(world: World) -> None:
    for number in range(NODES):
        world.core.create_node(
            {
                "metadata": {"name": f"n{number:03}"},
                "status": {"allocatable": {"pods": "10"}, "conditions": [{"type": "Ready", "status": "True"}]},
            }
        )
    world.create(daemon_set(strategy=rolling(1), terminationGracePeriodSeconds=0))
    world.status(desired_number_scheduled=NODES, current_number_scheduled=NODES, number_unavailable=NODES)
    pods = world.bound(NODES)
    assert len({pod.spec.node_name for pod in pods}) == NODES
    # None is available: the update replaces all at once, budget or not, and never two on a node.
    world.set_image("new")
    world.status(updated_number_scheduled=NODES, current_number_scheduled=NODES)
    replaced = eventually(world.pods, lambda found: len(found) == NODES)
    assert not {pod.metadata.uid for pod in replaced} & {pod.metadata.uid for pod in pods}
    assert [one.revision for one in world.revisions()] == [1, 2]
