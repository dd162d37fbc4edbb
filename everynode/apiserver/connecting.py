"""What a pod's containers would answer (logs, exec, attach, port-forward, proxy): refused by name, since there are none.

Simulated nodes run no containers. A client hears why, in a sentence, instead of an empty answer.
"""

from __future__ import annotations

import msgspec

from everynode.api import scheme, status
from everynode.apiserver.call import Call
from everynode.store.contract import Store
from everynode.wire.message import Response

_NEED_CONTAINERS = {
    "log": "logs are",
    "exec": "exec is",
    "attach": "attach is",
    "portforward": "port-forward is",
    "proxy": "proxying is",
    "ephemeralcontainers": "ephemeral containers are",
    "resize": "resizing is",
}
_LATER = {"token": "tokens of service accounts are not served yet"}


class _Spec(msgspec.Struct, rename="camel"):
    node_name: str = ""


class _Pod(msgspec.Struct):
    spec: _Spec


async def refuse(store: Store, call: Call) -> Response:
    """Raises the error for a subresource that is not served; 404 for one that nobody knows."""
    target, resource = call.target, call.resource
    entry = await store.get(resource.key(target.namespace, target.name))
    if entry is None:
        raise status.not_found(resource, target.name)
    if target.subresource in _LATER:
        raise status.not_implemented(_LATER[target.subresource])
    if resource is not scheme.PODS or target.subresource not in _NEED_CONTAINERS:
        raise status.no_such_path()
    node = msgspec.json.decode(entry.value, type=_Pod).spec.node_name
    what = _NEED_CONTAINERS[target.subresource]
    where = f'node "{node}" is simulated and runs no containers' if node else "the pod is not on a node yet"
    raise status.not_implemented(f'{what} not available for pod "{target.name}": {where}')
