"""The rows of Services."""

from __future__ import annotations

import msgspec

from everynode.apiserver.tables.printer import AGE, NAME, WIDE, Cells, Metadata, Printer, View, age_of, text
from everynode.values.labels import format_labels


class Port(msgspec.Struct, rename="camel"):
    """What is read of a port."""

    port: int = 0
    protocol: str = "TCP"
    node_port: int = 0

    def __str__(self) -> str:
        number = f"{self.port}:{self.node_port}" if self.node_port > 0 else str(self.port)
        return f"{number}/{self.protocol}"


class ServiceSpec(msgspec.Struct, rename="camel"):
    """What is read of a Service's spec."""

    type: str = ""
    cluster_ips: list[str] = msgspec.field(default_factory=list, name="clusterIPs")
    external_ips: list[str] = msgspec.field(default_factory=list, name="externalIPs")
    external_name: str = ""
    ports: list[Port] = []
    selector: dict[str, str] = {}


class Ingress(msgspec.Struct):
    """Where a load balancer takes traffic in."""

    ip: str = ""
    hostname: str = ""


class LoadBalancer(msgspec.Struct):
    """What is read of a load balancer."""

    ingress: list[Ingress] = []


class ServiceStatus(msgspec.Struct, rename="camel"):
    """What is read of a Service's status."""

    load_balancer: LoadBalancer = msgspec.field(default_factory=LoadBalancer)


class ServiceView(View):
    """What is read of a Service."""

    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)
    status: ServiceStatus = msgspec.field(default_factory=ServiceStatus)


def _cells(service: ServiceView, metadata: Metadata, now: float) -> Cells:
    spec = service.spec
    return (
        metadata.name,
        spec.type,
        spec.cluster_ips[0] if spec.cluster_ips else "<none>",
        _external(service),
        ",".join(map(str, spec.ports)) or "<none>",
        age_of(metadata, now),
        format_labels(spec.selector),
    )


def _external(service: ServiceView) -> str:
    spec = service.spec
    match spec.type:
        case "ClusterIP" | "NodePort":
            return ",".join(spec.external_ips) or "<none>"
        case "LoadBalancer":
            places = {each.ip or each.hostname for each in service.status.load_balancer.ingress} - {""}
            return ",".join([*sorted(places), *spec.external_ips]) or "<pending>"
        case "ExternalName":
            return spec.external_name
        case _:
            return "<unknown>"


SERVICE = Printer(
    (
        NAME,
        text("Type", "How the service is reached"),
        text("Cluster-IP", "Its address within the cluster"),
        text("External-IP", "Its addresses from outside"),
        text("Port(s)", "Its ports"),
        AGE,
        text("Selector", "Which pods it leads to", WIDE),
    ),
    ServiceView,
    _cells,
)
