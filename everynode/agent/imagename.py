"""The name of a container image: whether it can be read, and what is said of images by it.

Pure. A kubelet reads the name before it asks any registry. One that breaks the grammar (`fluentd:v2:6`, `Fluentd`, a space)
never becomes a pull: the container waits with `InvalidImageName`. One that is well written and exists nowhere is a failed
pull, and it is the container runtime that speaks of it, by the name in full: `nginx` is `docker.io/library/nginx:latest`.

The grammar is that of the library `distribution/reference`, which kubelet and containerd share.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from typing import NamedTuple

DEFAULT_DOMAIN, LEGACY_DOMAIN, OFFICIAL = "docker.io", "index.docker.io", "library/"
# Characters of a repository's path.
LONGEST_PATH = 255

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_WORD = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?(?P<path>{_WORD}(?:/{_WORD})*))(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
# Hexadecimal digits of each kind of digest that is known.
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}


class _Unreadable(ValueError):
    """The name breaks the grammar; the message says how, in the library's words."""


class ImageName(NamedTuple):
    """A name in full. `repository` begins with the registry's host; of `tag` and `digest` one may be empty, never both."""

    repository: str
    tag: str
    digest: str

    def __str__(self) -> str:
        return f"{self.repository}{':' if self.tag else ''}{self.tag}{'@' if self.digest else ''}{self.digest}"


def refusal(image: str) -> str:
    """What a kubelet says of a name that it cannot read; empty when it can."""
    try:
        _read(image)
    except _Unreadable as error:
        quoted = json.dumps(image, ensure_ascii=False)
        return f"Failed to apply default image tag {quoted}: couldn't parse image name {quoted}: {error}"
    return ""


@functools.lru_cache(maxsize=1024)
def missing(image: str) -> str:
    """What containerd says of an image, by a name that can be read, that its registry does not have."""
    full = _read(image)
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": '
        f'failed to resolve reference "{full}": {full}: not found'
    )


@functools.lru_cache(maxsize=1024)
def identity(image: str) -> str:
    """The `imageID` of an image by a name that can be read: its own digest, or one as its registry would have given it."""
    full = _read(image)
    return f"{full.repository}@{full.digest or 'sha256:' + hashlib.sha256(str(full).encode()).hexdigest()}"


def _read(image: str) -> ImageName:
    """The name in full. Raises `_Unreadable`."""
    if _IDENTIFIER.fullmatch(image):
        raise _Unreadable(f"invalid repository name ({image}), cannot specify 64-byte hexadecimal strings")
    domain, rest = _split_domain(image)
    path = rest.partition(":")[0]
    if path.lower() != path:
        raise _Unreadable(f"invalid reference format: repository name ({path}) must be lowercase")
    found = _REFERENCE.fullmatch(f"{domain}/{rest}")
    if found is None:
        lowered = _REFERENCE.fullmatch(f"{domain}/{rest}".lower())
        raise _Unreadable("repository name must be lowercase" if lowered else "invalid reference format")
    name, tag, digest = found["name"], found["tag"] or "", found["digest"] or ""
    if len(found["path"]) > LONGEST_PATH:
        raise _Unreadable(f"repository name must not be more than {LONGEST_PATH} characters")
    if digest:
        _check_digest(digest)
    return ImageName(name, tag or ("" if digest else "latest"), digest)


def _split_domain(image: str) -> tuple[str, str]:
    """The registry's host, docker.io unless the first part of the name can only be a host, and the rest."""
    first, slash, rest = image.partition("/")
    if not slash:
        return DEFAULT_DOMAIN, OFFICIAL + image
    if first == LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    elif first == "localhost" or "." in first or ":" in first or first.lower() != first:
        domain = first
    else:
        domain, rest = DEFAULT_DOMAIN, image
    if domain == DEFAULT_DOMAIN and "/" not in rest:
        rest = OFFICIAL + rest
    return domain, rest


def _check_digest(digest: str) -> None:
    algorithm, _, encoded = digest.partition(":")
    digits = _DIGITS.get(algorithm)
    if digits is None:
        known = re.fullmatch(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*", algorithm)
        raise _Unreadable("unsupported digest algorithm" if known else "invalid checksum digest format")
    if len(encoded) != digits:
        raise _Unreadable("invalid checksum digest length")
    if encoded.lower() != encoded:
        raise _Unreadable("invalid checksum digest format")
