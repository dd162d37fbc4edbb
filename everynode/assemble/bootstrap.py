"""The objects that a cluster has from the start. What is there already is left as it is."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from everynode.api.scheme import CONFIG_MAPS, NAMESPACES, PRIORITY_CLASSES, SERVICE_ACCOUNTS, SERVICES, Resource
from everynode.api.status import ApiError
from everynode.client.client import Client

# The first address of the service range is the API's own.
KUBERNETES_SERVICE_IP = "10.96.0.1"


def _namespace(name: str) -> tuple[Resource, str, dict[str, Any]]:
    return NAMESPACES, "", {"metadata": {"name": name}}


def _priority_class(name: str, value: int, description: str) -> tuple[Resource, str, dict[str, Any]]:
    return PRIORITY_CLASSES, "", {"metadata": {"name": name}, "value": value, "description": description}


NAMESPACE_NAMES = ("default", "kube-system", "kube-public", "kube-node-lease")

_OBJECTS: tuple[tuple[Resource, str, dict[str, Any]], ...] = (
    _priority_class(
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    _priority_class(
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        SERVICES,
        "default",
        {
            "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {
                "clusterIP": KUBERNETES_SERVICE_IP,
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
                "sessionAffinity": "None",
                "type": "ClusterIP",
            },
        },
    ),
)


async def bootstrap(client: Client, ca: str) -> None:
    """Creates what is missing; namespaces first, since the rest lives in them. `ca` is the cluster's CA as PEM text.

    Controllers keep a service account and the CA in every namespace; the first namespaces have them before the first request,
    since a pod is refused in a namespace without its service account.
    """
    await asyncio.gather(*(_create(client, *_namespace(name)) for name in NAMESPACE_NAMES))
    in_each = [
        each
        for namespace in NAMESPACE_NAMES
        for each in (
            (SERVICE_ACCOUNTS, namespace, {"metadata": {"name": "default"}}),
            (CONFIG_MAPS, namespace, {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ca}}),
        )
    ]
    await asyncio.gather(*(_create(client, *each) for each in (*_OBJECTS, *in_each)))


class _Present(msgspec.Struct):
    """What is read of an object that is there: nothing."""


async def _create(client: Client, resource: Resource, namespace: str, body: dict[str, Any]) -> None:
    """Asks first: a Service that is there would be refused for its address, which is its own, and not for its name."""
    try:
        await client.get(resource, body["metadata"]["name"], namespace, view=_Present)
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        document = {"kind": resource.kind, "apiVersion": resource.api_version, **body}
        await client.create(resource, document, namespace)
