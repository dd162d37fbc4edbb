"""What a quota's status says: what is there, whoever made it and whatever became of it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from everynode.api.scheme import (
    CONFIG_MAPS,
    DAEMON_SETS,
    NAMESPACES,
    PODS,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    SERVICES,
)
from everynode.api.status import ApiError
from everynode.controllers.resourcequota.shell import STATUS_RATE, ResourceQuotaController
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import virtually

NS = "default"


def controller(api: RealApi) -> ResourceQuotaController:
    return ResourceQuotaController(api.controller, api.informers, api.clock, random.Random(1))


def pod_spec(cpu: str = "", memory_limit: str = "", **spec: Any) -> dict[str, Any]:
    resources: dict[str, Any] = {"requests": {"cpu": cpu}} if cpu else {}
    if memory_limit:
        resources["limits"] = {"memory": memory_limit}
    return {"containers": [{"name": "c", "image": "agent:1", "resources": resources}], **spec}


async def quota(api: RealApi, name: str = "q", *, namespace: str = NS, spec: Any = None, **hard: str) -> None:
    names = {name.replace("__", "/").replace("_", "."): amount for name, amount in hard.items()}
    await api.put(RESOURCE_QUOTAS, name, namespace, spec={"hard": names, **(spec or {})})


async def used(api: RealApi, name: str = "q", namespace: str = NS) -> dict[str, str]:
    await asyncio.sleep(A_MOMENT)
    found: Any = await api.get(RESOURCE_QUOTAS, name, namespace)
    assert found["status"]["hard"] == found["spec"]["hard"]
    told: dict[str, str] = found["status"]["used"]
    return told


async def end(api: RealApi, pod: str, phase: str) -> None:
    await api.client.patch(PODS, pod, {"status": {"phase": phase}}, NS, subresource="status")


def test_what_is_there_already_is_counted_and_changes_follow() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(PODS, "a", NS, spec=pod_spec("100m", "64Mi"))
            await api.put(PODS, "b", NS, spec=pod_spec("150m", "64Mi"))
            await quota(api, pods="10", requests_cpu="1", limits_memory="1Gi", count__pods="10", configmaps="5")
            before = {"pods": "2", "requests.cpu": "250m", "limits.memory": "128Mi", "count/pods": "2"}
            assert await used(api) == {**before, "configmaps": "0"}
            await api.put(CONFIG_MAPS, "c", NS, data={})
            await api.put(CONFIG_MAPS, "elsewhere", "kube-system", data={})
            await end(api, "a", "Succeeded")
            after = {"pods": "1", "requests.cpu": "150m", "limits.memory": "64Mi", "count/pods": "2"}
            assert await used(api) == {**after, "configmaps": "1"}
            await api.client.delete(PODS, "a", NS)
            await api.client.delete(PODS, "b", NS)
            assert await used(api) == {**dict.fromkeys(before, "0"), "configmaps": "1"}

    virtually(main())


def test_the_bounds_may_change_and_the_status_says_only_what_is_bounded() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await quota(api, pods="1", configmaps="5")
            await api.put(PODS, "a", NS, spec=pod_spec("100m"))
            assert await used(api) == {"pods": "1", "configmaps": "0"}
            with pytest.raises(ApiError, match="exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"):
                await api.put(PODS, "b", NS, spec=pod_spec("100m"))
            hard = {"pods": "2", "requests.cpu": "150m", "configmaps": None}
            await api.client.patch(RESOURCE_QUOTAS, "q", {"spec": {"hard": hard}}, NS)
            with pytest.raises(ApiError, match=r"requested: requests\.cpu=100m, used: requests\.cpu=100m"):
                await api.put(PODS, "b", NS, spec=pod_spec("100m"))
            await api.put(PODS, "b", NS, spec=pod_spec("50m"))
            assert await used(api) == {"pods": "2", "requests.cpu": "150m"}

    virtually(main())


def test_scopes_choose_the_pods() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(PRIORITY_CLASSES, "high", value=10)
            of_class = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
            unclassed = {"scopeName": "PriorityClass", "operator": "DoesNotExist"}
            scopes = {
                "terminating": {"scopes": ["Terminating"]},
                "not-terminating": {"scopes": ["NotTerminating"]},
                "best-effort": {"scopes": ["BestEffort"]},
                "not-best-effort": {"scopes": ["NotBestEffort", "NotTerminating"]},
                "high": {"scopeSelector": {"matchExpressions": [of_class]}},
                "unclassed": {"scopeSelector": {"matchExpressions": [unclassed]}},
            }
            for name, spec in scopes.items():
                await quota(api, name, spec=spec, pods="9")
            await api.put(PODS, "plain", NS, spec=pod_spec())
            await api.put(PODS, "asking", NS, spec=pod_spec("1", priorityClassName="high"))
            await api.put(PODS, "ending", NS, spec=pod_spec("1", activeDeadlineSeconds=60))
            told = {name: (await used(api, name))["pods"] for name in scopes}
            assert told == {
                "terminating": "1",
                "not-terminating": "2",
                "best-effort": "1",
                "not-best-effort": "1",
                "high": "1",
                "unclassed": "2",
            }
            await api.client.patch(PODS, "plain", {"spec": {"activeDeadlineSeconds": 5}}, NS)
            told = {name: (await used(api, name))["pods"] for name in ("terminating", "not-terminating")}
            assert told == {"terminating": "2", "not-terminating": "1"}

    virtually(main())


def test_services_count_their_ports_and_daemon_sets_count_as_objects() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await quota(
                api, services="5", services_nodeports="5", services_loadbalancers="5", count__daemonsets_apps="1"
            )
            ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
            await api.put(SERVICES, "plain", NS, spec={"ports": ports})
            await api.put(SERVICES, "open", NS, spec={"ports": ports, "type": "NodePort"})
            template = {"metadata": {"labels": {"a": "b"}}, "spec": pod_spec()}
            await api.put(DAEMON_SETS, "ds", NS, spec={"selector": {"matchLabels": {"a": "b"}}, "template": template})
            counts = {"services": "2", "services.nodeports": "2", "services.loadbalancers": "0"}
            assert await used(api) == {**counts, "count/daemonsets.apps": "1"}
            await api.client.patch(SERVICES, "plain", {"spec": {"type": "LoadBalancer"}}, NS)
            counts = {"services": "2", "services.nodeports": "4", "services.loadbalancers": "1"}
            assert await used(api) == {**counts, "count/daemonsets.apps": "1"}

    virtually(main())


def test_a_pod_that_nobody_ends_stops_counting_a_grace_period_late() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await quota(api, pods="1", count__pods="9")
            await api.node("n")
            await api.put(PODS, "stuck", NS, spec=pod_spec(nodeName="n", terminationGracePeriodSeconds=30))
            await api.client.delete(PODS, "stuck", NS)
            await asyncio.sleep(58)
            assert await used(api) == {"pods": "1", "count/pods": "1"}
            with pytest.raises(ApiError, match="exceeded quota"):
                await api.put(PODS, "next", NS, spec=pod_spec())
            await asyncio.sleep(3)
            assert await used(api) == {"pods": "0", "count/pods": "1"}
            await api.put(PODS, "next", NS, spec=pod_spec())
            await api.client.delete(PODS, "stuck", NS, grace_period_seconds=0)
            assert await used(api) == {"pods": "1", "count/pods": "1"}

    virtually(main())


def test_a_status_that_somebody_else_wrote_is_put_right() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await quota(api, pods="3")
            assert await used(api) == {"pods": "0"}
            wrong = {"status": {"used": {"pods": "2", "secrets": "1"}}}
            await api.client.patch(RESOURCE_QUOTAS, "q", wrong, NS, subresource="status")
            assert await used(api) == {"pods": "0"}

    virtually(main())


def test_many_changes_make_few_writes_and_rest_makes_none() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await quota(api, pods="500")
            await used(api)
            api.calls.clear()
            for number in range(200):
                await api.put(PODS, f"p{number}", NS, spec=pod_spec())
                await asyncio.sleep(0.005)
            assert await used(api) == {"pods": "200"}
            assert 2 < len(api.calls) <= STATUS_RATE + 3
            api.calls.clear()
            await asyncio.sleep(600)
            assert api.calls == []

    virtually(main())


def test_only_namespaces_with_quotas_are_watched_and_only_for_what_they_bound() -> None:
    async def main() -> None:
        asked: list[str] = []

        def listening(api: RealApi) -> ResourceQuotaController:
            plain = api.controller._handler

            async def noted(request: Any) -> Any:
                if request.method == "GET":
                    asked.append(request.path)
                return await plain(request)

            api.controller._handler = noted
            return controller(api)

        async with real_api(listening) as api:
            await api.put(NAMESPACES, "other")
            await quota(api, configmaps="1")
            await used(api)
            assert {path for path in asked if "/namespaces/" in path} == {f"/api/v1/namespaces/{NS}/configmaps"}
            await api.client.delete(RESOURCE_QUOTAS, "q", NS)
            await asyncio.sleep(A_MOMENT)
            asked.clear()
            await asyncio.sleep(3600)
            assert not [path for path in asked if "configmaps" in path]
            await quota(api, configmaps="1")
            assert await used(api) == {"configmaps": "0"}

    virtually(main())
