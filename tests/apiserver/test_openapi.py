"""The OpenAPI documents: complete, consistent in themselves, and in the forms in which clients ask for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from everynode.api import scheme, status
from everynode.apiserver import openapi, openapi_schemas, openapi_v2, openapi_v3
from everynode.wire.message import Request, Response


def get(path: str, accept: str = "", **more: Any) -> Response:
    response = openapi.serve(Request("GET", path, headers={"accept": accept, **more.pop("headers", {})}, **more))
    assert response is not None
    return response


def document(name: str) -> Any:
    return json.loads(get(f"/openapi/v3/{name}").body)


def references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from references(value)


def test_the_index_names_each_group_version_by_a_hash_that_may_be_kept() -> None:
    paths = json.loads(get("/openapi/v3").body)["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/coordination.k8s.io/v1"} <= set(paths)
    for name, entry in paths.items():
        path, _, digest = entry["serverRelativeURL"].partition("?hash=")
        response = get(path, query={"hash": [digest]})
        assert path == f"/openapi/v3/{name}"
        assert "immutable" in response.headers["cache-control"]
        assert "cache-control" not in get(path, query={"hash": ["other"]}).headers


@pytest.mark.parametrize("name", openapi_v3.group_versions())
def test_every_reference_in_version_3_is_defined_and_every_schema_used(name: str) -> None:
    tree = document(name)
    defined = {f"#/components/schemas/{name}" for name in tree["components"]["schemas"]}
    used = set(references(tree))
    assert used <= defined
    assert defined - used <= {f"#/components/schemas/{each}" for each in openapi_schemas.ALWAYS}


def test_every_reference_in_version_2_is_defined() -> None:
    tree = json.loads(get("/openapi/v2").body)
    assert set(references(tree)) <= {f"#/definitions/{name}" for name in tree["definitions"]}


def test_every_served_kind_can_be_found_by_its_kind_and_patched() -> None:
    """kubectl looks for a patch operation of the kind, and in it for dryRun and fieldValidation."""
    for resource in scheme.RESOURCES:
        tree = document(resource.path().rpartition("/")[0].lstrip("/"))
        gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        schemas = tree["components"]["schemas"].values()
        assert any(gvk in each.get("x-kubernetes-group-version-kind", ()) for each in schemas)
        patches = [
            path["patch"]
            for path in tree["paths"].values()
            if path.get("patch", {}).get("x-kubernetes-group-version-kind") == gvk
        ]
        assert bool(patches) == ("patch" in resource.verbs)
        for patch in patches:
            assert {"dryRun", "fieldValidation"} <= {each["name"] for each in patch["parameters"]}


def test_operation_ids_are_unique() -> None:
    for name in openapi_v3.group_versions():
        ids = [
            operation["operationId"]
            for path in document(name)["paths"].values()
            for method, operation in path.items()
            if method != "parameters"
        ]
        assert len(ids) == len(set(ids))


def test_paths_of_a_daemon_set() -> None:
    paths = document("apis/apps/v1")["paths"]
    base = "/apis/apps/v1/namespaces/{namespace}/daemonsets"
    assert set(paths["/apis/apps/v1/daemonsets"]) == {"get"}
    assert set(paths[base]) == {"get", "post", "delete", "parameters"}
    assert set(paths[base + "/{name}"]) == {"get", "put", "patch", "delete", "parameters"}
    assert set(paths[base + "/{name}/status"]) == {"get", "put", "patch", "parameters"}
    assert paths[base]["delete"]["x-kubernetes-action"] == "deletecollection"
    assert paths[base]["get"]["operationId"] == "listAppsV1NamespacedDaemonSet"


def test_how_lists_merge_is_told() -> None:
    pod = document("apis/apps/v1")["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]
    assert pod["properties"]["volumes"] == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/io.k8s.api.core.v1.Volume"},
        "x-kubernetes-list-map-keys": ["name"],
        "x-kubernetes-list-type": "map",
        "x-kubernetes-patch-merge-key": "name",
        "x-kubernetes-patch-strategy": "merge,retainKeys",
    }
    assert pod["required"] == ["containers"]


def test_versions_differ_where_they_must() -> None:
    three = document("apis/apps/v1")["components"]["schemas"]
    two = json.loads(get("/openapi/v2").body)["definitions"]
    strategy = "io.k8s.api.apps.v1.DaemonSetUpdateStrategy"
    assert three[strategy]["properties"]["type"]["enum"] == ["OnDelete", "RollingUpdate"]
    assert "enum" not in two[strategy]["properties"]["type"]
    port = "io.k8s.api.core.v1.ContainerPort"
    assert three[port]["properties"]["protocol"]["default"] == "TCP"
    rolling = three[strategy]["properties"]["rollingUpdate"]
    assert rolling["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.RollingUpdateDaemonSet"}]
    assert (
        two[strategy]["properties"]["rollingUpdate"]["$ref"]
        == "#/definitions/io.k8s.api.apps.v1.RollingUpdateDaemonSet"
    )
    assert len(three["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["oneOf"]) == 2


def test_what_a_client_has_already_is_not_sent_again() -> None:
    for path, accept in (("/openapi/v2", openapi.V2_PROTOBUF), ("/openapi/v2", ""), ("/openapi/v3", "")):
        first = get(path, accept)
        again = get(path, accept, headers={"if-none-match": first.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        assert get(path, accept, headers={"if-none-match": '"other"'}).status == 200
    assert get("/openapi/v2").headers["etag"] != get("/openapi/v2", openapi.V2_PROTOBUF).headers["etag"]


def test_the_form_is_negotiated() -> None:
    assert get("/openapi/v2", "application/json").headers["content-type"] == "application/json"
    assert get("/openapi/v2", f"{openapi.V2_PROTOBUF}, */*").headers["content-type"].endswith("+protobuf")
    assert get("/openapi/v3", "application/foo, */*").headers["content-type"] == "application/json"
    with pytest.raises(status.ApiError):
        get("/openapi/v2", "application/foo")


def test_other_paths_are_not_its_own() -> None:
    for path in ("/openapi", "/openapi/v4", "/openapi/v3/apis/batch/v1", "/apis/apps/v1"):
        assert openapi.serve(Request("GET", path)) is None


# --- the protobuf, read back by its wire format ---


def fields(message: bytes) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            found.setdefault(number, []).append(varint())
        else:
            assert wire == 2
            length = varint()
            found.setdefault(number, []).append(message[at : at + length])
            at += length
    assert at == len(message)
    return found


def named(message: bytes, number: int = 1) -> dict[str, dict[int, list[Any]]]:
    pairs = [fields(pair) for pair in fields(message).get(number, [])]
    return {pair[1][0].decode(): fields(pair[2][0]) for pair in pairs}


def test_the_protobuf_says_what_the_json_says() -> None:
    tree = json.loads(openapi_v2.as_json())
    whole = fields(openapi_v2.as_protobuf())
    assert whole[1] == [b"2.0"]
    definitions = named(whole[9][0])
    assert list(definitions) == list(tree["definitions"])
    for name, schema in tree["definitions"].items():
        written = definitions[name]
        assert fields(written[22][0])[1] == [schema["type"].encode()]
        properties = named(written[25][0]) if 25 in written else {}
        assert list(properties) == list(schema.get("properties", {}))
        assert [text.decode() for text in written.get(19, [])] == schema.get("required", [])
        extensions = {pair[1][0].decode(): fields(pair[2][0])[2][0] for pair in map(fields, written.get(31, []))}
        assert {key: json.loads(value) for key, value in extensions.items()} == {
            key: value for key, value in schema.items() if key.startswith("x-")
        }
        for field, value in schema.get("properties", {}).items():
            if items := value.get("items", {}).get("$ref"):
                (item,) = fields(properties[field][23][0])[1]
                assert fields(item)[1] == [items.encode()]


def test_the_protobuf_carries_paths_and_parameters() -> None:
    paths = named(fields(openapi_v2.as_protobuf())[8][0], 2)
    item = paths["/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}"]
    patch = fields(item[8][0])
    assert patch[5] == [b"patchAppsV1NamespacedDaemonSet"]
    assert b"application/strategic-merge-patch+json" in patch[7]
    parameters = [fields(fields(each)[1][0]) for each in patch[8]]
    body = fields(parameters[0][1][0])
    assert (body[2], body[3], body[4]) == ([b"body"], [b"body"], [1])
    query = [fields(fields(each[2][0])[3][0]) for each in parameters[1:]]
    assert b"fieldValidation" in [each[4][0] for each in query]
    assert {each[2][0] for each in query} == {b"query"}
    assert sorted(named(patch[9][0])) == ["200", "201"]
    in_path = [fields(fields(fields(fields(each)[1][0])[2][0])[4][0]) for each in item[9]]
    assert [each[4][0] for each in in_path] == [b"name", b"namespace"]
