"""Namespaces live until their content is gone: a finalizer in the spec holds them, a phase tells it."""

from __future__ import annotations

from everynode.api.core_v1 import Namespace, NamespaceStatus
from everynode.apiserver.strategies.plain import Strategy

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(Strategy):
    def prepare_create(self, new: Namespace) -> None:
        new.status = NamespaceStatus(phase="Active")
        if FINALIZER not in new.spec.finalizers:
            new.spec.finalizers = [*new.spec.finalizers, FINALIZER]
        new.metadata.labels = {**new.metadata.labels, NAME_LABEL: new.metadata.name}

    def prepare_update(self, new: Namespace, old: Namespace) -> None:
        new.spec.finalizers = old.spec.finalizers
        new.status = old.status
        new.metadata.labels = {**new.metadata.labels, NAME_LABEL: new.metadata.name}

    def prepare_finalize(self, new: Namespace, old: Namespace) -> None:
        """The finalize subresource changes the spec's finalizers and nothing else."""
        new.metadata = old.metadata
        new.status = old.status

    def begin_deletion(self, obj: Namespace) -> None:
        obj.status.phase = "Terminating"
