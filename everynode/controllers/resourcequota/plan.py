"""What a quota's status must say, and what has to be watched for that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from everynode.api.quota.rule import Rule
from everynode.api.quota.tally import Tally
from everynode.api.scheme import Resource
from everynode.controllers.resourcequota.observe import Quota
from everynode.values.quantity import Quantity


def status_change(quota: Quota, tally: Tally) -> dict[str, Any] | None:
    """The merge patch that makes the status true; None if it is. Names that the quota bounds no more go."""
    status: dict[str, Any] = {}
    for field, told, true in (
        ("hard", quota.status.hard, tally.rule.hard),
        ("used", quota.status.used, tally.used),
    ):
        if change := _change(told, true):
            status[field] = change
    return {"metadata": {"uid": quota.metadata.uid}, "status": status} if status else None


def kinds_counted(rules: Iterable[Rule]) -> set[Resource]:
    """The kinds that must be watched for these quotas."""
    return {kind for rule in rules for kind in rule.by_kind}


def _change(told: Mapping[str, str], true: Mapping[str, Quantity]) -> dict[str, str | None]:
    change: dict[str, str | None] = {name: None for name in told if name not in true}
    for name, amount in true.items():
        if name not in told or Quantity.parse(told[name]) != amount:
            change[name] = str(amount)
    return change
