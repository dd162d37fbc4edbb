"""Server-side apply over the API: one manager works on its own, two of them share or quarrel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.apiserver.caller import Answer, Caller

APPLY = "application/apply-patch+yaml"
DAEMON_SETS = "/apis/apps/v1/namespaces/default/daemonsets"


def daemon_set(image: str = "web:1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "web", "creationTimestamp": None},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image, "resources": {"limits": {"cpu": "0.5"}}}]},
            },
            **spec,
        },
    }


@pytest.fixture
async def path(core: str) -> str:
    """A DaemonSet's path in a namespace that is there."""
    return f"{DAEMON_SETS}/web"


async def applied(api: Caller, path: str, tree: Any, manager: str = "kubectl", **query: str) -> Answer:
    body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return await api.call("PATCH", path, body, kind=APPLY, fieldManager=manager, **query)


async def test_one_manager_creates_changes_and_takes_back(api: Caller, path: str) -> None:
    created = await applied(api, path, daemon_set(minReadySeconds=5))
    assert (created.code, created.body["spec"]["minReadySeconds"]) == (201, 5)
    again = await applied(api, path, daemon_set(minReadySeconds=5))
    assert (again.code, again.body) == (200, created.body)
    changed = await applied(api, path, daemon_set("web:2"))
    assert changed.body["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert "minReadySeconds" not in changed.body["spec"]
    assert changed.body["metadata"]["generation"] == 2
    (entry,) = changed.body["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("kubectl", "Apply", "apps/v1")
    assert "f:template" in entry["fieldsV1"]["f:spec"]


async def test_another_manager_hears_of_the_conflict_and_may_force(api: Caller, path: str) -> None:
    await applied(api, path, daemon_set())
    refused = await applied(api, path, daemon_set("web:2"), "other")
    assert (refused.code, refused.body["reason"]) == (409, "Conflict")
    field = '.spec.template.spec.containers[name="web"].image'
    assert refused.body["message"] == f'Apply failed with 1 conflict: conflict with "kubectl": {field}'
    assert refused.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl"', "field": field}
    ]
    forced = await applied(api, path, daemon_set("web:2"), "other", force="true")
    assert forced.code == 200


async def test_yaml_is_applied_and_a_dry_run_stores_nothing(api: Caller, path: str) -> None:
    text = b"# a comment\n" + json.dumps(daemon_set()).encode()
    assert (await applied(api, path, text, dryRun="All")).code == 201
    assert (await api.call("GET", path)).code == 404


@pytest.mark.parametrize(
    ("tree", "code"),
    [
        (b"a: [", 400),
        (b"[]", 400),
        ({**daemon_set(), "apiVersion": "apps/v2"}, 400),
        ({**daemon_set(), "metadata": {"name": "other"}}, 400),
        ({**daemon_set(), "metadata": {"name": "web", "managedFields": []}}, 400),
        (daemon_set(minReadySeconds=-1), 422),
    ],
)
async def test_configurations_that_are_refused(api: Caller, path: str, tree: Any, code: int) -> None:
    assert (await applied(api, path, tree)).code == code
    assert (await api.call("GET", path)).code == 404


async def test_a_manager_has_to_say_who_it_is(api: Caller, path: str) -> None:
    refused = await applied(api, path, daemon_set(), "")
    assert refused.code == 422
    assert refused.body["message"] == (
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


async def test_a_plain_write_takes_over_what_it_changes(api: Caller, core: str) -> None:
    path = f"{core}/configmaps/shared"
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": {"a": "1", "b": "1"}}
    applying = {"kind": "application/apply-patch+yaml", "fieldManager": "owner"}
    await api.must("PATCH", path, wanted, **applying)
    await api.must("PATCH", path, {"data": {"a": "2"}}, kind="application/merge-patch+json", fieldManager="other")
    shown = (await api.get(path)).body
    owned = {entry["manager"]: sorted(entry["fieldsV1"]["f:data"]) for entry in shown["metadata"]["managedFields"]}
    assert owned["other"] == ["f:a"]
    assert "f:a" not in owned["owner"]
    refused = await api.call("PATCH", path, wanted, **applying)
    assert refused.code == 409
    assert 'conflict with "other"' in refused.body["message"]
