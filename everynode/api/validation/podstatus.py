"""The status of pods, as node agents and others report it: what it may say, and that what has ended stays ended."""

from __future__ import annotations

from collections.abc import Sequence

from everynode.api.core_v1 import (
    Container,
    ContainerStatus,
    HostIP,
    LinuxContainerUser,
    Pod,
    PodCondition,
    PodIP,
    PodSpec,
    PodStatus,
    ResourceStatus,
)
from everynode.api.fielderror import duplicate, forbidden, invalid, not_found, required, too_long
from everynode.api.validation.addresses import check_ip, one_of_each_family
from everynode.api.validation.fields import (
    ID_MAX,
    Errors,
    byte_length,
    check_dns_subdomain,
    check_immutable,
    check_label_key,
    check_one_of,
    check_range,
)
from everynode.api.validation.internal import as_internal
from everynode.api.validation.podannotations import check_annotation_changes, check_pod_annotations

SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})
HEALTH = ("Healthy", "Unhealthy", "Unknown")
HEALTH_MESSAGE_MAX = 1024
USER_MAX = 2**32 - 1


def check_pod_status_update(new: Pod, old: Pod, errors: Errors) -> None:
    status, before = new.status, old.status
    if new.metadata.annotations or old.metadata.annotations:
        check_annotation_changes(new.metadata.annotations, old.metadata.annotations, "metadata.annotations", errors)
        check_pod_annotations(new.metadata.annotations, new.spec, "metadata.annotations", errors)
    _check_conditions(status.conditions, errors)
    if new.spec.node_name != old.spec.node_name:
        errors.append(forbidden("status.nodeName", "may not be changed directly"))
    _check_nomination(new, old, errors)
    if status.observed_generation < 0:
        message = "must be a non-negative integer"
        errors.append(invalid("status.observedGeneration", status.observed_generation, message))
    check_immutable(status.qos_class, before.qos_class, "status.qosClass", errors)
    _check_transitions(status, before, old.spec, errors)
    _check_claims(new, errors)
    _check_volume_health(new, errors)
    _check_addresses(status, before, errors)
    _check_container_statuses(new, errors)


def _check_conditions(conditions: Sequence[PodCondition], errors: Errors) -> None:
    for index, condition in enumerate(conditions):
        path = f"status.conditions[{index}]"
        if condition.observed_generation < 0:
            message = "must be a non-negative integer"
            errors.append(invalid(f"{path}.observedGeneration", condition.observed_generation, message))
        if condition.type not in SYSTEM_CONDITIONS:
            check_label_key(condition.type, f"{path}.Type", errors)


def _check_nomination(new: Pod, old: Pod, errors: Errors) -> None:
    nominated = new.status.nominated_node_name
    if not nominated or nominated == old.status.nominated_node_name:
        return
    check_dns_subdomain(nominated, "status.nominatedNodeName", errors)
    if old.spec.node_name:
        message = "may not be set on pods that are already bound to a node"
        errors.append(forbidden("status.nominatedNodeName", message))


def _check_transitions(new: PodStatus, old: PodStatus, spec: PodSpec, errors: Errors) -> None:
    """What has terminated does not run again, unless its restart policy says that it may."""
    ephemeral = "status.ephemeralContainerStatuses"
    if not _all_may_restart(spec):
        for field, statuses, before, containers in (
            ("status.containerStatuses", new.container_statuses, old.container_statuses, spec.containers),
            (
                "status.initContainerStatuses",
                new.init_container_statuses,
                old.init_container_statuses,
                spec.init_containers,
            ),
        ):
            _check_stays_ended(statuses, before, containers, spec.restart_policy, field, errors)
    # Ephemeral containers are never restarted.
    _check_stays_ended(
        new.ephemeral_container_statuses, old.ephemeral_container_statuses, (), "Never", ephemeral, errors
    )


def _check_stays_ended(
    new: Sequence[ContainerStatus],
    old: Sequence[ContainerStatus],
    containers: Sequence[Container],
    restart_policy: str,
    path: str,
    errors: Errors,
) -> None:
    ended_before = [(index, status) for index, status in enumerate(old) if status.state.terminated is not None]
    if not ended_before:
        return
    now = {status.name: status for status in reversed(new)}
    by_name = {container.name: container for container in reversed(containers)}
    for index, before in ended_before:
        ended = before.state.terminated
        after = now.get(before.name)
        if ended is None or after is None or after.state.terminated is not None:
            continue
        container = by_name.get(before.name)
        if container is None or not _may_restart(container, restart_policy, ended.exit_code):
            errors.append(forbidden(f"{path}[{index}].state", "may not be transitioned to non-terminated state"))


def _may_restart(container: Container, pod_policy: str, exit_code: int) -> bool:
    """A matching rule first, then the container's own policy, then the pod's."""
    if container.restart_policy is not None:
        for rule in container.restart_policy_rules:
            codes = rule.exit_codes
            if codes is not None and (exit_code in codes.values) == (codes.operator == "In"):
                return True
    policy = container.restart_policy or pod_policy
    return policy not in ("Never", "OnFailure") or (policy == "OnFailure" and exit_code != 0)


def _all_may_restart(spec: PodSpec) -> bool:
    return any(
        rule.action == "RestartAllContainers"
        for container in (*spec.init_containers, *spec.containers)
        for rule in container.restart_policy_rules
    )


def _check_claims(pod: Pod, errors: Errors) -> None:
    wanted = {claim.name for claim in pod.spec.resource_claims}
    seen = set()
    for index, status in enumerate(pod.status.resource_claim_statuses):
        path = f"status.resourceClaimStatuses[{index}]"
        if status.name not in wanted:
            message = "must match the name of an entry in `spec.resourceClaims`"
            errors.append(invalid(f"{path}.name", status.name, message))
        if status.name in seen:
            errors.append(duplicate(f"{path}.name", status.name))
        seen.add(status.name)
        if status.resource_claim_name is not None:
            check_dns_subdomain(status.resource_claim_name, f"{path}.resourceClaimName", errors)


def _check_volume_health(pod: Pod, errors: Errors) -> None:
    volumes = {volume.name for volume in pod.spec.volumes} if pod.status.volume_health else ()
    for index, health in enumerate(pod.status.volume_health):
        if health.name and health.name not in volumes:
            errors.append(not_found(f"status.volumeHealth[{index}].name", health.name))


def _check_addresses(status: PodStatus, before: PodStatus, errors: Errors) -> None:
    ips = [entry.ip for entry in status.pod_ips]
    _check_ips(status.pod_ips, before.pod_ips, "status.podIPs", errors)
    if bool(status.pod_ip) != bool(ips):
        message = "podIP and podIPs must either both be set or both be unset"
        errors.append(invalid("status.podIPs", as_internal(status.pod_ips), message))
    elif ips and status.pod_ip != ips[0]:
        errors.append(invalid("status.podIPs[0].ip", ips[0], "must be equal to `podIP`"))
    hosts = [entry.ip for entry in status.host_ips]
    if hosts and status.host_ip != hosts[0]:
        errors.append(invalid("status.hostIPs[0].ip", hosts[0], "must be equal to `hostIP`"))
    _check_ips(status.host_ips, before.host_ips, "status.hostIPs", errors)


def _check_ips(entries: Sequence[PodIP | HostIP], before: Sequence[PodIP | HostIP], path: str, errors: Errors) -> None:
    known = [entry.ip for entry in before]
    for index, entry in enumerate(entries):
        check_ip(entry.ip, f"{path}[{index}]", errors, known)
    if len(entries) > 1 and not one_of_each_family([entry.ip for entry in entries]):
        errors.append(invalid(path, as_internal(entries), "may specify no more than one IP for each IP family"))


def _check_container_statuses(pod: Pod, errors: Errors) -> None:
    reported = pod.status
    windows = pod.spec.os is not None and pod.spec.os.name == "windows"
    groups = (
        ("status.containerStatuses", reported.container_statuses, pod.spec.containers),
        ("status.initContainerStatuses", reported.init_container_statuses, pod.spec.init_containers),
        ("status.ephemeralContainerStatuses", reported.ephemeral_container_statuses, ()),
    )
    for path, statuses, _ in groups:
        for index, status in enumerate(statuses):
            if status.user is not None and status.user.linux is not None:
                _check_user(status.user.linux, f"{path}[{index}].user.linux", errors, windows=windows)
    for path, statuses, containers in groups:
        if not any(status.allocated_resources_status for status in statuses):
            continue
        by_name = {container.name: container for container in reversed(containers)}
        for index, status in enumerate(statuses):
            if status.allocated_resources_status:
                container = by_name.get(status.name)
                _check_allocated(status, container, f"{path}[{index}].allocatedResourcesStatus", errors)


def _check_user(user: LinuxContainerUser, path: str, errors: Errors, *, windows: bool) -> None:
    if windows:
        errors.append(forbidden(path, "cannot be set for a windows pod"))
        return
    check_range(user.uid, 0, USER_MAX, f"{path}.uid", errors)
    check_range(user.gid, 0, ID_MAX, f"{path}.gid", errors)
    for index, group in enumerate(user.supplemental_groups):
        check_range(group, 0, ID_MAX, f"{path}.supplementalGroups[{index}]", errors)


def _check_allocated(status: ContainerStatus, container: Container | None, path: str, errors: Errors) -> None:
    if path.startswith("status.ephemeral"):
        errors.append(forbidden(path, "must not be specified in container status"))
        return
    for index, allocated in enumerate(status.allocated_resources_status):
        place = f"{path}[{index}]"
        if container is not None:
            _check_was_requested(allocated.name, container, f"{place}.name", errors)
        _check_health(allocated, f"{place}.resources", errors)


def _check_was_requested(name: str, container: Container, path: str, errors: Errors) -> None:
    if name.startswith("claim:"):
        claims = {
            f"claim:{claim.name}" + (f"/{claim.request}" * bool(claim.request)) for claim in container.resources.claims
        }
        if name not in claims:
            message = (
                "must match one of the container's resource claims as 'claim:<claimName>/<requestName>' when "
                "container.resources.claims[*].request is set or 'claim:<claimName>' when it is empty"
            )
            errors.append(invalid(path, name, message))
    elif name not in container.resources.requests:
        errors.append(invalid(path, name, "must match one of the container's resource requests"))


def _check_health(allocated: ResourceStatus, path: str, errors: Errors) -> None:
    seen = set()
    for index, resource in enumerate(allocated.resources):
        place = f"{path}[{index}]"
        check_one_of(resource.health, HEALTH, f"{place}.health", errors)
        if resource.message is not None:
            if not resource.message:
                errors.append(required(f"{place}.message", "must be non-empty if specified"))
            elif byte_length(resource.message) > HEALTH_MESSAGE_MAX:
                errors.append(too_long(f"{place}.message", HEALTH_MESSAGE_MAX))
        if resource.resource_id in seen:
            errors.append(duplicate(f"{place}.resourceID", resource.resource_id))
        seen.add(resource.resource_id)
