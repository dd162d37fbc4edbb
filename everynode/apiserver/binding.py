"""pods/binding: the scheduler's one write. It sets the node, tells PodScheduled=True, and leaves the rest as it is at rest."""

from __future__ import annotations

import msgspec

from everynode.api import core_v1, scheme, status, strict
from everynode.api.core_v1 import PodCondition, PodStatus
from everynode.api.fielderror import invalid, not_supported, required
from everynode.apiserver import body, media, splice
from everynode.apiserver.call import Call
from everynode.apiserver.writing import ATTEMPTS, Writer, check_uid
from everynode.store.contract import Conflict
from everynode.wire.message import Response


class _Spec(msgspec.Struct, rename="camel"):
    node_name: str = ""
    scheduling_gates: list[msgspec.Raw] = []


_spec = msgspec.json.Decoder(_Spec)
_status = msgspec.json.Decoder(PodStatus)
_binding = msgspec.json.Decoder(core_v1.Binding)


async def bind(writer: Writer, call: Call) -> Response:
    """Carries out a POST on pods/NAME/binding."""
    wanted = _read(call)
    name = call.target.name
    for _ in range(ATTEMPTS):
        entry = await writer.current(call)
        parts = splice.take_apart(entry.value)
        metadata, spec = parts.decode_metadata(), _spec.decode(parts.spec)
        if wanted.metadata.uid:
            check_uid(call, wanted.metadata.uid, metadata.uid)
        if metadata.deletion_timestamp is not None:
            raise _refused(call, f"pod {name} is being deleted, cannot be assigned to a host")
        if spec.node_name:
            raise _refused(call, f'pod {name} is already assigned to node "{spec.node_name}"')
        if spec.scheduling_gates:
            raise _refused(call, f"pod {name} has non-empty .spec.schedulingGates")
        if wanted.metadata.annotations:
            metadata.annotations = {**metadata.annotations, **wanted.metadata.annotations}
            parts.metadata = splice.raw(metadata)
        parts.spec = splice.with_member(parts.spec, "nodeName", wanted.target.name)
        told = _status.decode(parts.status)
        scheduled = PodCondition(type="PodScheduled", status="True", last_transition_time=writer.now())
        # What was promised to it is settled now.
        told.nominated_node_name = ""
        told.conditions = [*(each for each in told.conditions if each.type != "PodScheduled"), scheduled]
        parts.status = splice.raw(told)
        try:
            if not call.dry_run:
                await writer.store.write(entry.key, splice.put_together(scheme.PODS, parts), expect=entry.revision)
            return media.json_response(201, media.success(), call.warnings)
        except Conflict as conflict:
            if conflict.current is None:
                raise status.not_found(scheme.PODS, name) from None
    raise status.conflict(scheme.PODS, name, status.OBJECT_MODIFIED)


def _read(call: Call) -> core_v1.Binding:
    text = body.json_of(call)
    try:
        wanted = _binding.decode(text) if call.trusted else strict.decode(text, core_v1.Binding)
    except (strict.Malformed, msgspec.MsgspecError) as error:
        raise status.bad_request(str(error)) from None
    errors = []
    if wanted.metadata.name not in ("", call.target.name):
        errors.append(invalid("metadata.name", wanted.metadata.name, "must be the name of the pod in the URL"))
    if wanted.target.kind not in ("", "Node"):
        errors.append(not_supported("target.kind", wanted.target.kind, ["Node", "<empty>"]))
    if not wanted.target.name:
        errors.append(required("target.name"))
    if errors:
        raise status.invalid(scheme.PODS, call.target.name, errors)
    return wanted


def _refused(call: Call, why: str) -> status.ApiError:
    return status.conflict(scheme.PODS, call.target.name, why)
