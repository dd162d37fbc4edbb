"""A caller over HTTPS with the kubeconfig's certificate, for tests that need the code and revision of every single answer."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

MERGE = "application/merge-patch+json"
# What a request that a crash cuts off ends with.
CUT_OFF = (OSError, http.client.HTTPException, json.JSONDecodeError)


class Outside:
    """Speaks to one `everynode up`; each call is a connection of its own."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._place = urlsplit(cluster["server"])
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        pem = kubeconfig.with_name("outside.pem")
        pem.touch(mode=0o600)
        pem.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("key", "certificate")))
        self._tls.load_cert_chain(pem)

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._place.hostname, self._place.port, context=self._tls, timeout=20)

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        """The code and the body of the answer; raises one of CUT_OFF when there is none."""
        connection = self._connect()
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def must(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """The body of an answer that has to be a success."""
        code, answer = self.call(method, path, body, kind)
        assert code < 300, answer
        return answer

    def watch(self, path: str, revision: str) -> Iterator[tuple[str, Any]]:
        """The events after a revision, until the server or its process ends."""
        connection = self._connect()
        try:
            connection.request("GET", f"{path}?watch=1&allowWatchBookmarks=true&resourceVersion={revision}")
            answer = connection.getresponse()
            while (line := answer.readline()).endswith(b"\n"):
                event = json.loads(line)
                yield event["type"], event["object"]
        except CUT_OFF:
            return
        finally:
            connection.close()
