"""Reads from an API server, any Kubernetes cluster's, what a DaemonSet's rollout rests on. It writes nothing.

What it needs to read is what the role `view` may read, and nodes. What it may not read is left out and named: without nodes
there is no answer, without events or budgets a poorer one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable

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
from everynode.controllers.daemonset.diagnosis.facts import Node
from everynode.controllers.daemonset.observe import DaemonSet, Pod
from everynode.explain.evidence import Evidence

# Objects in one page of a list.
PAGE = 1000
# Nodes whose other pods are read too, to say who takes the room that a pod lacks.
NEIGHBOURHOODS = 20


async def gather(client: Client, namespace: str, name: str) -> Evidence:
    """All that may matter to this DaemonSet. Raises ApiError when what is indispensable cannot be read, or is not there."""
    ds = await client.get(DAEMON_SETS, name, namespace, view=DaemonSet)
    evidence = Evidence()
    evidence.daemon_sets, evidence.nodes, evidence.pods = await asyncio.gather(
        _read(client, DAEMON_SETS, namespace),
        _read(client, NODES),
        _read(client, PODS, namespace, labels=str(ds.selector)),
    )
    evidence.revisions, evidence.events, evidence.budgets, *neighbours = await asyncio.gather(
        _spared(client, evidence, CONTROLLER_REVISIONS, namespace),
        _spared(client, evidence, EVENTS, namespace),
        _spared(client, evidence, POD_DISRUPTION_BUDGETS),
        *(
            _spared(client, evidence, PODS, fields=f"spec.nodeName={node}")
            for node in _of_interest(evidence)[:NEIGHBOURHOODS]
        ),
    )
    evidence.pods = _each_once(itertools.chain(evidence.pods, *neighbours))
    return evidence


def _each_once(pods: Iterable[bytes]) -> list[bytes]:
    """A pod may come in two lists, and have changed from one to the other: the first stands."""
    decode = msgspec.json.Decoder(Pod).decode
    once: dict[str, bytes] = {}
    for pod in pods:
        once.setdefault(decode(pod).metadata.uid, pod)
    return list(once.values())


def _of_interest(evidence: Evidence) -> list[str]:
    """Nodes about whose other pods there is something to say: a pod found no place there, or a person drains them."""
    pods = map(msgspec.json.Decoder(Pod).decode, evidence.pods)
    nodes = map(msgspec.json.Decoder(Node).decode, evidence.nodes)
    cordoned = {node.metadata.name for node in nodes if node.spec.unschedulable}
    return sorted({pod.target for pod in pods if pod.target and not pod.bound}) + sorted(cordoned)


async def _read(
    client: Client, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = ""
) -> list[bytes]:
    listing = await client.list(resource, namespace, view=msgspec.Raw, labels=labels, fields=fields, limit=PAGE)
    return [bytes(item) for item in listing.items]


async def _spared(
    client: Client, evidence: Evidence, resource: Resource, namespace: str = "", *, fields: str = ""
) -> list[bytes]:
    """The objects, or none and a word why."""
    try:
        return await _read(client, resource, namespace, fields=fields)
    except ApiError as error:
        evidence.unread[resource.group_resource] = str(error)
        return []
