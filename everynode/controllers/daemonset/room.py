"""A quota that kept a DaemonSet's pods out, and whether there is room under it again. Pure.

Whoever is refused tries again later and later, up to a quarter of an hour. A quota that is raised, that goes, or under which
less is used than before is a reason to try at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from everynode.api.views import Identity, View
from everynode.values.quantity import Quantity


class QuotaSpec(View):
    hard: dict[str, str] = {}


class QuotaStatus(View):
    used: dict[str, str] = {}


class Quota(View):
    """What is read of a ResourceQuota."""

    metadata: Identity = msgspec.field(default_factory=Identity)
    spec: QuotaSpec = msgspec.field(default_factory=QuotaSpec)
    status: QuotaStatus = msgspec.field(default_factory=QuotaStatus)


def over_quota(refusals: Iterable[str]) -> bool:
    """Whether one of these messages tells of a quota that is exceeded."""
    return any("exceeded quota: " in message for message in refusals)


def makes_room(old: Quota | None, new: Quota | None) -> bool:
    """Whether more may be created after this change than before."""
    if old is None or new is None:
        return new is None
    bounds = old.spec.hard.keys() - new.spec.hard.keys()
    return bool(bounds) or _grew(old.spec.hard, new.spec.hard) or _grew(new.status.used, old.status.used)


def _grew(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    return any(
        name in after and Quantity.parse(after[name]) > Quantity.parse(amount) for name, amount in before.items()
    )
