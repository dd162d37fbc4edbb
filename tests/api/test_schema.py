"""The generated structs and tables: facts of Kubernetes 1.37 that the rest of the house leans on."""

from __future__ import annotations

import msgspec
import pytest

from everynode.api import apps_v1, core_v1, events_v1, meta_v1, schema, scheme


def test_every_served_kind_has_its_table_and_struct() -> None:
    for resource in scheme.RESOURCES:
        type_ = schema.for_kind(resource.group, resource.version, resource.kind)
        assert type_ is schema.for_struct(resource.struct)
        fields = {field.encode_name for field in msgspec.structs.fields(resource.struct)}
        assert fields == set(type_.fields)


def test_structs_and_tables_agree_on_every_name() -> None:
    for module in (meta_v1, core_v1, apps_v1, events_v1):
        for struct in vars(module).values():
            if isinstance(struct, type) and issubclass(struct, msgspec.Struct):
                type_ = schema.for_struct(struct)
                assert type_ is not None
                assert [field.encode_name for field in msgspec.structs.fields(struct)] == list(type_.fields)


def test_every_object_field_leads_to_a_type() -> None:
    for type_ in schema.all_types().values():
        for field in type_.fields.values():
            assert (field.kind == "object") == (field.type is not None)
            assert not (field.kind == "object" and field.container == "map")  # strict and protobuf lean on this


def test_how_lists_merge() -> None:
    pod = schema.type_named("PodSpec")
    containers = pod.fields["containers"]
    assert (containers.merge_key, containers.strategy) == ("name", "merge")
    assert (containers.list_type, containers.list_map_keys, containers.required) == ("map", ("name",), True)
    assert pod.fields["volumes"].strategy == "merge,retainKeys"
    assert pod.fields["tolerations"].list_type == "atomic"
    ports = schema.type_named("io.k8s.api.core.v1.Container").fields["ports"]
    assert (ports.merge_key, ports.list_map_keys) == ("containerPort", ("containerPort", "protocol"))
    assert schema.type_named("ContainerPort").fields["protocol"].default == "TCP"
    assert schema.type_named("ObjectMeta").fields["finalizers"].strategy == "merge"
    assert schema.type_named("NodeSelector").map_type == "atomic"


def test_protobuf_numbers() -> None:
    assert schema.type_named("ObjectMeta").fields["managedFields"].number == 17
    assert schema.type_named("Volume").inlined == {2: "io.k8s.api.core.v1.VolumeSource"}
    assert schema.type_named("Volume").fields["hostPath"].number == 0
    assert schema.type_named("VolumeSource").fields["hostPath"].number == 1


def test_names_are_found_only_when_they_are_clear() -> None:
    with pytest.raises(KeyError, match="is one of"):
        schema.type_named("Event")
    with pytest.raises(KeyError):
        schema.type_named("Deployment")
    assert schema.for_kind("apps", "v1", "DeleteOptions").name.endswith("meta.v1.DeleteOptions")


def test_what_go_always_writes_is_written_and_what_it_leaves_out_is_not() -> None:
    assert msgspec.json.encode(core_v1.Pod()) == b'{"metadata":{},"spec":{"containers":[]},"status":{}}'
    assert msgspec.json.encode(core_v1.Toleration()) == b"{}"
    assert msgspec.json.encode(meta_v1.OwnerReference()) == b'{"apiVersion":"","kind":"","name":"","uid":""}'
    assert msgspec.json.encode(apps_v1.ControllerRevision()) == b'{"metadata":{},"revision":0}'
    assert msgspec.json.encode(core_v1.Container(name="c")) == b'{"name":"c","resources":{}}'


def test_names_in_python() -> None:
    status = core_v1.PodStatus(pod_ip="10.0.0.1", pod_ips=[core_v1.PodIP(ip="10.0.0.1")], host_ip="h")
    assert msgspec.json.encode(status) == b'{"hostIP":"h","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]}'
    spec = msgspec.json.decode(b'{"hostPID":true,"setHostnameAsFQDN":true}', type=core_v1.PodSpec)
    assert spec.host_pid
    assert spec.set_hostname_as_fqdn
    assert msgspec.json.encode(meta_v1.ListMeta(continue_="c")) == b'{"continue":"c"}'


def test_an_object_begins_with_kind_and_api_version() -> None:
    pod = core_v1.Pod(kind="Pod", api_version="v1", metadata=meta_v1.ObjectMeta(name="p"))
    assert msgspec.json.encode(pod).startswith(b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"}')
