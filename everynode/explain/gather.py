"""Reads from an API server, any Kubernetes cluster's, what a DaemonSet's rollout rests on. It writes nothing.

What it needs to read is what the role `view` may read, and nodes. What it may not read is left out and named: without nodes
there is no answer, without events or budgets a poorer one.
"""

from __future__ import annotations

import asyncio

import msgspec

from everynode.api.scheme import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    EVENTS,
    NODES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    Resource,
)
from everynode.api.status import ApiError
from everynode.client.client import Client
from everynode.explain.evidence import Evidence

# Objects in one page of a list.
PAGE = 1000


async def gather(client: Client, namespace: str) -> Evidence:
    """All that may matter to a DaemonSet of this namespace. Raises ApiError when what is indispensable cannot be read."""
    evidence = Evidence()
    indispensable = (DAEMON_SETS, namespace), (NODES, ""), (PODS, "")
    lists = [_read(client, resource, where) for resource, where in indispensable]
    spared = [
        _spared(client, evidence, CONTROLLER_REVISIONS, namespace),
        _spared(client, evidence, EVENTS, namespace),
        _spared(client, evidence, POD_DISRUPTION_BUDGETS, ""),
    ]
    evidence.daemon_sets, evidence.nodes, evidence.pods, *rest = await asyncio.gather(*lists, *spared)
    evidence.revisions, evidence.events, evidence.budgets = rest
    return evidence


async def _read(client: Client, resource: Resource, namespace: str) -> list[bytes]:
    listing = await client.list(resource, namespace, view=msgspec.Raw, limit=PAGE)
    return [bytes(item) for item in listing.items]


async def _spared(client: Client, evidence: Evidence, resource: Resource, namespace: str) -> list[bytes]:
    """The objects, or none and a word why."""
    try:
        return await _read(client, resource, namespace)
    except ApiError as error:
        evidence.unread[resource.group_resource] = str(error)
        return []
