"""Certificates: made once, kept, renewed when due, and believed by the listener."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path

import yaml

from everynode.apiserver.listener import Listener, tls_context
from everynode.assemble import kubeconfig, pki
from everynode.assemble.pki import Pki
from everynode.wire.message import Peer, Request, Response

NOW = time.time()


def contents(made: Pki) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(made.directory.iterdir())}


def test_certificates_outlast_a_restart(tmp_path: Path) -> None:
    first = contents(pki.ensure(tmp_path, (), NOW))
    assert contents(pki.ensure(tmp_path, (), NOW + 86_400)) == first


def test_what_is_near_its_end_is_renewed_under_the_same_ca(tmp_path: Path) -> None:
    first = contents(pki.ensure(tmp_path, (), NOW))
    later = contents(pki.ensure(tmp_path, (), NOW + 300 * 86_400))
    changed = {name for name in first if first[name] != later[name]}
    assert changed == {"server.crt", "server.key", "admin.crt", "admin.key", "issued.json"}


def test_a_new_ca_renews_all(tmp_path: Path) -> None:
    first = contents(pki.ensure(tmp_path, (), NOW))
    later = contents(pki.ensure(tmp_path, (), NOW + 3600 * 86_400))
    assert not [name for name in first if first[name] == later[name]]


def test_a_new_name_or_a_lost_file_renews_what_lacks_it(tmp_path: Path) -> None:
    first = contents(pki.ensure(tmp_path, (), NOW))
    named = contents(pki.ensure(tmp_path, ("machine.example",), NOW))
    assert first["server.crt"] != named["server.crt"]
    assert first["admin.crt"] == named["admin.crt"]
    (tmp_path / "admin.key").unlink()
    mended = contents(pki.ensure(tmp_path, ("machine.example",), NOW))
    assert named["server.crt"] == mended["server.crt"]
    assert named["admin.crt"] != mended["admin.crt"]


def test_private_files_are_private(tmp_path: Path) -> None:
    made = pki.ensure(tmp_path / "pki", (), NOW)
    config = tmp_path / "kubeconfig"
    kubeconfig.write(config, "https://127.0.0.1:6443", made)
    for file in (config, made.key("ca"), made.key("server"), made.key("admin")):
        assert file.stat().st_mode & 0o777 == 0o600, file
    parsed = yaml.safe_load(config.read_text())
    assert parsed["current-context"] == "everynode"
    assert parsed["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"


async def whoami(context: ssl.SSLContext, port: int) -> bytes:
    """The answer to one request; nothing when the handshake or the connection was ended."""
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return await reader.read()
    except (ssl.SSLError, ConnectionError):
        return b""
    finally:
        writer.close()


async def test_the_listener_knows_its_own_clients_and_nobody_else(tmp_path: Path) -> None:
    peers: list[Peer | None] = []

    async def handle(request: Request) -> Response:
        peers.append(request.peer)
        return Response(200)

    ours, theirs = pki.ensure(tmp_path / "ours", (), NOW), pki.ensure(tmp_path / "theirs", (), NOW)
    listener = Listener(handle, tls_context(ours.certificate("server"), ours.key("server"), ours.ca))
    await listener.open("127.0.0.1", 0)
    try:
        admin = ssl.create_default_context(cafile=str(ours.ca))
        admin.load_cert_chain(ours.certificate("admin"), ours.key("admin"))
        nobody = ssl.create_default_context(cafile=str(ours.ca))
        stranger = ssl.create_default_context(cafile=str(ours.ca))
        stranger.load_cert_chain(theirs.certificate("admin"), theirs.key("admin"))
        assert b" 200 " in await whoami(admin, listener.port)
        assert b" 200 " in await whoami(nobody, listener.port)
        assert await whoami(stranger, listener.port) == b""
        assert b" 200 " in await whoami(admin, listener.port)
    finally:
        await listener.close(0.5)
    assert peers == [Peer("everynode-admin", ("system:masters",)), None, Peer("everynode-admin", ("system:masters",))]
