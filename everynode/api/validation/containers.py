"""Containers: what all of them must say, and what sets ordinary, init and ephemeral ones apart.

`Surroundings` is what a container's rules need to know of its pod; it is gathered once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from everynode.api.core_v1 import (
    Container,
    ContainerPort,
    ContainerRestartRule,
    EphemeralContainer,
    PodSpec,
    Volume,
)
from everynode.api.fielderror import duplicate, forbidden, invalid, not_found, required, too_many
from everynode.api.validation.environment import check_environment, check_environment_sources
from everynode.api.validation.fields import (
    Errors,
    add_faults,
    check_one_of,
    check_port_number,
    check_required_word,
    dns_label_faults,
    port_name_faults,
)
from everynode.api.validation.probes import check_lifecycle, check_liveness_or_startup_probe, check_readiness_probe
from everynode.api.validation.resources import check_requirements
from everynode.api.validation.security import check_container_security
from everynode.api.validation.volumemounts import check_volume_devices, check_volume_mounts

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
RESTART_RULES_MAX = 20
EXIT_CODES_MAX = 255
RULES_NEED_POLICY = "must specify restartPolicy when restart rules are used"
NOT_FOR_EPHEMERAL = "cannot be set for an Ephemeral Container"

AnyContainer = Container | EphemeralContainer


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A container's pod, as far as its containers' rules depend on it."""

    spec: PodSpec
    volumes: Mapping[str, Volume]  # the well-formed ones, by name
    claim_names: Set[str]  # of the pod's resource claims
    host_users: bool


def containers_with_paths(spec: PodSpec, path: str) -> Iterator[tuple[AnyContainer, str]]:
    """Every container of a pod with its field, in the order in which Kubernetes visits them."""
    for index, container in enumerate(spec.init_containers):
        yield container, f"{path}.initContainers[{index}]"
    for index, container in enumerate(spec.containers):
        yield container, f"{path}.containers[{index}]"
    for index, ephemeral in enumerate(spec.ephemeral_containers):
        yield ephemeral, f"{path}.ephemeralContainers[{index}]"


def check_containers(surroundings: Surroundings, path: str, errors: Errors) -> None:
    spec = surroundings.spec
    if not spec.containers:
        errors.append(required(path))
        return
    names = set()
    for index, container in enumerate(spec.containers):
        place = f"{path}[{index}]"
        _check_container(container, surroundings, place, errors)
        if container.name in names:
            errors.append(duplicate(f"{place}.name", container.name))
        names.add(container.name)
        _check_hooks(container, spec, place, errors)
        _check_restart_policy(container, place, errors)
    _check_host_ports(spec.containers, path, errors)


def check_init_containers(surroundings: Surroundings, path: str, errors: Errors) -> None:
    """Those that run before the others. With `restartPolicy: Always` they stay beside them, and may then have probes."""
    spec = surroundings.spec
    names = {container.name for container in spec.containers}
    for index, container in enumerate(spec.init_containers):
        place = f"{path}[{index}]"
        _check_container(container, surroundings, place, errors)
        if container.restart_policy is None and container.restart_policy_rules:
            errors.append(required(f"{place}.restartPolicy", RULES_NEED_POLICY))
        else:
            _check_restart_policy(container, place, errors)
        if container.name in names:
            errors.append(duplicate(f"{place}.name", container.name))
        elif container.name:
            names.add(container.name)
        # Init containers run one after the other, so each one's ports are looked at by themselves.
        _check_host_ports([container], path, errors)
        if container.restart_policy == "Always":
            _check_hooks(container, spec, place, errors)
        else:
            _check_runs_once(container, place, errors)


def check_ephemeral_containers(surroundings: Surroundings, path: str, errors: Errors) -> None:
    """Those that somebody attached to look into a running pod."""
    spec = surroundings.spec
    others = {container.name for container in (*spec.containers, *spec.init_containers)}
    names = set(others)
    for index, container in enumerate(spec.ephemeral_containers):
        place = f"{path}[{index}]"
        _check_container(container, surroundings, place, errors)
        check_image_padding(container, place, errors)
        if container.name in names:
            errors.append(duplicate(f"{place}.name", container.name))
        names.add(container.name)
        if container.target_container_name and container.target_container_name not in others:
            errors.append(not_found(f"{place}.targetContainerName", container.target_container_name))
        _check_only_looks(container, place, errors)


def check_image_padding(container: AnyContainer, path: str, errors: Errors) -> None:
    """For pods; the templates of controllers were always allowed to pad."""
    if container.image != container.image.strip():
        errors.append(invalid(f"{path}.image", container.image, "must not have leading or trailing whitespace"))


def _check_container(container: AnyContainer, surroundings: Surroundings, path: str, errors: Errors) -> None:
    """What every container must say."""
    if not container.name:
        errors.append(required(f"{path}.name"))
    elif faults := dns_label_faults(container.name):
        add_faults(faults, container.name, f"{path}.name", errors)
    if not container.image:
        errors.append(required(f"{path}.image"))
    if container.termination_message_policy != "File":
        policy = container.termination_message_policy
        check_required_word(policy, MESSAGE_POLICIES, f"{path}.terminationMessagePolicy", errors)
    if container.ports:
        _check_ports(container.ports, f"{path}.ports", errors)
    if container.env:
        check_environment(container.env, f"{path}.env", errors)
    if container.env_from:
        check_environment_sources(container.env_from, f"{path}.envFrom", errors)
    if container.volume_mounts:
        check_volume_mounts(container, surroundings.volumes, f"{path}.volumeMounts", errors)
    if container.volume_devices:
        check_volume_devices(container, surroundings.volumes, f"{path}.volumeDevices", errors)
    if container.image_pull_policy not in PULL_POLICIES:
        check_required_word(container.image_pull_policy, PULL_POLICIES, f"{path}.imagePullPolicy", errors)
    check_requirements(container.resources, surroundings.claim_names, f"{path}.resources", errors)
    if container.resize_policy:
        _check_resize_policy(container, surroundings.spec.restart_policy, f"{path}.resizePolicy", errors)
    if container.security_context is not None:
        place = f"{path}.securityContext"
        check_container_security(container.security_context, place, errors, host_users=surroundings.host_users)


def _check_ports(ports: Sequence[ContainerPort], path: str, errors: Errors) -> None:
    names = set()
    for index, port in enumerate(ports):
        place = f"{path}[{index}]"
        if port.name:
            if faults := port_name_faults(port.name):
                add_faults(faults, port.name, f"{place}.name", errors)
            elif port.name in names:
                errors.append(duplicate(f"{place}.name", port.name))
            names.add(port.name)
        if not port.container_port:
            errors.append(required(f"{place}.containerPort"))
        else:
            check_port_number(port.container_port, f"{place}.containerPort", errors)
        if port.host_port:
            check_port_number(port.host_port, f"{place}.hostPort", errors)
        check_required_word(port.protocol, PROTOCOLS, f"{place}.protocol", errors)


def _check_host_ports(containers: Sequence[Container], path: str, errors: Errors) -> None:
    """No two ports of a pod may want the same port of the host."""
    taken = set()
    for index, container in enumerate(containers):
        for port_index, port in enumerate(container.ports):
            if not port.host_port:
                continue
            wanted = f"{port.protocol}/{port.host_ip}/{port.host_port}"
            if wanted in taken:
                errors.append(duplicate(f"{path}[{index}].ports[{port_index}].hostPort", wanted))
            taken.add(wanted)


def _check_hooks(container: Container, spec: PodSpec, path: str, errors: Errors) -> None:
    """Lifecycle and probes of a container that keeps running."""
    if container.lifecycle is not None:
        grace_period = spec.termination_grace_period_seconds
        check_lifecycle(container.lifecycle, grace_period, spec.os, f"{path}.lifecycle", errors)
    if container.liveness_probe is not None:
        check_liveness_or_startup_probe(container.liveness_probe, f"{path}.livenessProbe", errors)
    if container.readiness_probe is not None:
        check_readiness_probe(container.readiness_probe, f"{path}.readinessProbe", errors)
    if container.startup_probe is not None:
        check_liveness_or_startup_probe(container.startup_probe, f"{path}.startupProbe", errors)


def _check_runs_once(container: Container, path: str, errors: Errors) -> None:
    hooks = {
        "lifecycle": container.lifecycle,
        "livenessProbe": container.liveness_probe,
        "readinessProbe": container.readiness_probe,
        "startupProbe": container.startup_probe,
    }
    for name, hook in hooks.items():
        if hook is not None:
            message = "may not be set for init containers without restartPolicy=Always"
            errors.append(forbidden(f"{path}.{name}", message))
    for index, policy in enumerate(container.resize_policy):
        if policy.restart_policy == "RestartContainer":
            place = f"{path}.resizePolicy[{index}].restartPolicy"
            message = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            errors.append(invalid(place, policy.restart_policy, message))


def _check_restart_policy(container: Container, path: str, errors: Errors) -> None:
    """A container's own policy, and rules by exit code, which need one."""
    policy, rules = container.restart_policy, container.restart_policy_rules
    if policy is not None:
        check_one_of(policy, RESTART_POLICIES, f"{path}.restartPolicy", errors)
    elif rules:
        errors.append(required(f"{path}.restartPolicy", RULES_NEED_POLICY))
    if len(rules) > RESTART_RULES_MAX:
        errors.append(too_many(f"{path}.restartPolicyRules", len(rules), RESTART_RULES_MAX))
    for index, rule in enumerate(rules):
        _check_restart_rule(rule, f"{path}.restartPolicyRules[{index}]", errors)


def _check_restart_rule(rule: ContainerRestartRule, path: str, errors: Errors) -> None:
    check_one_of(rule.action, ("Restart", "RestartAllContainers"), f"{path}.action", errors)
    if rule.exit_codes is None:
        errors.append(required(f"{path}.exitCodes", "must be specified"))
        return
    check_one_of(rule.exit_codes.operator, ("In", "NotIn"), f"{path}.exitCodes.operator", errors)
    if len(rule.exit_codes.values) > EXIT_CODES_MAX:
        errors.append(too_many(f"{path}.exitCodes.values", len(rule.exit_codes.values), EXIT_CODES_MAX))


def _check_resize_policy(container: AnyContainer, restart_policy: str, path: str, errors: Errors) -> None:
    seen = set()
    for index, policy in enumerate(container.resize_policy):
        if policy.resource_name in seen:
            errors.append(duplicate(f"{path}[{index}]", policy.resource_name))
        seen.add(policy.resource_name)
        check_required_word(policy.resource_name, ("cpu", "memory"), path, errors)
        check_required_word(policy.restart_policy, ("NotRequired", "RestartContainer"), path, errors)
        if restart_policy == "Never" and policy.restart_policy != "NotRequired":
            message = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            errors.append(invalid(path, policy.restart_policy, message))


def _check_only_looks(container: EphemeralContainer, path: str, errors: Errors) -> None:
    """An ephemeral container serves nothing, so it has neither ports nor resources, probes or hooks."""
    not_its_own = {
        "ports": container.ports,
        "resources": container.resources.limits or container.resources.requests or container.resources.claims,
        "resizePolicy": container.resize_policy,
        "restartPolicy": container.restart_policy,
        "restartPolicyRules": container.restart_policy_rules,
        "livenessProbe": container.liveness_probe,
        "readinessProbe": container.readiness_probe,
        "startupProbe": container.startup_probe,
        "lifecycle": container.lifecycle,
    }
    errors.extend(forbidden(f"{path}.{name}", NOT_FOR_EPHEMERAL) for name, value in not_its_own.items() if value)
    for index, mount in enumerate(container.volume_mounts):
        if mount.sub_path:
            errors.append(forbidden(f"{path}.volumeMounts[{index}].subPath", NOT_FOR_EPHEMERAL))
        if mount.sub_path_expr:
            errors.append(forbidden(f"{path}.volumeMounts[{index}].subPathExpr", NOT_FOR_EPHEMERAL))
