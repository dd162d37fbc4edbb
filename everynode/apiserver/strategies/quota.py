"""ResourceQuotas: what is used is the controller's to tell."""

from __future__ import annotations

from everynode.api.core_v1 import ResourceQuota, ResourceQuotaStatus
from everynode.apiserver.strategies.plain import Strategy


class ResourceQuotaStrategy(Strategy):
    def prepare_create(self, new: ResourceQuota) -> None:
        new.status = ResourceQuotaStatus()
