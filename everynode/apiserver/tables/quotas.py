"""The rows of ResourceQuotas: what is used of what, limits apart from the rest."""

from __future__ import annotations

import msgspec

from everynode.apiserver.tables.printer import AGE, NAME, Cells, Metadata, Printer, View, age_of, text


class QuotaStatus(msgspec.Struct):
    """What is read of a ResourceQuota's status."""

    hard: dict[str, str | int | float] = {}
    used: dict[str, str | int | float] = {}


class QuotaView(View):
    """What is read of a ResourceQuota."""

    status: QuotaStatus = msgspec.field(default_factory=QuotaStatus)


def _quota(quota: QuotaView, metadata: Metadata, now: float) -> Cells:
    hard, used = quota.status.hard, quota.status.used
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        cell = f"{name}: {used.get(name, 0)}/{hard[name]}"
        (limits if name.startswith("limits.") else requests).append(cell)
    return metadata.name, ", ".join(requests), ", ".join(limits), age_of(metadata, now)


RESOURCE_QUOTA = Printer(
    (
        NAME,
        text("Request", "What is used of the objects and requests that it bounds"),
        text("Limit", "What is used of the limits that it bounds"),
        AGE,
    ),
    QuotaView,
    _quota,
)
