"""Cluster addresses of Services: each gets one of its own from a range, though nothing is proxied yet.

Drawn at random and looked up in the store's index, so that an address costs the same however many there are.
"""

from __future__ import annotations

import ipaddress

from everynode.api import scheme, status
from everynode.api.core_v1 import Service
from everynode.api.fielderror import invalid
from everynode.base.ids import Ids
from everynode.store.contract import Store

# Kubernetes' customary service range.
RANGE = ipaddress.ip_network("10.96.0.0/12")
ATTEMPTS = 64


async def assign_address(store: Store, ids: Ids, service: Service) -> None:
    """Gives a Service its clusterIP unless it wants none, or checks the one it asks for."""
    spec = service.spec
    if spec.type == "ExternalName":
        return
    if not spec.cluster_ip:
        spec.cluster_ip = await _free_address(store, ids)
    elif spec.cluster_ip != "None":
        await _refuse_taken(store, service)
    spec.cluster_ips = spec.cluster_ips or [spec.cluster_ip]
    spec.ip_families = spec.ip_families or ["IPv4"]
    spec.ip_family_policy = spec.ip_family_policy or "SingleStack"


async def _free_address(store: Store, ids: Ids) -> str:
    for _ in range(ATTEMPTS):
        address = str(RANGE[1 + int(ids.fraction() * (RANGE.num_addresses - 2))])
        if not await _is_taken(store, address):
            return address
    raise status.internal("failed to allocate a serviceIP: range is full")


async def _refuse_taken(store: Store, service: Service) -> None:
    if await _is_taken(store, service.spec.cluster_ip):
        error = invalid(
            "spec.clusterIPs", [service.spec.cluster_ip], "failed to allocate IP: provided IP is already allocated"
        )
        raise status.invalid(scheme.SERVICES, service.metadata.name, [error])


async def _is_taken(store: Store, address: str) -> bool:
    page = await store.range(scheme.SERVICES.prefix, terms=(f"f:spec.clusterIP={address}",), limit=1)
    return bool(page.entries)
