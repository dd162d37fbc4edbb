"""Quotas and limits in a person's hands: how kubectl makes and shows them, and a DaemonSet that runs into one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.running import Kubectl
from tests.walkthrough.waiting import eventually

TEAM = ("-n", "team")

LIMITS = """
apiVersion: v1
kind: LimitRange
metadata:
  name: bounds
spec:
  limits:
  - type: Container
    max: {cpu: "1"}
    default: {cpu: 500m}
    defaultRequest: {cpu: 100m}
"""

AGENT = """
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: agent
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers:
      - name: agent
        image: registry.example/agent:v1
"""


@pytest.fixture
def team(kubectl: Kubectl) -> Iterator[Kubectl]:
    """kubectl with a namespace of its own."""
    kubectl("create", "namespace", "team")
    yield kubectl
    kubectl("delete", "namespace", "team", "--wait")


def used(kubectl: Kubectl, name: str) -> dict[str, str]:
    status: dict[str, dict[str, str]] = json.loads(kubectl("get", "quota", name, *TEAM, "-o", "json"))["status"]
    return status.get("used", {})


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_daemon_set_fills_its_quota_and_goes_on_when_it_is_raised(team: Kubectl) -> None:
    created = team(
        "create", "quota", "some", *TEAM, "--hard=pods=3,requests.cpu=1,limits.cpu=4,count/daemonsets.apps=1"
    )
    assert created == "resourcequota/some created\n"
    team("apply", *TEAM, "-f", "-", stdin=LIMITS)
    team("apply", *TEAM, "-f", "-", stdin=AGENT)
    full = {"pods": "3", "requests.cpu": "300m", "limits.cpu": "1500m", "count/daemonsets.apps": "1"}
    eventually(lambda: used(team, "some"), lambda seen: seen == full)

    header, row = team("get", "quota", *TEAM).splitlines()
    assert header.split() == ["NAME", "REQUEST", "LIMIT", "AGE"]
    assert cells(row)[:3] == [
        "some",
        "count/daemonsets.apps: 1/1, pods: 3/3, requests.cpu: 300m/1",
        "limits.cpu: 1500m/4",
    ]
    assert team("get", "limits", *TEAM).split()[:4] == ["NAME", "CREATED", "AT", "bounds"]
    assert team("get", "ds", "agent", *TEAM, "--no-headers").split()[:3] == ["agent", "5", "3"]
    why = "is forbidden: exceeded quota: some, requested: pods=1, used: pods=3, limited: pods=3"
    told = eventually(lambda: team("describe", "ds", "agent", *TEAM), lambda seen: why in seen)
    assert "FailedCreate" in told
    assert why in team.refused("run", "one-more", *TEAM, "--image=x")
    second = AGENT.replace("name: agent\nspec", "name: second\nspec")
    short = "requested: count/daemonsets.apps=1, used: count/daemonsets.apps=1, limited: count/daemonsets.apps=1"
    assert short in team.refused("create", *TEAM, "-f", "-", stdin=second)

    team("patch", "quota", "some", *TEAM, "-p", '{"spec":{"hard":{"pods":"5"}}}')
    team("rollout", "status", "ds/agent", *TEAM, "--timeout=20s")
    eventually(lambda: used(team, "some")["pods"], lambda seen: seen == "5")
    team("set", "image", "ds/agent", *TEAM, "agent=registry.example/agent:v2")
    team("rollout", "status", "ds/agent", *TEAM, "--timeout=20s")
    team("delete", "ds", "agent", *TEAM)
    eventually(lambda: used(team, "some")["pods"], lambda seen: seen == "0")


def test_describe_tells_what_is_used_and_what_is_bounded(team: Kubectl) -> None:
    team("create", "quota", "best", *TEAM, "--hard=pods=2", "--scopes=BestEffort")
    team("create", "quota", "objects", *TEAM, "--hard=configmaps=3,secrets=1")
    team("apply", *TEAM, "-f", "-", stdin=LIMITS)
    team("create", "configmap", "words", *TEAM)
    # Every namespace has one ConfigMap of its own: kube-root-ca.crt.
    eventually(lambda: used(team, "objects"), lambda seen: seen == {"configmaps": "2", "secrets": "0"})
    eventually(lambda: used(team, "best"), lambda seen: seen == {"pods": "0"})

    lines = [cells(line) for line in team("describe", "quota", "objects", *TEAM).splitlines()]
    assert ["configmaps", "2", "3"] in lines
    assert ["secrets", "0", "1"] in lines
    best = team("describe", "quota", "best", *TEAM)
    assert ["Scopes:", "BestEffort"] in [cells(line) for line in best.splitlines()]
    assert "* Matches all pods that do not have resource requirements set." in best
    limits = [cells(line) for line in team("describe", "limits", "bounds", *TEAM).splitlines()]
    assert ["Container", "cpu", "-", "1", "100m", "500m", "-"] in limits
    namespace = team("describe", "ns", "team")
    assert "Resource Quotas" in namespace
    assert "Resource Limits" in namespace


def test_what_makes_no_sense_is_refused(team: Kubectl) -> None:
    wanted = ("create", "quota", "q", *TEAM)
    assert "unsupported scope" in team.refused(*wanted, "--hard=pods=1", "--scopes=Sometimes")
    assert "must be a standard resource for quota" in team.refused(*wanted, "--hard=storage=1")
    team("apply", *TEAM, "-f", "-", stdin=LIMITS)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big"}}
    container = {"name": "c", "image": "x", "resources": {"limits": {"cpu": "2"}}}
    refused = team.refused("create", *TEAM, "-f", "-", stdin=json.dumps({**pod, "spec": {"containers": [container]}}))
    assert 'pods "big" is forbidden: maximum cpu usage per Container is 1, but limit is 2' in refused
