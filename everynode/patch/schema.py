"""What a schema has to say for patches to be merged by it.

Patching lies below the API's types, so it names here what it asks of them; `everynode.api.schema` answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class FieldSchema(Protocol):
    """One field of a struct. Empty strings mean that the schema says nothing."""

    @property
    def container(self) -> str:
        """`list`, `map`, or empty for a single value."""
        ...

    @property
    def type(self) -> TypeSchema | None:
        """The struct, or the struct that a list or map holds; None for plain values."""
        ...

    @property
    def merge_key(self) -> str:
        """Strategic merge patch: the member that tells a list's structs apart."""
        ...

    @property
    def strategy(self) -> str:
        """Strategic merge patch: `merge`, `replace` or `retainKeys`, joined by commas."""
        ...

    @property
    def list_type(self) -> str:
        """Server-side apply: `atomic`, `set` or `map`."""
        ...

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        """Server-side apply: the members that tell the structs of a list of type `map` apart."""
        ...

    @property
    def map_type(self) -> str:
        """Server-side apply: `atomic` when a map or struct is owned as a whole."""
        ...

    @property
    def default(self) -> Any:
        """The value an absent field has, as far as the schema says; None when it does not."""
        ...


class TypeSchema(Protocol):
    """One struct."""

    @property
    def name(self) -> str: ...

    @property
    def fields(self) -> Mapping[str, FieldSchema]:
        """The fields by their names in JSON."""
        ...

    @property
    def map_type(self) -> str:
        """Server-side apply: `atomic` when the struct is owned as a whole."""
        ...


def field_of(type_: TypeSchema | None, name: str) -> FieldSchema | None:
    """What is known of a struct's field, if anything is."""
    return type_.fields.get(name) if type_ is not None else None
