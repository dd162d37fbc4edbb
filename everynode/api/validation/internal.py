"""How structs look in messages.

Kubernetes validates a form of its own, whose fields are never left out and begin with a capital letter. Where a message
shows a whole struct, it shows that form.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

# Names that capitalising does not give.
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "dnsConfig": "DNSConfig",
        "dnsPolicy": "DNSPolicy",
        "grpc": "GRPC",
        "httpGet": "HTTPGet",
        "httpHeaders": "HTTPHeaders",
        "ip": "IP",
        "os": "OS",
        "seLinuxChangePolicy": "SELinuxChangePolicy",
        "seLinuxOptions": "SELinuxOptions",
        "serviceAccount": "DeprecatedServiceAccount",
        "tcpSocket": "TCPSocket",
        "tty": "TTY",
    }
)


def as_internal(value: Any) -> msgspec.Raw:
    """A struct, or a list of structs, as it is to be shown."""
    return msgspec.Raw(msgspec.json.encode(_tree(value)))


def difference(old: msgspec.Struct, new: msgspec.Struct) -> str:
    """A unified diff of the two, without file names."""
    before, after = (json.dumps(_tree(struct), indent=1).splitlines(keepends=True) for struct in (old, new))
    return "".join(list(difflib.unified_diff(before, after))[2:])


def _tree(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {_NAMES.get(name, name[0].upper() + name[1:]): _tree(getattr(value, field)) for name, field in names}
    if isinstance(value, list):
        return [_tree(entry) for entry in value] or None
    return value if value != {} else None
