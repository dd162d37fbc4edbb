"""What is used under a quota, kept up by one change at a time, is what counting everything anew would give."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from everynode.api.core_v1 import ResourceQuota
from everynode.api.quota.counted import Pod, count
from everynode.api.quota.rule import Rule
from everynode.api.quota.tally import Tally
from everynode.api.scheme import PODS
from everynode.values.timestamps import seconds_text

START = 1_800_000_000.0

QUOTAS: list[dict[str, Any]] = [
    {"hard": {"pods": "5", "requests.cpu": "3", "count/pods": "9"}},
    {"hard": {"pods": "5", "limits.cpu": "3"}, "scopes": ["NotBestEffort"]},
    {"hard": {"pods": "5"}, "scopes": ["Terminating"]},
]

pods = st.fixed_dictionaries(
    {
        "name": st.sampled_from("abc"),
        "cpu": st.sampled_from(["", "100m", "1500m", "1"]),
        "phase": st.sampled_from(["Pending", "Running", "Running", "Failed"]),
        "deadline": st.sampled_from([None, None, 60]),
        # Seconds from the start at which its deletion ends, and its grace.
        "deleted": st.sampled_from([None, None, (10, 0), (30, 30), (40, 5)]),
    }
)
steps = st.lists(
    st.tuples(st.sampled_from(["put", "put", "drop", "wait", "count"]), pods, st.integers(1, 30)), max_size=40
)


def rule(spec: dict[str, Any]) -> Rule:
    return Rule.of(msgspec.convert({"metadata": {"name": "q"}, "spec": spec}, ResourceQuota))


def pod(drawn: dict[str, Any]) -> Pod:
    metadata: dict[str, Any] = {"name": drawn["name"]}
    if drawn["deleted"] is not None:
        after, grace = drawn["deleted"]
        metadata |= {"deletionTimestamp": seconds_text(START + after), "deletionGracePeriodSeconds": grace}
    resources = {"requests": {"cpu": drawn["cpu"]}, "limits": {"cpu": drawn["cpu"]}} if drawn["cpu"] else {}
    spec = {"containers": [{"resources": resources}], "activeDeadlineSeconds": drawn["deadline"]}
    quality = "Guaranteed" if drawn["cpu"] else "BestEffort"
    status = {"phase": drawn["phase"], "qosClass": quality}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, Pod)


def recount(spec: dict[str, Any], there: dict[str, Pod], now: float) -> Tally:
    fresh = Tally(rule(spec))
    for each in there.values():
        fresh.change(None, count(PODS, each), now)
    return fresh


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(QUOTAS), st.lists(pods, max_size=3, unique_by=lambda each: each["name"]), steps)
def test_the_sums_are_those_of_a_recount(
    spec: dict[str, Any], first: list[dict[str, Any]], script: list[tuple[str, dict[str, Any], int]]
) -> None:
    there, now = {each["name"]: pod(each) for each in first}, START
    tally = Tally(rule(spec), {(PODS, name): each for name, each in there.items()})
    counted = not there
    for kind, drawn, seconds in script:
        name = drawn["name"]
        if kind == "wait":
            now += seconds
        elif kind == "count":
            counted = tally.count_some(1, now)
        else:
            old = there.pop(name, None)
            if kind == "put":
                there[name] = pod(drawn)
            new = there.get(name)
            tally.change(count(PODS, old) if old else None, count(PODS, new) if new else None, now)
        tally.advance(now)
        fresh = recount(spec, there, now)
        if counted:
            assert tally.used == fresh.used
            assert tally.next_moment <= fresh.next_moment
    assert tally.count_some(3, now)
    for moment in sorted({START + seconds for seconds in range(100)}):
        tally.advance(max(now, moment))
        assert tally.used == recount(spec, there, max(now, moment)).used


def test_what_is_taken_is_given_back() -> None:
    tally = Tally(rule(QUOTAS[0]))
    usage = tally.rule.share(count(PODS, pod(
        {"name": "a", "cpu": "1500m", "phase": "Pending", "deadline": None, "deleted": None})).usage)  # fmt: skip
    tally.take(usage)
    assert {name: str(amount) for name, amount in tally.used.items()} == {
        "pods": "1", "requests.cpu": "1500m", "count/pods": "1"}  # fmt: skip
    assert tally.beyond(usage) == []
    tally.take(usage)
    assert tally.beyond(usage) == ["requests.cpu"]
    tally.give_back(usage)
    tally.give_back(usage)
    assert not any(tally.used.values())
