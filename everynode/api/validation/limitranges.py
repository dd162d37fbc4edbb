"""LimitRanges: bounds and defaults that do not contradict each other."""

from __future__ import annotations

from collections.abc import Mapping

from everynode.api.core_v1 import LimitRange, LimitRangeItem
from everynode.api.fielderror import duplicate, forbidden, invalid, required
from everynode.api.validation.fields import Errors, add_faults, label_key_faults
from everynode.api.validation.metadata import check_metadata
from everynode.api.validation.resources import (
    Amount,
    check_container_resource_name,
    check_resource_name,
    may_be_overcommitted,
)
from everynode.values.quantity import Quantity

LIMIT_TYPES = frozenset({"Pod", "Container", "PersistentVolumeClaim"})
_ONE = Quantity.of(1)


def check_limit_range(limit_range: LimitRange, errors: Errors) -> None:
    check_metadata(limit_range.metadata, errors)
    _check_items(limit_range, errors)


def check_limit_range_update(new: LimitRange, old: LimitRange, errors: Errors) -> None:
    _check_items(new, errors)


def _check_items(limit_range: LimitRange, errors: Errors) -> None:
    types: set[str] = set()
    for index, item in enumerate(limit_range.spec.limits):
        path = f"spec.limits[{index}]"
        _check_type(item.type, f"{path}.type", errors)
        if item.type in types:
            errors.append(duplicate(f"{path}.type", item.type))
        types.add(item.type)
        _check_names(item, path, errors)
        _check_amounts(item, path, errors)


def _check_type(type_: str, path: str, errors: Errors) -> None:
    if faults := label_key_faults(type_):
        add_faults(faults, type_, path, errors)
    elif "/" not in type_ and type_ not in LIMIT_TYPES:
        errors.append(invalid(path, type_, "must be a standard limit type or fully qualified"))


def _check_names(item: LimitRangeItem, path: str, errors: Errors) -> None:
    """What is bounded exists for the type, and no default is set where there is nothing to set it on."""
    check_name = check_container_resource_name if item.type in ("Pod", "Container") else check_resource_name
    for name in item.max:
        check_name(name, f"{path}.max[{name}]", errors)
    for name in item.min:
        check_name(name, f"{path}.min[{name}]", errors)
    defaults = {"default": item.default, "defaultRequest": item.default_request}
    for field, amounts in defaults.items():
        if item.type == "Pod":
            if amounts:
                errors.append(forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'"))
            continue
        for name in amounts:
            check_name(name, f"{path}.{field}[{name}]", errors)
    if item.type == "PersistentVolumeClaim" and "storage" not in item.min and "storage" not in item.max:
        message = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(required(f"{path}.limits", message))
    for name in item.max_limit_request_ratio:
        check_name(name, f"{path}.maxLimitRequestRatio[{name}]", errors)


def _check_amounts(item: LimitRangeItem, path: str, errors: Errors) -> None:
    """min ≤ defaultRequest ≤ default ≤ max, as far as they are given, and a ratio that these leave possible."""
    of_pods = item.type == "Pod"
    default = {} if of_pods else item.default
    default_request = {} if of_pods else item.default_request
    ratios = item.max_limit_request_ratio
    for name in dict.fromkeys([*item.max, *item.min, *default, *default_request, *ratios]):
        least, most = _amount(item.min, name), _amount(item.max, name)
        limit, request = _amount(default, name), _amount(default_request, name)
        ratio = _amount(ratios, name)
        if least is not None and most is not None and least > most:
            why = f"min value {least} is greater than max value {most}"
            errors.append(invalid(f"{path}.min[{name}]", str(least), why))
        place = f"{path}.defaultRequest[{name}]"
        if request is not None and least is not None and least > request:
            why = f"min value {least} is greater than default request value {request}"
            errors.append(invalid(place, str(request), why))
        if request is not None and most is not None and request > most:
            why = f"default request value {request} is greater than max value {most}"
            errors.append(invalid(place, str(request), why))
        if request is not None and limit is not None and request > limit:
            why = f"default request value {request} is greater than default limit value {limit}"
            errors.append(invalid(place, str(request), why))
        place = f"{path}.default[{name}]"
        if limit is not None and least is not None and least > limit:
            errors.append(invalid(place, str(least), f"min value {least} is greater than default value {limit}"))
        if limit is not None and most is not None and limit > most:
            errors.append(invalid(place, str(most), f"default value {limit} is greater than max value {most}"))
        if ratio is not None:
            _check_ratio(ratio, least, most, f"{path}.maxLimitRequestRatio[{name}]", errors)
        if limit is not None and request is not None and limit != request and not may_be_overcommitted(name):
            why = f"default value {limit} must equal to defaultRequest value {request} in {name}"
            errors.append(invalid(f"{path}.defaultRequest[{name}]", str(request), why))


def _check_ratio(ratio: Quantity, least: Quantity | None, most: Quantity | None, path: str, errors: Errors) -> None:
    if ratio < _ONE:
        errors.append(invalid(path, str(ratio), f"ratio {ratio} is less than 1"))
    if least is not None and most is not None and least:
        possible = most.nanos / least.nanos
        if ratio.milli_value() / 1000 > possible:
            errors.append(invalid(path, str(ratio), f"ratio {ratio} is greater than max/min = {possible:f}"))


def _amount(amounts: Mapping[str, Amount], name: str) -> Quantity | None:
    return Quantity.parse(amounts[name]) if name in amounts else None
