"""Nodes: their taints, addresses, amounts of resources, and the ranges that their pods get addresses from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from everynode.api.core_v1 import Node, NodeAddress, NodeSpec, Taint
from everynode.api.fielderror import duplicate, forbidden, invalid
from everynode.api.validation.addresses import check_cidr, one_of_each_family
from everynode.api.validation.fields import Errors, check_label_key, label_value_faults
from everynode.api.validation.internal import as_internal
from everynode.api.validation.metadata import check_metadata
from everynode.api.validation.resources import Amount, check_amount
from everynode.api.validation.scheduling import check_taint_effect
from everynode.values.names import DNS_SUBDOMAIN_MAX

_FEATURE = re.compile(r"[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*")


def check_node(node: Node, errors: Errors) -> None:
    check_metadata(node.metadata, errors, namespaced=False)
    _check_taints(node.spec.taints, errors)
    _check_amounts(node, errors)
    swap = node.status.node_info.swap
    if swap is not None and swap.capacity is not None and swap.capacity <= 0:
        errors.append(invalid("metadata.nodeSwapStatus.capacity", swap.capacity, "must be greater than zero"))
    _check_features(node.status.declared_features, errors)
    _check_pod_ranges(node.spec.pod_cidrs, errors)


def check_node_update(new: Node, old: Node, errors: Errors) -> None:
    """Also the rule of status updates: the two differ only in what of the request is taken."""
    _check_amounts(new, errors)
    _check_features(new.status.declared_features, errors)
    _check_addresses(new.status.addresses, errors)
    _check_fixed(new.spec, old.spec, errors)
    _check_taints(new.spec.taints, errors)
    if new.spec.external_id != old.spec.external_id:
        errors.append(forbidden("spec.externalID", "may not be updated"))


def _check_taints(taints: Sequence[Taint], errors: Errors) -> None:
    """At most one taint of each key and effect. (Kubernetes names the field as if it stood in the metadata.)"""
    seen = set()
    for index, taint in enumerate(taints):
        path = f"metadata.taints[{index}]"
        check_label_key(taint.key, f"{path}.key", errors)
        if faults := label_value_faults(taint.value):
            errors.append(invalid(f"{path}.value", taint.value, ";".join(faults)))
        check_taint_effect(taint.effect, f"{path}.effect", errors)
        if (taint.key, taint.effect) in seen:
            errors.append(duplicate(path, as_internal(taint), "taints must be unique by key and effect pair"))
        seen.add((taint.key, taint.effect))


def _check_amounts(node: Node, errors: Errors) -> None:
    _check_amounts_of(node.status.capacity, "status.capacity", errors)
    _check_amounts_of(node.status.allocatable, "status.allocatable", errors)


def _check_amounts_of(amounts: Mapping[str, Amount], path: str, errors: Errors) -> None:
    for name, amount in amounts.items():
        check_amount(name, amount, f"{path}.{name}", errors)


def _check_features(features: Sequence[str], errors: Errors) -> None:
    path = "status.declaredFeatures"
    for index, feature in enumerate(features):
        if len(feature) > DNS_SUBDOMAIN_MAX:
            message = f'invalid feature name "{feature}": must be no more than {DNS_SUBDOMAIN_MAX} characters'
            errors.append(invalid(f"{path}[{index}]", feature, message))
        elif not _FEATURE.fullmatch(feature):
            message = (
                f'invalid feature name "{feature}": must start with an UpperCamelCase segment, with subsequent segments '
                "separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric "
                "characters and slashes"
            )
            errors.append(invalid(f"{path}[{index}]", feature, message))
        following = features[index + 1] if index + 1 < len(features) else None
        if following == feature:
            errors.append(duplicate(f"{path}[{index + 1}]", following))
        elif following is not None and following < feature:
            errors.append(invalid(f"{path}[{index + 1}]", following, "list must be sorted alphabetically"))


def _check_pod_ranges(ranges: Sequence[str], errors: Errors) -> None:
    for index, value in enumerate(ranges):
        check_cidr(value, f"spec.podCIDRs[{index}]", errors)
    if len(ranges) > 1 and not one_of_each_family(ranges):
        errors.append(invalid("spec.podCIDRs", ranges, "may specify no more than one CIDR for each IP family"))


def _check_addresses(addresses: Sequence[NodeAddress], errors: Errors) -> None:
    seen = set()
    for index, address in enumerate(addresses):
        pair = (address.type, address.address)
        if pair in seen:
            errors.append(duplicate(f"status.addresses[{index}]", as_internal(address)))
        seen.add(pair)


def _check_fixed(new: NodeSpec, old: NodeSpec, errors: Errors) -> None:
    """What stays once it was given: the ranges, and the cloud's name for the machine."""
    message = 'node updates may not change podCIDR except from "" to valid'
    if old.pod_cidrs and len(old.pod_cidrs) != len(new.pod_cidrs):
        errors.append(forbidden("spec.podCIDRs", message))
    else:
        for before, after in zip(old.pod_cidrs, new.pod_cidrs, strict=False):
            if before != after:
                errors.append(forbidden("spec.podCIDRs", message))
    if old.provider_id and new.provider_id and old.provider_id != new.provider_id:
        errors.append(invalid("spec.providerID", None, "field cannot be modified once set"))
    if old.provider_id and not new.provider_id:
        errors.append(invalid("spec.providerID", None, "field cannot be cleared once set"))
