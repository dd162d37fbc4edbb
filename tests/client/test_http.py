"""What only a socket can do wrong."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from everynode.api.scheme import PODS
from everynode.client import kubeconfig
from everynode.client.client import Client, ClientUnreachable
from everynode.client.http import HttpHandler
from everynode.client.kubeconfig import Connection, KubeconfigError
from everynode.wire.message import Response
from tests.client.far_end import CUT, Answering, Authority, pem


class Thing(msgspec.Struct):
    kind: str = ""


OK = Response(200, body=b'{"kind":"Pod"}')


async def got(connection: Connection) -> Thing:
    handler = HttpHandler(connection)
    try:
        return await Client(handler).get(PODS, "p", "ns", view=Thing)
    finally:
        await handler.close()


async def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with pytest.raises(ClientUnreachable) as raised:
            await got(Connection(f"https://127.0.0.1:{reserved.getsockname()[1]}"))
    assert raised.value.code == 503


async def test_a_server_that_another_ca_vouches_for_is_not_spoken_to(
    https: tuple[Answering, dict[str, Any]], tmp_path: Path
) -> None:
    far, config = https
    (tmp_path / "ca.pem").write_bytes(pem(Authority.new().certificate))
    (tmp_path / "config").write_text(json.dumps(config))
    with pytest.raises(ClientUnreachable):
        await got(kubeconfig.load(tmp_path / "config"))
    assert far.asked == []


async def test_a_token_is_shown(https: tuple[Answering, dict[str, Any]], tmp_path: Path) -> None:
    far, config = https
    far.answers = [OK]
    (tmp_path / "token").write_text("secret\n")
    config["users"][0]["user"] = {"tokenFile": "token"}
    (tmp_path / "config").write_text(json.dumps(config))
    await got(kubeconfig.load(tmp_path / "config"))
    assert far.last.headers["authorization"] == "Bearer secret"
    assert far.last.peer is None


async def test_a_watch_that_breaks_off_is_unreachable_and_half_a_line_is_not_seen(
    https: tuple[Answering, dict[str, Any]], tmp_path: Path
) -> None:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield b'{"type":"ADDED","object":{"kind":"Pod"}}\n{"type":"ADD'
        yield CUT

    far, config = https
    far.answers = [Response(200, stream=stream())]
    (tmp_path / "config").write_text(json.dumps(config))
    handler = HttpHandler(kubeconfig.load(tmp_path / "config"))
    seen: list[str] = []

    async def follow() -> None:
        async for change in Client(handler).watch(PODS, since="1", view=Thing):
            seen.append(change.object.kind)

    with pytest.raises(ClientUnreachable):
        await follow()
    assert seen in (["Pod"], [])
    await handler.close()


def write(tmp_path: Path, **changes: Any) -> Path:
    config: dict[str, Any] = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://h:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (tmp_path / "config").write_text(json.dumps({**config, **changes}))
    return tmp_path / "config"


def test_kubeconfig_gives_data_before_files_and_the_named_context(tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(b"from file")
    clusters = [
        {"name": "c", "cluster": {"server": "https://h:1", "certificate-authority": "ca"}},
        {
            "name": "d",
            "cluster": {
                "server": "https://d",
                "certificate-authority": "ca",
                "certificate-authority-data": base64.b64encode(b"from data").decode(),
            },
        },
    ]
    contexts = [
        {"name": "x", "context": {"cluster": "c", "user": "u"}},
        {"name": "y", "context": {"cluster": "d", "namespace": "n"}},
    ]
    path = write(tmp_path, clusters=clusters, contexts=contexts)
    assert kubeconfig.load(path) == Connection("https://h:1", ca=b"from file", token="t")
    assert kubeconfig.load(path, "y") == Connection("https://d", ca=b"from data", namespace="n")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"current-context": ""}, "current-context is not set"),
        ({"current-context": "z"}, 'there is no context "z"'),
        ({"users": []}, 'there is no user "u"'),
        ({"users": [{"name": "u", "user": {"exec": {"command": "aws"}}}]}, "exec is not supported"),
        ({"users": [{"name": "u", "user": {"client-key-data": "%%"}}]}, "client-key-data is not base64"),
        ({"users": [{"name": "u", "user": {"client-key": "missing"}}]}, "No such file"),
        ({"clusters": [{"name": "c", "cluster": {}}]}, "has no server"),
        ({"clusters": ["c"]}, "an entry of clusters is not a mapping"),
    ],
)
def test_kubeconfig_refuses_by_name(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(KubeconfigError, match=words):
        kubeconfig.load(write(tmp_path, **changes))


def test_kubeconfig_that_is_no_file_or_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="No such file"):
        kubeconfig.load(tmp_path / "none")
    (tmp_path / "bad").write_text("a: [")
    with pytest.raises(KubeconfigError, match="not YAML"):
        kubeconfig.load(tmp_path / "bad")
