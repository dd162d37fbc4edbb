"""How much a pod asks for and how much room a node has left.

Amounts are whole numbers in each resource's base unit: thousandths of a CPU, bytes, or pieces; fractions are rounded
up, so that a node is never promised more than it has.

A pod asks for the sum of its containers and of its sidecars (init containers that keep running), or for the most that any
moment of its initialisation needs, whichever is more; plus its overhead. Requests at the level of the pod replace that sum
for cpu, memory and huge pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from everynode.api.views import shared_dict
from everynode.fit.ports import HostPorts, host_ports_of
from everynode.fit.reasons import Reason, Unfit
from everynode.fit.views import AnyNode, AnyPodSpec, Quantity
from everynode.values import quantity as quantities

CPU = "cpu"
PODS = "pods"
# The order in which shortages are told; other resources follow by name.
_TOLD_FIRST = ("cpu", "memory", "ephemeral-storage")

Amounts = dict[str, int]

_NONE: Mapping[str, int] = {}
# Those of all rooms in which no port of the machine was ever claimed.
_NO_PORTS = HostPorts()


@lru_cache(maxsize=4096)
def amount(resource: str, quantity: Quantity) -> int:
    """A quantity in its resource's base unit, rounded up. Raises `QuantityError` for what is no quantity."""
    parsed = quantities.Quantity.parse(quantity)
    return parsed.milli_value() if resource == CPU else parsed.value()


def amounts(listed: Mapping[str, Quantity]) -> Amounts:
    return {resource: amount(resource, quantity) for resource, quantity in listed.items()}


def requests_of(spec: AnyPodSpec) -> Amounts:
    """What a pod with this spec asks of its node; `pods` is not among it (Room counts pods itself)."""
    total: Amounts = {}
    for container in spec.containers:
        _add(total, amounts(container.resources.requests))
    sidecars: Amounts = {}
    while_starting: Amounts = {}
    for container in spec.init_containers:
        own = amounts(container.resources.requests)
        if container.restart_policy == "Always":
            _add(total, own)
            _add(sidecars, own)
            moment = sidecars
        else:
            moment = dict(sidecars)
            _add(moment, own)
        _raise_to(while_starting, moment)
    _raise_to(total, while_starting)
    if spec.resources is not None:
        for resource, quantity in spec.resources.requests.items():
            if resource in (CPU, "memory") or resource.startswith("hugepages-"):
                total[resource] = amount(resource, quantity)
    _add(total, amounts(spec.overhead))
    return total


class Room(msgspec.Struct, gc=False, eq=False):
    """What is left on one node: its allocatable resources, less what the pods on it asked for, and the host ports in use.

    `add` and `remove` are each other's inverse and cost what one pod asks for, however many pods there are. Pods that have
    ended (Succeeded, Failed) take no room; whoever owns the Room does not add them. Most nodes of a fleet are of one size and
    carry the same, so amounts are shared among rooms, and replaced when they change.
    """

    allocatable: Mapping[str, int]
    used: Mapping[str, int] = _NONE
    pods: int = 0
    ports: HostPorts = _NO_PORTS

    @classmethod
    def of(cls, node: AnyNode) -> Room:
        return cls(shared_dict(amounts(node.status.allocatable)))

    def resize(self, node: AnyNode) -> None:
        """Takes over a node's changed allocatable resources; the pods stay counted."""
        self.allocatable = shared_dict(amounts(node.status.allocatable))

    def add(self, spec: AnyPodSpec) -> None:
        self.add_requests(requests_of(spec))
        ports = host_ports_of(spec)
        if ports:
            if self.ports is _NO_PORTS:
                self.ports = HostPorts()
            self.ports.take(ports)

    def add_requests(self, requests: Mapping[str, int]) -> None:
        """One more pod, as far as resources go."""
        self.pods += 1
        if requests:
            self.used = shared_dict(_sum(self.used, requests))

    def remove(self, spec: AnyPodSpec) -> None:
        self.pods -= 1
        requests = requests_of(spec)
        if requests:
            self.used = shared_dict(_sum(self.used, {name: -wanted for name, wanted in requests.items()}))
        self.ports.release(host_ports_of(spec))

    def beside(self, more: Iterable[AnyPodSpec], without: Iterable[AnyPodSpec] = ()) -> Room:
        """What would be left with the pods `more` here too and those `without` gone. This one stays as it is."""
        room = Room(self.allocatable, self.used, self.pods, self.ports.copy())
        for spec in without:
            room.remove(spec)
        for spec in more:
            room.add(spec)
        return room

    def refuse(self, requests: Mapping[str, int] = _NONE) -> list[Unfit]:
        """Every resource that one more pod with these requests would find short, cpu and memory first."""
        refusals = []
        if self.pods + 1 > self.allocatable.get(PODS, 0):
            refusals.append(Unfit(Reason.TOO_MANY_PODS, resolvable=True))
        for resource in (*_TOLD_FIRST, *sorted(requests.keys() - set(_TOLD_FIRST))):
            wanted = requests.get(resource, 0)
            capacity = self.allocatable.get(resource, 0)
            if wanted > 0 and wanted > capacity - self.used.get(resource, 0):
                refusals.append(Unfit(Reason.INSUFFICIENT, resource, resolvable=wanted <= capacity))
        return refusals


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for resource, wanted in more.items():
        total[resource] = total.get(resource, 0) + wanted


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Amounts:
    total = dict(one)
    _add(total, other)
    return total


def _raise_to(total: Amounts, least: Mapping[str, int]) -> None:
    for resource, wanted in least.items():
        if wanted > total.get(resource, 0):
            total[resource] = wanted
