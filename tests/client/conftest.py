"""One Handler reached by two roads, in this process and over HTTPS: every client test runs on both."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from everynode.client import kubeconfig
from everynode.client.client import Client
from everynode.client.http import HttpHandler
from everynode.wire.message import Peer
from tests.client.far_end import Answering, Authority, Reached, pem, site


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.new()


@pytest.fixture
async def https(authority: Authority, tmp_path: Path) -> AsyncIterator[tuple[Answering, dict[str, object]]]:
    """A Handler served over TLS, and the kubeconfig (as a mapping) that leads to it."""
    certificate, key = authority.sign("server")
    (tmp_path / "server.pem").write_bytes(certificate + key)
    (tmp_path / "ca.pem").write_bytes(pem(authority.certificate))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
    tls.load_cert_chain(tmp_path / "server.pem")
    tls.verify_mode = ssl.CERT_OPTIONAL
    far = Answering()
    runner = web.AppRunner(site(far))
    await runner.setup()
    port = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await port.start()
    client_certificate, client_key = authority.sign("jane", "people")
    host, number = runner.addresses[0][:2]
    config: dict[str, object] = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "mine"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": f"https://{host}:{number}", "certificate-authority": "ca.pem"},
            }
        ],
        "users": [
            {
                "name": "u",
                "user": {
                    "client-certificate-data": base64.b64encode(client_certificate).decode(),
                    "client-key-data": base64.b64encode(client_key).decode(),
                },
            }
        ],
    }
    yield far, config
    await runner.cleanup()


@pytest.fixture(params=["in process", "https"])
async def reached(
    request: pytest.FixtureRequest, https: tuple[Answering, dict[str, object]], tmp_path: Path
) -> AsyncIterator[Reached]:
    far, config = https
    if request.param == "in process":
        yield Reached(far, Client(far, peer=Peer("jane", ("people",)), user_agent="test/1"))
        return
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    handler = HttpHandler(kubeconfig.load(tmp_path / "kubeconfig"))
    yield Reached(far, Client(handler, user_agent="test/1"))
    await handler.close()
