"""Keeps the `default` ServiceAccount and the ConfigMap `kube-root-ca.crt` in every namespace that is not being deleted.

Either is created anew when it is deleted; the ConfigMap is put right when its data are changed. Only these two names are
watched, so a cluster full of other ConfigMaps costs nothing here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from everynode.api.scheme import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS, Resource
from everynode.api.status import ApiError
from everynode.api.views import Identity, View
from everynode.client.client import Client
from everynode.reconcile.informer import InformerSet
from everynode.reconcile.queue import Queue
from everynode.reconcile.runner import Runner

ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
CA_FILE = "ca.crt"
# Kubernetes' own words in this annotation.
DESCRIPTION = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
    "distributions of Kubernetes clusters."
}


class Meta(Identity):
    deletion_timestamp: str | None = None


class Present(View):
    """Something of which only matters that it is there."""

    metadata: Meta = msgspec.field(default_factory=Meta)


class ConfigMap(View):
    metadata: Meta = msgspec.field(default_factory=Meta)
    data: dict[str, str] = {}


class ServiceAccountController:
    """Keeps what every namespace must have. `ca` is the cluster's CA as PEM text."""

    def __init__(self, client: Client, informers: InformerSet, *, ca: str) -> None:
        self._client = client
        self._ca = {CA_FILE: ca}
        self._queue = Queue()
        self._runner = Runner("service account controller", self._queue, self._reconcile)
        self._namespaces = informers.informer(NAMESPACES, Present)
        self._accounts = informers.informer(SERVICE_ACCOUNTS, Present, fields=f"metadata.name={ACCOUNT}")
        self._config_maps = informers.informer(CONFIG_MAPS, ConfigMap, fields=f"metadata.name={ROOT_CA}")
        self._namespaces.on_change(lambda _, new: self._queue.add(new.metadata.name) if new else None)
        self._accounts.on_change(self._changed)
        self._config_maps.on_change(self._changed)

    async def run(self) -> None:
        """Works until cancelled."""
        for informer in (self._namespaces, self._accounts, self._config_maps):
            await informer.synced.wait()
        await self._runner.run()

    def _changed(self, old: Any, new: Any) -> None:
        self._queue.add((new or old).metadata.namespace)

    async def _reconcile(self, name: str) -> None:
        namespace = self._namespaces.get("", name)
        if namespace is None or namespace.metadata.deletion_timestamp is not None:
            return
        if self._accounts.get(name, ACCOUNT) is None:
            await self._create(SERVICE_ACCOUNTS, name, {"metadata": {"name": ACCOUNT}})
        config_map = self._config_maps.get(name, ROOT_CA)
        if config_map is None:
            metadata = {"name": ROOT_CA, "annotations": DESCRIPTION}
            await self._create(CONFIG_MAPS, name, {"metadata": metadata, "data": self._ca})
        elif config_map.data != self._ca:
            gone = dict.fromkeys(key for key in config_map.data if key != CA_FILE)
            await self._client.patch(CONFIG_MAPS, ROOT_CA, {"data": {**gone, **self._ca}}, name)

    async def _create(self, resource: Resource, namespace: str, body: dict[str, Any]) -> None:
        document = {"kind": resource.kind, "apiVersion": resource.api_version, **body}
        try:
            await self._client.create(resource, document, namespace)
        except ApiError as error:
            # There already, or the namespace has begun to go; its event will tell.
            if error.reason != "AlreadyExists" and error.code not in (403, 404):
                raise
