"""What the controller reads of a ResourceQuota."""

from __future__ import annotations

import msgspec

from everynode.api.core_v1 import ResourceQuotaSpec
from everynode.api.views import Identity, View


class Status(View):
    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class Quota(View):
    metadata: Identity = msgspec.field(default_factory=Identity)
    spec: ResourceQuotaSpec = msgspec.field(default_factory=ResourceQuotaSpec)
    status: Status = msgspec.field(default_factory=Status)

    @property
    def key(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"
