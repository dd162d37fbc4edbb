"""get and list: selectors, pages, snapshots, and what is refused."""

from __future__ import annotations

import asyncio
import json

import pytest

from everynode.apiserver.facets import facets
from everynode.store.journal import NoJournal
from everynode.store.local import LocalStore
from tests.apiserver.caller import Caller, config_map, manifest, pod


async def names(api: Caller, path: str, **query: str) -> list[str]:
    answer = await api.get(path, **query)
    assert answer.code == 200, answer.body
    return [item["metadata"]["name"] for item in answer.body["items"]]


async def test_get_shows_what_was_created_with_its_revision(api: Caller, core: str) -> None:
    made = await api.create(f"{core}/configmaps", config_map("a", k="v"))
    read = (await api.get(f"{core}/configmaps/a")).body
    assert read == made
    assert read["metadata"]["resourceVersion"] == str(api.store.revision)
    assert read["data"] == {"k": "v"}


async def test_what_is_not_there_is_named(api: Caller, core: str) -> None:
    answer = await api.get(f"{core}/pods/nobody")
    assert (answer.code, answer.body["reason"]) == (404, "NotFound")
    assert answer.body["message"] == 'pods "nobody" not found'
    assert answer.body["details"] == {"name": "nobody", "kind": "pods"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=web", ["a", "b"]),
        ("app=web,tier!=front", ["b"]),
        ("app in (web,db)", ["a", "b", "c"]),
        ("!tier", ["c"]),
        ("tier", ["a", "b"]),
        ("app notin (web)", ["c"]),
    ],
)
async def test_label_selectors(api: Caller, core: str, selector: str, expected: list[str]) -> None:
    await api.create(f"{core}/pods", pod("a", labels={"app": "web", "tier": "front"}))
    await api.create(f"{core}/pods", pod("b", labels={"app": "web", "tier": "back"}))
    await api.create(f"{core}/pods", pod("c", labels={"app": "db"}))
    assert await names(api, f"{core}/pods", labelSelector=selector) == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=b", ["b"]),
        ("metadata.name!=b", ["a", "c"]),
        ("spec.nodeName=n1", ["a"]),
        ("spec.nodeName=", ["c"]),
        ("spec.nodeName!=n1,status.phase=Pending", ["b", "c"]),
        ("spec.restartPolicy=Never", ["c"]),
        ("metadata.namespace=default", ["a", "b", "c"]),
    ],
)
async def test_field_selectors(api: Caller, core: str, selector: str, expected: list[str]) -> None:
    await api.create(f"{core}/pods", pod("a", nodeName="n1"))
    await api.create(f"{core}/pods", pod("b", nodeName="n2"))
    await api.create(f"{core}/pods", pod("c", restartPolicy="Never"))
    assert await names(api, "/api/v1/pods", fieldSelector=selector) == expected
    assert await names(api, f"{core}/pods", fieldSelector=selector) == expected


async def test_a_field_that_cannot_be_selected_by_is_named(api: Caller, core: str) -> None:
    answer = await api.get(f"{core}/pods", fieldSelector="spec.color=red")
    assert answer.code == 400
    assert answer.body["message"].endswith("field label not supported: spec.color")


@pytest.mark.parametrize("selector", ["a=b=c", "a in b", "!", "a in ()x", "=b"])
async def test_a_malformed_label_selector_is_refused(api: Caller, core: str, selector: str) -> None:
    answer = await api.get(f"{core}/pods", labelSelector=selector)
    assert (answer.code, answer.body["reason"]) == (400, "BadRequest")


async def test_pages_are_one_snapshot(api: Caller, core: str) -> None:
    for name in "abcde":
        await api.create(f"{core}/configmaps", config_map(name))
    first = (await api.get(f"{core}/configmaps", limit="2")).body
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 3
    await api.must("DELETE", f"{core}/configmaps/c")
    await api.create(f"{core}/configmaps", config_map("bb"))
    second = (await api.get(f"{core}/configmaps", limit="2", **{"continue": first["metadata"]["continue"]})).body
    assert [item["metadata"]["name"] for item in second["items"]] == ["c", "d"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    last = (await api.get(f"{core}/configmaps", limit="2", **{"continue": second["metadata"]["continue"]})).body
    assert [item["metadata"]["name"] for item in last["items"]] == ["e"]
    assert "continue" not in last["metadata"]


TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
PARTIAL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@pytest.mark.parametrize("accept", ["application/json", TABLE, PARTIAL])
async def test_a_long_list_leaves_in_portions_and_is_the_same(
    api: Caller, core: str, accept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        await api.create(f"{core}/configmaps", config_map(f"c{number:02}", k="x" * 400))
    whole = await api.get(f"{core}/configmaps", accept=accept)
    monkeypatch.setattr("everynode.apiserver.media.PORTION_BYTES", 1500)
    answer = await api.send("GET", f"{core}/configmaps", accept=accept)
    assert answer.stream is not None
    assert answer.ends
    portions = [portion async for portion in answer.stream]
    assert len(portions) > 3
    assert max(map(len, portions)) < 3000
    assert json.loads(b"".join(portions)) == whole.body


async def test_what_is_written_while_a_list_is_read_is_not_in_it(
    api: Caller, core: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither while it is gathered, with turns for others in between, nor while it is sent."""
    monkeypatch.setattr("everynode.apiserver.reading.PIECE", 2)
    monkeypatch.setattr("everynode.apiserver.media.PORTION_BYTES", 100)
    for number in range(9):
        await api.create(f"{core}/configmaps", config_map(f"c{number}"))
    before = (await api.send("GET", f"{core}/configmaps")).whole()

    async def disturb() -> None:
        await api.must("DELETE", f"{core}/configmaps/c8")
        await api.create(f"{core}/configmaps", config_map("c77"))

    expected = await before
    listing = asyncio.ensure_future(api.send("GET", f"{core}/configmaps"))
    await asyncio.sleep(0)
    assert not listing.done()
    await disturb()
    answer = await listing
    await api.must("DELETE", f"{core}/configmaps/c7")
    assert await answer.whole() == expected


async def test_a_list_whose_moment_is_forgotten_while_it_is_gathered_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("everynode.apiserver.reading.PIECE", 2)
    store = LocalStore(NoJournal(), facets, history_events=3)
    api = Caller(store)
    core = await api.namespace()
    for number in range(9):
        await api.create(f"{core}/configmaps", config_map(f"c{number}"))
    listing = asyncio.ensure_future(api.send("GET", f"{core}/configmaps"))
    await asyncio.sleep(0)
    assert not listing.done()
    await asyncio.gather(*(store.write(f"core/leases/x/{number}", b'{"metadata":{}}') for number in range(8)))
    answer = json.loads(await (await listing).whole())
    assert [item["metadata"]["name"] for item in answer["items"]] == [f"c{number}" for number in range(9)]
    assert answer["metadata"]["resourceVersion"] == str(store.revision)
    await store.close()


async def test_a_list_gives_others_their_turn(api: Caller, core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as it leaves in portions, also when its reader takes each at once."""
    monkeypatch.setattr("everynode.apiserver.media.PORTION_BYTES", 100)
    for number in range(20):
        await api.create(f"{core}/configmaps", config_map(f"c{number}"))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(other())
    await (await api.send("GET", f"{core}/configmaps")).whole()
    beside.cancel()
    assert turns >= 20


async def test_a_list_that_is_read_too_slowly_is_given_up(
    api: Caller, core: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everynode.apiserver.media.PORTION_BYTES", 100)
    monkeypatch.setattr("everynode.base.limits.LIST_SECONDS", -1.0)
    for number in range(5):
        await api.create(f"{core}/configmaps", config_map(f"c{number}"))
    answer = await api.send("GET", f"{core}/configmaps")
    assert answer.stream is not None
    await anext(answer.stream)
    with pytest.raises(TimeoutError):
        await anext(answer.stream)


async def test_pages_of_what_a_predicate_leaves(api: Caller, core: str) -> None:
    for name in "abcdef":
        await api.create(f"{core}/pods", pod(name, labels={"odd": str("abcdef".index(name) % 2)}))
    first = (await api.get(f"{core}/pods", limit="2", labelSelector="odd!=0")).body
    assert [item["metadata"]["name"] for item in first["items"]] == ["b", "d"]
    token = first["metadata"]["continue"]
    rest = (await api.get(f"{core}/pods", limit="2", labelSelector="odd!=0", **{"continue": token})).body
    assert [item["metadata"]["name"] for item in rest["items"]] == ["f"]
    assert "continue" not in rest["metadata"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"continue": "nonsense"}, 400),
        ({"limit": "-1"}, 400),
        ({"limit": "many"}, 400),
        ({"resourceVersion": "x"}, 400),
        ({"resourceVersionMatch": "Exact"}, 400),
        ({"resourceVersionMatch": "Sometimes", "resourceVersion": "1"}, 400),
        ({"resourceVersion": "999999"}, 504),
    ],
)
async def test_bad_list_parameters(api: Caller, core: str, query: dict[str, str], code: int) -> None:
    assert (await api.get(f"{core}/pods", **query)).code == code


async def test_exactly_an_older_revision(api: Caller, core: str) -> None:
    await api.create(f"{core}/configmaps", config_map("a"))
    then = str(api.store.revision)
    await api.create(f"{core}/configmaps", config_map("b"))
    query = {"resourceVersion": then, "resourceVersionMatch": "Exact"}
    assert await names(api, f"{core}/configmaps", **query) == ["a"]


async def test_partial_metadata_and_what_is_not_served(api: Caller, core: str) -> None:
    await api.create(f"{core}/configmaps", config_map("a", k="v"))
    partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    body = (await api.get(f"{core}/configmaps/a", accept=partial)).body
    assert body["kind"] == "PartialObjectMetadata"
    assert body["metadata"]["name"] == "a"
    assert "data" not in body
    answer = await api.get(f"{core}/configmaps/a", accept="application/cbor")
    assert (answer.code, answer.body["reason"]) == (406, "NotAcceptable")


async def test_cluster_scoped_kinds_have_no_namespace(api: Caller, core: str) -> None:
    await api.create("/api/v1/nodes", manifest("v1", "Node", "n1"))
    assert await names(api, "/api/v1/nodes", fieldSelector="metadata.name=n1") == ["n1"]
    assert (await api.get(f"{core}/nodes/n1")).code == 404
