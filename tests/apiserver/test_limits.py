"""What a LimitRange gives to new pods, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.caller import MERGE, Caller, manifest, pod

ANNOTATION = "kubernetes.io/limit-ranger"


def limits(*items: dict[str, Any], name: str = "l") -> dict[str, Any]:
    return manifest("v1", "LimitRange", name, spec={"limits": list(items)})


def asking(*resources: dict[str, Any], **spec: Any) -> dict[str, Any]:
    containers = [{"name": f"c{n}", "image": "agent:1", "resources": each} for n, each in enumerate(resources)]
    return pod("p", containers=containers, **spec)


async def refusal(api: Caller, core: str, body: dict[str, Any]) -> str:
    answer = await api.call("POST", f"{core}/pods", body)
    assert (answer.code, answer.body["reason"]) == (403, "Forbidden"), answer.body
    return str(answer.body["message"]).removeprefix('pods "p" is forbidden: ')


async def test_bounds_of_containers_become_their_defaults(api: Caller, core: str) -> None:
    item = {"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1024Ki"}, "default": {"cpu": 0.5}}
    made = await api.create(f"{core}/limitranges", limits(item))
    assert made["spec"]["limits"] == [
        {
            "type": "Container",
            "max": {"cpu": "2"},
            "min": {"memory": "1Mi"},
            "default": {"cpu": "500m"},
            "defaultRequest": {"cpu": "500m", "memory": "1Mi"},
        }
    ]


async def test_containers_that_say_nothing_are_given_the_defaults(api: Caller, core: str) -> None:
    item = {
        "type": "Container",
        "default": {"cpu": "1", "memory": "1Gi"},
        "defaultRequest": {"cpu": "100m", "memory": "64Mi"},
    }
    await api.create(f"{core}/limitranges", limits(item))
    starting = [{"name": "i", "image": "x"}]
    made = await api.create(f"{core}/pods", asking({}, {"limits": {"cpu": "2"}}, initContainers=starting))
    assert [each["resources"] for each in made["spec"]["containers"]] == [
        {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
        {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "2", "memory": "64Mi"}},
    ]
    assert made["metadata"]["annotations"][ANNOTATION] == (
        "LimitRanger plugin set: cpu, memory request for container c0; cpu, memory limit for container c0; "
        "memory request for container c1; memory limit for container c1; "
        "cpu, memory request for init container i; cpu, memory limit for init container i"
    )
    assert made["status"]["qosClass"] == "Burstable"
    await api.create(f"{core}/resourcequotas", manifest("v1", "ResourceQuota", "q", spec={"hard": {"limits.cpu": "3"}}))
    message = await refusal(api, core, asking({}))
    assert message == "exceeded quota: q, requested: limits.cpu=1, used: limits.cpu=3, limited: limits.cpu=3"


@pytest.mark.parametrize(
    ("bound", "resources", "why"),
    [
        (
            {"max": {"cpu": "1"}},
            {"limits": {"cpu": "2"}},
            "maximum cpu usage per Container is 1, but limit is 2",
        ),
        (
            {"min": {"memory": "10Mi"}},
            {"requests": {"memory": "5Mi"}},
            "minimum memory usage per Container is 10Mi, but request is 5Mi",
        ),
        (
            {"min": {"cpu": "1"}, "max": {"cpu": "2"}},
            {"requests": {"cpu": "500m"}, "limits": {"cpu": "3"}},
            "[minimum cpu usage per Container is 1, but request is 500m, "
            "maximum cpu usage per Container is 2, but limit is 3]",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "300m"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "100m"}},
            "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0",
        ),
    ],
)
async def test_containers_out_of_bounds_are_refused(
    api: Caller, core: str, bound: dict[str, Any], resources: dict[str, Any], why: str
) -> None:
    await api.create(f"{core}/limitranges", limits({"type": "Container", **bound}))
    assert await refusal(api, core, asking(resources)) == why
    # What several containers have in common is told once.
    starting = [{"name": "i", "image": "x", "resources": resources}]
    assert await refusal(api, core, asking(resources, initContainers=starting)) == why


async def test_a_pod_is_bounded_as_a_whole(api: Caller, core: str) -> None:
    await api.create(f"{core}/limitranges", limits({"type": "Pod", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}))
    one = {"requests": {"cpu": "1", "memory": "1Mi"}, "limits": {"cpu": "1500m"}}
    await api.create(f"{core}/pods", {**asking(one), "metadata": {"name": "fits"}})
    assert await refusal(api, core, asking(one, one)) == "maximum cpu usage per Pod is 2, but limit is 3"
    assert await refusal(api, core, asking({})) == (
        "[minimum memory usage per Pod is 1Mi.  No request is specified, "
        "maximum cpu usage per Pod is 2.  No limit is specified]"
    )


async def test_pods_that_are_there_stay_as_they_are(api: Caller, core: str) -> None:
    await api.create(f"{core}/pods", asking({"limits": {"cpu": "4"}}))
    await api.create(f"{core}/limitranges", limits({"type": "Container", "max": {"cpu": "1"}}))
    await api.must("PATCH", f"{core}/pods/p", {"metadata": {"labels": {"a": "b"}}}, kind=MERGE)


@pytest.mark.parametrize(
    ("items", "why"),
    [
        (
            [{"type": "Box"}],
            'spec.limits[0].type: Invalid value: "Box": must be a standard limit type or fully qualified',
        ),
        ([{"type": "Pod"}, {"type": "Pod"}], 'spec.limits[1].type: Duplicate value: "Pod"'),
        (
            [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}, "default": {"cpu": "1"},
              "defaultRequest": {"cpu": "1"}}],
            '[spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1, '
            'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1, '
            'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1]',
        ),
        (
            [{"type": "Pod", "default": {"cpu": "1"}}],
            "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
        ),
        (
            [{"type": "PersistentVolumeClaim"}],
            "spec.limits[0].limits: Required value: "
            "either minimum or maximum storage value is required, but neither was provided",
        ),
        (
            [{"type": "Pod", "maxLimitRequestRatio": {"cpu": "500m"}}],
            'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
        ),
        (
            [{"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}}],
            'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000',
        ),
        (
            [{"type": "Pod", "max": {"pods": "1"}}],
            'spec.limits[0].max[pods]: Invalid value: "pods": must be a standard resource for containers',
        ),
    ],
)  # fmt: skip
async def test_limits_that_make_no_sense_are_refused(api: Caller, core: str, items: list[Any], why: str) -> None:
    answer = await api.call("POST", f"{core}/limitranges", limits(*items))
    assert (answer.code, answer.body["message"].startswith(f'LimitRange "l" is invalid: {why}')) == (422, True), (
        answer.body["message"]
    )
