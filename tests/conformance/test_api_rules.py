"""What the API accepts, fills in, counts and refuses of a DaemonSet; upstream's status and collection scenarios."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes import client, watch

from tests.conformance.world import ON_DELETE, World, daemon_set, eventually, rolling

PREFIX = "spec.updateStrategy.rollingUpdate"


def refused(world: World, ds: dict[str, Any], **query: Any) -> tuple[int, list[tuple[str, str]]]:
    """(code, what each cause says of which field) of a creation that must fail."""
    with pytest.raises(client.ApiException) as error:
        world.apps.create_namespaced_daemon_set(world.namespace, ds, **query)
    answer = json.loads(error.value.body)
    causes = answer.get("details", {}).get("causes", [])
    return answer["code"], [(cause["field"], cause["message"]) for cause in causes]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"updateStrategy": rolling(1, 1)}, f"{PREFIX}.maxSurge", "may not be set when maxUnavailable is non-zero"),
        ({"updateStrategy": rolling(0, 0)}, f"{PREFIX}.maxUnavailable", "cannot be 0 when maxSurge is 0"),
        ({"updateStrategy": rolling("0%", "0%")}, f"{PREFIX}.maxUnavailable", "cannot be 0 when maxSurge is 0"),
        ({"updateStrategy": rolling("101%")}, f"{PREFIX}.maxUnavailable", "must not be greater than 100%"),
        ({"updateStrategy": rolling(0, "101%")}, f"{PREFIX}.maxSurge", "must not be greater than 100%"),
        ({"updateStrategy": rolling(-1)}, f"{PREFIX}.maxUnavailable", "must be greater than or equal to 0"),
        ({"updateStrategy": {"type": "Random"}}, "spec.updateStrategy", '"RollingUpdate"'),
        ({"minReadySeconds": -1}, "spec.minReadySeconds", "must be greater than or equal to 0"),
        ({"revisionHistoryLimit": -1}, "spec.revisionHistoryLimit", "must be greater than or equal to 0"),
        ({"selector": {}}, "spec.selector", "empty selector is invalid for daemonset"),
        (
            {"selector": {"matchLabels": {"a": "b"}}},
            "spec.template.metadata.labels",
            "`selector` does not match template `labels`",
        ),
    ],
)
def test_validation(world: World, change: dict[str, Any], field: str, message: str) -> None:
    ds = daemon_set()
    ds["spec"] |= change
    code, causes = refused(world, ds)
    assert code == 422
    assert any(where == field and message in what for where, what in causes), causes


@pytest.mark.parametrize(
    ("pod", "field", "message"),
    [
        ({"restartPolicy": "Never"}, "spec.template.spec.restartPolicy", 'supported values: "Always"'),
        (
            {"activeDeadlineSeconds": 5},
            "spec.template.spec.activeDeadlineSeconds",
            "activeDeadlineSeconds in DaemonSet is not Supported",
        ),
        ({"containers": []}, "spec.template.spec.containers", "Required value"),
    ],
)
def test_template_validation(world: World, pod: dict[str, Any], field: str, message: str) -> None:
    code, causes = refused(world, daemon_set(**pod))
    assert code == 422
    assert any(where == field and message in what for where, what in causes), causes


def test_max_surge_alone_is_refused_by_the_default_of_the_other(world: World) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    assert refused(world, daemon_set(strategy=strategy))[1][0][0] == f"{PREFIX}.maxSurge"


def test_field_validation(world: World) -> None:
    ds = daemon_set()
    ds["spec"]["colour"] = "red"
    ds["spec"]["template"]["spec"]["flavour"] = "sweet"
    code, answer = world.post(ds, "?fieldValidation=Strict")
    assert code == 400
    assert 'unknown field "spec.colour"' in answer["message"]
    assert 'unknown field "spec.template.spec.flavour"' in answer["message"]
    assert world.post(ds)[0] == 201


def test_defaults(world: World) -> None:
    made = world.create(daemon_set())
    spec = made.spec
    assert (spec.update_strategy.type, spec.revision_history_limit) == ("RollingUpdate", 10)
    code, raw = world.post(daemon_set("raw"))
    assert (code, raw["spec"]["updateStrategy"]["rollingUpdate"]) == (201, {"maxUnavailable": 1, "maxSurge": 0})
    pod = spec.template.spec
    assert (pod.dns_policy, pod.restart_policy, pod.scheduler_name) == ("ClusterFirst", "Always", "default-scheduler")
    other = world.create(daemon_set("other", strategy=ON_DELETE))
    assert other.spec.update_strategy.rolling_update is None


def test_generations(world: World) -> None:
    """Template: both; spec: generation; metadata, status: none. Clients set none of them, and no status on creation."""
    template = "deprecated.daemonset.template.generation"
    ds = daemon_set() | {"status": {"numberReady": 7, "currentNumberScheduled": 7}}
    code, made = world.post(ds)
    assert (code, made["metadata"]["generation"], made["status"]["numberReady"]) == (201, 1, 0)
    assert made["metadata"]["annotations"][template] == "1"
    changed = world.set_image("new")
    assert (changed.metadata.generation, changed.metadata.annotations[template]) == (2, "2")
    changed = world.patch({"spec": {"minReadySeconds": 3}})
    assert (changed.metadata.generation, changed.metadata.annotations[template]) == (3, "2")
    changed = world.patch({"metadata": {"labels": {"a": "b"}, "annotations": {template: "99"}}})
    assert (changed.metadata.generation, changed.metadata.annotations[template]) == (3, "2")
    changed = world.patch({"status": {"numberReady": 9}})
    assert (changed.metadata.generation, changed.status.number_ready) == (3, 0)


def test_selector_is_immutable(world: World) -> None:
    world.create(daemon_set())
    labels = {"name": "test", "more": "x"}
    with pytest.raises(client.ApiException) as error:
        world.patch({"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}})
    (cause,) = json.loads(error.value.body)["details"]["causes"]
    assert (error.value.status, cause["field"]) == (422, "spec.selector")
    assert cause["message"].endswith("field is immutable")


def test_should_verify_changes_to_a_daemon_set_status(world: World) -> None:
    world.node("n")
    world.create(daemon_set())
    world.run_all(1)
    world.status(number_available=1)
    ds = world.apps.read_namespaced_daemon_set_status("ds", world.namespace)
    condition = client.V1DaemonSetCondition(
        type="StatusUpdate", status="True", reason="E2E", message="Set from e2e test"
    )
    ds.status.conditions = [condition]
    ds.spec.min_ready_seconds = 99  # ignored here
    updated = world.apps.replace_namespaced_daemon_set_status("ds", world.namespace, ds)
    assert updated.status.conditions[0].type == "StatusUpdate"
    assert updated.spec.min_ready_seconds in (None, 0)
    patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    for event in watch.Watch().stream(world.apps.list_namespaced_daemon_set, world.namespace, timeout_seconds=10):
        conditions = [one.type for one in event["object"].status.conditions or []]
        if conditions == ["StatusUpdate"]:
            world.apps.patch_namespaced_daemon_set_status(
                "ds", world.namespace, patch, _content_type="application/merge-patch+json"
            )
        elif conditions == ["StatusPatched"]:
            break
    else:
        pytest.fail("the patched status was not seen")
    # The controller's own writes leave conditions alone.
    world.set_image("new")
    with world.kubelet():
        world.status(number_available=1, updated_number_scheduled=1)
    assert [one.type for one in world.ds().status.conditions] == ["StatusPatched"]
    for wrong in ("numberReady", "observedGeneration"):
        with pytest.raises(client.ApiException) as error:
            world.apps.patch_namespaced_daemon_set_status(
                "ds", world.namespace, {"status": {wrong: -1}}, _content_type="application/merge-patch+json"
            )
        assert json.loads(error.value.body)["details"]["causes"][0]["field"] == f"status.{wrong}"


def test_should_list_and_delete_a_collection_of_daemon_sets(world: World) -> None:
    world.nodes(2)
    for name in ("one", "two", "kept"):
        ds = daemon_set(name)
        labels = {"name": name}
        ds["metadata"]["labels"] = {"group": "kept" if name == "kept" else "gone"}
        ds["spec"]["selector"]["matchLabels"] = ds["spec"]["template"]["metadata"]["labels"] = labels
        world.create(ds)
    listed = world.apps.list_daemon_set_for_all_namespaces(label_selector="group=gone").items
    assert sorted(one.metadata.name for one in listed if one.metadata.namespace == world.namespace) == ["one", "two"]
    world.apps.delete_collection_namespaced_daemon_set(world.namespace, label_selector="group=gone")
    left = world.apps.list_namespaced_daemon_set(world.namespace).items
    assert [one.metadata.name for one in left] == ["kept"]
    eventually(lambda: world.pods("name in (one,two)"), lambda pods: not pods)


def test_preconditions_and_conflicts(world: World) -> None:
    made = world.create(daemon_set())
    with pytest.raises(client.ApiException) as again:
        world.create(daemon_set())
    assert (again.value.status, json.loads(again.value.body)["reason"]) == (409, "AlreadyExists")
    body = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    with pytest.raises(client.ApiException) as wrong:
        world.apps.delete_namespaced_daemon_set("ds", world.namespace, body=body)
    assert wrong.value.status == 409
    with pytest.raises(client.ApiException) as missing:
        world.apps.replace_namespaced_daemon_set("none", world.namespace, daemon_set("none"))
    assert missing.value.status == 404
    # A PUT without a resourceVersion replaces whatever stands there.
    replaced = world.apps.replace_namespaced_daemon_set("ds", world.namespace, daemon_set(image="new"))
    assert (replaced.metadata.uid, replaced.metadata.generation) == (made.metadata.uid, 2)
    assert world.apps.create_namespaced_daemon_set(world.namespace, daemon_set("dry"), dry_run="All").metadata.uid
    with pytest.raises(client.ApiException):
        world.ds("dry")
