"""Label and field selectors against stored entries.

A `Selection` has the store terms that its equality requirements amount to (the store's index answers those) and a
predicate for everything else. Both the list and the watch verbs ask through it, so they can never disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from everynode.api import scheme, status
from everynode.api.scheme import Resource
from everynode.apiserver.facets import INDEXED_FIELDS
from everynode.store.contract import Entry
from everynode.values import fields, labels

Predicate = Callable[[Entry], bool]

_COMMON_FIELDS = frozenset({"metadata.name", "metadata.namespace"})

# The fields that Kubernetes lets a client select by, beyond name and namespace.
SELECTABLE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        scheme.PODS.prefix: frozenset(
            {
                "spec.nodeName",
                "spec.restartPolicy",
                "spec.schedulerName",
                "spec.serviceAccountName",
                "spec.hostNetwork",
                "status.phase",
                "status.podIP",
                "status.nominatedNodeName",
            }
        ),
        scheme.NODES.prefix: frozenset({"spec.unschedulable"}),
        scheme.NAMESPACES.prefix: frozenset({"status.phase"}),
        scheme.SECRETS.prefix: frozenset({"type"}),
        scheme.SERVICES.prefix: frozenset({"spec.clusterIP", "spec.type"}),
        scheme.EVENTS.prefix: frozenset(
            {
                "involvedObject.kind",
                "involvedObject.namespace",
                "involvedObject.name",
                "involvedObject.uid",
                "involvedObject.apiVersion",
                "involvedObject.resourceVersion",
                "involvedObject.fieldPath",
                "reason",
                "reportingComponent",
                "source",
                "type",
            }
        ),
    }
)
# events.k8s.io names the same fields by its own words.
_EVENTS_V1_WORDS = {"regarding": "involvedObject", "reportingController": "reportingComponent"}


@dataclass(frozen=True, slots=True)
class Selection:
    """`terms` must all be among an entry's facets; `others` must all hold; `name` is the one name asked for, if one is."""

    terms: tuple[str, ...] = ()
    others: tuple[Predicate, ...] = ()
    name: str = ""

    def matches(self, entry: Entry) -> bool:
        """Whether an entry is selected (its key's scope aside)."""
        # Asked for every event by every watch, and most watches select nothing.
        for term in self.terms:
            if term not in entry.facets:
                return False
        if self.name and entry.key.rsplit("/", 1)[1] != self.name:
            return False
        return not self.others or all(predicate(entry) for predicate in self.others)


def parse(resource: Resource, label_selector: str, field_selector: str) -> Selection:
    """Understands both selectors; raises 400 for a malformed one or a field that cannot be selected by."""
    terms: list[str] = []
    others: list[Predicate] = []
    name = ""
    if label_selector:
        _add_labels(label_selector, terms, others)
    if field_selector:
        name = _add_fields(resource, field_selector, terms, others)
    return Selection(tuple(terms), tuple(others), name)


def _add_labels(text: str, terms: list[str], others: list[Predicate]) -> None:
    try:
        selector = labels.parse(text)
    except ValueError as error:
        raise status.bad_request(str(error)) from None
    pairs = dict(selector.required_pairs())
    terms += [f"l:{key}={value}" for key, value in pairs.items()]
    if not selector.only_pairs:
        others.append(lambda entry: selector.matches(labels_of(entry)))


def _add_fields(resource: Resource, text: str, terms: list[str], others: list[Predicate]) -> str:
    try:
        requirements = fields.parse(text)
    except ValueError as error:
        raise status.bad_request(str(error)) from None
    allowed = _COMMON_FIELDS | SELECTABLE.get(resource.prefix, frozenset())
    indexed = INDEXED_FIELDS.get(resource.prefix, frozenset())
    name = ""
    for requirement in requirements.requirements:
        path = requirement.field
        if resource is scheme.EVENTS_V1:
            first, dot, rest = path.partition(".")
            path = _EVENTS_V1_WORDS.get(first, first) + dot + rest
        if path not in allowed:
            raise status.bad_request(f"field label not supported: {path}")
        if path == "metadata.name" and requirement.equal and not name:
            name = requirement.value
        elif path in indexed:
            term = f"f:{path}={requirement.value}"
            if requirement.equal:
                terms.append(term)
            else:
                others.append(_lacks(term))
        else:
            others.append(_field_predicate(resource, path, requirement.value, requirement.equal))
    return name


def labels_of(entry: Entry) -> dict[str, str]:
    """An entry's labels, read off its facets."""
    return dict(term[2:].split("=", 1) for term in entry.facets if term.startswith("l:"))


def _lacks(term: str) -> Predicate:
    return lambda entry: term not in entry.facets


def _field_predicate(resource: Resource, path: str, value: str, equal: bool) -> Predicate:
    parts = path.split(".")
    if path == "source":  # an Event's source is selected by its component
        parts = ["source", "component"]

    def holds(entry: Entry) -> bool:
        found: Any = msgspec.json.decode(entry.value)
        for part in parts:
            found = found.get(part) if isinstance(found, dict) else None
        return (_text(found, path) == value) is equal

    return holds


def _text(found: Any, path: str) -> str:
    if isinstance(found, bool):
        return "true" if found else "false"
    if found is None:
        return "false" if path in ("spec.unschedulable", "spec.hostNetwork") else ""
    return str(found)
