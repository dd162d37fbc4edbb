"""Ports of the machine itself that pods claim.

Two claims collide when protocol and port are the same and so are the addresses, or one of them means every address
(0.0.0.0, which is also what no address means). A daemon pod with a host port therefore cannot surge: old and new cannot share
the node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from everynode.fit.views import AnyPodSpec

EVERY_ADDRESS = "0.0.0.0"


class HostPort(NamedTuple):
    protocol: str
    port: int
    address: str

    def __str__(self) -> str:
        return (
            f"{self.port}/{self.protocol}"
            if self.address == EVERY_ADDRESS
            else f"{self.address}:{self.port}/{self.protocol}"
        )


def host_ports_of(spec: AnyPodSpec) -> list[HostPort]:
    """The host ports of a pod's containers and sidecars (other init containers are gone before it runs)."""
    running = [*spec.containers, *(one for one in spec.init_containers if one.restart_policy == "Always")]
    return [
        HostPort(port.protocol or "TCP", port.host_port, port.host_ip or EVERY_ADDRESS)
        for container in running
        for port in container.ports
        if port.host_port > 0
    ]


class HostPorts:
    """The claims of the pods of one node, each counted, so that taking and releasing are each other's inverse."""

    __slots__ = ("_claims",)

    def __init__(self) -> None:
        self._claims: dict[tuple[str, int], dict[str, int]] = {}

    def copy(self) -> HostPorts:
        """The same claims, to be changed apart."""
        other = HostPorts()
        other._claims = {port: dict(addresses) for port, addresses in self._claims.items()}
        return other

    def take(self, ports: Iterable[HostPort]) -> None:
        for protocol, port, address in ports:
            addresses = self._claims.setdefault((protocol, port), {})
            addresses[address] = addresses.get(address, 0) + 1

    def release(self, ports: Iterable[HostPort]) -> None:
        for protocol, port, address in ports:
            addresses = self._claims[protocol, port]
            addresses[address] -= 1
            if not addresses[address]:
                del addresses[address]
            if not addresses:
                del self._claims[protocol, port]

    def collision(self, ports: Iterable[HostPort]) -> HostPort | None:
        """The first of these ports that is claimed already."""
        for wanted in ports:
            addresses = self._claims.get((wanted.protocol, wanted.port))
            if addresses and (
                wanted.address == EVERY_ADDRESS or wanted.address in addresses or EVERY_ADDRESS in addresses
            ):
                return wanted
        return None
