"""Each cause that can hold a rollout, from objects as another cluster would write them: it is named, and nothing beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from everynode.controllers.daemonset.diagnosis.causes import Kind
from everynode.controllers.daemonset.diagnosis.rollout import Phase
from tests.explain.dumps import (
    NAMESPACE,
    NEW,
    OLD,
    Dump,
    Json,
    ago,
    condition,
    event,
    node,
    ordinary,
    ready,
    unready,
    unscheduled,
    waiting,
)

ENDED = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": ago(30)}}
RUNNING = {"running": {"startedAt": ago(600)}}


def kinds(dump: Dump) -> tuple[Phase, list[Kind]]:
    found = dump.diagnosed()
    return found.phase, [cause.kind for cause in found.causes]


def test_a_rollout_that_is_done_has_no_cause() -> None:
    dump = Dump()
    for index in range(3):
        dump.updated(f"n{index}", ready())
    assert kinds(dump) == (Phase.DONE, [])


def test_a_rollout_that_goes_on_has_no_cause_and_says_when_it_will_be_done() -> None:
    dump = Dump(4)
    dump.updated("n0", ready())
    dump.updated("n1", unready(1, **waiting("ContainerCreating")))
    found = dump.diagnosed()
    assert found.phase is Phase.PROGRESSING
    # One node took 120 s, and three are left.
    assert found.progress.ends is not None
    assert found.progress.ends - 1_800_000_000 == pytest.approx(360)


def broken(status: Json, *events: Json) -> Dump:
    """A rollout over three nodes whose first new pod is in this state."""
    dump = Dump()
    made = dump.updated("n0", status)
    dump.more += [{**each, "involvedObject": {"uid": made["metadata"]["uid"]}} for each in events]
    return dump


POD_CAUSES: dict[str, tuple[Kind, Json, list[Json]]] = {
    "crash": (
        Kind.CRASH_LOOP,
        unready(restartCount=7, lastState=ENDED, **waiting("CrashLoopBackOff", "back-off 5m0s")),
        [],
    ),
    "ended": (Kind.CRASH_LOOP, unready(restartCount=1, state=ENDED), []),
    "pull": (Kind.IMAGE_NOT_PULLED, unready(**waiting("ImagePullBackOff", "Back-off pulling image")), []),
    "first pull": (Kind.IMAGE_NOT_PULLED, unready(**waiting("ErrImagePull", "not found")), []),
    "image name": (Kind.IMAGE_NAME_INVALID, unready(**waiting("InvalidImageName", "invalid reference format")), []),
    "secret": (Kind.SECRET_MISSING, unready(**waiting("CreateContainerConfigError", 'secret "token" not found')), []),
    "config map": (
        Kind.CONFIG_MAP_MISSING,
        unready(**waiting("ContainerCreating")),
        [event("", "FailedMount", 'MountVolume.SetUp failed for volume "conf" : configmap "agent-conf" not found')],
    ),
    "mount": (
        Kind.VOLUME_NOT_MOUNTED,
        unready(**waiting("ContainerCreating")),
        [event("", "FailedMount", "Unable to attach or mount volumes: timed out waiting for the condition")],
    ),
    "sandbox": (
        Kind.CONTAINER_NOT_CREATED,
        unready(**waiting("ContainerCreating")),
        [event("", "FailedCreatePodSandBox", "Failed to create pod sandbox: plugin type=cni failed")],
    ),
    "cannot run": (Kind.CONTAINER_NOT_CREATED, unready(**waiting("RunContainerError", "no such file")), []),
    "slow start": (Kind.STARTING, unready(400, **waiting("ContainerCreating")), []),
    "init": (Kind.INIT_RUNNING, unready(role="initContainerStatuses", state=RUNNING), []),
    "init crash": (
        Kind.CRASH_LOOP,
        unready(role="initContainerStatuses", lastState=ENDED, **waiting("CrashLoopBackOff")),
        [],
    ),
    "probe": (
        Kind.NOT_READY,
        unready(state={"running": {"startedAt": ago(20)}}, started=True),
        [event("", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")],
    ),
    "never ready": (Kind.NOT_READY, unready(state=RUNNING, started=True), []),
}


@pytest.mark.parametrize("which", POD_CAUSES)
def test_a_pod_that_does_not_become_available_holds_the_rollout(which: str) -> None:
    kind, status, events = POD_CAUSES[which]
    dump = broken(status, *events)
    found = dump.diagnosed()
    assert found.phase is Phase.BLOCKED
    assert [cause.kind for cause in found.causes] == [Kind.BUDGET_USED_UP, kind]
    assert all(cause.blocks for cause in found.causes)
    assert found.causes[1].nodes == ("n0",)
    assert found.causes[1].proof


def test_a_pod_that_has_failed_is_replaced_without_anybodys_help() -> None:
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    found = broken(evicted).diagnosed()
    assert found.phase is Phase.PROGRESSING
    assert [(cause.kind, cause.proof) for cause in found.causes] == [(Kind.POD_FAILED, evicted["message"])]


def test_a_crash_is_told_with_its_exit_code_its_restarts_and_the_logs_to_read() -> None:
    _, status, _ = POD_CAUSES["crash"]
    cause = broken(status).diagnosed().causes[1]
    assert cause.sentence == "container agent ends with exit code 137 (OOMKilled) after each start on n0"
    assert cause.proof.startswith("7 restarts")
    assert cause.remedy == f"kubectl logs -n {NAMESPACE} agent-n0-new -c agent --previous"


def test_the_same_trouble_on_many_nodes_is_one_cause() -> None:
    dump = Dump(6, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 3}})
    for index in range(3):
        dump.updated(f"n{index}", unready(**waiting("ImagePullBackOff")))
    budget, pull = dump.diagnosed().causes
    assert budget.kind is Kind.BUDGET_USED_UP
    assert pull.nodes == ("n0", "n1", "n2")
    assert pull.sentence.endswith("on n0 and 2 more nodes")


def test_one_bad_node_slows_a_rollout_that_has_budget_left_and_does_not_block_it() -> None:
    dump = Dump(6, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}})
    dump.updated("n0", unready(**waiting("ImagePullBackOff")))
    found = dump.diagnosed()
    assert found.phase is Phase.PROGRESSING
    assert [(cause.kind, cause.blocks) for cause in found.causes] == [(Kind.IMAGE_NOT_PULLED, False)]


def test_minimum_seconds_that_run_slow_and_say_until_when() -> None:
    dump = Dump(minReadySeconds=60)
    dump.updated("n0", ready(20))
    found = dump.diagnosed()
    assert found.phase is Phase.PROGRESSING
    assert [(cause.kind, cause.until) for cause in found.causes] == [(Kind.MIN_READY, 1_800_000_040)]


def test_a_clock_that_is_ahead_is_told_with_how_much() -> None:
    dump = Dump(minReadySeconds=30)
    dump.updated("n0", ready(-300))
    found = dump.diagnosed()
    assert [cause.kind for cause in found.causes] == [Kind.BUDGET_USED_UP, Kind.CLOCK_SKEW]
    assert "300 s from now" in found.causes[1].proof


# Places


def pending(change: Callable[[Dump], None], **spec: Any) -> Dump:
    """A rollout whose new pod for n0 has no node; `change` says why."""
    dump = Dump(**spec)
    change(dump)
    dump.updated("n0", unscheduled(), bound=False)
    return dump


def asks(cpu: str) -> Callable[[Dump], None]:
    def change(dump: Dump) -> None:
        dump.template["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}

    return change


def test_what_is_short_is_told_in_numbers_with_the_pods_that_could_go_and_what_that_means() -> None:
    dump = pending(asks("3500m"))
    dump.more += [ordinary("small", "n0", "300m"), ordinary("large", "n0", "1"), ordinary("elsewhere", "n1", "4")]
    budget, short = dump.diagnosed().causes
    assert (budget.kind, short.kind) == (Kind.BUDGET_USED_UP, Kind.INSUFFICIENT_RESOURCES)
    assert short.proof.startswith("n0: 3500m of cpu asked for, 2700m free, 800m missing")
    assert short.remedy == "kubectl delete pod -n default large"
    room, alone, unasked = short.advice
    assert room == "Room would be made on n0 by deleting default/large."
    assert "is not made again" in alone
    assert "PodDisruptionBudget" in unasked


def test_no_pod_is_offered_for_deletion_that_would_not_help_or_outranks_the_daemon_pod() -> None:
    dump = pending(asks("5"))
    dump.more.append(ordinary("any", "n0", "1"))
    assert not dump.diagnosed().causes[1].advice
    dump = pending(asks("3500m"))
    dump.more.append(ordinary("important", "n0", "1", priority=1000))
    assert not dump.diagnosed().causes[1].advice


def test_a_host_port_is_told_with_who_has_it() -> None:
    def change(dump: Dump) -> None:
        dump.template["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 9100}]

    dump = pending(change)
    holder = ordinary("exporter", "n0", "1")
    holder["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 9100}]
    dump.more.append(holder)
    cause = dump.diagnosed().causes[1]
    assert (cause.kind, cause.proof) == (Kind.HOST_PORT_TAKEN, "by default/exporter")


def test_a_surge_with_a_host_port_can_never_go_on() -> None:
    dump = Dump(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}})
    dump.template["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 9100}]
    dump.pods = [dump.pod("n0", OLD, ready()), dump.pod("n0", NEW, unscheduled(), bound=False)]
    dump.nodes = dump.nodes[:1]
    assert kinds(dump) == (Phase.BLOCKED, [Kind.SURGE_WITH_HOST_PORT])


def test_a_readiness_gate_that_is_closed() -> None:
    dump = Dump()
    dump.template["spec"]["readinessGates"] = [{"conditionType": "example.com/attached"}]
    status = ready()
    status["conditions"][1] = condition("Ready", "False", 100, reason="ReadinessGatesNotReady")
    dump.updated("n0", status)
    cause = dump.diagnosed().causes[1]
    assert (cause.kind, cause.proof) == (Kind.READINESS_GATE, "the condition is not set")


def test_a_pod_of_somebody_else_that_matches_is_named() -> None:
    dump = Dump()
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True}
    dump.pods.append(dump.pod("n0", OLD, ready(), name="other", uid="other", ownerReferences=[owner]))
    cause = dump.diagnosed().causes[-1]
    assert (cause.kind, cause.proof) == (Kind.NOT_ADOPTED, f"{NAMESPACE}/other is controlled by the ReplicaSet web")


def test_a_pod_that_would_fit_and_has_no_node_means_that_nobody_schedules() -> None:
    assert kinds(pending(lambda dump: None)) == (Phase.BLOCKED, [Kind.BUDGET_USED_UP, Kind.NOT_SCHEDULED])


# Nodes


@pytest.mark.parametrize("word", ["Unknown", "False"])
def test_a_node_that_is_not_ready_uses_up_the_budget(word: str) -> None:
    dump = Dump()
    dump.nodes[0] = node("n0", word)
    dump.updated("n0", {"phase": "Running", "conditions": [condition("Ready", "False", 300)]})
    found = dump.diagnosed()
    assert [cause.kind for cause in found.causes] == [Kind.BUDGET_USED_UP, Kind.NODE_NOT_READY]
    assert found.causes[1].since == 1_799_999_700


# Pods that go


def going(late: float, **metadata: Any) -> Dump:
    dump = Dump()
    dump.pods[0] = dump.pod("n0", OLD, ready(), deletionTimestamp=ago(late), **metadata)
    return dump


def test_a_pod_that_stops_within_its_grace_slows() -> None:
    found = going(-20).diagnosed()
    assert found.phase is Phase.PROGRESSING
    assert [(cause.kind, cause.blocks) for cause in found.causes] == [(Kind.TERMINATING, False)]


def test_a_pod_beyond_its_grace_blocks_and_a_finalizer_is_named() -> None:
    assert kinds(going(60)) == (Phase.BLOCKED, [Kind.BUDGET_USED_UP, Kind.TERMINATING])
    held = going(60, finalizers=["example.com/hold"])
    assert kinds(held) == (Phase.BLOCKED, [Kind.BUDGET_USED_UP, Kind.FINALIZER])
    assert "example.com/hold" in held.diagnosed().causes[1].sentence


# The DaemonSet itself


def test_with_on_delete_the_pods_that_wait_for_a_person_are_named() -> None:
    dump = Dump(updateStrategy={"type": "OnDelete"})
    dump.updated("n0", ready())
    found = dump.diagnosed()
    assert found.phase is Phase.BLOCKED
    assert [cause.kind for cause in found.causes] == [Kind.ON_DELETE]
    assert found.causes[0].pods == (f"{NAMESPACE}/agent-n1-old", f"{NAMESPACE}/agent-n2-old")


def test_a_change_that_no_controller_has_seen() -> None:
    dump = Dump()
    for index in range(3):
        dump.updated(f"n{index}", ready())
    dump.observed = 1
    assert kinds(dump) == (Phase.PROGRESSING, [Kind.NOT_OBSERVED])


REFUSALS = {
    'pods "agent-" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2': Kind.QUOTA_EXCEEDED,
    'pods "agent-" is forbidden: maximum cpu usage per Container is 1, but limit is 2': Kind.LIMIT_RANGE,
    'pods "agent-" is forbidden: error looking up service account logging/agent: serviceaccount "agent" not found': (
        Kind.SERVICE_ACCOUNT_MISSING
    ),
    'admission webhook "policy.example.com" denied the request: no': Kind.CREATION_REFUSED,
}


@pytest.mark.parametrize("message", REFUSALS)
def test_a_refusal_of_new_pods_is_told_from_the_controllers_events(message: str) -> None:
    dump = Dump()
    dump.pods = dump.pods[1:]
    dump.more.append(event("ds", "FailedCreate", f"Error creating: {message}"))
    found = dump.diagnosed()
    assert [cause.kind for cause in found.causes] == [REFUSALS[message]]
    assert (found.phase, found.causes[0].nodes) == (Phase.BLOCKED, ("n0",))


def test_a_refusal_says_nothing_once_every_node_has_its_pod() -> None:
    dump = Dump()
    for index in range(3):
        dump.updated(f"n{index}", ready())
    dump.more.append(event("ds", "FailedCreate", "Error creating: exceeded quota: few"))
    assert kinds(dump) == (Phase.DONE, [])


def test_a_rival_with_the_same_selector_is_told_last() -> None:
    dump = Dump()
    rival = {"name": "rival", "namespace": NAMESPACE, "uid": "other"}
    dump.more.append({"kind": "DaemonSet", "metadata": rival, "spec": {"selector": {"matchLabels": {"app": "agent"}}}})
    assert Kind.SELECTORS_OVERLAP in kinds(dump)[1]


def test_a_budget_that_lets_no_pod_go_from_a_cordoned_node_is_in_the_way_of_a_drain() -> None:
    dump = Dump()
    dump.nodes[0]["spec"]["unschedulable"] = True
    dump.updated("n0", unready(1, **waiting("ContainerCreating")))
    dump.more.append(ordinary("web", "n0"))
    dump.more.append(
        {
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "namespace": "default", "uid": "pdb"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {"disruptionsAllowed": 0},
        }
    )
    found = dump.diagnosed()
    assert [cause.kind for cause in found.causes] == [Kind.STARTING, Kind.DRAIN_BLOCKED]
    assert found.causes[1].pods == ("default/web",)
