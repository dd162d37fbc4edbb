"""What is read of a pod on a tainted node. Such pods are few: they are read when they matter, and not kept."""

from __future__ import annotations

import msgspec

from everynode.api.views import Identity, View
from everynode.fit.views import Toleration


class Meta(Identity):
    generation: int = 0
    deletion_timestamp: str | None = None


class Spec(View):
    node_name: str = ""
    tolerations: list[Toleration] = []


class Condition(View):
    type: str = ""
    status: str = ""
    reason: str = ""


class Status(View):
    conditions: list[Condition] = []


class Pod(View):
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)

    @property
    def key(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"
