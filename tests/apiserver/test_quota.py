"""What may be created under a quota, and that nothing is charged but what is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from everynode.apiserver.admission.quota import TURN
from tests.apiserver.caller import MERGE, Caller, config_map, manifest, pod

REFUSED = "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"


def quota(name: str = "q", **spec: Any) -> dict[str, Any]:
    return manifest("v1", "ResourceQuota", name, spec=spec)


def asking(name: str, *resources: dict[str, Any], **spec: Any) -> dict[str, Any]:
    containers = [{"name": f"c{n}", "image": "agent:1", "resources": each} for n, each in enumerate(resources)]
    return pod(name, containers=containers, **spec)


async def refusal(api: Caller, path: str, body: dict[str, Any], **query: str) -> str:
    answer = await api.call("POST", path, body, **query)
    assert (answer.code, answer.body["reason"]) == (403, "Forbidden"), answer.body
    return str(answer.body["message"])


async def test_of_those_who_ask_together_only_as_many_pass_as_there_is_room_for(api: Caller, core: str) -> None:
    await api.create(f"{core}/resourcequotas", quota(hard={"pods": "7"}))
    answers = await asyncio.gather(*(api.call("POST", f"{core}/pods", pod(f"p{n}")) for n in range(50)))
    assert sorted(answer.code for answer in answers) == [201] * 7 + [403] * 43
    assert len((await api.get(f"{core}/pods")).body["items"]) == 7


async def test_nothing_is_charged_for_what_is_not_stored(api: Caller, core: str) -> None:
    await api.create(f"{core}/pods", pod("there"))
    await api.create(f"{core}/resourcequotas", quota(hard={"pods": "2"}))
    for _ in range(3):
        assert (await api.call("POST", f"{core}/pods", pod("there"))).code == 409
        assert (await api.call("POST", f"{core}/pods", pod("a", restartPolicy="Sometimes"))).code == 422
        assert (await api.call("POST", f"{core}/pods", pod("a"), dryRun="All")).code == 201
    await api.create(f"{core}/pods", pod("a"))
    assert await refusal(api, f"{core}/pods", pod("b")) == f'pods "b" is forbidden: {REFUSED}'
    assert REFUSED in await refusal(api, f"{core}/pods", pod("b"), dryRun="All")
    named = {"metadata": {"generateName": "many-"}, "spec": pod("x")["spec"]}
    assert 'pods "many-' in await refusal(api, f"{core}/pods", named)


async def test_a_client_that_hangs_up_is_charged_for_what_it_left(api: Caller, core: str) -> None:
    await api.create(f"{core}/resourcequotas", quota(hard={"pods": "2"}))
    await api.create(f"{core}/pods", pod("a"))
    hung_up = asyncio.create_task(api.call("POST", f"{core}/pods", pod("b")))
    await asyncio.sleep(0)  # it is in line to be stored
    hung_up.cancel()
    answers = await asyncio.gather(*(api.call("POST", f"{core}/pods", pod(f"c{n}")) for n in range(2)))
    await asyncio.gather(hung_up, return_exceptions=True)
    assert hung_up.cancelled()
    assert [answer.code for answer in answers] == [403, 403]
    assert [each["metadata"]["name"] for each in (await api.get(f"{core}/pods")).body["items"]] == ["a", "b"]
    assert REFUSED in await refusal(api, f"{core}/pods", pod("c"))


async def test_what_was_stored_before_the_count_is_not_counted_again_when_its_writer_hears_of_it(
    api: Caller, core: str
) -> None:
    before = api.store.revision

    async def at_once_when_it_is_stored() -> int:
        while api.store.revision == before:  # noqa: ASYNC110  (it must be in this very turn of the loop)
            await asyncio.sleep(0)
        return (await api.call("POST", f"{core}/pods", pod("b"))).code

    _, _, code = await asyncio.gather(
        api.create(f"{core}/pods", pod("a")),
        api.create(f"{core}/resourcequotas", quota(hard={"pods": "3"})),
        at_once_when_it_is_stored(),
    )
    assert code == 201
    await api.create(f"{core}/pods", pod("c"))
    assert "used: pods=3" in await refusal(api, f"{core}/pods", pod("d"))


async def test_a_first_count_takes_turns_with_others_and_misses_nothing(api: Caller, core: str) -> None:
    there = 3 * TURN
    await asyncio.gather(*(api.create(f"{core}/configmaps", config_map(f"there-{n}")) for n in range(there)))
    await api.create(f"{core}/resourcequotas", quota(hard={"configmaps": str(there)}))
    turns = 0

    async def beside() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    gone = (api.must("DELETE", f"{core}/configmaps/there-{n}") for n in range(0, there, 50))
    new = (api.call("POST", f"{core}/configmaps", config_map(f"new-{n}")) for n in range(20))
    other = asyncio.create_task(beside())
    await asyncio.gather(*gone, *new)
    other.cancel()
    assert turns > 3
    while (await api.call("POST", f"{core}/configmaps", config_map(f"later-{turns}"))).code == 201:
        turns += 1
    assert len((await api.get(f"{core}/configmaps")).body["items"]) == there


async def test_room_comes_back_when_a_pod_ends_or_goes_and_when_the_quota_is_raised(api: Caller, core: str) -> None:
    await api.create(f"{core}/resourcequotas", quota(hard={"pods": "2"}))
    for name in ("a", "b"):
        await api.create(f"{core}/pods", pod(name))
    await refusal(api, f"{core}/pods", pod("c"))
    await api.must("PATCH", f"{core}/pods/a/status", {"status": {"phase": "Failed"}}, kind=MERGE)
    await api.create(f"{core}/pods", pod("c"))
    await api.must("DELETE", f"{core}/pods/b")
    await api.must("DELETE", f"{core}/pods/a")
    await api.create(f"{core}/pods", pod("d"))
    await refusal(api, f"{core}/pods", pod("e"))
    await api.must("PATCH", f"{core}/resourcequotas/q", {"spec": {"hard": {"pods": "3"}}}, kind=MERGE)
    await api.create(f"{core}/pods", pod("e"))
    await refusal(api, f"{core}/pods", pod("f"))
    await api.must("DELETE", f"{core}/resourcequotas/q")
    await api.create(f"{core}/pods", pod("f"))


async def test_pods_must_say_what_the_quota_counts(api: Caller, core: str) -> None:
    hard = {"cpu": "1", "limits.cpu": "2", "requests.memory": "1Gi", "ephemeral-storage": "1Gi"}
    await api.create(f"{core}/resourcequotas", quota(hard=hard))
    cpu = {"requests": {"cpu": "1"}}
    message = await refusal(api, f"{core}/pods", asking("p", cpu, {}))
    said = "must specify cpu for: c1; limits.cpu for: c0,c1; requests.memory for: c0,c1"
    assert message == f'pods "p" is forbidden: failed quota: q: {said}'
    whole = {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}}
    await api.create(f"{core}/pods", asking("p", whole))
    message = await refusal(api, f"{core}/pods", asking("r", whole))
    assert message.endswith(
        "exceeded quota: q, requested: cpu=1,limits.cpu=2,requests.memory=1Gi, "
        "used: cpu=1,limits.cpu=2,requests.memory=1Gi, limited: cpu=1,limits.cpu=2,requests.memory=1Gi"
    )


async def test_a_pod_asks_for_the_most_of_any_moment(api: Caller, core: str) -> None:
    hard = {"requests.example.com/gpu": "5", "requests.hugepages-2Mi": "8Mi"}
    await api.create(f"{core}/resourcequotas", quota(hard=hard))
    gpus = {"limits": {"example.com/gpu": "2"}}
    starting = [{"name": "i", "image": "x", "resources": {"limits": {"example.com/gpu": "4"}}}]
    await api.create(f"{core}/pods", asking("p", gpus, initContainers=starting))
    message = await refusal(api, f"{core}/pods", asking("r", gpus))
    assert message.endswith("requested: requests.example.com/gpu=2, used: requests.example.com/gpu=4, "
                            "limited: requests.example.com/gpu=5")  # fmt: skip
    pages = {"limits": {"hugepages-2Mi": "10Mi", "memory": "1Gi"}}
    assert "requests.hugepages-2Mi=10Mi, used: requests.hugepages-2Mi=0" in await refusal(
        api, f"{core}/pods", asking("h", pages)
    )


@pytest.mark.parametrize("name", ["configmaps", "count/configmaps"])
async def test_objects_are_counted(api: Caller, core: str, name: str) -> None:
    await api.create(f"{core}/configmaps", config_map("a"))
    await api.create(f"{core}/resourcequotas", quota(hard={name: "2"}))
    await api.create(f"{core}/configmaps", config_map("b"))
    message = await refusal(api, f"{core}/configmaps", config_map("c"))
    assert message == (
        f'configmaps "c" is forbidden: exceeded quota: q, requested: {name}=1, used: {name}=2, limited: {name}=2'
    )
    await api.must("PATCH", f"{core}/configmaps/a", {"data": {"k": "v"}}, kind=MERGE)
    await api.must("DELETE", f"{core}/configmaps/a")
    await api.create(f"{core}/configmaps", config_map("c"))
    await api.namespace("other")
    await api.create("/api/v1/namespaces/other/configmaps", config_map("c"))


async def test_a_service_may_not_come_to_use_more_than_there_is(api: Caller, core: str) -> None:
    await api.create(f"{core}/resourcequotas", quota(hard={"services.nodeports": "1", "services": "2"}))
    two = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    await api.create(f"{core}/services", manifest("v1", "Service", "s", spec={"ports": two}))
    change = {"spec": {"type": "NodePort"}}
    answer = await api.call("PATCH", f"{core}/services/s", change, kind=MERGE)
    assert answer.code == 403
    short = "requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1"
    assert answer.body["message"] == f'services "s" is forbidden: exceeded quota: q, {short}'
    await api.must("PATCH", f"{core}/services/s", {"spec": {"ports": two[:1], "type": "NodePort"}}, kind=MERGE)
    await api.must("PATCH", f"{core}/services/s", {"metadata": {"labels": {"a": "b"}}}, kind=MERGE)
    one = manifest("v1", "Service", "t", spec={"ports": two[:1], "type": "NodePort"})
    assert "used: services.nodeports=1" in await refusal(api, f"{core}/services", one)


async def test_a_quota_with_a_scope_bounds_only_the_pods_in_it(api: Caller, core: str) -> None:
    await api.create(f"{core}/resourcequotas", quota("besteffort", hard={"pods": "1"}, scopes=["BestEffort"]))
    selector = {"matchExpressions": [{"scopeName": "Terminating", "operator": "Exists"}]}
    await api.create(f"{core}/resourcequotas", quota("terminating", hard={"pods": "0"}, scopeSelector=selector))
    await api.create(f"{core}/pods", pod("a"))
    message = await refusal(api, f"{core}/pods", pod("b"))
    assert "exceeded quota: besteffort, requested: pods=1, used: pods=1, limited: pods=1" in message
    asks = {"requests": {"cpu": "1"}}
    await api.create(f"{core}/pods", asking("b", asks))
    assert "exceeded quota: terminating" in await refusal(
        api, f"{core}/pods", asking("c", asks, activeDeadlineSeconds=1)
    )
    answer = await api.call("PATCH", f"{core}/pods/b", {"spec": {"activeDeadlineSeconds": 9}}, kind=MERGE)
    assert (answer.code, "exceeded quota: terminating" in answer.body["message"]) == (403, True)


async def test_the_count_begins_anew_with_the_server(api: Caller, core: str) -> None:
    await api.create(f"{core}/resourcequotas", quota(hard={"pods": "2"}))
    for name in ("a", "b"):
        await api.create(f"{core}/pods", pod(name))
    again = Caller(api.store)
    assert REFUSED in await refusal(again, f"{core}/pods", pod("c"))


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"hard": {"pods": "-1"}}, 'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0'),
        ({"hard": {"pods": "1500m"}}, 'spec.hard[pods]: Invalid value: "1500m": must be an integer'),
        ({"hard": {"storage": "1"}}, 'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota'),
        (
            {"hard": {"configmaps": "1"}, "scopes": ["BestEffort"]},
            'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
        ),
        (
            {"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]},
            'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
        ),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}},
            "spec.scopeSelector.matchExpressions.values: Required value: "
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ),
    ],
)  # fmt: skip
async def test_quotas_that_make_no_sense_are_refused(api: Caller, core: str, spec: dict[str, Any], why: str) -> None:
    answer = await api.call("POST", f"{core}/resourcequotas", quota(**spec))
    assert (answer.code, answer.body["message"]) == (422, f'ResourceQuota "q" is invalid: {why}')


async def test_scopes_stay_and_the_status_is_not_its_authors(api: Caller, core: str) -> None:
    written = await api.create(f"{core}/resourcequotas", {**quota(hard={"cpu": 0.5}), "status": {"used": {"cpu": "1"}}})
    assert (written["spec"], written.get("status", {})) == ({"hard": {"cpu": "500m"}}, {})
    answer = await api.call("PATCH", f"{core}/resourcequotas/q", {"spec": {"scopes": ["Terminating"]}}, kind=MERGE)
    assert answer.body["message"].endswith('spec.scopes: Invalid value: ["Terminating"]: field is immutable')
