from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from everynode.api.core_v1 import ObjectReference
from everynode.api.scheme import EVENTS
from everynode.api.status import ApiError, already_exists, not_found
from everynode.client.client import Client, ClientUnreachable
from everynode.reconcile.correlation import Correlator
from everynode.reconcile.recorder import Recorder
from everynode.wire.message import Request, Response
from tests.virtual_time import LoopClock, virtually

POD = ObjectReference(kind="Pod", api_version="v1", namespace="ns", name="p", uid="u1", resource_version="7")
NODE = ObjectReference(kind="Node", api_version="v1", name="n", uid="u2")


def test_the_same_event_is_counted() -> None:
    correlator = Correlator()
    first = correlator.observe(POD, "Normal", "Pulled", "m", 100)
    again = correlator.observe(POD, "Normal", "Pulled", "m", 130)
    assert first is again
    assert first is not None
    assert (first.count, first.first, first.last) == (2, 100, 130)
    assert correlator.observe(NODE, "Normal", "Pulled", "m", 130) is not first


def test_from_the_tenth_message_within_ten_minutes_they_are_combined() -> None:
    correlator = Correlator()
    seen = [correlator.observe(POD, "Normal", "Created", f"m{number}", number) for number in range(12)]
    messages = [one.message for one in seen if one]
    assert messages[:9] == [f"m{number}" for number in range(9)]
    assert seen[9] is seen[10] is seen[11]
    assert seen[9] is not None
    assert (seen[9].message, seen[9].count) == ("(combined from similar events): m11", 3)
    later = correlator.observe(POD, "Normal", "Created", "m12", 11 + 601)
    assert later is not None
    assert later.message == "m12"


def test_a_source_that_says_too_much_about_one_object_is_heard_once_every_five_minutes() -> None:
    correlator = Correlator()
    allowed = [correlator.observe(POD, "Normal", f"R{number}", "m", 0) is not None for number in range(30)]
    assert allowed == [True] * 25 + [False] * 5
    assert correlator.observe(NODE, "Normal", "R", "m", 0) is not None
    assert correlator.observe(POD, "Normal", "R", "m", 299) is None
    assert correlator.observe(POD, "Normal", "R", "m", 301) is not None


def test_names_are_the_object_and_the_time_and_never_the_same() -> None:
    correlator = Correlator()
    names = [correlator.observe(POD, "Normal", f"R{number}", "m", 1.5) for number in range(3)]
    assert [one.name for one in names if one] == ["p.59682f00", "p.59682f01", "p.59682f02"]


class Events:
    """Keeps Events as the API would; `failures` come first."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.failures: list[ApiError] = []

    async def __call__(self, request: Request) -> Response:
        self.calls.append(f"{request.method} {request.path}")
        await asyncio.sleep(0)
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, ClientUnreachable):
                raise failure
            return Response(failure.code, body=failure.body())
        body = json.loads(request.body)
        if request.method == "POST":
            name = body["metadata"]["name"]
            if name in self.kept:
                return Response(409, body=already_exists(EVENTS, name).body())
            self.kept[name] = body
        else:
            name = request.path.rsplit("/", 1)[1]
            if name not in self.kept:
                return Response(404, body=not_found(EVENTS, name).body())
            self.kept[name].update(body)
        return Response(200, body=json.dumps(self.kept[name]).encode())


def recording(script: Any) -> Events:
    """Runs a script with a recorder at work, then waits until all is written."""
    events = Events()

    async def main() -> None:
        recorder = Recorder(Client(events), "tester", clock=LoopClock(), dice=random.Random(1))
        running = asyncio.create_task(recorder.run())
        await script(recorder, events)
        await asyncio.sleep(1000)
        assert not running.done()
        running.cancel()

    virtually(main())
    return events


def test_writes_an_event_as_clients_expect_it_then_patches_its_count() -> None:
    async def script(recorder: Recorder, events: Events) -> None:
        recorder.event(POD, "Warning", "Failed", "it failed")
        await asyncio.sleep(5)
        recorder.event(POD, "Warning", "Failed", "it failed")
        recorder.event(NODE, "Normal", "Ready", "it is")

    events = recording(script)
    pod, node = events.kept.values()
    name = pod["metadata"]["name"]
    assert pod == {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "ns"},
        "involvedObject": {
            "kind": "Pod",
            "namespace": "ns",
            "name": "p",
            "uid": "u1",
            "apiVersion": "v1",
            "resourceVersion": "7",
        },
        "reason": "Failed",
        "message": "it failed",
        "source": {"component": "tester"},
        "firstTimestamp": "2027-01-15T08:00:00Z",
        "lastTimestamp": "2027-01-15T08:00:05Z",
        "count": 2,
        "type": "Warning",
        "reportingComponent": "tester",
        "reportingInstance": "",
    }
    assert node["metadata"]["namespace"] == "default"
    assert [call.split()[0] for call in events.calls] == ["POST", "PATCH", "POST"]


def test_an_event_that_expired_is_created_anew_with_its_count() -> None:
    async def script(recorder: Recorder, events: Events) -> None:
        recorder.event(POD, "Normal", "R", "m")
        await asyncio.sleep(5)
        events.kept.clear()
        recorder.event(POD, "Normal", "R", "m")

    assert [event["count"] for event in recording(script).kept.values()] == [2]


def test_waits_while_nobody_answers_and_gives_up_what_is_refused() -> None:
    async def script(recorder: Recorder, events: Events) -> None:
        events.failures = [ClientUnreachable("down")] * 3
        recorder.event(POD, "Normal", "Waits", "m")
        await asyncio.sleep(100)
        events.failures = [ApiError(not_found(EVENTS, "x").status)]
        recorder.event(POD, "Normal", "Refused", "m")

    assert [event["reason"] for event in recording(script).kept.values()] == ["Waits"]


def test_two_components_that_speak_in_the_same_instant_are_both_heard() -> None:
    async def script(recorder: Recorder, events: Events) -> None:
        events.failures = [already_exists(EVENTS, "x")]
        recorder.event(POD, "Normal", "R", "m")

    assert len(recording(script).kept) == 1


def test_more_than_can_wait_is_dropped_and_counted() -> None:
    async def script(recorder: Recorder, events: Events) -> None:
        for number in range(1010):
            recorder.event(ObjectReference(kind="Pod", name=f"p{number}"), "Normal", "R", "m")
        assert recorder.dropped == 10

    assert len(recording(script).kept) == 1000
