"""Names of images: which can be read, in full, and what is said of the others."""

from __future__ import annotations

import pytest

from everynode.agent.imagename import identity, missing, refusal

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("fluent/fluentd:v1", "docker.io/fluent/fluentd:v1"),
        ("quay.io/a/b_c/d--e:v1", "quay.io/a/b_c/d--e:v1"),
        ("localhost/x", "localhost/x:latest"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("HOST/x:1", "HOST/x:1"),
        (f"x@{DIGEST}", f"docker.io/library/x@{DIGEST}"),
        (f"x:1@{DIGEST}", f"docker.io/library/x:1@{DIGEST}"),
    ],
)
def test_a_name_in_full(image: str, full: str) -> None:
    assert refusal(image) == ""
    assert missing(image) == (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": '
        f'failed to resolve reference "{full}": {full}: not found'
    )


def test_an_identity_is_the_digest() -> None:
    assert identity(f"nginx:1@{DIGEST}") == f"docker.io/library/nginx@{DIGEST}"
    assert identity("nginx:1").startswith("docker.io/library/nginx@sha256:")
    assert identity("nginx:1") != identity("nginx:2")


# Checked against distribution/reference v0.6.0 with 60,000 names put together at random.
@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("fluentd:v2:6", "invalid reference format"),
        ("flu entd", "invalid reference format"),
        ("fluentd:", "invalid reference format"),
        ("quay.io//x", "invalid reference format"),
        ("https://quay.io/x", "invalid reference format"),
        ("x:" + "a" * 129, "invalid reference format"),
        ("x@sha256:abc", "invalid reference format"),
        ("quay.io/Fluentd:v1", "invalid reference format: repository name (Fluentd) must be lowercase"),
        ("Fluentd", "invalid reference format: repository name (library/Fluentd) must be lowercase"),
        ("a" * 64, f"invalid repository name ({'a' * 64}), cannot specify 64-byte hexadecimal strings"),
        ("x/" * 128 + "x", "repository name must not be more than 255 characters"),
        ("x@md5:" + "c" * 32, "unsupported digest algorithm"),
        ("x:1@SHA256:" + "a" * 64, "invalid checksum digest format"),
        ("x@sha256:" + "a" * 63, "invalid checksum digest length"),
        ("x@sha256:" + "A" * 64, "invalid checksum digest format"),
    ],
)
def test_a_name_that_cannot_be_read(image: str, why: str) -> None:
    assert refusal(image) == (
        f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {why}'
    )
