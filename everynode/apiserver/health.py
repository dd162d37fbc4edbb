"""`/livez`, `/readyz` and `/healthz`: is this server alive, and may it be sent requests.

Bodies and parameters are kube-apiserver's: `ok`, or a line a check with `?verbose` and whenever one fails; `?exclude=CHECK`
leaves one out, and `/readyz/CHECK` asks for one alone. A store that takes no writes makes the server not ready. It is alive
all the same, since a restart mends no disk. Why a check failed is for those who say who they are.
"""

from __future__ import annotations

from everynode.apiserver.access import ANONYMOUS
from everynode.apiserver.call import User
from everynode.store.contract import Store
from everynode.wire.message import Request, Response

# The checks of each path.
_CHECKS = {"livez": ("ping",), "healthz": ("ping",), "readyz": ("ping", "store")}
_HEADERS = {
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def serve(request: Request, user: User, store: Store) -> Response | None:
    """The answer to a path that asks for health; None for any other."""
    root, _, name = request.path.strip("/").partition("/")
    checks = _CHECKS.get(root, ())
    if name in checks:
        why = _trouble(name, store)
        return _answer(200, "ok") if why is None else _answer(500, f"internal server error: {why}\n")
    return _all(request, user, store, root, checks) if checks and not name else None


def _all(request: Request, user: User, store: Store, root: str, checks: tuple[str, ...]) -> Response:
    excluded = request.query.get("exclude", [])
    lines, failed = [], False
    for name in checks:
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok\n")
        elif (why := _trouble(name, store)) is not None:
            failed = True
            lines.append(f"[-]{name} failed: {'reason withheld' if user is ANONYMOUS else why}\n")
        else:
            lines.append(f"[+]{name} ok\n")
    if unknown := sorted(set(excluded).difference(checks)):
        quoted = ",".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}\n")
    if failed:
        return _answer(500, f"{''.join(lines)}{root} check failed\n")
    return _answer(200, f"{''.join(lines)}{root} check passed\n" if "verbose" in request.query else "ok")


def _trouble(name: str, store: Store) -> str | None:
    """Why a check fails; None if it does not."""
    return str(store.full) if name == "store" and store.full is not None else None


def _answer(code: int, text: str) -> Response:
    return Response(code, dict(_HEADERS), text.encode())
