"""Requests of a hostile or unlucky client: each is refused with a Status that says what is wrong, and nothing is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from everynode.apiserver import media
from tests.apiserver.caller import JSON, JSON_PATCH, MERGE, STRATEGIC, Caller, config_map, daemon_set, pod

YAML, PROTOBUF = "application/yaml", "application/vnd.kubernetes.protobuf"
APPLY = "application/apply-patch+yaml"

HEAD = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}'


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (JSON, b"", "unexpected end of JSON input"),
        (JSON, b"null", "Expected `object`"),
        (JSON, HEAD, "unexpected end of JSON input"),
        (JSON, HEAD + b"} {}", "after top-level value"),
        (JSON, b"\xef\xbb\xbf" + HEAD + b"}", "invalid character"),
        (JSON, HEAD + b',"data":{"k":"\xff"}}', "invalid UTF-8"),
        (JSON, HEAD + b',"data":{"k":"\\ud800"}}', "cannot be handled"),
        (JSON, HEAD + b',"data":{"k":NaN}}', "invalid character 'N'"),
        (JSON, HEAD + b',"x":' + b"9" * 5000 + b"}", "too many digits"),
        (JSON, HEAD + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "exceeded max depth"),
        (JSON, HEAD + b',"x":[' + b"{}," * 150_000 + b"{}]}", "more than 100000 objects and lists"),
        (JSON, HEAD + b',"data":[]}', "ConfigMap.data"),
        (JSON, HEAD + b',"metadata":[]}', "ConfigMap.metadata"),
        (YAML, b"a: [" + b"1," * 300_000 + b"1]", "more than 200000 values"),
        (YAML, b"[" * 50_000, "exceeded max depth"),
        (YAML, b"&a [*a]", "unknown anchor"),
        (YAML, b"a: 1\n---\nb: 2", "single document"),
        (PROTOBUF, b"k8s\x00\x0a\xff\xff\xff\xff\x0f", "unexpected EOF"),
        (PROTOBUF, b"{}", "expected prefix"),
    ],
)
async def test_a_malformed_body_is_a_400(api: Caller, core: str, kind: str, body: bytes, told: str) -> None:
    before = api.store.revision
    answer = await api.call("POST", f"{core}/configmaps", body, kind=kind)
    assert (answer.code, answer.body["reason"]) == (400, "BadRequest")
    assert told in answer.body["message"]
    assert api.store.revision == before


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "a==="},
        {"labelSelector": "a in ("},
        {"labelSelector": "a" * 400},
        {"fieldSelector": "spec.foo=1"},
        {"fieldSelector": "metadata.name"},
        {"limit": "-1"},
        {"limit": "²"},
        {"limit": "9" * 30},
        {"continue": "xxx"},
        {"continue": "eyJydiI6MCwic3RhcnQiOiJjb3JlL3BvZHMvXHVkODAwIn0"},
        {"resourceVersion": "abc"},
        {"resourceVersion": "1", "resourceVersionMatch": "Perhaps"},
        {"watch": "1", "timeoutSeconds": "-1"},
        {"watch": "1", "timeoutSeconds": "9" * 30},
        {"watch": "1", "sendInitialEvents": "true"},
    ],
    ids=str,
)
async def test_a_bad_query_is_a_400(api: Caller, core: str, query: dict[str, str]) -> None:
    answer = await api.call("GET", f"{core}/pods", **query)
    assert (answer.code, answer.body["kind"]) == (400, "Status")


async def test_selectors_are_refused_in_kubernetes_own_words(api: Caller, core: str) -> None:
    """kubectl puts what was asked for in front; a server that does so too says it twice."""
    answer = await api.call("GET", f"{core}/pods", fieldSelector="spec.foo=1")
    assert answer.body["message"] == "field label not supported: spec.foo"
    answer = await api.call("GET", f"{core}/pods", labelSelector="a===")
    assert answer.body["message"] == "unable to parse requirement: found '=', expected: identifier"


@pytest.mark.parametrize("seconds", ["--5", "²", "x", "1.5", "9" * 5000])
async def test_a_grace_period_is_a_whole_number(api: Caller, core: str, seconds: str) -> None:
    await api.create(f"{core}/configmaps", config_map("a"))
    answer = await api.call("DELETE", f"{core}/configmaps/a", gracePeriodSeconds=seconds)
    assert answer.code == 400
    assert "gracePeriodSeconds" in answer.body["message"]
    assert (await api.call("GET", f"{core}/configmaps/a")).code == 200


@pytest.mark.parametrize(
    ("manager", "told"),
    [("m" * 129, "fieldManager: Too long: may not be more than 128"), ("a\x00b", "invalid character U+0000")],
)
async def test_a_field_manager_is_short_and_printable(api: Caller, core: str, manager: str, told: str) -> None:
    before = api.store.revision
    applied = {**config_map("a"), "data": {"k": "v"}}
    for method, path, kind, options in (
        ("POST", f"{core}/configmaps", JSON, "CreateOptions"),
        ("PATCH", f"{core}/configmaps/a", APPLY, "PatchOptions"),
        ("PUT", f"{core}/configmaps/a", JSON, "UpdateOptions"),
    ):
        answer = await api.call(method, path, applied, kind=kind, fieldManager=manager)
        assert (answer.code, answer.body["reason"]) == (422, "Invalid")
        assert answer.body["details"]["causes"][0]["field"] == "fieldManager"
        assert answer.body["message"].startswith(f'{options}.meta.k8s.io "" is invalid: ')
        assert told in answer.body["message"]
    assert api.store.revision == before


async def test_a_dry_run_stores_nothing_whatever_the_verb(api: Caller, core: str) -> None:
    apps = "/apis/apps/v1/namespaces/default/daemonsets"
    await api.create(f"{core}/configmaps", config_map("a"))
    await api.create(f"{core}/pods", pod("p"))
    made = await api.create(apps, daemon_set("web"))
    changed = {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n"},
    }
    status_of = {"status": {"numberReady": 5}}
    before = api.store.revision
    requests: list[tuple[str, str, Any, str]] = [
        ("POST", f"{core}/configmaps", config_map("b"), JSON),
        ("POST", f"{core}/configmaps", {"metadata": {"generateName": "b-"}}, JSON),
        ("POST", f"{core}/pods/p/binding", binding, JSON),
        ("PUT", f"{apps}/web", changed, JSON),
        ("PUT", f"{apps}/web/status", {**made, **status_of}, JSON),
        ("PATCH", f"{apps}/web", {"metadata": {"labels": {"a": "b"}}}, MERGE),
        ("PATCH", f"{apps}/web", {"metadata": {"labels": {"a": "b"}}}, STRATEGIC),
        ("PATCH", f"{apps}/web", [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}], JSON_PATCH),
        ("PATCH", f"{apps}/web/status", status_of, MERGE),
        ("DELETE", f"{apps}/web", None, JSON),
        ("DELETE", f"{core}/pods/p", None, JSON),
        ("DELETE", apps, None, JSON),
    ]
    for method, path, body, kind in requests:
        answer = await api.call(method, path, body, kind=kind, dryRun="All")
        assert answer.code in (200, 201), (method, path, answer.body)
        assert api.store.revision == before, (method, path)
        refused = await api.call(method, path, body, kind=kind, dryRun="Perhaps")
        assert refused.code == 400, (method, path, refused.body)
        assert "dryRun" in refused.body["message"]
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    for name in ("a", "new"):
        applied["metadata"] = {"name": name}
        path = f"{core}/configmaps/{name}"
        answer = await api.call("PATCH", path, applied, kind=APPLY, fieldManager="m", dryRun="All")
        assert answer.code in (200, 201)
        assert api.store.revision == before
        refused = await api.call("PATCH", path, applied, kind=APPLY, fieldManager="m", dryRun="Perhaps")
        assert refused.code == 400


async def test_delete_options_with_an_unknown_dry_run_delete_nothing(api: Caller, core: str) -> None:
    await api.create(f"{core}/configmaps", config_map("a"))
    for query in ({}, {"dryRun": "All"}):
        answer = await api.call("DELETE", f"{core}/configmaps/a", {"dryRun": ["Perhaps"]}, **query)
        assert answer.code == 400
    assert (await api.call("GET", f"{core}/configmaps/a")).code == 200


@pytest.mark.parametrize("fields", [[1, 2], "x", {"f:data": 5}, {"bogus": {}}, {"k:{bad": {}}, {"v:[": {}}], ids=str)
async def test_managed_fields_that_say_nothing_are_not_kept(api: Caller, core: str, fields: Any) -> None:
    entry = {"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    sent = config_map("a", k="v")
    sent["metadata"]["managedFields"] = [entry]
    made = await api.create(f"{core}/configmaps", sent)
    assert "managedFields" not in made["metadata"]
    # And so the next writer, of whatever kind, is not made to pay for them.
    changed = await api.must("PATCH", f"{core}/configmaps/a", {"data": {"k": "w"}}, kind=MERGE)
    sent["metadata"]["managedFields"] = [entry]
    assert "managedFields" not in (await api.must("PUT", f"{core}/configmaps/a", sent))["metadata"]
    assert changed["data"] == {"k": "w"}
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"l": "1"}}
    after = await api.must("PATCH", f"{core}/configmaps/a", applied, kind=APPLY, fieldManager="m")
    owners = after["metadata"]["managedFields"]
    await api.must(
        "PUT", f"{core}/configmaps/a", {**after, "metadata": {**after["metadata"], "managedFields": [entry]}}
    )
    kept = (await api.must("GET", f"{core}/configmaps/a"))["metadata"]["managedFields"]
    assert [each["manager"] for each in kept] == [each["manager"] for each in owners]


async def test_warnings_have_a_bound(api: Caller, core: str) -> None:
    """Otherwise a body of three megabytes of unknown fields comes back as a header that no client can read."""
    many = {**config_map("a"), **{f"f{number}" + "x" * 1000: 1 for number in range(90)}}
    answer = await api.call("POST", f"{core}/configmaps", many)
    assert answer.code == 201
    warning = answer.headers["warning"]
    assert media.WARNINGS_CHARACTERS <= len(warning) < 2 * media.WARNINGS_CHARACTERS
    assert warning.startswith('299 - "unknown field \\"f0xxx')
    long = await api.call("POST", f"{core}/configmaps", json.dumps({**config_map("b"), "y" * 100_000: 1}).encode())
    assert long.code == 201
    assert len(long.headers["warning"]) < 400
