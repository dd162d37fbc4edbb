"""What quotas and limit ranges are given: amounts in their canonical spelling, and defaults that follow from bounds."""

from __future__ import annotations

from everynode.api.core_v1 import LimitRange, LimitRangeItem, ResourceQuota
from everynode.api.defaults.quantities import store_amounts


def default_resource_quota(quota: ResourceQuota) -> None:
    for amounts in (quota.spec.hard, quota.status.hard, quota.status.used):
        store_amounts(amounts)


def default_limit_range(limit_range: LimitRange) -> None:
    for item in limit_range.spec.limits:
        if item.type == "Container":
            _default_of_containers(item)
        for amounts in (item.max, item.min, item.default, item.default_request, item.max_limit_request_ratio):
            store_amounts(amounts)


def _default_of_containers(item: LimitRangeItem) -> None:
    """The limit is the most that is allowed, the request is the limit, or else the least that is allowed."""
    item.default = {**item.max, **item.default}
    item.default_request = {**item.min, **item.default, **item.default_request}
