"""Strategic merge patch: a merge patch that knows which lists are sets of things with a key.

In come the tree that stands, the patch and the schema of the kind; out goes the patched tree. Objects are merged
member by member, null deletes; lists are replaced, save those that the schema says to merge: their structs are matched by the
merge key, their plain values by equality. The patch may carry directives:

    $patch: replace | delete                 this object is replaced or emptied; in a list's element: the whole list is
                                             replaced by the other elements, or this element is deleted
    $deleteFromPrimitiveList/LIST: [...]     these plain values leave LIST
    $setElementOrder/LIST: [...]             the order of LIST's elements afterwards
    $retainKeys: [...]                       members that are not named go

The order of a merged list is the patch's (`$setElementOrder` first, else the order in which the patch names elements);
elements that only the server has keep their order and stand before the next element that followed them. Errors are
Kubernetes' own sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from everynode.patch.schema import FieldSchema, TypeSchema, field_of
from everynode.patch.trees import go_text

Tree = dict[str, Any]

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM_LIST = "$deleteFromPrimitiveList"
ELEMENT_ORDER = "$setElementOrder"

_BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
_BAD_ELEMENT_ORDER = "invalid patch format of setElementOrder list"
_BAD_PRIMITIVE_LIST = "invalid patch format of primitive list"
_GO_NAMES = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64"}


class StrategicPatchError(ValueError):
    """The patch makes no sense for this tree."""


def apply(target: Tree, patch: Tree, type_: TypeSchema | None) -> Tree:
    """`target` patched by the rules of its type; fields that no schema knows are merged plainly."""
    if DIRECTIVE in patch:
        return _whole(patch)
    merged = _retained(target, patch)
    orders = _element_orders(patch)
    for key, value in patch.items():
        if key.startswith(DELETE_FROM_LIST):
            _delete_from_list(merged, key.removeprefix(DELETE_FROM_LIST + "/"), value)
        elif key not in orders and not key.startswith((ELEMENT_ORDER, RETAIN_KEYS)):
            _merge_member(merged, key, value, field_of(type_, key))
    for key, order in orders.items():
        before, change = _list(merged, key), _list(patch, key)
        if before is not None or change is not None:
            merged[key] = _merge_list(before or [], change, field_of(type_, key), order)
    return merged


def _whole(patch: Tree) -> Tree:
    """An object whose patch speaks of it as a whole."""
    match patch[DIRECTIVE]:
        case "replace":
            return {key: value for key, value in patch.items() if key != DIRECTIVE}
        case "delete":
            return {}
        case other:
            raise StrategicPatchError(f"unknown patch type: {go_text(other)} in map: {go_text(patch)}")


def _retained(target: Tree, patch: Tree) -> Tree:
    """A copy of the object, less the members that `$retainKeys` does not name."""
    if RETAIN_KEYS not in patch:
        return dict(target)
    retained = patch[RETAIN_KEYS]
    if not isinstance(retained, list) or not all(isinstance(key, str) for key in retained):
        raise StrategicPatchError(_BAD_RETAIN_KEYS)
    if any(value is not None and not key.startswith("$") and key not in retained for key, value in patch.items()):
        raise StrategicPatchError(_BAD_RETAIN_KEYS)
    return {key: value for key, value in target.items() if key in retained}


def _element_orders(patch: Tree) -> dict[str, list[Any]]:
    """The `$setElementOrder` directives, by the list they are about."""
    orders = {}
    for key, value in patch.items():
        if key.startswith(ELEMENT_ORDER):
            if not key.startswith(f"{ELEMENT_ORDER}/") or not isinstance(value, list):
                raise StrategicPatchError(_BAD_ELEMENT_ORDER)
            orders[key.removeprefix(f"{ELEMENT_ORDER}/")] = value
    return orders


def _delete_from_list(merged: Tree, key: str, values: Any) -> None:
    if key.startswith("$") or not isinstance(values, list) or any(isinstance(value, dict | list) for value in values):
        raise StrategicPatchError(_BAD_PRIMITIVE_LIST)
    before = merged.get(key)
    if isinstance(before, list):
        gone = {_plain(value) for value in values}
        merged[key] = [value for value in before if _plain(value) not in gone]


def _merge_member(merged: Tree, key: str, value: Any, field: FieldSchema | None) -> None:
    before = merged.get(key)
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, dict) and isinstance(before, dict):
        if field is not None and "replace" in field.strategy:
            merged[key] = value
        else:
            # A map's members have names, not fields: what they hold is merged plainly.
            merged[key] = apply(before, value, None if field is None or field.container else field.type)
    elif isinstance(value, list) and isinstance(before, list):
        merged[key] = _merge_list(before, value, field, None)
    elif _is_deletion(value):
        merged.pop(key, None)
    else:
        merged[key] = _without_directives(value)


def _merge_list(
    live: list[Any], change: list[Any] | None, field: FieldSchema | None, order: list[Any] | None
) -> list[Any]:
    """A list after its patch; `order` is its `$setElementOrder`, if it has one."""
    if field is None or "merge" not in field.strategy.split(","):
        return live if change is None else change
    patch = change or []
    if not live and not patch:
        return []
    identity: Callable[[Any], Hashable] = _plain
    if _holds_structs(live, patch):
        identity = _by_merge_key(field)
        kept, patch = _with_deletions(live, patch, identity)
        merged = _merge_structs(kept, patch, identity, field.type)
    else:
        merged = list({_plain(value): value for value in live + patch}.values())
    if order is None:
        return _arranged(merged, patch, live, identity)
    _check_order(patch, order, identity)
    # Beside a directive Kubernetes counts what is new as standing where deletions left room.
    return _arranged(merged, order, merged[: len(live)], identity)


def _holds_structs(*lists: list[Any]) -> bool:
    """Whether these lists hold structs (else plain values); they must all hold the same."""
    elements = [element for each in lists for element in each]
    if any(isinstance(element, list) for element in elements):
        raise StrategicPatchError("lists of lists are not supported")
    structs = sum(isinstance(element, dict) for element in elements)
    if structs not in (0, len(elements)):
        raise StrategicPatchError(f"list element types are not identical: {go_text(list(lists))}")
    return structs > 0


def _by_merge_key(field: FieldSchema) -> Callable[[Any], Hashable]:
    """What tells the structs of this list apart."""
    key = field.merge_key
    if not key:
        raise StrategicPatchError(
            f"cannot merge lists without merge key for {field.type.name if field.type else 'slice'}"
        )

    def identity(element: Any) -> Hashable:
        if not isinstance(element, dict):
            raise StrategicPatchError(f"expected a {_GO_NAMES[dict]}, but received a {_go_name(element)}")
        if key not in element or isinstance(element[key], dict | list):
            raise StrategicPatchError(f"map: {go_text(element)} does not contain declared merge key: {key}")
        return _plain(element[key])

    return identity


def _with_deletions(
    live: list[Any], patch: list[Any], identity: Callable[[Any], Hashable]
) -> tuple[list[Any], list[Any]]:
    """The list and its patch after the patch's directives on elements and on the list as a whole."""
    changes: list[Any] = []
    gone: set[Hashable] = set()
    replaced = False
    for element in patch:
        match element.get(DIRECTIVE):
            case None:
                changes.append(element)
            case "delete":
                gone.add(identity(element))
            case "replace":
                replaced = True
            case "merge":
                raise StrategicPatchError("merging lists cannot yet be specified in the patch")
            case other:
                raise StrategicPatchError(f"unknown patch type: {go_text(other)} in map: {go_text(element)}")
    if replaced:
        return [], changes
    return [element for element in live if identity(element) not in gone], changes


def _merge_structs(
    live: list[Any], patch: list[Any], identity: Callable[[Any], Hashable], type_: TypeSchema | None
) -> list[Any]:
    """The live structs with the patch's merged into their equals; new ones at the end. Order is arranged later."""
    merged = list(live)
    # Keys can stand twice in a live list (one port, two protocols); a patch then means the first.
    place: dict[Hashable, int] = {}
    for at, element in enumerate(merged):
        place.setdefault(identity(element), at)
    for element in patch:
        at = place.setdefault(identity(element), len(merged))
        if at < len(merged):
            merged[at] = apply(merged[at], element, type_)
        else:
            merged.append(_without_directives(element))
    return merged


def _check_order(patch: list[Any], order: list[Any], identity: Callable[[Any], Hashable]) -> None:
    """The patch must name its elements in the order that `$setElementOrder` gives, and no others."""
    if not order or not patch:
        return
    remaining = iter([identity(each) for each in order])
    if not all(identity(each) in remaining for each in patch):
        raise StrategicPatchError(
            f"The order in patch list:\n{go_text(patch)}\n doesn't match $setElementOrder list:\n{go_text(order)}\n"
        )


def _arranged(merged: list[Any], wanted: list[Any], live: list[Any], identity: Callable[[Any], Hashable]) -> list[Any]:
    """Elements in the wanted order, and among them those nobody spoke of, each before what followed it in the live list."""
    wanted_rank, live_rank = _ranks(map(identity, wanted)), _ranks(map(identity, live))
    named = sorted(
        (each for each in merged if identity(each) in wanted_rank), key=lambda each: wanted_rank[identity(each)]
    )
    others = sorted(
        (each for each in merged if identity(each) not in wanted_rank),
        key=lambda each: live_rank.get(identity(each), len(live)),
    )
    arranged: list[Any] = []
    waiting = iter(others)
    other = next(waiting, None)
    for each in named:
        rank = live_rank.get(identity(each), -1)
        while other is not None and live_rank.get(identity(other), len(live)) < rank:
            arranged.append(other)
            other = next(waiting, None)
        arranged.append(each)
    if other is not None:
        arranged.extend([other, *waiting])
    return arranged


def _ranks(identities: Iterable[Hashable]) -> dict[Hashable, int]:
    """Where each stands first."""
    ranks: dict[Hashable, int] = {}
    for rank, identity in enumerate(identities):
        ranks.setdefault(identity, rank)
    return ranks


def _plain(value: Any) -> Hashable:
    """A plain value as a key of a dict; Python would take True for 1."""
    if isinstance(value, dict | list):
        raise StrategicPatchError(f"expected a string, but received a {_go_name(value)}")
    return (type(value) is bool, value)


def _without_directives(value: Any) -> Any:
    """A part of the patch that meets nothing to be merged with: its content, less directives and nulls."""
    if isinstance(value, dict):
        content = _whole(value) if DIRECTIVE in value else value
        return {
            key: _without_directives(member)
            for key, member in content.items()
            if member is not None
            and not _is_deletion(member)
            and not key.startswith((DELETE_FROM_LIST, ELEMENT_ORDER, RETAIN_KEYS))
        }
    if isinstance(value, list):
        return [_without_directives(each) for each in value if not _is_deletion(each)]
    return value


def _is_deletion(value: Any) -> bool:
    return isinstance(value, dict) and value.get(DIRECTIVE) == "delete"


def _list(tree: Tree, key: str) -> list[Any] | None:
    value = tree.get(key)
    if value is not None and not isinstance(value, list):
        raise StrategicPatchError(f"expected a []interface {{}}, but received a {_go_name(value)}")
    return value


def _go_name(value: Any) -> str:
    return _GO_NAMES.get(type(value), "float64")
