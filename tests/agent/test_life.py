"""The life of a pod: states, times, status and what is said of it."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everynode.agent import life
from everynode.agent.life import TABLE, Event, back_off, go_duration
from everynode.agent.pod import Pod, Stage, Templates
from everynode.agent.rules import Script
from everynode.api.core_v1 import PodStatus

from .pods import START, Lived, conditions, view, waits_for

BROKEN = "app:v9"


def test_an_ordinary_start_is_one_status() -> None:
    lived = Lived(view())
    found = msgspec.to_builtins(lived.go())
    stamp = "2023-11-14T22:13:20Z"
    container_id = found["containerStatuses"][0].pop("containerID")
    image_id = found["containerStatuses"][0].pop("imageID")
    since = {"observedGeneration": 1, "lastTransitionTime": stamp, "status": "True"}
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    assert found == {
        "observedGeneration": 1,
        "phase": "Running",
        "conditions": [{"type": kind, **since} for kind in kinds],
        "hostIP": "172.16.0.1",
        "hostIPs": [{"ip": "172.16.0.1"}],
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}],
        "startTime": stamp,
        "containerStatuses": [
            {
                "name": "app",
                "state": {"running": {"startedAt": stamp}},
                "lastState": {},
                "ready": True,
                "started": True,
                "restartCount": 0,
                "image": "app:v1",
            }
        ],
    }
    assert container_id.startswith("simulated://")
    assert len(container_id) == len("simulated://") + 64
    assert image_id.startswith("docker.io/library/app@sha256:")
    assert lived.pod.wake_at is None
    assert lived.reasons == ["Pulled", "Created", "Started"]


def test_each_step_takes_its_time() -> None:
    lived = Lived(view(), {"app": Script(pull=3, start=2, ready=5)})
    first = lived.go()
    assert (first.phase, waits_for(first)) == ("Pending", "ContainerCreating")
    assert conditions(first) == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
        "PodScheduled": "True",
    }
    assert waits_for(lived.go(4.9)) == "ContainerCreating"
    running = lived.go(0.1)
    assert (running.phase, running.container_statuses[0].ready) == ("Running", False)
    unready = next(one for one in running.conditions if one.type == "Ready")
    assert (unready.reason, unready.message) == ("ContainersNotReady", "containers with unready status: [app]")
    ready = next(one for one in lived.go(5).conditions if one.type == "Ready")
    assert (ready.status, ready.last_transition_time) == ("True", "2023-11-14T22:13:30Z")
    scheduled = next(one for one in lived.pod.conditions if one.type == "PodScheduled")
    assert scheduled.last_transition_time == "2023-11-14T22:13:20Z"
    pulled = next(note for note in lived.notes if note.reason == "Pulled")
    assert pulled.message.startswith('Successfully pulled image "app:v1" in 3s (3s including waiting).')


def test_never_ready() -> None:
    lived = Lived(view(), {"app": Script(never_ready=True)})
    assert conditions(lived.go(3600))["Ready"] == "False"
    assert lived.reasons.count("Unhealthy") == 1
    lived.scripts.clear()
    assert conditions(lived.go())["Ready"] == "True"
    lived.scripts["app"] = Script(never_ready=True)
    assert conditions(lived.go())["Ready"] == "False"


def test_an_image_that_cannot_be_pulled() -> None:
    lived = Lived(view(), {"app": Script(unpullable=True)})
    seen: dict[str, float] = {}
    for _ in range(700):
        reason = waits_for(lived.go(1))
        seen[reason] = seen.get(reason, 0) + 1
    assert set(seen) == {"ErrImagePull", "ImagePullBackOff"}
    # Pulls at 0, 10, 30, 70, 150, 310 and 610 s.
    assert lived.reasons.count("Pulling") == 7
    assert lived.status().phase == "Pending"
    message = lived.status().container_statuses[0].state.waiting.message  # type: ignore[union-attr]
    assert message.startswith('Back-off pulling image "app:v1": ErrImagePull: rpc error: code = NotFound')
    assert {note.message for note in lived.notes if note.reason == "BackOff"} == {'Back-off pulling image "app:v1"'}
    lived.scripts.clear()
    assert lived.go(300).phase == "Running"


def test_a_crash_loop() -> None:
    lived = Lived(view(), {"app": Script(exit_after=1, exit_code=3)})
    restarts = [lived.go(1).container_statuses[0].restart_count for _ in range(100)]
    # The first exit is seen after a second; then 10, 20 and 40 s of waiting, and one of running each time.
    starts = [index + 1 for index, (before, after) in enumerate(itertools.pairwise([0, *restarts])) if after > before]
    assert starts == [2, 13, 34, 75]
    found = lived.status().container_statuses[0]
    assert waits_for(lived.status()) == "CrashLoopBackOff"
    assert found.state.waiting is not None
    assert found.state.waiting.message == "back-off 1m20s restarting failed container=app pod=web_default(u-1)"
    assert found.last_state.terminated is not None
    assert (found.last_state.terminated.exit_code, found.last_state.terminated.reason) == (3, "Error")
    assert lived.status().phase == "Running"
    assert conditions(lived.status())["Ready"] == "False"
    assert "Back-off restarting failed container app in pod web_default(u-1)" in {one.message for one in lived.notes}


def shown(found: PodStatus) -> str:
    """What `kubectl get pods` says of the container."""
    state = found.container_statuses[0].state
    return state.terminated.reason if state.terminated is not None else waits_for(found) or "Running"


@pytest.mark.parametrize(("code", "reason"), [(0, "Completed"), (3, "Error")])
def test_an_exit_is_shown_before_the_back_off(code: int, reason: str) -> None:
    lived = Lived(view(), {"app": Script(exit_after=4, exit_code=code)})
    # Exits at 4 s, runs again from 5 to 9, and then waits for 10 s.
    seen = [shown(lived.go(1)) for _ in range(19)]
    assert seen[:9] == ["Running"] * 3 + [reason] + ["Running"] * 4 + [reason]
    assert seen[9:] == [reason] + ["CrashLoopBackOff"] * 8 + ["Running"]
    again = Lived(view(), {"app": Script(exit_after=4, exit_code=code)})
    assert conditions(again.go(4))["Ready"] == "False", "so minReadySeconds begin anew"
    ended = again.go(5.5).container_statuses[0]
    assert ended.state.terminated is not None
    assert ended.last_state.terminated is not None
    assert ended.state.terminated.finished_at == "2023-11-14T22:13:29Z"
    assert ended.last_state.terminated.finished_at == "2023-11-14T22:13:24Z"


def test_an_image_whose_name_cannot_be_read() -> None:
    lived = Lived(view({"name": "app", "image": "app:v1:v2"}), {"app": Script(unpullable=True)})
    found = lived.go(600)
    said = 'Failed to apply default image tag "app:v1:v2": couldn\'t parse image name "app:v1:v2": invalid reference format'
    assert found.phase == "Pending"
    waiting = found.container_statuses[0].state.waiting
    assert waiting is not None
    assert (waiting.reason, waiting.message) == ("InvalidImageName", said)
    assert [(note.type, note.reason, note.message) for note in lived.notes] == [
        ("Warning", "InspectFailed", said),
        ("Warning", "Failed", "Error: InvalidImageName"),
    ]
    assert lived.pod.wake_at is None
    lived.notes += life.change(lived.pod, Templates().of(view({"name": "app", "image": BROKEN})), lived.now)
    lived.scripts.clear()
    assert shown(lived.go()) == "Running"


def test_an_image_that_is_set_right() -> None:
    init = [{"name": "one", "image": "i:v9"}]
    mended = Templates().of(view({"name": "app", "image": "App:v2"}, init=[{"name": "one", "image": "i:v1"}]))
    lived = Lived(view(init=init), {"one": Script(unpullable=True)})
    assert lived.go(100).init_container_statuses[0].state.waiting is not None
    lived.scripts.clear()
    lived.notes += life.change(lived.pod, mended, lived.now)
    found = lived.go()
    assert found.init_container_statuses[0].state.terminated is not None, "no back-off of another image is waited for"
    assert shown(found) == "InvalidImageName"
    # What runs, or has run, ends for an image that cannot be read; an init container that is done stays so.
    running = Lived(view(init=init))
    running.go()
    running.notes += life.change(running.pod, mended, running.now)
    found = running.go()
    assert shown(found) == "InvalidImageName"
    assert found.container_statuses[0].last_state.terminated is not None
    assert found.init_container_statuses[0].restart_count == 0


def test_what_exits_at_once_is_never_ready() -> None:
    lived = Lived(view(), {"app": Script(exit_after=0, exit_code=1)})
    assert shown(lived.go(2.9)) == "Error"
    assert shown(lived.go(0.1)) == "CrashLoopBackOff"
    for _ in range(400):
        assert conditions(lived.go(1))["Ready"] == "False"


def test_what_exits_before_it_is_ready_is_never_ready() -> None:
    lived = Lived(view(), {"app": Script(ready=5, exit_after=1, exit_code=1)})
    assert shown(lived.go(5)) == "CrashLoopBackOff"
    assert conditions(lived.go(400))["Ready"] == "False"


@pytest.mark.parametrize(
    ("policy", "code", "phase", "reason"),
    [
        ("Never", 0, "Succeeded", "Completed"),
        ("Never", 4, "Failed", "Error"),
        ("OnFailure", 0, "Succeeded", "Completed"),
        ("OnFailure", 4, "Running", ""),
    ],
)
def test_pods_that_may_end(policy: str, code: int, phase: str, reason: str) -> None:
    lived = Lived(view(policy=policy), {"app": Script(exit_after=5, exit_code=code)})
    assert lived.go(4).phase == "Running"
    found = lived.go(3)
    assert found.phase == phase
    if reason:
        terminated = found.container_statuses[0].state.terminated
        assert terminated is not None
        assert (terminated.reason, terminated.exit_code) == (reason, code)
        assert conditions(found)["Ready"] == "False"
        assert lived.pod.wake_at is None


def test_init_containers_and_sidecars_pass_in_order() -> None:
    init = [
        {"name": "one", "image": "i:1"},
        {"name": "side", "image": "s:1", "restartPolicy": "Always"},
        {"name": "two", "image": "i:2"},
    ]
    lived = Lived(view(init=init), {"one": Script(exit_after=3), "side": Script(start=2), "two": Script(exit_after=4)})
    found = lived.go(1)
    assert found.phase == "Pending"
    assert waits_for(found) == "PodInitializing"
    initialized = next(one for one in found.conditions if one.type == "Initialized")
    assert initialized.reason == "ContainersNotInitialized"
    assert initialized.message == "containers with incomplete status: [one side two]"
    found = lived.go(3)
    assert [one.ready for one in found.init_container_statuses] == [True, False, False]
    found = lived.go(2)
    assert [one.state.running is not None for one in found.init_container_statuses] == [False, True, True]
    found = lived.go(3)
    assert found.phase == "Running"
    assert conditions(found)["Ready"] == "True"
    assert [one.ready for one in found.init_container_statuses] == [True, True, True]
    assert found.init_container_statuses[0].state.terminated is not None


def test_an_init_container_that_fails() -> None:
    init = [{"name": "one", "image": "i:1"}]
    again = Lived(view(init=init), {"one": Script(exit_after=0, exit_code=1)}).go(60)
    assert again.phase == "Pending"
    assert again.init_container_statuses[0].state.waiting is not None
    assert again.init_container_statuses[0].state.waiting.reason == "CrashLoopBackOff"
    never = Lived(view(init=init, policy="Never"), {"one": Script(exit_after=0, exit_code=1)}).go(60)
    assert never.phase == "Failed"
    assert never.container_statuses[0].container_id == ""


def test_readiness_gates() -> None:
    gated = view(readinessGates=[{"conditionType": "example.com/open"}])
    lived = Lived(gated)
    found = conditions(lived.go())
    assert (found["ContainersReady"], found["Ready"]) == ("True", "False")
    ready = next(one for one in lived.pod.conditions if one.type == "Ready")
    assert ready.reason == "ReadinessGatesNotReady"


def test_stopping_takes_its_time_but_no_longer_than_the_grace_period() -> None:
    for takes, grace, ends in ((0.0, 30.0, 0.0), (5.0, 30.0, 5.0), (60.0, 30.0, 30.0)):
        lived = Lived(view(), {"app": Script(stop=takes)})
        lived.go(10)
        lived.stop(grace)
        if ends:
            lived.go(ends - 0.1)
            assert not lived.pod.stopped
        lived.go(0.1)
        assert lived.pod.stopped
        assert lived.status().phase == "Succeeded"
        assert lived.reasons[-1] == "Killing"


def test_a_second_stop_only_shortens() -> None:
    lived = Lived(view(), {"app": Script(stop=100)})
    lived.go()
    lived.stop(60)
    lived.go(5)
    lived.stop(1)
    lived.go(1)
    assert lived.pod.stopped
    assert lived.reasons.count("Killing") == 1


def test_a_pod_that_waits_ends_at_once() -> None:
    lived = Lived(view(), {"app": Script(unpullable=True, stop=20)})
    lived.go(5)
    lived.stop()
    assert lived.pod.stopped


def test_back_off_and_durations() -> None:
    assert [back_off(tries) for tries in (1, 2, 3, 4, 5, 6, 99)] == [10, 20, 40, 80, 160, 300, 300]
    assert [go_duration(s) for s in (0, 0.35, 1.5, 20, 80, 300)] == ["0s", "350ms", "1.5s", "20s", "1m20s", "5m0s"]


def test_the_table_leads_everywhere_and_no_further() -> None:
    assert set(TABLE.values()) | {Stage.WAITING} == set(Stage)
    assert {event for _, event in TABLE} == set(Event)
    assert not [stage for stage, _ in TABLE if stage is Stage.DONE]


def adopted(found: PodStatus, lived: Lived) -> Pod:
    """The pod as an agent that starts now takes it over from its status."""
    again = view(pod_status=msgspec.json.decode(msgspec.json.encode(found)))
    pod = Pod.of(again, Templates().of(again), lived.node, lived.now)
    life.adopt(pod, again, lived.node.clock_offset, lived.now)
    life.advance(pod, lived.script, lived.now)
    return pod


SCRIPTS = st.builds(
    Script,
    pull=st.sampled_from([0.0, 3.0]),
    unpullable=st.booleans(),
    start=st.sampled_from([0.0, 2.0]),
    ready=st.sampled_from([0.0, 4.0]),
    never_ready=st.booleans(),
    exit_after=st.sampled_from([None, None, 0.0, 7.0]),
    exit_code=st.sampled_from([0, 1]),
)


@settings(max_examples=150, deadline=None)
@given(script=SCRIPTS, seconds=st.integers(0, 400), offset=st.sampled_from([0.0, -60.0]))
def test_an_agent_that_restarts_finds_pods_where_they_are(script: Script, seconds: int, offset: float) -> None:
    lived = Lived(view(), {"app": script})
    lived.node.clock_offset = offset
    before = lived.go(float(seconds))
    pod = adopted(before, lived)
    was, now = lived.pod.containers[0], pod.containers[0]
    if was.runs:
        assert pod.change == 0, "what runs is not written to"
        assert (now.stage, now.started_at, pod.wake_at) == (was.stage, was.started_at, lived.pod.wake_at)
    if was.stage is Stage.CRASHED and now.stage is Stage.CRASHED:
        assert now.retry_at == pytest.approx(was.retry_at, abs=1)
    assert now.restarts >= was.restarts


@settings(max_examples=100, deadline=None)
@given(script=SCRIPTS, policy=st.sampled_from(["Always", "OnFailure", "Never"]))
def test_nothing_happens_for_ever_in_one_moment_and_ends_stay_ends(script: Script, policy: str) -> None:
    lived = Lived(view(policy=policy), {"app": script})
    ended = ""
    for _ in range(60):
        changes = lived.pod.change
        found = lived.go(1)
        assert lived.pod.change - changes < 12
        if ended:
            assert found.phase == ended
        ended = found.phase if found.phase in ("Succeeded", "Failed") else ""
    assert lived.now == START + 60
