"""The certificates of one cluster: a CA of its own, the server's certificate, and an administrator's.

They live in `DIR/pki/` and outlast restarts, so a kubeconfig written once stays valid. What is missing, near its end or
lacks a name the server now answers to is issued anew; a new CA brings new certificates for all. `issued.json` beside them
tells names and ends, so that an ordinary start reads a few lines and needs no cryptography at all.

Keys are ECDSA P-256; private files are written with mode 0600, whole or not at all.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, Name

DAY = 86_400.0
CA_SECONDS = 3650 * DAY
LEAF_SECONDS = 365 * DAY
# Issued anew when less than this is left: longer than anybody lets a control plane run between restarts would be better
# still, but an administrator's kubeconfig should not live for ever.
RENEW_SECONDS = 90 * DAY
# Certificates begin a little in the past, for clients whose clock is behind.
BACKDATE_SECONDS = 300.0

ADMIN_NAME = "everynode-admin"
ADMIN_GROUP = "system:masters"
# The names kube-apiserver answers to inside a cluster, and this machine's own.
SERVER_NAMES = (
    "localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "10.96.0.1",
)


class _Issued(msgspec.Struct):
    """One certificate as `issued.json` tells of it: when it ends (Unix seconds) and the names it is good for."""

    ends: float
    names: list[str] = []


@dataclass(frozen=True, slots=True)
class Pki:
    """Where one cluster's certificates and keys are (PEM files)."""

    directory: Path

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    def certificate(self, who: str) -> Path:
        return self.directory / f"{who}.crt"

    def key(self, who: str) -> Path:
        return self.directory / f"{who}.key"


def ensure(directory: Path, names: Iterable[str], now: float) -> Pki:
    """The certificates under `directory`, made or renewed as needed; the server's is good for `names` as well."""
    pki = Pki(directory)
    wanted = sorted({*SERVER_NAMES, *(name for name in names if name)})
    issued = _read_issued(pki)
    ca = issued.get("ca")
    if ca is None or _is_due(ca, CA_SECONDS, now):
        issued = {}
    server = issued.get("server")
    if server is not None and not set(wanted) <= set(server.names):
        del issued["server"]
    due = [who for who in ("server", "admin") if who not in issued or _is_due(issued[who], LEAF_SECONDS, now)]
    if "ca" not in issued:
        due.insert(0, "ca")
    if due:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        issued |= _issue(pki, due, wanted, now)
        write_file(directory / "issued.json", msgspec.json.encode(issued))
    return pki


def _is_due(issued: _Issued, lifetime: float, now: float) -> bool:
    """Whether it is near its end, or has not begun: it was issued by a clock that was ahead and has been set back since."""
    return not RENEW_SECONDS <= issued.ends - now <= lifetime + BACKDATE_SECONDS


def _read_issued(pki: Pki) -> dict[str, _Issued]:
    """What was issued before and is still whole; nothing when the notes or a file are missing or unreadable."""
    try:
        issued = msgspec.json.decode((pki.directory / "issued.json").read_bytes(), type=dict[str, _Issued])
    except (OSError, msgspec.MsgspecError):
        return {}
    return {who: each for who, each in issued.items() if pki.certificate(who).exists() and pki.key(who).exists()}


def _issue(pki: Pki, due: Sequence[str], server_names: list[str], now: float) -> dict[str, _Issued]:
    """Makes the certificates that are due, in order: the CA comes first and signs the others."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    issued: dict[str, _Issued] = {}
    if "ca" in due:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "everynode-ca")])
        _save(pki, "ca", key, _certificate(name, key, (name, key), now, CA_SECONDS))
        issued["ca"] = _Issued(now + CA_SECONDS)
    ca_key = serialization.load_pem_private_key(pki.key("ca").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    signer = (x509.load_pem_x509_certificate(pki.ca.read_bytes()).subject, ca_key)
    subjects = {
        "server": x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "everynode")]),
        "admin": x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, ADMIN_GROUP),
                x509.NameAttribute(NameOID.COMMON_NAME, ADMIN_NAME),
            ]
        ),
    }
    for who, subject in subjects.items():
        if who in due:
            key = ec.generate_private_key(ec.SECP256R1())
            names = server_names if who == "server" else []
            _save(pki, who, key, _certificate(subject, key, signer, now, LEAF_SECONDS, names))
            issued[who] = _Issued(now + LEAF_SECONDS, names)
    return issued


def _certificate(
    subject: Name,
    key: EllipticCurvePrivateKey,
    signer: tuple[Name, EllipticCurvePrivateKey],
    now: float,
    seconds: float,
    names: Sequence[str] = (),
) -> Certificate:
    """One certificate. Self-signed: a CA; with names: a server's; otherwise a client's."""
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer, signing_key = signer
    authority = signing_key is key
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(now - BACKDATE_SECONDS, UTC))
        .not_valid_after(datetime.fromtimestamp(now + seconds, UTC))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if not authority:
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_san(name) for name in names]), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _san(name: str) -> x509.GeneralName:
    """An IP address as an address, anything else as a DNS name."""
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _save(pki: Pki, who: str, key: EllipticCurvePrivateKey, certificate: Certificate) -> None:
    from cryptography.hazmat.primitives import serialization

    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_file(pki.key(who), private)
    write_file(pki.certificate(who), certificate.public_bytes(pem), mode=0o644)


def write_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replaces a file at once; nobody sees half of it, or a private one with a wider mode."""
    scratch = path.with_name(f"{path.name}.new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    scratch.chmod(mode)
    scratch.replace(path)
