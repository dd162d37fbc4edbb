"""The far end of a client: a Handler that answers what it is told, also over TLS with a CA of its own."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
from contextlib import aclosing
from dataclasses import dataclass, field

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from everynode.client.client import Client
from everynode.wire.message import Handler, Peer, Request, Response

# A chunk that makes the connection break off.
CUT = b"CUT"


@dataclass
class Answering:
    """A Handler that keeps the Requests it gets and gives the answers it was told, in order."""

    answers: list[Response] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        return self.answers.pop(0)

    @property
    def last(self) -> Request:
        return self.asked[-1]


@dataclass
class Authority:
    """A CA and what it signs."""

    key: ec.EllipticCurvePrivateKey
    name: x509.Name
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> Authority:
        key, name = ec.generate_private_key(ec.SECP256R1()), named("ca")
        certificate = build(name, name, key, key, x509.BasicConstraints(ca=True, path_length=None))
        return cls(key, name, certificate)

    def sign(self, common_name: str, organization: str = "") -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = build(named(common_name, organization), self.name, key, self.key, addresses)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return pem(certificate), private


def named(common_name: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def build(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(extension, critical=False)
        .sign(signer, hashes.SHA256())
    )


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def site(handler: Handler) -> web.Application:
    """Turns what arrives on a socket into Requests."""

    async def serve(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("peercert") or {}
        subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
        peer = Peer(subject["commonName"], (subject.get("organizationName", ""),)) if subject else None
        query = {key: request.query.getall(key) for key in request.query}
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = await handler(Request(request.method, request.path, query, headers, await request.read(), peer))
        if answer.stream is None:
            return web.Response(status=answer.status, body=answer.body)
        stream = web.StreamResponse(status=answer.status)
        await stream.prepare(request)
        async with aclosing(answer.stream) as chunks:
            async for chunk in chunks:
                if chunk == CUT:
                    request.transport.abort()
                    break
                # Split where no line ends, and apart, as a network may.
                await stream.write(chunk[:7])
                await asyncio.sleep(0.01)
                await stream.write(chunk[7:])
        return stream

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    return application


@dataclass
class Reached:
    """The far end, and a client of it."""

    far: Answering
    client: Client
