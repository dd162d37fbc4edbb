from __future__ import annotations

import asyncio
from typing import Any

from everynode.api.scheme import CONFIG_MAPS, NAMESPACES, PODS, SECRETS, SERVICE_ACCOUNTS
from everynode.controllers.namespace.shell import NamespaceController
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import virtually


def controller(api: RealApi) -> NamespaceController:
    return NamespaceController(api.controller, api.informers, api.clock)


async def conditions(api: RealApi, name: str) -> dict[str, tuple[str, str]]:
    found: Any = await api.get(NAMESPACES, name)
    return {each["type"]: (each["status"], each["message"]) for each in found["status"].get("conditions", [])}


def test_a_deleted_namespace_goes_with_all_that_is_in_it_and_nothing_else() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NAMESPACES, "going")
            await api.put(CONFIG_MAPS, "a", "going")
            await api.put(SECRETS, "b", "going")
            await api.put(CONFIG_MAPS, "kept", "default")
            await api.client.delete(NAMESPACES, "going")
            await asyncio.sleep(A_MOMENT)
            assert await api.get(NAMESPACES, "going") is None
            assert await api.names(CONFIG_MAPS) == ["kept"]
            assert await api.names(SECRETS) == []

    virtually(main())


def test_what_a_finalizer_holds_is_told_and_waited_for() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NAMESPACES, "going")
            await api.put(CONFIG_MAPS, "held", "going", finalizers=["example.com/hold"])
            await api.client.delete(NAMESPACES, "going")
            await asyncio.sleep(60)
            assert await conditions(api, "going") == {
                "NamespaceDeletionDiscoveryFailure": ("False", "All resources successfully discovered"),
                "NamespaceDeletionGroupVersionParsingFailure": ("False", "All legacy kube types successfully parsed"),
                "NamespaceDeletionContentFailure": (
                    "False",
                    "All content successfully deleted, may be waiting on finalization",
                ),
                "NamespaceContentRemaining": (
                    "True",
                    "Some resources are remaining: configmaps. has 1 resource instances",
                ),
                "NamespaceFinalizersRemaining": (
                    "True",
                    "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
                ),
            }
            # Told once, however long it lasts.
            assert api.calls.count("PATCH /api/v1/namespaces/going/status") == 1
            await api.client.patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}}, "going")
            await asyncio.sleep(6)
            assert await api.get(NAMESPACES, "going") is None

    virtually(main())


def test_pods_go_before_what_they_use() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NAMESPACES, "going")
            await api.put(CONFIG_MAPS, "used", "going")
            spec = {"nodeName": "n", "serviceAccountName": "default", "containers": [{"name": "c", "image": "i"}]}
            await api.put(SERVICE_ACCOUNTS, "default", "going")
            await api.put(PODS, "p", "going", spec=spec)
            await api.client.delete(NAMESPACES, "going")
            await asyncio.sleep(10)
            # Its node has not said yet that the pod has ended.
            assert await api.names(CONFIG_MAPS, "going") == ["used"]
            told = (await conditions(api, "going"))["NamespaceContentRemaining"]
            assert told == ("True", "Some resources are remaining: pods. has 1 resource instances")
            await api.client.delete(PODS, "p", "going", grace_period_seconds=0)
            await asyncio.sleep(6)
            assert await api.get(NAMESPACES, "going") is None

    virtually(main())


def test_a_finalizer_of_somebody_else_in_the_spec_is_left_to_him() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NAMESPACES, "going", spec={"finalizers": ["example.com/mine"]})
            await api.client.delete(NAMESPACES, "going")
            await asyncio.sleep(10)
            found: Any = await api.get(NAMESPACES, "going")
            assert found["spec"]["finalizers"] == ["example.com/mine"]

    virtually(main())
