"""Defaulting: a corpus of manifests with the form in which Kubernetes stores them, and the finer points one by one.

To add to the corpus, put a manifest into `golden/` beside the JSON that a Kubernetes API server of the same version gives
back for it (without what the server itself adds: uid, times, managed fields).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from everynode.api import defaults, scheme
from everynode.api.defaults.containers import pull_policy
from everynode.values.quantity import QuantityError
from tests.api.validated import DAEMON_SET, NODE, POD, Manifest, defaulted, edited

GOLDEN = Path(__file__).parent / "golden"
DIGEST = "sha256:" + "0" * 64


def stored(resource: scheme.Resource, manifest: Manifest) -> Any:
    return json.loads(msgspec.json.encode(defaulted(resource, manifest)))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_manifest_is_stored_as_kubernetes_stores_it(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text())
    resource = scheme.of_kind(manifest["apiVersion"], manifest["kind"])
    assert resource is not None
    assert stored(resource, manifest) == json.loads(path.with_suffix(".json").read_text())


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_defaulting_what_is_stored_changes_nothing(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text())
    resource = scheme.of_kind(manifest["apiVersion"], manifest["kind"])
    assert resource is not None
    obj = defaulted(resource, manifest)
    once = msgspec.json.encode(obj)
    defaults.apply(resource, obj)
    assert msgspec.json.encode(obj) == once


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry.example:5000/a/b", "Always"),
        ("registry.example:5000/a/b:2", "IfNotPresent"),
        (f"nginx@{DIGEST}", "IfNotPresent"),
        (f"nginx:latest@{DIGEST}", "Always"),
        (f"nginx:1@{DIGEST}", "IfNotPresent"),
        ("Registry/name", "Always"),
        ("NotAName", "IfNotPresent"),
        ("", "IfNotPresent"),
        ("a" * 100_000, "Always"),
        ("-" * 100_000, "IfNotPresent"),
    ],
    ids=lambda text: text[:30],
)
def test_images_that_may_change_under_their_name_are_always_pulled(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_only_pods_take_requests_from_limits_and_links_to_services() -> None:
    limits = {"limits": {"cpu": "1"}}
    pod = stored(scheme.PODS, edited(POD, {"spec.containers.0.resources": limits}))["spec"]
    template = stored(scheme.DAEMON_SETS, edited(DAEMON_SET, {"spec.template.spec.containers.0.resources": limits}))
    assert pod["containers"][0]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
    assert pod["enableServiceLinks"] is True
    spec = template["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"] == limits
    assert "enableServiceLinks" not in spec


@pytest.mark.parametrize(
    ("given", "spelt"),
    [("0.1", "100m"), (0.1, "100m"), (2, "2"), ("1024Mi", "1Gi"), ("0.0001", "1m"), ("1500u", "2m"), ("1e3", "1e3")],
)
def test_amounts_are_stored_in_their_canonical_spelling(given: str | float, spelt: str) -> None:
    node = stored(scheme.NODES, edited(NODE, {"status.capacity": {"cpu": given}}))
    assert node["status"]["capacity"] == {"cpu": spelt}
    assert node["status"]["allocatable"] == {"cpu": spelt}


def test_what_is_no_amount_cannot_be_read_at_all() -> None:
    with pytest.raises(QuantityError, match="quantities must match"):
        defaulted(scheme.PODS, edited(POD, {"spec.containers.0.resources": {"limits": {"cpu": "much"}}}))


def test_a_service_account_is_known_by_both_of_its_names_and_the_newer_wins() -> None:
    spec = stored(scheme.PODS, edited(POD, {"spec.serviceAccount": "old", "spec.serviceAccountName": "new"}))["spec"]
    assert (spec["serviceAccount"], spec["serviceAccountName"]) == ("new", "new")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"podIP": "10.0.0.1"}, ("10.0.0.1", ["10.0.0.1"])),
        ({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}, ("10.0.0.1", ["10.0.0.1", "fd00::1"])),
        ({"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.2"}]}, ("10.0.0.1", ["10.0.0.1"])),
    ],
)
def test_a_pods_address_is_the_first_of_its_addresses(status: Any, expected: tuple[str, list[str]]) -> None:
    after = stored(scheme.PODS, edited(POD, {"status": status}))["status"]
    assert (after["podIP"], [entry["ip"] for entry in after["podIPs"]]) == expected


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({}, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}),
        (
            {"rollingUpdate": {"maxUnavailable": "30%"}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "30%", "maxSurge": 0}},
        ),
        ({"type": "OnDelete"}, {"type": "OnDelete"}),
        ({"type": "Never"}, {"type": "Never"}),
    ],
)
def test_a_daemon_set_replaces_one_pod_at_a_time_unless_told_otherwise(strategy: Any, expected: Any) -> None:
    after = stored(scheme.DAEMON_SETS, edited(DAEMON_SET, {"spec.updateStrategy": strategy}))
    assert after["spec"]["updateStrategy"] == expected
    assert after["spec"]["revisionHistoryLimit"] == 10
