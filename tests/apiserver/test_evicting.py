"""pods/eviction: what goes without asking, what a budget grants, and in what words it refuses."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import yaml

from everynode.apiserver.evicting import MORE_THAN_ONE, WOULD_VIOLATE
from tests.apiserver.caller import MERGE, Caller, manifest, pod

BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
NOW = "2023-11-14T22:13:20Z"
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
UNREADY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}
HEALTHY = {
    "observedGeneration": 1,
    "disruptionsAllowed": 1,
    "currentHealthy": 3,
    "desiredHealthy": 2,
    "expectedPods": 3,
}


def eviction(name: str = "a", version: str = "v1", **options: Any) -> dict[str, Any]:
    body = manifest(f"policy/{version}", "Eviction", name)
    return {**body, "deleteOptions": options} if options else body


async def running(api: Caller, core: str, name: str = "a", status: Any = READY) -> Any:
    await api.create(f"{core}/pods", pod(name, labels={"app": "web"}, nodeName="n1"))
    return await api.must("PATCH", f"{core}/pods/{name}/status", {"status": status}, kind=MERGE)


async def budget(api: Caller, name: str = "web", status: Any = HEALTHY, **spec: Any) -> None:
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}, **spec}
    await api.create(BUDGETS, manifest("policy/v1", "PodDisruptionBudget", name, spec=spec))
    await api.must("PATCH", f"{BUDGETS}/{name}/status", {"status": status}, kind=MERGE)


async def allowed(api: Caller, name: str = "web") -> Any:
    return (await api.get(f"{BUDGETS}/{name}")).body["status"]


def causes(answer: Any) -> list[str]:
    assert all(cause["reason"] == "DisruptionBudget" for cause in answer.body["details"]["causes"])
    return [cause["message"] for cause in answer.body["details"]["causes"]]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_a_pod_without_a_budget_goes_and_says_why(api: Caller, core: str, version: str, form: str) -> None:
    await running(api, core)
    body = eviction(version=version)
    written = yaml.safe_dump(body) if form == "yaml" else json.dumps(body)
    told = await api.must("POST", f"{core}/pods/a/eviction", written.encode(), kind=f"application/{form}")
    assert told == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    gone = (await api.get(f"{core}/pods/a")).body
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 30
    assert gone["status"]["conditions"][-1] == {
        "type": "DisruptionTarget",
        "status": "True",
        "lastTransitionTime": NOW,
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }


def protobuf(name: str, version: str) -> bytes:
    """An Eviction of this pod with `gracePeriodSeconds: 5`, as kubectl sends it."""

    def message(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    what = message(1, f"policy/{version}".encode()) + message(2, b"Eviction")
    options = message(2, bytes([1 << 3, 5]))
    return b"k8s\0" + message(1, what) + message(2, message(1, message(1, name.encode())) + options)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_protobuf_is_read(api: Caller, core: str, version: str) -> None:
    await running(api, core)
    kind = "application/vnd.kubernetes.protobuf"
    await api.must("POST", f"{core}/pods/a/eviction", protobuf("a", version), kind=kind)
    assert (await api.get(f"{core}/pods/a")).body["metadata"]["deletionGracePeriodSeconds"] == 5


async def test_a_granted_eviction_is_charged_and_noted(api: Caller, core: str) -> None:
    await running(api, core)
    await budget(api, status={**HEALTHY, "disruptionsAllowed": 2})
    await api.must("POST", f"{core}/pods/a/eviction", eviction())
    told = await allowed(api)
    assert (told["disruptionsAllowed"], told["disruptedPods"]) == (1, {"a": NOW})
    assert "conditions" not in told
    await running(api, core, "b")
    await api.must("POST", f"{core}/pods/b/eviction", eviction("b"))
    (condition,) = (await allowed(api))["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        *("DisruptionAllowed", "False", "InsufficientPods"),
    )
    assert (condition["lastTransitionTime"], condition["observedGeneration"]) == (NOW, 1)


@pytest.mark.parametrize(
    ("status", "cause", "retry"),
    [
        (
            {**HEALTHY, "observedGeneration": 0},
            "The disruption budget web is still being processed by the server.",
            "10",
        ),
        (
            {**HEALTHY, "disruptionsAllowed": 0, "currentHealthy": 2},
            "The disruption budget web needs 2 healthy pods and has 2 currently",
            None,
        ),
        (
            {**HEALTHY, "disruptionsAllowed": 0},
            "The disruption budget web does not allow evicting pods currently",
            None,
        ),
        (
            {**HEALTHY, "disruptionsAllowed": 0, "conditions": [("SyncFailed", "no controller")]},
            "The disruption budget web does not allow evicting pods currently because it failed sync: no controller",
            None,
        ),
        (
            {**HEALTHY, "disruptionsAllowed": 0, "conditions": [("InsufficientPods", "few")]},
            "The disruption budget web does not allow evicting pods currently (InsufficientPods): few",
            None,
        ),
    ],
)
async def test_a_budget_refuses_in_kubernetes_words(
    api: Caller, core: str, status: dict[str, Any], cause: str, retry: str | None
) -> None:
    made = await running(api, core)
    told = [
        {"type": "DisruptionAllowed", "status": "False", "reason": r, "message": m, "lastTransitionTime": NOW}
        for r, m in status.get("conditions", ())
    ]
    await budget(api, status={**status, "conditions": told})
    answer = await api.call("POST", f"{core}/pods/a/eviction", eviction())
    assert (answer.code, answer.body["reason"], answer.body["message"]) == (429, "TooManyRequests", WOULD_VIOLATE)
    assert causes(answer) == [cause]
    assert answer.headers.get("retry-after") == retry
    assert answer.body["details"].get("retryAfterSeconds") == (int(retry) if retry else None)
    assert (await api.get(f"{core}/pods/a")).body == made


async def test_too_many_evictions_that_nobody_confirmed(api: Caller, core: str) -> None:
    await running(api, core)
    await budget(api, status={**HEALTHY, "disruptedPods": {f"p{number}": NOW for number in range(2001)}})
    answer = await api.call("POST", f"{core}/pods/a/eviction", eviction())
    assert (answer.code, answer.body["message"]) == (
        403,
        'poddisruptionbudget.policy "web" is forbidden: DisruptedPods map too big - too many evictions not confirmed by '
        "PDB controller",
    )
    assert causes(answer) == [
        "The disruption budget web does not allow evicting pods currently: too many pending evictions not confirmed by PDB "
        "controller"
    ]


async def test_two_budgets_over_one_pod_are_an_error(api: Caller, core: str) -> None:
    await running(api, core)
    await budget(api)
    await budget(api, "other", selector={})
    answer = await api.call("POST", f"{core}/pods/a/eviction", eviction())
    assert (answer.code, answer.body["status"], answer.body["message"]) == (500, "Failure", MORE_THAN_ONE)


@pytest.mark.parametrize("selector", [None, {"matchLabels": {"app": "db"}}])
async def test_a_budget_that_does_not_select_the_pod_is_not_asked(api: Caller, core: str, selector: Any) -> None:
    await running(api, core)
    await budget(api, status={**HEALTHY, "disruptionsAllowed": 0}, selector=selector)
    await api.must("POST", f"{core}/pods/a/eviction", eviction())


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_a_pod_that_serves_nobody_needs_no_budget(api: Caller, core: str, phase: str) -> None:
    await running(api, core, status={"phase": phase})
    await budget(api, status={**HEALTHY, "disruptionsAllowed": 0, "currentHealthy": 1})
    await api.must("POST", f"{core}/pods/a/eviction", eviction())
    assert (await allowed(api))["disruptionsAllowed"] == 0


async def test_a_pod_that_is_ending_needs_no_budget(api: Caller, core: str) -> None:
    await running(api, core)
    await api.must("DELETE", f"{core}/pods/a")
    await budget(api, status={**HEALTHY, "disruptionsAllowed": 0})
    await api.must("POST", f"{core}/pods/a/eviction", eviction(gracePeriodSeconds=0))
    assert (await api.get(f"{core}/pods/a")).code == 404


@pytest.mark.parametrize(
    ("policy", "healthy", "code"),
    [
        (None, 2, 201),
        (None, 1, 429),
        ("IfHealthyBudget", 2, 201),
        ("IfHealthyBudget", 1, 429),
        ("AlwaysAllow", 0, 201),
    ],
)
async def test_unready_pods_go_as_the_budget_says(
    api: Caller, core: str, policy: str | None, healthy: int, code: int
) -> None:
    await running(api, core, status=UNREADY)
    told = {**HEALTHY, "disruptionsAllowed": 0, "currentHealthy": healthy}
    await budget(api, status=told, **({"unhealthyPodEvictionPolicy": policy} if policy else {}))
    assert (await api.call("POST", f"{core}/pods/a/eviction", eviction())).code == code
    assert "disruptedPods" not in await allowed(api)


@pytest.mark.parametrize("where", ["query", "body"])
async def test_a_dry_run_asks_and_changes_nothing(api: Caller, core: str, where: str) -> None:
    made = await running(api, core)
    await budget(api)
    body = eviction(dryRun=["All"]) if where == "body" else eviction()
    query = {"dryRun": "All"} if where == "query" else {}
    await api.must("POST", f"{core}/pods/a/eviction", body, **query)
    assert (await api.get(f"{core}/pods/a")).body == made
    assert (await allowed(api))["disruptionsAllowed"] == 1
    await api.must("PATCH", f"{BUDGETS}/web/status", {"status": {"disruptionsAllowed": 0}}, kind=MERGE)
    assert (await api.call("POST", f"{core}/pods/a/eviction", body, **query)).code == 429


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (eviction("b"), 400, "name in URL does not match name in Eviction object"),
        ({}, 400, "name in URL does not match name in Eviction object"),
        (
            manifest("policy/v1", "Eviction", "a", metadata={"namespace": "other"}),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (manifest("policy/v2", "Eviction", "a"), 400, "does not match the expected API version (policy/v1)"),
        (manifest("policy/v1", "Pod", "a"), 400, 'Pod in version "v1" cannot be handled as a Eviction'),
        (eviction(dryRun=["Some"]), 400, 'supported values: "All"'),
        (eviction(preconditions={"uid": "other"}), 409, "The object might have been deleted and then recreated"),
        (eviction(preconditions={"resourceVersion": "1"}), 409, "The object might have been modified"),
        (
            eviction(ignoreStoreReadErrorWithClusterBreakingPotential=True),
            422,
            "can not be set for pod eviction, try after removing the option",
        ),
    ],
)
async def test_what_is_refused_changes_nothing(api: Caller, core: str, body: Any, code: int, message: str) -> None:
    made = await running(api, core)
    answer = await api.call("POST", f"{core}/pods/a/eviction", body)
    assert answer.code == code, answer.body
    assert message in answer.body["message"]
    assert (await api.get(f"{core}/pods/a")).body == made


async def test_no_such_pod_no_such_verb(api: Caller, core: str) -> None:
    answer = await api.call("POST", f"{core}/pods/a/eviction", eviction())
    assert (answer.code, answer.body["message"]) == (404, 'pods "a" not found')
    assert (await api.get(f"{core}/pods/a/eviction")).code == 405


async def test_preconditions_that_hold_and_a_grace_period(api: Caller, core: str) -> None:
    made = await running(api, core)
    metadata = made["metadata"]
    wanted = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    await api.must("POST", f"{core}/pods/a/eviction", eviction(preconditions=wanted, gracePeriodSeconds=7))
    assert (await api.get(f"{core}/pods/a")).body["metadata"]["deletionGracePeriodSeconds"] == 7


async def test_a_namespace_that_ends_takes_no_evictions(api: Caller) -> None:
    core = await api.namespace("team")
    await running(api, core)
    await api.must("DELETE", "/api/v1/namespaces/team")
    answer = await api.call("POST", f"{core}/pods/a/eviction", eviction())
    assert answer.code == 403
    assert answer.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"


async def test_many_evictions_at_once_never_take_more_than_is_allowed(api: Caller, core: str) -> None:
    names = [f"p{number}" for number in range(60)]
    for name in names:
        await running(api, core, name)
    await budget(api, status={**HEALTHY, "disruptionsAllowed": 40})
    answers = await asyncio.gather(
        *(api.call("POST", f"{core}/pods/{name}/eviction", eviction(name)) for name in names)
    )
    codes = [answer.code for answer in answers]
    assert (codes.count(201), codes.count(429)) == (40, 20)
    told = await allowed(api)
    assert (told["disruptionsAllowed"], len(told["disruptedPods"])) == (0, 40)


async def test_discovery_tells_in_which_version_to_evict(api: Caller) -> None:
    listed = (await api.get("/api/v1")).body["resources"]
    (found,) = [each for each in listed if each["name"] == "pods/eviction"]
    assert (found["group"], found["version"], found["kind"], found["verbs"]) == ("policy", "v1", "Eviction", ["create"])


async def test_a_budgets_status_is_the_controllers_and_its_generation_counts_its_spec(api: Caller, core: str) -> None:
    spec = {"minAvailable": 2, "selector": {}}
    told = manifest("policy/v1", "PodDisruptionBudget", "web", spec=spec, status=HEALTHY)
    made = await api.create(BUDGETS, told)
    nothing = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    assert (made["metadata"]["generation"], made["status"]) == (1, nothing)
    change = {"spec": {"minAvailable": "50%"}, "status": HEALTHY}
    changed = await api.must("PATCH", f"{BUDGETS}/web", change, kind=MERGE)
    assert (changed["metadata"]["generation"], changed["status"]) == (2, nothing)
    same = await api.must("PATCH", f"{BUDGETS}/web", {"metadata": {"labels": {"a": "b"}}}, kind=MERGE)
    assert same["metadata"]["generation"] == 2
    change = {"spec": {"minAvailable": 9}, "status": HEALTHY}
    reported = await api.must("PATCH", f"{BUDGETS}/web/status", change, kind=MERGE)
    assert (reported["spec"]["minAvailable"], reported["metadata"]["generation"]) == ("50%", 2)
    assert reported["status"] == HEALTHY


async def test_how_a_budget_is_shown(api: Caller, core: str) -> None:
    await budget(api, status={**HEALTHY, "disruptionsAllowed": 3})
    await budget(api, "x", minAvailable=None, maxUnavailable="10%")
    accept = "application/json;as=Table;g=meta.k8s.io;v=v1"
    table = (await api.get(BUDGETS, accept=accept)).body
    assert [column["name"] for column in table["columnDefinitions"]] == [
        *("Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age"),
    ]
    assert [row["cells"] for row in table["rows"]] == [["web", "2", "N/A", 3, "0s"], ["x", "N/A", "10%", 1, "0s"]]
