"""How structs look in messages.

Kubernetes validates a form of its own, whose fields are never left out and begin with a capital letter. Where a message
shows a whole struct, it shows that form.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

# Names that capitalising does not give.
_NAMES: Mapping[str, str] = MappingProxyType({"ip": "IP", "seLinuxOptions": "SELinuxOptions"})


def as_internal(value: Any) -> msgspec.Raw:
    """A struct, or a list of structs, as it is to be shown."""
    return msgspec.Raw(msgspec.json.encode(_tree(value)))


def _tree(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {_NAMES.get(name, name[0].upper() + name[1:]): _tree(getattr(value, field)) for name, field in names}
    if isinstance(value, list):
        return [_tree(entry) for entry in value] or None
    return value if value != {} else None
