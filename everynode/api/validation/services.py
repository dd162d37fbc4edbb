"""Services: ports, type, addresses, traffic policies. By the time they are judged, their addresses have been given."""

from __future__ import annotations

from collections.abc import Sequence

from everynode.api.core_v1 import LoadBalancerIngress, Service, ServicePort, ServiceSpec
from everynode.api.defaults.services import externally_accessible
from everynode.api.fielderror import duplicate, forbidden, invalid, not_supported, required
from everynode.api.validation.addresses import (
    check_cidr,
    check_endpoint_ip,
    check_ip,
    is_ipv6,
    parse_ip,
)
from everynode.api.validation.fields import (
    Errors,
    check_dns_label,
    check_dns_subdomain,
    check_label_key,
    check_labels,
    check_one_of,
    check_port,
    check_port_number,
    check_required_word,
    dns_label_faults,
)
from everynode.api.validation.internal import as_internal
from everynode.api.validation.metadata import check_metadata

HEADLESS = "None"
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")
POLICIES = ("Cluster", "Local")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
CLIENT_IP_SECONDS_MAX = 86400
ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"
FIXED = "may not change once set"
NO_SPEC = ServiceSpec()


def check_service(service: Service, errors: Errors) -> None:
    check_metadata(service.metadata, errors, name_faults=dns_label_faults)
    _check_spec(service.spec, NO_SPEC, errors)


def check_service_update(new: Service, old: Service, errors: Errors) -> None:
    _check_address_changes(new.spec, old.spec, errors)
    if new.spec.type == old.spec.type == "LoadBalancer" and (
        new.spec.load_balancer_class != old.spec.load_balancer_class
    ):
        errors.append(invalid("spec.loadBalancerClass", new.spec.load_balancer_class, FIXED))
    if (
        _needs_health_check(new.spec)
        and _needs_health_check(old.spec)
        and new.spec.health_check_node_port != old.spec.health_check_node_port
    ):
        errors.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    _check_spec(new.spec, old.spec, errors)


def check_service_status_update(new: Service, old: Service, errors: Errors) -> None:
    path = "status.loadBalancer.ingress"
    ingress = new.status.load_balancer.ingress
    if new.spec.type != "LoadBalancer" and ingress:
        errors.append(forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'"))
        return
    known = [entry.ip for entry in old.status.load_balancer.ingress if entry.ip]
    for index, entry in enumerate(ingress):
        _check_ingress(entry, known, f"{path}[{index}]", errors)


def _check_spec(spec: ServiceSpec, old: ServiceSpec, errors: Errors) -> None:
    """`old` is what stood there before, or an empty one: addresses that were accepted once stay so."""
    headless = _is_headless(spec)
    if not spec.ports and not headless and spec.type != "ExternalName":
        errors.append(required("spec.ports"))
    if spec.type in ("LoadBalancer", "NodePort") and headless:
        message = f"may not be set to 'None' for {spec.type} services"
        errors.append(invalid("spec.clusterIPs[0]", HEADLESS, message))
    elif spec.type == "ExternalName":
        _check_external_name(spec, errors)
    names: set[str] = set()
    for index, port in enumerate(spec.ports):
        _check_port(port, len(spec.ports) > 1, names, f"spec.ports[{index}]", errors)
    check_labels(spec.selector, "spec.selector", errors)
    _check_affinity(spec, errors)
    if spec.type != "ExternalName":
        _check_cluster_addresses(spec, old, errors)
    for index, address in enumerate(spec.external_ips):
        before = len(errors)
        check_ip(address, f"spec.externalIPs[{index}]", errors, old.external_ips)
        if len(errors) == before:
            check_endpoint_ip(address, f"spec.externalIPs[{index}]", errors)
    check_required_word(spec.type, TYPES, "spec.type", errors)
    _check_ports_together(spec, errors)
    _check_load_balancer(spec, old, errors)
    _check_traffic(spec, errors)


def _check_external_name(spec: ServiceSpec, errors: Errors) -> None:
    message = "may not be set for ExternalName services"
    if spec.cluster_ips:
        errors.append(forbidden("spec.clusterIPs", message))
    if spec.ip_families:
        errors.append(forbidden("spec.ipFamilies", message))
    if spec.ip_family_policy is not None:
        errors.append(forbidden("spec.ipFamilyPolicy", message))
    name = spec.external_name.removesuffix(".")
    if name:
        check_dns_subdomain(name, "spec.externalName", errors)
    else:
        errors.append(required("spec.externalName"))


def _check_port(port: ServicePort, needs_name: bool, names: set[str], path: str, errors: Errors) -> None:
    if port.name:
        check_dns_label(port.name, f"{path}.name", errors)
        if port.name in names:
            errors.append(duplicate(f"{path}.name", port.name))
        names.add(port.name)
    elif needs_name:
        errors.append(required(f"{path}.name"))
    check_port_number(port.port, f"{path}.port", errors)
    check_required_word(port.protocol, PROTOCOLS, f"{path}.protocol", errors)
    check_port(port.target_port, f"{path}.targetPort", errors)
    if port.app_protocol is not None:
        check_label_key(port.app_protocol, f"{path}.appProtocol", errors)


def _check_ports_together(spec: ServiceSpec, errors: Errors) -> None:
    if spec.type == "ClusterIP":
        for index, port in enumerate(spec.ports):
            if port.node_port:
                message = "may not be used when `type` is 'ClusterIP'"
                errors.append(forbidden(f"spec.ports[{index}].nodePort", message))
    node_ports = set()
    for index, port in enumerate(spec.ports):
        if port.node_port:
            if (port.protocol, port.node_port) in node_ports:
                errors.append(duplicate(f"spec.ports[{index}].nodePort", port.node_port))
            node_ports.add((port.protocol, port.node_port))
    ports = set()
    for index, port in enumerate(spec.ports):
        if (port.protocol, port.port) in ports:
            errors.append(
                duplicate(f"spec.ports[{index}]", as_internal(ServicePort(protocol=port.protocol, port=port.port)))
            )
        ports.add((port.protocol, port.port))


def _check_affinity(spec: ServiceSpec, errors: Errors) -> None:
    check_required_word(spec.session_affinity, AFFINITIES, "spec.sessionAffinity", errors)
    path = "spec.sessionAffinityConfig"
    config = spec.session_affinity_config
    if spec.session_affinity == "None" and config is not None:
        errors.append(forbidden(path, "must not be set when session affinity is None"))
    if spec.session_affinity != "ClientIP":
        return
    message = "when session affinity type is ClientIP"
    if config is None:
        errors.append(required(path, message))
    elif config.client_ip is None:
        errors.append(required(f"{path}.clientIP", message))
    elif config.client_ip.timeout_seconds is None:
        errors.append(required(f"{path}.clientIP.timeoutSeconds", message))
    elif not 0 < config.client_ip.timeout_seconds <= CLIENT_IP_SECONDS_MAX:
        message = f"must be greater than 0 and less than {CLIENT_IP_SECONDS_MAX}"
        errors.append(invalid(f"{path}.clientIP.timeoutSeconds", config.client_ip.timeout_seconds, message))


def _check_cluster_addresses(spec: ServiceSpec, old: ServiceSpec, errors: Errors) -> None:
    """`clusterIP` is the first of `clusterIPs`; at most one address of each family, and as the families say."""
    path = "spec.clusterIPs"
    addresses = spec.cluster_ips
    if spec.cluster_ip and not addresses:
        errors.append(required(path))
    elif spec.cluster_ip and addresses[0] != spec.cluster_ip:
        errors.append(invalid(path, addresses, "first value must match `clusterIP`"))
    elif not spec.cluster_ip and addresses:
        errors.append(invalid(path, addresses, "must be empty when `clusterIP` is not specified"))
    _check_families(spec, errors)
    if not _are_addresses(addresses, old.cluster_ips, path, errors):
        return
    if len(addresses) > 1 and is_ipv6(addresses[0]) == is_ipv6(addresses[1]):
        errors.append(invalid(path, addresses, "may specify no more than one IP for each IP family"))
    if _is_headless(spec):
        return
    for index, (address, family) in enumerate(zip(addresses, spec.ip_families, strict=False)):
        if family in FAMILIES and is_ipv6(address) != (family == "IPv6"):
            message = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            errors.append(invalid(f"{path}[{index}]", address, message))


def _check_families(spec: ServiceSpec, errors: Errors) -> None:
    seen = set()
    for index, family in enumerate(spec.ip_families):
        check_one_of(family, FAMILIES, f"spec.ipFamilies[{index}]", errors)
        if family in seen:
            errors.append(duplicate(f"spec.ipFamilies[{index}]", family))
        seen.add(family)
    if spec.ip_family_policy is not None:
        check_one_of(spec.ip_family_policy, FAMILY_POLICIES, "spec.ipFamilyPolicy", errors)


def _are_addresses(addresses: Sequence[str], known: Sequence[str], path: str, errors: Errors) -> bool:
    wrong = False
    for index, address in enumerate(addresses):
        before = len(errors)
        if index == 0 and address == HEADLESS:
            if len(addresses) > 1:
                errors.append(invalid(path, addresses, "'None' must be the first and only value"))
        else:
            check_ip(address, f"{path}[{index}]", errors, known)
        wrong = wrong or len(errors) > before
    if len(addresses) > 2:
        errors.append(invalid(path, addresses, "may only hold up to 2 values"))
    return not wrong


def _check_load_balancer(spec: ServiceSpec, old: ServiceSpec, errors: Errors) -> None:
    balanced = spec.type == "LoadBalancer"
    path = "spec.LoadBalancerSourceRanges"
    if spec.load_balancer_source_ranges:
        if not balanced:
            errors.append(forbidden(path, ONLY_LOAD_BALANCER))
        known = [value.strip() for value in old.load_balancer_source_ranges]
        for index, value in enumerate(spec.load_balancer_source_ranges):
            check_cidr(value.strip(), f"{path}[{index}]", errors, known)
    if spec.allocate_load_balancer_node_ports is not None and not balanced:
        errors.append(forbidden("spec.allocateLoadBalancerNodePorts", ONLY_LOAD_BALANCER))
    if balanced and spec.allocate_load_balancer_node_ports is None:
        errors.append(required("allocateLoadBalancerNodePorts"))
    if spec.load_balancer_class is not None:
        if balanced:
            check_label_key(spec.load_balancer_class, "spec.loadBalancerClass", errors)
        else:
            errors.append(forbidden("spec.loadBalancerClass", ONLY_LOAD_BALANCER))


def _check_traffic(spec: ServiceSpec, errors: Errors) -> None:
    path = "spec.externalTrafficPolicy"
    policy = spec.external_traffic_policy
    if externally_accessible(spec):
        check_required_word(policy, POLICIES, path, errors)
    elif policy:
        errors.append(invalid(path, policy, "may only be set for externally-accessible services"))
    _check_health_port(spec, "spec.healthCheckNodePort", errors)
    if spec.internal_traffic_policy is not None:
        check_one_of(spec.internal_traffic_policy, POLICIES, "spec.internalTrafficPolicy", errors)
    elif spec.type in ("NodePort", "LoadBalancer", "ClusterIP"):
        errors.append(required("spec.internalTrafficPolicy"))
    distribution = spec.traffic_distribution
    if distribution is not None and distribution not in DISTRIBUTIONS:
        errors.append(not_supported("spec.trafficDistribution", distribution, DISTRIBUTIONS))


def _check_health_port(spec: ServiceSpec, path: str, errors: Errors) -> None:
    port = spec.health_check_node_port
    if _needs_health_check(spec):
        if port:
            check_port_number(port, path, errors)
        else:
            errors.append(required(path))
    elif port:
        message = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.append(invalid(path, port, message))


def _check_address_changes(new: ServiceSpec, old: ServiceSpec, errors: Errors) -> None:
    """The first address stays what it is; a second may come, and may go when the policy says so."""
    if "ExternalName" in (new.type, old.type) or (_is_headless(new) and _is_headless(old)):
        return
    addresses, before = new.cluster_ips, old.cluster_ips
    if len(before) == len(addresses):
        for index, address in enumerate(before):
            if address != addresses[index]:
                errors.append(invalid(f"spec.clusterIPs[{index}]", addresses, FIXED))
    else:
        if len(before) > len(addresses) and not addresses:
            errors.append(invalid("spec.clusterIPs[0]", None, "primary clusterIP can not be unset"))
        if before and addresses and before[0] != addresses[0]:
            errors.append(invalid("spec.clusterIPs[0]", addresses, FIXED))
        if len(before) > len(addresses) == 1 and new.ip_family_policy != "SingleStack":
            message = "must be set to 'SingleStack' when releasing the secondary clusterIP"
            errors.append(invalid("spec.ipFamilyPolicy", new.ip_family_policy, message))
    if not _is_headless(new) and not _is_headless(old):
        _check_family_changes(new, old, errors)


def _check_family_changes(new: ServiceSpec, old: ServiceSpec, errors: Errors) -> None:
    families, before = new.ip_families, old.ip_families
    path = "spec.ipFamilies[0]"
    if len(before) == len(families):
        for family, known in zip(families, before, strict=True):
            if family != known:
                errors.append(invalid(path, families, FIXED))
        return
    if len(before) > len(families) and not new.cluster_ips:
        errors.append(invalid(path, families or None, "primary ipFamily can not be unset"))
    if before and families and families[0] != before[0]:
        errors.append(invalid(path, new.cluster_ips, FIXED))
    if len(before) > len(families) == 1 and new.ip_family_policy != "SingleStack":
        message = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        errors.append(invalid("spec.ipFamilyPolicy", new.ip_family_policy, message))


def _check_ingress(entry: LoadBalancerIngress, known: Sequence[str], path: str, errors: Errors) -> None:
    if entry.ip:
        check_ip(entry.ip, f"{path}.ip", errors, known)
    if entry.ip_mode is None:
        if entry.ip:
            errors.append(required(f"{path}.ipMode", "must be specified when `ip` is set"))
    elif not entry.ip:
        errors.append(forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
    else:
        check_one_of(entry.ip_mode, ("Proxy", "VIP"), f"{path}.ipMode", errors)
    if entry.hostname:
        check_dns_subdomain(entry.hostname, f"{path}.hostname", errors)
        if parse_ip(entry.hostname) is not None:
            message = "must be a DNS name, not an IP address"
            errors.append(invalid(f"{path}.hostname", entry.hostname, message))


def _is_headless(spec: ServiceSpec) -> bool:
    return spec.cluster_ips == [HEADLESS]


def _needs_health_check(spec: ServiceSpec) -> bool:
    return spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"
