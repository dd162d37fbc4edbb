"""create, update, patch: names, places, optimistic locking, what the server sets, what changes nothing."""

from __future__ import annotations

import pytest

from tests.apiserver.caller import JSON_PATCH, MERGE, STRATEGIC, Caller, config_map, daemon_set, manifest, pod

DS = "/apis/apps/v1/namespaces/default/daemonsets"


async def test_the_server_sets_what_only_it_knows(api: Caller, core: str) -> None:
    given = pod("a")
    given["metadata"] |= {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}
    made = await api.create(f"{core}/pods", given)
    assert made["metadata"]["uid"] != "mine"
    assert made["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert made["metadata"]["generation"] == 1
    assert made["status"]["phase"] == "Pending"
    assert made["status"]["qosClass"] == "BestEffort"


async def test_a_name_is_taken_once(api: Caller, core: str) -> None:
    await api.create(f"{core}/configmaps", config_map("a"))
    answer = await api.call("POST", f"{core}/configmaps", config_map("a"))
    assert (answer.code, answer.body["reason"]) == (409, "AlreadyExists")
    assert answer.body["message"] == 'configmaps "a" already exists'


async def test_generated_names(api: Caller, core: str) -> None:
    given = config_map("")
    given["metadata"] = {"generateName": "web-"}
    first, second = [await api.create(f"{core}/configmaps", given) for _ in range(2)]
    assert first["metadata"]["name"].startswith("web-")
    assert len(first["metadata"]["name"]) == len("web-") + 5
    assert first["metadata"]["name"] != second["metadata"]["name"]


async def test_a_body_that_does_not_say_what_it_is_is_what_the_url_names(api: Caller, core: str) -> None:
    made = await api.create(f"{core}/configmaps", {"metadata": {"name": "a"}})
    assert (made["kind"], made["apiVersion"]) == ("ConfigMap", "v1")
    changed = await api.must("PUT", f"{core}/configmaps/a", {"metadata": {"name": "a"}, "data": {"k": "v"}})
    assert (changed["kind"], changed["apiVersion"]) == ("ConfigMap", "v1")


@pytest.mark.parametrize("kind", ["coordination.k8s.io/v1 leases", "policy/v1 poddisruptionbudgets"])
async def test_who_replaces_a_lease_or_a_budget_says_which_version_of_it(api: Caller, core: str, kind: str) -> None:
    group, plural = kind.split()
    path = f"{core.replace('/api/v1', f'/apis/{group}')}/{plural}"
    given = {"metadata": {"name": "a"}, "spec": {}}
    made = await api.create(path, given)
    answer = await api.call("PUT", f"{path}/a", given)
    assert answer.code == 422
    what = f"{plural}.{group.partition('/')[0]}"
    why = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    assert answer.body["message"] == f'{what} "a" is invalid: {why}'
    given["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    await api.must("PUT", f"{path}/a", given)
    # A patch is of what stands.
    await api.must("PATCH", f"{path}/a", {"metadata": {"labels": {"a": "b"}}}, kind=MERGE)


async def test_a_refused_pod_is_called_by_the_name_it_was_sent_with(api: Caller, core: str) -> None:
    given = pod("")
    given["metadata"] = {"generateName": "web-"}
    given["spec"]["serviceAccountName"] = "missing"
    answer = await api.call("POST", f"{core}/pods", given)
    assert answer.code == 403
    assert answer.body["message"].startswith('pods "web-" is forbidden: error looking up service account')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Secret"}, "cannot be handled as a ConfigMap"),
        ({"apiVersion": "apps/v1"}, "does not match the expected API version (v1)"),
        ({"metadata": {"name": "a", "namespace": "elsewhere"}}, "does not match the namespace sent on the request"),
        ({"metadata": {"name": "a", "resourceVersion": "5"}}, "resourceVersion should not be set"),
        ({"data": {"k": 1}}, "cannot unmarshal number into Go struct field ConfigMap.data of type string"),
    ],
)
async def test_a_body_that_does_not_belong_there(api: Caller, core: str, change: dict, message: str) -> None:
    answer = await api.call("POST", f"{core}/configmaps", config_map("a") | change)
    assert answer.code == 400
    assert message in answer.body["message"]
    assert (await api.get(f"{core}/configmaps/a")).code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"nonsense", b'{"kind":"ConfigMap"', b"\xff\xfe"])
async def test_a_body_that_is_no_object(api: Caller, core: str, body: bytes) -> None:
    answer = await api.call("POST", f"{core}/configmaps", body)
    assert (answer.code, answer.body["status"]) == (400, "Failure")


async def test_a_body_that_is_too_deep_or_too_large(api: Caller, core: str) -> None:
    deep = b'{"kind":"ConfigMap","apiVersion":"v1","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert (await api.call("POST", f"{core}/configmaps", deep)).code == 400
    large = b'{"kind":"ConfigMap","apiVersion":"v1","data":{"k":"' + b"x" * (3 * 1024 * 1024) + b'"}}'
    answer = await api.call("POST", f"{core}/configmaps", large)
    assert (answer.code, answer.body["reason"]) == (413, "RequestEntityTooLarge")


async def test_an_unknown_media_type_is_refused_by_name(api: Caller, core: str) -> None:
    answer = await api.call("POST", f"{core}/configmaps", config_map("a"), kind="application/cbor")
    assert answer.code == 415
    assert "application/json" in answer.body["message"]


@pytest.mark.parametrize(("validation", "code"), [("Strict", 400), ("Warn", 201), ("Ignore", 201), ("", 201)])
async def test_unknown_and_duplicate_fields(api: Caller, core: str, validation: str, code: int) -> None:
    body = (
        b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","colour":"red"},'
        b'"data":{"k":"1"},"data":{"k":"2"},"dta":{}}'
    )
    query = {"fieldValidation": validation} if validation else {}
    answer = await api.call("POST", f"{core}/configmaps", body, **query)
    assert answer.code == code
    told = answer.body["message"] if code == 400 else answer.headers.get("warning", "").replace('\\"', '"')
    expected = validation != "Ignore"
    for finding in ('unknown field "metadata.colour"', 'unknown field "dta"', 'duplicate field "data"'):
        assert (finding in told) is expected


async def test_yaml_is_read(api: Caller, core: str) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n"
    answer = await api.call("POST", f"{core}/configmaps", body, kind="application/yaml")
    assert (answer.code, answer.body["data"]) == (201, {"k": "v"})


async def test_a_namespace_must_exist_and_not_be_ending(api: Caller, core: str) -> None:
    answer = await api.call("POST", "/api/v1/namespaces/nowhere/configmaps", config_map("a"))
    assert (answer.code, answer.body["message"]) == (404, 'namespaces "nowhere" not found')
    await api.namespace("ending")
    await api.must("DELETE", "/api/v1/namespaces/ending")
    answer = await api.call("POST", "/api/v1/namespaces/ending/configmaps", config_map("a"))
    assert answer.code == 403
    assert "because it is being terminated" in answer.body["message"]
    assert answer.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"


async def test_a_put_replaces_just_the_version_that_it_names(api: Caller, core: str) -> None:
    made = await api.create(f"{core}/configmaps", config_map("a", k="1"))
    changed = await api.must("PUT", f"{core}/configmaps/a", made | {"data": {"k": "2"}})
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    answer = await api.call("PUT", f"{core}/configmaps/a", made | {"data": {"k": "3"}})
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")
    assert "the object has been modified" in answer.body["message"]
    assert (await api.get(f"{core}/configmaps/a")).body["data"] == {"k": "2"}


async def test_a_put_without_a_version_replaces_what_is_there(api: Caller, core: str) -> None:
    await api.create(f"{core}/configmaps", config_map("a", k="1"))
    assert (await api.must("PUT", f"{core}/configmaps/a", config_map("a", k="2")))["data"] == {"k": "2"}
    assert (await api.call("PUT", f"{core}/configmaps/b", config_map("b"))).code == 404


async def test_a_write_that_changes_nothing_is_not_stored(api: Caller, core: str) -> None:
    made = await api.create(f"{core}/configmaps", config_map("a", k="1"))
    revision = api.store.revision
    assert await api.must("PUT", f"{core}/configmaps/a", made) == made
    assert await api.must("PATCH", f"{core}/configmaps/a", {"data": {"k": "1"}}, kind=MERGE) == made
    assert api.store.revision == revision


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (MERGE, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}),
        (STRATEGIC, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}),
        (JSON_PATCH, [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}]),
    ],
)
async def test_the_three_patches(api: Caller, core: str, kind: str, patch: object) -> None:
    await api.create(DS, daemon_set())
    changed = await api.must("PATCH", f"{DS}/web", patch, kind=kind)
    assert changed["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    assert changed["metadata"]["generation"] == 2
    assert changed["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "2"


@pytest.mark.parametrize(
    ("kind", "patch", "code"),
    [
        (MERGE, b"{", 400),
        (MERGE, [], 400),
        (JSON_PATCH, {}, 400),
        (JSON_PATCH, [{"op": "test", "path": "/data/k", "value": "other"}], 422),
        (JSON_PATCH, [{"op": "remove", "path": "/data/missing"}], 422),
        (JSON_PATCH, [{"op": "add", "path": "/data/x", "value": "y"}] * 10_001, 413),
        ("application/x-patch", {}, 415),
        (MERGE, {"metadata": {"name": "b"}}, 400),
        (MERGE, {"metadata": {"resourceVersion": "1"}}, 409),
        (MERGE, {"metadata": {"uid": "other"}}, 409),
    ],
)
async def test_patches_that_are_refused(api: Caller, core: str, kind: str, patch: object, code: int) -> None:
    made = await api.create(f"{core}/configmaps", config_map("a", k="1"))
    assert (await api.call("PATCH", f"{core}/configmaps/a", patch, kind=kind)).code == code
    assert (await api.get(f"{core}/configmaps/a")).body == made


async def test_generations_count_the_spec_alone(api: Caller, core: str) -> None:
    made = await api.create(DS, daemon_set() | {"status": {"currentNumberScheduled": 9}})
    assert made["metadata"]["generation"] == 1
    assert made["status"]["currentNumberScheduled"] == 0
    labelled = await api.must("PATCH", f"{DS}/web", {"metadata": {"labels": {"x": "y"}}}, kind=MERGE)
    assert labelled["metadata"]["generation"] == 1
    slower = await api.must("PATCH", f"{DS}/web", {"spec": {"minReadySeconds": 5}}, kind=MERGE)
    assert slower["metadata"]["generation"] == 2
    assert slower["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "1"


async def test_status_and_spec_have_writers_of_their_own(api: Caller, core: str) -> None:
    await api.create(DS, daemon_set())
    patch = {"status": {"numberReady": 3}, "spec": {"minReadySeconds": 9}}
    changed = await api.must("PATCH", f"{DS}/web/status", patch, kind=MERGE)
    assert changed["status"]["numberReady"] == 3
    assert "minReadySeconds" not in changed["spec"]
    assert changed["metadata"]["generation"] == 1
    changed = await api.must("PATCH", f"{DS}/web", {"status": {"numberReady": 0}}, kind=MERGE)
    assert changed["status"]["numberReady"] == 3


async def test_a_dry_run_stores_nothing(api: Caller, core: str) -> None:
    revision = api.store.revision
    made = await api.create(f"{core}/configmaps", config_map("a"), dryRun="All")
    assert made["metadata"]["uid"]
    await api.create(f"{core}/configmaps", config_map("b", k="1"))
    shown = await api.must("PATCH", f"{core}/configmaps/b", {"data": {"k": "2"}}, kind=MERGE, dryRun="All")
    assert shown["data"] == {"k": "2"}
    await api.must("DELETE", f"{core}/configmaps/b", dryRun="All")
    assert api.store.revision == revision + 1
    assert (await api.get(f"{core}/configmaps/b")).body["data"] == {"k": "1"}
    assert (await api.call("POST", f"{core}/configmaps", config_map("c"), dryRun="Some")).code == 400


async def test_binding(api: Caller, core: str) -> None:
    made = await api.create(f"{core}/pods", pod("a"))
    binding = manifest("v1", "Binding", "a", target={"kind": "Node", "name": "n1"})
    await api.must("POST", f"{core}/pods/a/binding", binding)
    bound = (await api.get(f"{core}/pods/a")).body
    assert bound["spec"] == made["spec"] | {"nodeName": "n1"}
    condition = bound["status"]["conditions"][0]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
    again = await api.call("POST", f"{core}/pods/a/binding", binding)
    assert (again.code, again.body["reason"]) == (409, "Conflict")
    assert 'already assigned to node "n1"' in again.body["message"]
    stale = manifest("v1", "Binding", "a", metadata={"uid": "other"}, target={"kind": "Node", "name": "n1"})
    assert (await api.call("POST", f"{core}/pods/a/binding", stale)).code == 409


async def test_pods_get_account_priority_and_tolerations(api: Caller, core: str) -> None:
    await api.create(
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        manifest("scheduling.k8s.io/v1", "PriorityClass", "high", value=1000),
    )
    made = await api.create(f"{core}/pods", pod("a", priorityClassName="high"))
    assert (made["spec"]["priority"], made["spec"]["serviceAccountName"]) == (1000, "default")
    assert {(each["key"], each["tolerationSeconds"]) for each in made["spec"]["tolerations"]} == {
        ("node.kubernetes.io/not-ready", 300),
        ("node.kubernetes.io/unreachable", 300),
    }
    answer = await api.call("POST", f"{core}/pods", pod("b", priorityClassName="missing"))
    assert answer.code == 403
    assert "no PriorityClass with name missing was found" in answer.body["message"]
    answer = await api.call("POST", f"{core}/pods", pod("c", serviceAccountName="missing"))
    assert answer.body["message"] == (
        'pods "c" is forbidden: error looking up service account default/missing: serviceaccount "missing" not found'
    )


async def test_nodes_begin_tainted(api: Caller) -> None:
    made = await api.create("/api/v1/nodes", manifest("v1", "Node", "n1"))
    assert made["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


async def test_services_get_addresses_of_their_own(api: Caller, core: str) -> None:
    spec = {"ports": [{"port": 80}]}
    first = await api.create(f"{core}/services", manifest("v1", "Service", "a", spec=spec))
    second = await api.create(f"{core}/services", manifest("v1", "Service", "b", spec=spec))
    assert first["spec"]["clusterIP"] != second["spec"]["clusterIP"]
    taken = manifest("v1", "Service", "c", spec=spec | {"clusterIP": first["spec"]["clusterIP"]})
    answer = await api.call("POST", f"{core}/services", taken)
    assert answer.code == 422
    assert "already allocated" in answer.body["message"]


async def test_revision_data_is_stored_in_one_writing(api: Caller, core: str) -> None:
    path = "/apis/apps/v1/namespaces/default/controllerrevisions"
    body = (
        b'{"kind":"ControllerRevision","apiVersion":"apps/v1","metadata":{"name":"r"},"revision":1,'
        b'"data":{ "b": 1, "a": {"d":1,"c":2}}}'
    )
    await api.must("POST", path, body)
    raw = (await api.send("GET", f"{path}/r")).body
    assert b'"data":{"a":{"c":2,"d":1},"b":1}' in raw


async def test_events_under_both_their_names(api: Caller, core: str) -> None:
    regarding = {"kind": "Pod", "namespace": "default", "name": "a"}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": regarding,
        "reason": "Started",
        "message": "it started",
        "type": "Normal",
        "count": 2,
    }
    await api.create(f"{core}/events", event)
    shown = (await api.get("/apis/events.k8s.io/v1/namespaces/default/events/e")).body
    assert (shown["apiVersion"], shown["note"], shown["regarding"]) == ("events.k8s.io/v1", "it started", regarding)
    assert shown["deprecatedCount"] == 2
    selected = (await api.get(f"{core}/events", fieldSelector="involvedObject.name=a,involvedObject.kind=Pod")).body
    assert len(selected["items"]) == 1


async def test_an_event_of_the_new_kind_is_judged_by_its_own_rules(api: Caller, core: str) -> None:
    path = "/apis/events.k8s.io/v1/namespaces/default/events"
    event = manifest("events.k8s.io/v1", "Event", "e", type="Normal", reason="Started", note="it started")
    event["regarding"] = {"kind": "Pod", "namespace": "default", "name": "a"}
    refused = await api.call("POST", path, event)
    assert refused.code == 422
    assert "eventTime: Required value" in refused.body["message"]
    event |= {
        "eventTime": "2023-11-14T22:13:20.000000Z",
        "action": "Starting",
        "reportingController": "example.com/agent",
        "reportingInstance": "agent-1",
    }
    watched = await api.watch(path, resourceVersion=str(api.store.revision))
    core_watched = await api.watch(f"{core}/events", resourceVersion=str(api.store.revision))
    made = await api.create(path, event)
    assert (made["kind"], made["apiVersion"], made["note"]) == ("Event", "events.k8s.io/v1", "it started")
    assert (await watched.next())[1] == made
    assert (await core_watched.next())[1]["message"] == "it started"
    assert (await api.get(f"{core}/events/e")).body["involvedObject"]["name"] == "a"
    refused = await api.call("PATCH", f"{path}/e", {"note": "otherwise"}, kind=MERGE)
    assert refused.code == 422
    series = {"series": {"count": 2, "lastObservedTime": "2023-11-14T22:14:20.000000Z"}}
    assert (await api.must("PATCH", f"{path}/e", series, kind=MERGE))["series"]["count"] == 2
    await api.must("DELETE", f"{path}/e")
    assert (await watched.next())[0] == "MODIFIED"
    assert (await watched.next())[0] == "DELETED"
