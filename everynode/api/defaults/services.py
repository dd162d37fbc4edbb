"""What a Service is given that did not say it: its type, its ports' protocol and target, its traffic policies."""

from __future__ import annotations

from everynode.api.core_v1 import ClientIPConfig, Service, ServiceSpec, SessionAffinityConfig

CLIENT_IP_AFFINITY_SECONDS = 10800
# The types that have an address of their own within the cluster.
_WITH_CLUSTER_IP = ("ClusterIP", "NodePort", "LoadBalancer")


def default_service(service: Service) -> None:
    spec = service.spec
    _default_affinity(spec)
    if not spec.type:
        spec.type = "ClusterIP"
    for port in spec.ports:
        if not port.protocol:
            port.protocol = "TCP"
        if not port.target_port:
            port.target_port = port.port
    if externally_accessible(spec) and not spec.external_traffic_policy:
        spec.external_traffic_policy = "Cluster"
    if spec.internal_traffic_policy is None and spec.type in _WITH_CLUSTER_IP:
        spec.internal_traffic_policy = "Cluster"
    if spec.type == "LoadBalancer":
        if spec.allocate_load_balancer_node_ports is None:
            spec.allocate_load_balancer_node_ports = True
        for ingress in service.status.load_balancer.ingress:
            if ingress.ip and ingress.ip_mode is None:
                ingress.ip_mode = "VIP"


def externally_accessible(spec: ServiceSpec) -> bool:
    """Whether it can be reached from outside the cluster."""
    return spec.type in ("LoadBalancer", "NodePort") or (spec.type == "ClusterIP" and bool(spec.external_ips))


def _default_affinity(spec: ServiceSpec) -> None:
    if not spec.session_affinity:
        spec.session_affinity = "None"
    if spec.session_affinity == "None":
        spec.session_affinity_config = None
    elif spec.session_affinity == "ClientIP":
        config = spec.session_affinity_config
        if config is None or config.client_ip is None or config.client_ip.timeout_seconds is None:
            seconds = ClientIPConfig(timeout_seconds=CLIENT_IP_AFFINITY_SECONDS)
            spec.session_affinity_config = SessionAffinityConfig(client_ip=seconds)
