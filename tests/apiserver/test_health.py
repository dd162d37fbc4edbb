"""What `/livez`, `/readyz` and `/healthz` say: kube-apiserver's bodies, and red when the store takes no writes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from everynode.api.scheme import CONFIG_MAPS
from everynode.apiserver.facets import facets
from everynode.apiserver.server import ApiServer
from everynode.base.clock import SystemClock
from everynode.base.ids import Ids
from everynode.store.journal import NoJournal
from everynode.store.local import LocalStore
from everynode.wire.message import Peer, Request, Response
from tests.store.filling import Filling, until_writable

MASTER = Peer("admin", ("system:masters",))


@pytest.fixture
def medium() -> Filling:
    return Filling(NoJournal())


@pytest.fixture
async def api(medium: Filling, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServer]:
    monkeypatch.setattr("everynode.store.local.ROOM_SECONDS", 0.001)
    store = LocalStore(medium, facets)
    yield ApiServer(store, clock=SystemClock(), ids=Ids())
    await store.close()


async def told(api: ApiServer, path: str, peer: Peer | None = None, **query: list[str]) -> tuple[int, str]:
    answer = await api(Request("GET", path, query, peer=peer))
    return answer.status, answer.body.decode()


async def create_namespace(api: ApiServer) -> Response:
    body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "a"}}
    headers = {"content-type": "application/json"}
    return await api(Request("POST", "/api/v1/namespaces", {}, headers, msgspec.json.encode(body), MASTER))


@pytest.mark.parametrize(
    ("path", "query", "body"),
    [
        ("/readyz", {}, "ok"),
        ("/livez", {}, "ok"),
        ("/healthz", {}, "ok"),
        ("/readyz", {"verbose": [""]}, "[+]ping ok\n[+]store ok\nreadyz check passed\n"),
        ("/livez", {"verbose": [""]}, "[+]ping ok\nlivez check passed\n"),
        (
            "/readyz",
            {"verbose": [""], "exclude": ["store", "etcd", "b"]},
            "[+]ping ok\n[+]store excluded: ok\n"
            'warn: some health checks cannot be excluded: no matches for "b","etcd"\nreadyz check passed\n',
        ),
        ("/readyz/store", {}, "ok"),
        ("/readyz/ping", {}, "ok"),
    ],
)
async def test_a_healthy_server(api: ApiServer, path: str, query: dict[str, list[str]], body: str) -> None:
    assert await told(api, path, MASTER, **query) == (200, body)


async def test_a_check_that_is_not_there_is_no_path(api: ApiServer) -> None:
    for path in ("/readyz/etcd", "/livez/store", "/readyz/store/more"):
        assert (await told(api, path, MASTER))[0] == 404
    assert (await told(api, "/readyz/store"))[0] == 401


async def test_a_full_disk_makes_it_not_ready_but_alive(api: ApiServer, medium: Filling) -> None:
    medium.full = True
    refused = await create_namespace(api)
    message = "the store takes no writes: the medium: no room; reads go on"
    answer = msgspec.json.decode(refused.body)
    assert (refused.status, answer["reason"], answer["message"]) == (503, "ServiceUnavailable", message)
    red = "[+]ping ok\n[-]store failed: {}\nreadyz check failed\n"
    assert await told(api, "/readyz") == (500, red.format("reason withheld"))
    assert await told(api, "/readyz", MASTER) == (500, red.format("the medium: no room"))
    assert await told(api, "/readyz/store", MASTER) == (500, "internal server error: the medium: no room\n")
    assert await told(api, "/readyz", exclude=["store"]) == (200, "ok")
    assert await told(api, "/livez") == await told(api, "/healthz") == (200, "ok")
    assert (await told(api, f"/api/v1/{CONFIG_MAPS.plural}", MASTER))[0] == 200
    medium.full = False
    await until_writable(api._store)
    assert await told(api, "/readyz") == (200, "ok")
    assert (await create_namespace(api)).status == 201
