"""Protobuf bodies as kubectl and helm post them, put together by hand, and everything that can be wrong with one."""

from __future__ import annotations

import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.api import protobuf, strict
from everynode.api.core_v1 import Secret


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def held(field: int, *parts: bytes | str) -> bytes:
    content = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return varint(field << 3 | 2) + varint(len(content)) + content


def entry(field: int, key: str, *value: bytes | str) -> bytes:
    return held(field, held(1, key), held(2, *value))


def body(api_version: str, kind: str, *fields: bytes) -> bytes:
    type_meta = held(1, held(1, api_version), held(2, kind))
    return protobuf.MAGIC + type_meta + held(2, *fields) + held(3, "") + held(4, "")


def read(api_version: str, kind: str, *fields: bytes) -> Any:
    tree = json.loads(protobuf.to_json(body(api_version, kind, *fields)))
    assert tree.pop("kind") == kind
    assert tree.pop("apiVersion") == api_version
    return tree


def refusal(data: bytes) -> str:
    with pytest.raises(strict.Malformed) as caught:
        protobuf.to_json(data)
    return str(caught.value)


# What Go writes of an ObjectMeta that holds a name alone: empty scalars and an empty creationTimestamp are there too.
def meta(name: str, *more: bytes) -> bytes:
    empty = b"".join(held(field, "") for field in (2, 3, 4, 5, 6))
    return held(1, held(1, name), empty, number(7, 0), held(8), *more)


EMPTY = {"generateName": "", "namespace": "", "selfLink": "", "uid": "", "resourceVersion": "", "generation": 0}


def test_create_namespace() -> None:
    tree = read("v1", "Namespace", meta("x"), held(2), held(3, held(1, "")))
    assert tree == {"metadata": {"name": "x", **EMPTY}, "spec": {}, "status": {"phase": ""}}


def test_create_configmap_with_maps() -> None:
    tree = read("v1", "ConfigMap", meta("c"), entry(2, "a", "1"), entry(2, "b", ""), held(2, held(1, "lone")))
    assert tree["data"] == {"a": "1", "b": "", "lone": None}


def test_a_release_secret_carries_bytes() -> None:
    release = bytes(range(256))
    tree = read(
        "v1", "Secret", meta("s", entry(11, "owner", "helm")), entry(2, "release", release), held(3, "helm.sh/x")
    )
    secret = strict.decode(json.dumps({"kind": "Secret", **tree}).encode(), Secret)
    assert secret.metadata.labels == {"owner": "helm"}
    assert secret.type == "helm.sh/x"
    assert secret.data["release"].startswith("AAECAwQF")


def test_auth_can_i() -> None:
    attributes = held(1, held(1, "default"), held(2, "list"), held(5, "pods"))
    tree = read("authorization.k8s.io/v1", "SelfSubjectAccessReview", meta(""), held(2, attributes))
    assert tree["spec"]["resourceAttributes"] == {"namespace": "default", "verb": "list", "resource": "pods"}


def test_delete_options_of_any_group() -> None:
    fields = (number(1, 0), held(2, held(1, "u")), held(4, "Background"), held(5, "All"))
    for api_version in ("v1", "apps/v1", "meta.k8s.io/v1"):
        assert read(api_version, "DeleteOptions", *fields) == {
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": "u"},
            "propagationPolicy": "Background",
            "dryRun": ["All"],
        }


def test_pod_with_every_kind_of_value() -> None:
    probe = held(10, held(1, held(2, held(1, "/ok"), held(2, number(1, 1), held(3, "http")))), number(2, -5))
    resources = held(8, entry(1, "cpu", held(1, "100m")))
    container = held(2, held(1, "c"), held(3, "sh"), held(3, "-c"), resources, probe)
    volume = held(1, held(1, "v"), held(2, held(1, held(1, "/var"))))
    groups = held(14, held(4, varint(1), varint(300)), number(4, 7))
    tree = read("v1", "Pod", meta("p"), held(2, container, volume, number(4, 30), number(11, 1), groups, held(7)))
    spec = tree["spec"]
    assert spec["containers"][0]["command"] == ["sh", "-c"]
    assert spec["containers"][0]["resources"] == {"limits": {"cpu": "100m"}}
    assert spec["containers"][0]["livenessProbe"] == {
        "httpGet": {"path": "/ok", "port": "http"},
        "initialDelaySeconds": -5,
    }
    assert spec["volumes"] == [{"name": "v", "hostPath": {"path": "/var"}}]
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["hostNetwork"] is True


def test_packed_and_unpacked_integers_are_read() -> None:
    groups = held(14, held(4, varint(1), varint(300)), number(4, 7))
    assert read("v1", "Pod", held(2, groups))["spec"]["securityContext"]["supplementalGroups"] == [1, 300, 7]


def test_times() -> None:
    moment = number(1, 1_700_000_000) + number(2, 5_000)
    tree = read("v1", "Event", held(1, held(8, moment)), held(10, moment), held(6))
    assert tree["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert tree["eventTime"] == "2023-11-14T22:13:20.000005Z"
    assert "firstTimestamp" not in tree
    assert "out of range" in refusal(body("v1", "Event", held(6, number(1, 2**62))))


def test_embedded_json_is_one_value_and_nothing_more() -> None:
    data = '{"spec":{"template":null}}'
    assert read("apps/v1", "ControllerRevision", held(2, held(1, data)))["data"] == json.loads(data)
    for bad in ('{}},"revision":5,"x":{', "{", "", "{} {}"):
        if not bad:
            assert "data" not in read("apps/v1", "ControllerRevision", held(2, held(1, bad)))
        else:
            assert "embedded JSON" in refusal(body("apps/v1", "ControllerRevision", held(2, held(1, bad))))


def test_named_lists_and_unknown_fields_and_merged_messages() -> None:
    spec = held(2, entry(5, "scopes", held(1, "a"), held(1, "b")), number(99, 1), held(98, "x"))
    more = held(2, held(3, "me"))
    tree = read(
        "authorization.k8s.io/v1", "SubjectAccessReview", spec, more, varint(90 << 3 | 1) + struct.pack("<d", 1.5)
    )
    assert tree["spec"] == {"extra": {"scopes": ["a", "b"]}, "user": "me"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not appear to be a protobuf message"),
        (b"{}", "does not appear to be a protobuf message"),
        (protobuf.MAGIC, 'no kind "" is registered for version ""'),
        (body("apps/v1", "Deployment"), 'no kind "Deployment" is registered for version "apps/v1"'),
        (protobuf.MAGIC + held(3, "gzip"), 'unsupported content encoding "gzip"'),
        (protobuf.MAGIC + number(2, 5), "wrong wireType = 0 for field Unknown"),
        (body("v1", "Pod", number(1, 5)), "wrong wireType = 0 for field metadata"),
        (body("v1", "Pod", held(2, held(11, "x"))), "wrong wireType = 2 for field hostNetwork"),
        (body("v1", "Pod", held(1, held(1, b"\xff"))), "no valid UTF-8"),
        (body("v1", "Pod", b"\x0a\x7f"), "unexpected EOF"),
        (body("v1", "Pod", b"\x0a"), "unexpected EOF"),
        (body("v1", "Pod", b"\xff" * 11), "integer overflow"),
        (body("v1", "Pod", b"\x00\x00"), "illegal tag 0"),
        (body("v1", "Pod", b"\x0b\x0c"), "illegal wireType 3"),
        (body("v1", "Service", held(2, held(1, held(4, number(1, 9))))), "impossible IntOrString.Type"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, message: str) -> None:
    assert message in refusal(data)


def test_countless_empty_objects_are_refused() -> None:
    assert "more than" in refusal(body("v1", "Pod", held(2, held(2) * 1_000_000)))


WHOLE = body(
    "v1",
    "Pod",
    meta("p", entry(11, "a", "b"), held(17, held(1, "m"), held(4, number(1, 5)), held(7, held(1, "{}")))),
    held(2, held(2, held(1, "c"), held(8, entry(1, "cpu", held(1, "1"))), held(6, number(3, 80)))),
)


@given(st.data())
def test_no_damage_does_harm(data: st.DataObject) -> None:
    """Any change to a good body is read or refused, and nothing else."""
    at = data.draw(st.integers(0, len(WHOLE) - 1))
    upto = data.draw(st.integers(at, min(at + 8, len(WHOLE))))
    damaged = WHOLE[:at] + data.draw(st.binary(max_size=8)) + WHOLE[upto:]
    with contextlib.suppress(strict.Malformed):
        assert json.loads(protobuf.to_json(damaged))["kind"]


def test_a_body_cut_short_is_refused_or_read_wherever_it_is_cut() -> None:
    refused = 0
    for length in range(len(WHOLE)):
        try:
            protobuf.to_json(WHOLE[:length])
        except strict.Malformed:
            refused += 1
    assert refused > len(WHOLE) - 8  # only before one of the fields that end it does a cut go unseen
