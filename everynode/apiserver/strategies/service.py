"""Services are stored, not proxied; their status is nobody's here."""

from __future__ import annotations

from everynode.api.core_v1 import Service, ServiceStatus
from everynode.apiserver.strategies.plain import Strategy


class ServiceStrategy(Strategy):
    def prepare_create(self, new: Service) -> None:
        new.status = ServiceStatus()
