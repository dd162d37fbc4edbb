"""Bodies from outside: every mistake is named as Kubernetes names it, and no input harms the process."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.api import apps_v1, coordination_v1, core_v1, meta_v1, schema, strict
from everynode.api.malformed import MAX_DEPTH

DAEMON_SET = schema.type_named("DaemonSet")
POD = schema.type_named("io.k8s.api.core.v1.Pod")


def refusal(body: bytes, struct: Any = apps_v1.DaemonSet) -> str:
    with pytest.raises(strict.Malformed) as caught:
        strict.read(body, struct)
    return str(caught.value)


def test_a_good_body_becomes_its_struct_without_findings() -> None:
    daemon_set, findings = strict.read(
        b'{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{"name":"agent"},"spec":{"minReadySeconds":5}}',
        apps_v1.DaemonSet,
    )
    assert findings == []
    assert daemon_set.metadata.name == "agent"
    assert daemon_set.spec.min_ready_seconds == 5


def test_all_unknown_and_duplicate_fields_are_named_with_their_paths() -> None:
    body = b"""{"kind":"DaemonSet","foo":1,"spec":{"bar":{},"minReadySeconds":1,"minReadySeconds":2,
        "template":{"metadata":{"labels":{"a":"x","a":"y"}},
            "spec":{"containers":[{"name":"c"},{"name":"d","imagePolicy":"Never","name":"e"}]}}}}"""
    daemon_set, findings = strict.read(body, apps_v1.DaemonSet)
    assert findings == [
        'unknown field "foo"',
        'unknown field "spec.bar"',
        'duplicate field "spec.minReadySeconds"',
        'duplicate field "spec.template.metadata.labels.a"',
        'unknown field "spec.template.spec.containers[1].imagePolicy"',
        'duplicate field "spec.template.spec.containers[1].name"',
    ]
    assert daemon_set.spec.min_ready_seconds == 2  # given last counts
    assert strict.inspect(body, DAEMON_SET) == findings


def test_names_match_in_case() -> None:
    assert strict.inspect(b'{"Kind":"Pod","spec":{"nodename":"n"}}', POD) == [
        'unknown field "Kind"',
        'unknown field "spec.nodename"',
    ]


def test_findings_are_bounded() -> None:
    body = json.dumps({f"unknown{number}": 1 for number in range(10_000)}).encode()
    assert len(strict.inspect(body, POD)) == strict.MAX_FINDINGS


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"minReadySeconds": "5"}, "string into Go struct field DaemonSetSpec.spec.minReadySeconds of type int32"),
        ({"minReadySeconds": 1.5}, "number 1.5 into Go struct field DaemonSetSpec.spec.minReadySeconds of type int32"),
        ({"minReadySeconds": True}, "bool into Go struct field DaemonSetSpec.spec.minReadySeconds of type int32"),
        (
            {"minReadySeconds": 2**31},
            "number 2147483648 into Go struct field DaemonSetSpec.spec.minReadySeconds of type int32",
        ),
        ({"selector": []}, "array into Go struct field DaemonSetSpec.spec.selector of type v1.LabelSelector"),
        (
            {"template": {"spec": {"containers": {}}}},
            "object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            {"template": {"spec": {"containers": [{}, "x"]}}},
            "string into Go struct field PodSpec.spec.template.spec.containers of type v1.Container",
        ),
        (
            {"template": {"spec": {"containers": [{"name": 3}]}}},
            "number into Go struct field Container.spec.template.spec.containers.name of type string",
        ),
        (
            {"template": {"metadata": {"labels": {"a": 1}}}},
            "number into Go struct field ObjectMeta.spec.template.metadata.labels of type string",
        ),
        (
            {"template": {"metadata": {"labels": ["a"]}}},
            "array into Go struct field ObjectMeta.spec.template.metadata.labels of type map[string]string",
        ),
        ({"updateStrategy": {"rollingUpdate": {"maxSurge": {}}}}, "object into Go value of type int32"),
    ],
)
def test_a_wrong_type_is_told_in_gos_words(spec: dict[str, Any], message: str) -> None:
    assert refusal(json.dumps({"spec": spec}).encode()) == f"json: cannot unmarshal {message}"


def test_integers_are_checked_against_their_width() -> None:
    edge = {"metadata": {"generation": 2**63 - 1}, "spec": {"minReadySeconds": -(2**31)}}
    assert strict.read(json.dumps(edge).encode(), apps_v1.DaemonSet)[0].metadata.generation == 2**63 - 1
    assert "number 9223372036854775808" in refusal(b'{"metadata":{"generation":9223372036854775808}}')


def test_times_quantities_and_base64_must_be_some() -> None:
    assert refusal(b'{"metadata":{"creationTimestamp":"yesterday"}}') == (
        'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"'
    )
    assert refusal(b'{"data":{"a":"YQ==","b":"a!b="}}', core_v1.Secret) == "illegal base64 data at input byte 1"
    assert "quantities must match" in refusal(
        b'{"spec":{"containers":[{"resources":{"limits":{"cpu":"many"}}}]}}', core_v1.Pod
    )
    assert strict.read(b'{"data":{"a":"YQ==\\n"}}', core_v1.Secret)[0].data == {"a": "YQ==\n"}


def test_null_is_the_zero_value_wherever_it_stands() -> None:
    body = b"""{"metadata":{"name":"p","labels":null,"creationTimestamp":null,"annotations":{"a":null}},
        "spec":{"containers":[{"name":"c","args":[null,"x"],"resources":null},null],"hostNetwork":null,"volumes":null}}"""
    pod, findings = strict.read(body, core_v1.Pod)
    assert findings == []
    assert pod.metadata.labels == {}
    assert pod.metadata.annotations == {"a": ""}
    assert pod.spec.containers[0].args == ["", "x"]
    assert pod.spec.containers[1] == core_v1.Container()
    assert not pod.spec.host_network


def test_null_inside_what_is_kept_as_it_is_stays() -> None:
    revision, _ = strict.read(b'{"data":{"a":null,"b":[null]},"metadata":null}', apps_v1.ControllerRevision)
    assert json.loads(msgspec.json.encode(revision))["data"] == {"a": None, "b": [None]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "unexpected end of JSON input"),
        (b"   ", "unexpected end of JSON input"),
        (b'{"kind":', "unexpected end of JSON input"),
        (b'{"kind":"x', "unexpected end of JSON input"),
        (b"hello", "invalid character 'h' looking for beginning of value"),
        (b"{kind: x}", "invalid character 'k' looking for beginning of object key string"),
        (b'{"kind" "x"}', "invalid character '\"' after object key"),
        (b'{"kind":"x" "y"}', "invalid character '\"' after object key:value pair"),
        (b"{} {}", "invalid character '{' after top-level value"),
        (b'{"kind":"\\q"}', "invalid character 'q' in string escape code"),
        (b'{"metadata":{"generation":NaN}}', "invalid character 'N' looking for beginning of value"),
        (b'{"kind":"\xff"}', "invalid UTF-8 at byte 9"),
        (b"[]", "json: cannot unmarshal array into Go value of type v1.DaemonSet"),
        (b"null", "json: cannot unmarshal null into Go value of type v1.DaemonSet"),
        (b'{"metadata":{"generation":' + b"9" * 5000 + b"}}", "json: a number has too many digits"),
    ],
)
def test_malformed_json_is_refused_in_one_sentence(body: bytes, message: str) -> None:
    assert refusal(body) == message


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1_000, 500_000])
@pytest.mark.parametrize("inner", ['{"a":', "["])
def test_deep_nesting_is_refused_and_harms_nothing(levels: int, inner: str) -> None:
    closing = "]" if inner == "[" else "}"
    nested = inner * (levels - 1) + "1" + closing * (levels - 1)
    for body in (f'{{"data":{nested}}}', f'{{"data":{inner * levels}', f'{{"unknown":{nested}}}'):
        message = refusal(body.encode(), apps_v1.ControllerRevision)
        assert message.startswith("exceeded max depth")


def test_what_is_wide_or_has_brackets_in_strings_is_not_deep() -> None:
    text = '[{"' * 200
    body = json.dumps({"data": [[{}] * 3] * 200, "metadata": {"annotations": {"a": text, "b": '\\"[[['}}}).encode()
    revision, _ = strict.read(body, apps_v1.ControllerRevision)
    assert revision.metadata.annotations["a"] == text


def test_countless_tiny_objects_are_refused() -> None:
    body = b'{"spec":{"containers":[' + b",".join([b"{}"] * 200_000) + b"]}}"
    assert refusal(body, core_v1.Pod) == "more than 100000 objects and lists in one body"
    text = json.dumps({"data": {"a": "{}" * 200_000}}).encode()
    assert strict.read(text, core_v1.ConfigMap)[1] == []


def test_a_body_of_escaped_quotes_costs_linear_time() -> None:
    body = b'{"metadata":{"name":"' + b'\\"[' * 700_000
    assert refusal(body) in ("unexpected end of JSON input", "exceeded max depth: nested deeper than 100 levels")


def test_a_view_is_read_without_the_tables() -> None:
    class Named(msgspec.Struct):
        kind: str = ""

    assert strict.decode(b'{"kind":"Pod","spec":{"nodeName":5}}', Named).kind == "Pod"
    with pytest.raises(strict.Malformed, match=r"Expected `str`, got `int` - at `\$\.kind`"):
        strict.decode(b'{"kind":5}', Named)
    with pytest.raises(strict.Malformed, match="unexpected end of JSON input"):
        strict.decode(b'{"kind":', Named)


WHOLE = json.dumps(
    {
        "kind": "Pod",
        "metadata": {"name": "p", "labels": {"a": "b"}, "creationTimestamp": None, "generation": 3},
        "spec": {
            "containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}, "ports": [{"containerPort": 80}]}],
            "terminationGracePeriodSeconds": 30,
        },
    }
).encode()


@given(st.data())
def test_no_damage_does_harm(data: st.DataObject) -> None:
    """Any change to a good body is read or refused, and nothing else; what is read can be written."""
    at = data.draw(st.integers(0, len(WHOLE) - 1))
    upto = data.draw(st.integers(at, min(at + 12, len(WHOLE))))
    put = data.draw(
        st.binary(max_size=4) | st.sampled_from([b"null", b"1e999", b'"\\ud800"', b"-0", b"{}", b'"":', b"["])
    )
    with contextlib.suppress(strict.Malformed):
        pod, findings = strict.read(WHOLE[:at] + put + WHOLE[upto:], core_v1.Pod)
        assert msgspec.json.decode(msgspec.json.encode(pod), type=core_v1.Pod) == pod
        assert all(isinstance(finding, str) for finding in findings)


def test_a_surrogate_that_stands_alone_is_refused() -> None:
    assert refusal(b'{"metadata":{"name":"\\ud800"}}')
    assert refusal(b'{"metadata":{"name":"\\ud800","labels":null}}')


def test_options_are_read_like_any_kind() -> None:
    options = strict.decode(b'{"kind":"DeleteOptions","preconditions":{"uid":"u"}}', meta_v1.DeleteOptions)
    assert options.preconditions == meta_v1.Preconditions(uid="u")


def test_times_are_stored_in_one_writing() -> None:
    created, renewed = "2024-01-02T05:04:05.678+02:00", "2024-01-02T03:04:05+00:00"
    body = json.dumps({"metadata": {"creationTimestamp": created}, "spec": {"renewTime": renewed}}).encode()
    lease = strict.decode(body, coordination_v1.Lease)
    assert lease.metadata.creation_timestamp == "2024-01-02T03:04:05Z"
    assert lease.spec.renew_time == "2024-01-02T03:04:05.000000Z"
