from __future__ import annotations

import asyncio
from typing import Any

from everynode.api.scheme import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    EVENTS,
    LEASES,
    LIMIT_RANGES,
    NAMESPACES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    RESOURCE_QUOTAS,
    RESOURCES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Resource,
)
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


def test_a_pod_past_its_grace_is_told_of_as_a_failure() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NAMESPACES, "going")
            await api.put(SERVICE_ACCOUNTS, "default", "going")
            spec = {
                "nodeName": "silent",
                "serviceAccountName": "default",
                "terminationGracePeriodSeconds": 20,
                "containers": [{"name": "c", "image": "i"}],
            }
            await api.put(PODS, "p", "going", spec=spec)
            await api.client.delete(NAMESPACES, "going")
            await asyncio.sleep(15)
            assert (await conditions(api, "going"))["NamespaceDeletionContentFailure"][0] == "False"
            await asyncio.sleep(600)
            assert (await conditions(api, "going"))["NamespaceDeletionContentFailure"] == (
                "True",
                "Failed to delete all resource types, 1 remaining: "
                "unexpected items still remain in namespace: going for gvr: /v1, Resource=pods",
            )
            # Twice there was something to tell, in ten minutes.
            assert api.calls.count("PATCH /api/v1/namespaces/going/status") == 2
            await api.client.delete(PODS, "p", "going", grace_period_seconds=0)
            await asyncio.sleep(6)
            assert await api.get(NAMESPACES, "going") is None

    virtually(main())


def test_a_namespace_that_somebody_else_holds_tells_that_it_is_empty() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NAMESPACES, "going", finalizers=["example.com/hold"])
            await api.put(CONFIG_MAPS, "held", "going", finalizers=["example.com/hold"])
            await api.client.delete(NAMESPACES, "going")
            await asyncio.sleep(10)
            assert (await conditions(api, "going"))["NamespaceContentRemaining"][0] == "True"
            await api.client.patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}}, "going")
            await asyncio.sleep(10)
            told = await conditions(api, "going")
            assert told["NamespaceContentRemaining"] == ("False", "All content successfully removed")
            assert told["NamespaceFinalizersRemaining"] == ("False", "All content-preserving finalizers finished")
            await api.client.patch(NAMESPACES, "going", {"metadata": {"finalizers": None}})
            assert await api.get(NAMESPACES, "going") is None

    virtually(main())


def test_every_kind_in_a_namespace_goes_with_it() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NAMESPACES, "going")
            for resource, body in CONTENTS.items():
                await api.put(resource, "one", "going", **body)
            kinds = {each for each in RESOURCES if each.namespaced and not each.stored_as and "delete" in each.verbs}
            assert set(CONTENTS) == kinds - {PODS}
            await api.client.delete(NAMESPACES, "going")
            await asyncio.sleep(A_MOMENT)
            assert await api.get(NAMESPACES, "going") is None
            assert {each: await api.names(each, "going") for each in kinds} == {each: [] for each in kinds}

    virtually(main())


TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
# One of each namespaced kind.
CONTENTS: dict[Resource, dict[str, Any]] = {
    CONFIG_MAPS: {},
    SECRETS: {},
    SERVICE_ACCOUNTS: {},
    SERVICES: {"spec": {"clusterIP": "None"}},
    EVENTS: {"involvedObject": {"kind": "Pod", "namespace": "going", "name": "x"}, "reason": "R", "type": "Normal"},
    RESOURCE_QUOTAS: {"spec": {"hard": {"pods": "1000"}}},
    LIMIT_RANGES: {"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}},
    DAEMON_SETS: {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}},
    CONTROLLER_REVISIONS: {"data": {}, "revision": 1},
    LEASES: {"spec": {}},
    POD_DISRUPTION_BUDGETS: {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}},
}


def test_a_finalizer_of_somebody_else_in_the_spec_is_left_to_him() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NAMESPACES, "going", spec={"finalizers": ["example.com/mine"]})
            await api.client.delete(NAMESPACES, "going")
            await asyncio.sleep(10)
            found: Any = await api.get(NAMESPACES, "going")
            assert found["spec"]["finalizers"] == ["example.com/mine"]

    virtually(main())
