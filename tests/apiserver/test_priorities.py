"""PriorityClasses, those of the system among them, and the priorities of pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.caller import MERGE, Caller, manifest, pod

CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
REFUSED = 'priorityclasses.scheduling.k8s.io "{}" is forbidden: '


def priority_class(name: str, value: int, **rest: Any) -> dict[str, Any]:
    return manifest("scheduling.k8s.io/v1", "PriorityClass", name, value=value, **rest)


async def test_the_classes_of_the_system_stay(api: Caller) -> None:
    await api.create(CLASSES, priority_class("system-node-critical", 2_000_001_000))
    answer = await api.call("DELETE", f"{CLASSES}/system-node-critical")
    assert (answer.code, answer.body["message"]) == (
        403,
        REFUSED.format("system-node-critical") + "this is a system priority class and cannot be deleted",
    )
    await api.create(CLASSES, priority_class("mine", 1))
    assert (await api.call("DELETE", CLASSES)).code == 403
    left = await api.must("GET", CLASSES)
    assert [one["metadata"]["name"] for one in left["items"]] == ["system-node-critical"]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("mine", 1_000_000_001, "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"),
        ("system-mine", 1, "error: system-mine is not a known system priority class"),
        ("system-node-critical", 1, "error: value of system-node-critical PriorityClass must be 2000001000"),
    ],
)
async def test_nobody_makes_a_class_as_high_as_the_systems(api: Caller, name: str, value: int, why: str) -> None:
    answer = await api.call("POST", CLASSES, priority_class(name, value))
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")
    assert answer.body["message"].endswith(why)


async def test_what_a_class_says_does_not_change(api: Caller) -> None:
    made = await api.create(CLASSES, priority_class("mine", 5))
    assert (made["metadata"]["generation"], made["preemptionPolicy"]) == (1, "PreemptLowerPriority")
    for change, field in (({"value": 6}, "value"), ({"preemptionPolicy": "Never"}, "preemptionPolicy")):
        answer = await api.call("PATCH", f"{CLASSES}/mine", change, kind=MERGE)
        assert answer.code == 422
        assert f" is invalid: {field}: " in answer.body["message"]
    changed = await api.must("PATCH", f"{CLASSES}/mine", {"description": "mine"}, kind=MERGE)
    assert changed["metadata"]["generation"] == 1


async def test_one_class_at_most_is_the_default(api: Caller, core: str) -> None:
    await api.create(CLASSES, priority_class("usual", 7, globalDefault=True, preemptionPolicy="Never"))
    why = "PriorityClass usual is already marked as default. Only one default can exist"
    answer = await api.call("POST", CLASSES, priority_class("other", 1, globalDefault=True))
    assert (answer.code, answer.body["message"]) == (403, REFUSED.format("other") + why)
    await api.create(CLASSES, priority_class("other", 1))
    answer = await api.call("PATCH", f"{CLASSES}/other", {"globalDefault": True}, kind=MERGE)
    assert (answer.code, answer.body["message"]) == (403, REFUSED.format("other") + why)
    await api.must("PATCH", f"{CLASSES}/usual", {"description": "still the default"}, kind=MERGE)
    made = (await api.create(f"{core}/pods", pod("a")))["spec"]
    assert (made["priorityClassName"], made["priority"], made["preemptionPolicy"]) == ("usual", 7, "Never")


async def test_a_pod_brings_no_priority_of_its_own_and_keeps_what_it_got(api: Caller, core: str) -> None:
    await api.create(CLASSES, priority_class("mine", 5))
    for given, word, computed in (
        ({"priority": 6}, "integer value of priority (6)", 5),
        ({"preemptionPolicy": "Never"}, "string value of PreemptionPolicy (Never)", "PreemptLowerPriority"),
    ):
        answer = await api.call("POST", f"{core}/pods", pod("a", priorityClassName="mine", **given))
        assert (answer.code, answer.body["message"]) == (
            403,
            f'pods "a" is forbidden: the {word} must not be provided in pod spec; '
            f"priority admission controller computed {computed} from the given PriorityClass name",
        )
    made = await api.create(f"{core}/pods", pod("a", priorityClassName="mine", priority=5))
    del made["spec"]["priority"], made["spec"]["preemptionPolicy"]
    kept = await api.must("PUT", f"{core}/pods/a", made)
    assert (kept["spec"]["priority"], kept["spec"]["preemptionPolicy"]) == (5, "PreemptLowerPriority")
