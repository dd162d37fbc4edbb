"""What a pod is given that did not say it.

`default_pod_spec` is what pods and the templates of controllers share. `default_pod` adds what only pods get, so that a
template stays as its author wrote it: requests taken from limits, service links, host ports, and the status' addresses.
"""

from __future__ import annotations

from collections.abc import Sequence

from everynode.api.core_v1 import ContainerStatus, Pod, PodIP, PodSecurityContext, PodSpec, PodStatus
from everynode.api.defaults.containers import default_container, default_containers, host_ports, requests_from_limits
from everynode.api.defaults.quantities import store_amounts
from everynode.api.defaults.volumes import default_volume

TERMINATION_GRACE_PERIOD_SECONDS = 30
SCHEDULER_NAME = "default-scheduler"


def default_pod(pod: Pod) -> None:
    spec = pod.spec
    if spec.termination_grace_period_seconds is not None and spec.termination_grace_period_seconds < 0:
        spec.termination_grace_period_seconds = 1
    for containers in (spec.containers, spec.init_containers):
        for container in containers:
            requests_from_limits(container)
            if spec.host_network:
                host_ports(container)
    if spec.enable_service_links is None:
        spec.enable_service_links = True
    default_pod_spec(spec)
    _default_pod_status(pod.status)


def default_pod_spec(spec: PodSpec) -> None:
    # `serviceAccount` is the old name of `serviceAccountName`; both are kept, and the newer wins.
    spec.service_account_name = spec.service_account = spec.service_account_name or spec.service_account
    if not spec.dns_policy:
        spec.dns_policy = "ClusterFirst"
    if not spec.restart_policy:
        spec.restart_policy = "Always"
    if spec.security_context is None:
        spec.security_context = PodSecurityContext()
    if spec.termination_grace_period_seconds is None:
        spec.termination_grace_period_seconds = TERMINATION_GRACE_PERIOD_SECONDS
    if not spec.scheduler_name:
        spec.scheduler_name = SCHEDULER_NAME
    for volume in spec.volumes:
        default_volume(volume)
    for container in spec.containers:
        default_container(container)
    if spec.init_containers:
        default_containers(spec.init_containers)
    if spec.ephemeral_containers:
        default_containers(spec.ephemeral_containers)
    if spec.overhead:
        store_amounts(spec.overhead)
    if spec.resources is not None:
        store_amounts(spec.resources.limits)
        store_amounts(spec.resources.requests)


def _default_pod_status(status: PodStatus) -> None:
    if status.pod_ip or status.pod_ips:
        _default_addresses(status)
    _default_container_statuses(status.container_statuses)
    _default_container_statuses(status.init_container_statuses)
    _default_container_statuses(status.ephemeral_container_statuses)
    store_amounts(status.allocated_resources)
    if status.resources is not None:
        store_amounts(status.resources.limits)
        store_amounts(status.resources.requests)


def _default_addresses(status: PodStatus) -> None:
    """`podIP` is the first of `podIPs`, and `podIP` wins."""
    if not status.pod_ip:
        status.pod_ip = status.pod_ips[0].ip
    elif not status.pod_ips or status.pod_ips[0].ip != status.pod_ip:
        status.pod_ips = [PodIP(ip=status.pod_ip)]


def _default_container_statuses(statuses: Sequence[ContainerStatus]) -> None:
    for status in statuses:
        store_amounts(status.allocated_resources)
        if status.resources is not None:
            store_amounts(status.resources.limits)
            store_amounts(status.resources.requests)
