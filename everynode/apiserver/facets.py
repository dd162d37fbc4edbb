"""What the store indexes of an object: labels, the fields most selected by, and owners; a pure function of key and bytes.

Terms: `l:KEY=VALUE` for each label, `f:PATH=VALUE` for each indexed field (also when the value is empty, so that
`spec.nodeName=` finds what is not bound), `o:UID` for each owner. `selection` asks by the same terms. Fields that few
select by are not indexed; `selection` reads them from the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from everynode.api import scheme
from everynode.store.contract import Facets


class _Owner(msgspec.Struct, gc=False):
    uid: str = ""


class _Metadata(msgspec.Struct, rename="camel", gc=False):
    labels: dict[str, str] = {}
    owner_references: list[_Owner] = []


class _Any(msgspec.Struct, gc=False):
    metadata: _Metadata


class _PodSpec(msgspec.Struct, rename="camel", gc=False):
    node_name: str = ""


class _PodStatus(msgspec.Struct, gc=False):
    phase: str = ""


class _Pod(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: _PodSpec
    status: _PodStatus


class _Involved(msgspec.Struct, gc=False):
    name: str = ""
    uid: str = ""


class _Event(msgspec.Struct, rename="camel", gc=False):
    metadata: _Metadata
    involved_object: _Involved


class _ServiceSpec(msgspec.Struct, gc=False):
    cluster_ip: str = msgspec.field(default="", name="clusterIP")


class _Service(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: _ServiceSpec


class _PriorityClass(msgspec.Struct, rename="camel", gc=False):
    metadata: _Metadata
    global_default: bool = False


def _pod_terms(pod: _Pod) -> tuple[str, ...]:
    return (f"f:spec.nodeName={pod.spec.node_name}", f"f:status.phase={pod.status.phase}")


def _event_terms(event: _Event) -> tuple[str, ...]:
    return (f"f:involvedObject.name={event.involved_object.name}", f"f:involvedObject.uid={event.involved_object.uid}")


def _service_terms(service: _Service) -> tuple[str, ...]:
    return (f"f:spec.clusterIP={service.spec.cluster_ip}",)


def _priority_class_terms(priority_class: _PriorityClass) -> tuple[str, ...]:
    return ("f:globalDefault=true",) if priority_class.global_default else ()


def _no_terms(_: Any) -> tuple[str, ...]:
    return ()


_View = tuple[msgspec.json.Decoder[Any], Callable[[Any], tuple[str, ...]]]

# Per store prefix: the view that is decoded, and the field terms read off it.
_VIEWS: Mapping[str, _View] = {
    scheme.PODS.prefix: (msgspec.json.Decoder(_Pod), _pod_terms),
    scheme.EVENTS.prefix: (msgspec.json.Decoder(_Event), _event_terms),
    scheme.SERVICES.prefix: (msgspec.json.Decoder(_Service), _service_terms),
    scheme.PRIORITY_CLASSES.prefix: (msgspec.json.Decoder(_PriorityClass), _priority_class_terms),
}
_PLAIN: _View = (msgspec.json.Decoder(_Any), _no_terms)

# Which field selectors the index answers, by store prefix.
INDEXED_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        scheme.PODS.prefix: frozenset({"spec.nodeName", "status.phase"}),
        scheme.EVENTS.prefix: frozenset({"involvedObject.name", "involvedObject.uid"}),
        scheme.SERVICES.prefix: frozenset({"spec.clusterIP"}),
    }
)


def facets(key: str, value: bytes) -> Facets:
    """The terms of one stored value."""
    first, second, _ = key.split("/", 2)
    view, terms = _VIEWS.get(f"{first}/{second}/", _PLAIN)
    obj: Any = view.decode(value)
    metadata = obj.metadata
    return (
        *terms(obj),
        *[f"l:{name}={text}" for name, text in metadata.labels.items()],
        *[f"o:{owner.uid}" for owner in metadata.owner_references],
    )
