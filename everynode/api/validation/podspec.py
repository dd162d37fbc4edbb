"""What a pod's specification must say: the same rules for pods and for the templates that controllers make pods from.

Errors come in upstream's order, all of them. Rules that only pods have stand in `pods`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from everynode.api.core_v1 import PodReadinessGate, PodResourceClaim, PodSpec, Volume
from everynode.api.fielderror import duplicate, forbidden, invalid, not_found, required
from everynode.api.meta_v1 import ObjectMeta
from everynode.api.validation.affinity import check_affinity
from everynode.api.validation.containers import (
    Surroundings,
    check_containers,
    check_ephemeral_containers,
    check_init_containers,
    containers_with_paths,
)
from everynode.api.validation.dns import check_dns, check_host_aliases, check_hostname_override
from everynode.api.validation.fields import (
    ID_MAX,
    Errors,
    check_dns_label,
    check_dns_subdomain,
    check_label_key,
    check_labels,
    check_range,
    check_required_word,
)
from everynode.api.validation.internal import as_internal
from everynode.api.validation.podos import check_operating_system
from everynode.api.validation.podresources import check_pod_resources
from everynode.api.validation.resources import check_overhead
from everynode.api.validation.scheduling import check_scheduling_gates, check_tolerations, check_topology_spread
from everynode.api.validation.security import check_pod_security
from everynode.api.validation.volumes import check_volumes

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"


def check_pod_spec(spec: PodSpec, metadata: ObjectMeta | None, path: str, errors: Errors) -> None:
    """`metadata` is the pod's own, and None for a template."""
    if spec.termination_grace_period_seconds is None:
        errors.append(required(f"{path}.terminationGracePeriodSeconds"))
    _check_containers_and_volumes(spec, metadata, path, errors)
    _check_policies(spec, metadata, path, errors)
    if spec.node_selector:
        check_labels(spec.node_selector, f"{path}.nodeSelector", errors)
    if spec.security_context is not None:
        check_pod_security(spec.security_context, spec, f"{path}.securityContext", errors)
    if spec.share_process_namespace and spec.host_pid:
        message = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid(f"{path}.shareProcessNamespace", True, message))
    if spec.affinity is not None:
        check_affinity(spec.affinity, f"{path}.affinity", errors)
    check_dns(spec, f"{path}.dnsConfig", errors)
    _check_readiness_gates(spec.readiness_gates, f"{path}.readinessGates", errors)
    check_scheduling_gates(spec.scheduling_gates, f"{path}.schedulingGates", errors)
    check_topology_spread(spec.topology_spread_constraints, f"{path}.topologySpreadConstraints", errors)
    if spec.host_users is False:
        _check_own_users(spec, path, errors)
    if spec.hostname_override is not None:
        check_hostname_override(spec, f"{path}.hostnameOverride", errors)
    _check_names(spec, path, errors)
    if spec.os is not None:
        check_operating_system(spec, path, errors)
    if spec.scheduling_group is not None:
        _check_scheduling_group(spec, f"{path}.schedulingGroup", errors)
    _check_environment_files(spec, path, errors)


def _check_containers_and_volumes(spec: PodSpec, metadata: ObjectMeta | None, path: str, errors: Errors) -> None:
    volumes: Mapping[str, Volume] = {}
    if spec.volumes:
        volumes = check_volumes(spec.volumes, metadata, f"{path}.volumes", errors)
    claim_names = {claim.name for claim in spec.resource_claims if claim.name}
    if spec.resource_claims:
        _check_resource_claims(spec.resource_claims, metadata, f"{path}.resourceClaims", errors)
    surroundings = Surroundings(spec, volumes, claim_names, spec.host_users is not False)
    check_containers(surroundings, f"{path}.containers", errors)
    if spec.init_containers:
        check_init_containers(surroundings, f"{path}.initContainers", errors)
    if spec.ephemeral_containers:
        check_ephemeral_containers(surroundings, f"{path}.ephemeralContainers", errors)
    if spec.resources is not None:
        check_pod_resources(spec, claim_names, f"{path}.resources", errors)


def _check_policies(spec: PodSpec, metadata: ObjectMeta | None, path: str, errors: Errors) -> None:
    if spec.host_network:
        _check_host_network_ports(spec, path, errors, is_pod=metadata is not None)
    check_required_word(spec.restart_policy, RESTART_POLICIES, f"{path}.restartPolicy", errors)
    check_required_word(spec.dns_policy, DNS_POLICIES, f"{path}.dnsPolicy", errors)


def _check_names(spec: PodSpec, path: str, errors: Errors) -> None:
    """The scalar fields towards the end, most of which name another object."""
    if spec.service_account_name:
        check_dns_subdomain(spec.service_account_name, f"{path}.serviceAccountName", errors)
    if spec.service_account != spec.service_account_name:
        message = f'must be the same as serviceAccountName: "{spec.service_account_name}"'
        errors.append(invalid(f"{path}.deprecatedServiceAccount", spec.service_account, message))
    if spec.node_name:
        check_dns_subdomain(spec.node_name, f"{path}.nodeName", errors)
    if spec.active_deadline_seconds is not None:
        check_range(spec.active_deadline_seconds, 1, ID_MAX, f"{path}.activeDeadlineSeconds", errors)
    if spec.hostname:
        check_dns_label(spec.hostname, f"{path}.hostname", errors)
    if spec.subdomain:
        check_dns_label(spec.subdomain, f"{path}.subdomain", errors)
    check_tolerations(spec.tolerations, f"{path}.tolerations", errors)
    if spec.host_aliases:
        check_host_aliases(spec.host_aliases, f"{path}.hostAliases", errors)
    if spec.priority_class_name:
        check_dns_subdomain(spec.priority_class_name, f"{path}.priorityClassName", errors)
    if spec.runtime_class_name is not None:
        check_dns_subdomain(spec.runtime_class_name, f"{path}.runtimeClassName", errors)
    if spec.preemption_policy is not None:
        check_required_word(spec.preemption_policy, PREEMPTION_POLICIES, f"{path}.preemptionPolicy", errors)
    if spec.overhead:
        check_overhead(spec.overhead, f"{path}.overhead", errors)


def _check_host_network_ports(spec: PodSpec, path: str, errors: Errors, *, is_pod: bool) -> None:
    for index, container in enumerate(spec.containers):
        for port_index, port in enumerate(container.ports):
            # In a template the host port may still be missing: it is filled in when a pod is made of it.
            if (is_pod or port.host_port) and port.host_port != port.container_port:
                place = f"{path}.containers[{index}].ports[{port_index}].hostPort"
                message = "must match `containerPort` when `hostNetwork` is true"
                errors.append(invalid(place, port.host_port, message))


def _check_readiness_gates(gates: Sequence[PodReadinessGate], path: str, errors: Errors) -> None:
    for index, gate in enumerate(gates):
        check_label_key(gate.condition_type, f"{path}[{index}].conditionType", errors)


def _check_own_users(spec: PodSpec, path: str, errors: Errors) -> None:
    """A pod with users of its own cannot share the host's namespaces. (The spelling of the fields is Kubernetes'.)"""
    message = "when `hostUsers` is false"
    for name, shared in (("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)):
        if shared:
            errors.append(forbidden(f"{path}.{name}", message))
    for container, place in containers_with_paths(spec, path):
        if container.volume_devices:
            errors.append(forbidden(f"{place}.volumeDevices", message))


def _check_resource_claims(
    claims: Sequence[PodResourceClaim], metadata: ObjectMeta | None, path: str, errors: Errors
) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        place = f"{path}[{index}]"
        if metadata is not None and MIRROR_ANNOTATION in metadata.annotations:
            errors.append(forbidden("[]", "static pods do not support resource claims"))
            continue
        if not claim.name:
            errors.append(required(f"{place}.name"))
        elif claim.name in seen:
            errors.append(duplicate(f"{place}.name", claim.name))
        else:
            check_dns_label(claim.name, f"{place}.name", errors)
            seen.add(claim.name)
        _check_claim_source(claim, place, errors)


def _check_claim_source(claim: PodResourceClaim, path: str, errors: Errors) -> None:
    by_name, by_template = claim.resource_claim_name, claim.resource_claim_template_name
    if by_name is not None and by_template is not None:
        message = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
        errors.append(invalid(path, as_internal(claim), message))
    if by_name is None and by_template is None:
        message = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
        errors.append(invalid(path, as_internal(claim), message))
    if by_name is not None:
        check_dns_subdomain(by_name, f"{path}.resourceClaimName", errors)
    if by_template is not None:
        check_dns_subdomain(by_template, f"{path}.resourceClaimTemplateName", errors)


def _check_scheduling_group(spec: PodSpec, path: str, errors: Errors) -> None:
    assert spec.scheduling_group is not None
    name = spec.scheduling_group.pod_group_name
    if name is None:
        errors.append(invalid(f"{path}.podGroupName", None, "must specify one of: `podGroupName`"))
    else:
        check_dns_subdomain(name, f"{path}.podGroupName", errors)
    if spec.eviction_responders:
        errors.append(forbidden(path, "may not be set when evictionResponders is set"))


def _check_environment_files(spec: PodSpec, path: str, errors: Errors) -> None:
    """Variables read from a file want that file in an emptyDir of the pod."""
    volumes = {volume.name: volume for volume in spec.volumes}
    for container, place in containers_with_paths(spec, path):
        for index, variable in enumerate(container.env):
            if variable.value_from is None or variable.value_from.file_key_ref is None:
                continue
            name = variable.value_from.file_key_ref.volume_name
            field = f"{place}.env[{index}].valueFrom.fileKeyRef.volumeName"
            volume = volumes.get(name)
            if volume is None:
                errors.append(not_found(field, name))
            elif volume.empty_dir is None:
                errors.append(invalid(field, name, "referenced volume must be of type emptyDir"))
