"""What a simulation file may say, which rule counts, and that the documents agree with the code."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from everynode.agent import rules
from everynode.agent.rulebook import RuleBook
from everynode.agent.rules import SOUND, WELL, NodeScript, RulesError, Script, Subject

DOCS = Path(__file__).parents[2] / "docs"
POD = Subject("quay.io/fluentd:v2", "fluentd", "kube-system", "fluentd-abcde", {"name": "fluentd"})
NODE = ("node-00001", {"zone": "a"})


def script(*given: dict[str, object], subject: Subject = POD) -> Script:
    return rules.of({"rules": list(given)}).script(subject, *NODE)


def test_without_rules_all_goes_well() -> None:
    assert rules.read("").script(POD, *NODE) == WELL
    assert rules.read("rules: []").node_script(*NODE) == SOUND


def test_for_every_effect_the_first_rule_that_speaks_of_it_counts() -> None:
    found = script({"pullSeconds": 1}, {"pullSeconds": 2, "readySeconds": 3}, {"readySeconds": 4})
    assert found == Script(pull=1, ready=3)


@pytest.mark.parametrize(
    "match",
    [
        {"image": "quay.io/*"},
        {"image": ["nginx", "*:v2"]},
        {"container": "fluentd"},
        {"namespace": "kube-*"},
        {"pod": "fluentd-?????"},
        {"podLabels": {"name": "flu*"}},
        {"node": "node-0000[01]"},
        {"nodeLabels": {"zone": "a"}},
        {"image": "*", "podLabels": {"name": "fluentd"}, "node": "node-00001"},
    ],
)
def test_a_match_holds(match: dict[str, object]) -> None:
    assert script({"match": match, "neverReady": True}).never_ready


@pytest.mark.parametrize(
    "match",
    [
        {"image": "quay.io"},
        {"container": "Fluentd"},
        {"namespace": "default"},
        {"podLabels": {"app": "*"}},
        {"podLabels": {"name": "other"}},
        {"node": ["node-00002", "node-00003"]},
        {"nodeLabels": {"zone": "b"}},
        {"image": "*", "node": "node-00002"},
    ],
)
def test_a_match_does_not_hold(match: dict[str, object]) -> None:
    assert not script({"match": match, "neverReady": True}).never_ready


def test_exits() -> None:
    assert script({"crashLoopBackOff": True}) == Script(exit_after=0.0, exit_code=1)
    assert script({"crashLoopBackOff": True, "exitCode": 3, "exitAfterSeconds": 5}) == Script(exit_after=5, exit_code=3)
    assert script({"exitAfterSeconds": 5}) == Script(exit_after=5, exit_code=0)
    assert script({"exitCode": 2}) == Script(exit_after=0, exit_code=2)
    assert script({"crashLoopBackOff": False}) == WELL


def test_nodes() -> None:
    found = rules.of({"rules": [{"match": {"nodeLabels": {"zone": "a"}}, "silent": True}, {"clockOffsetSeconds": -30}]})
    assert found.node_script(*NODE) == NodeScript(silent=True, clock_offset=-30)
    assert found.node_script("node-00002", {}) == NodeScript(silent=False, clock_offset=-30)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("rules:\n- pullSeconds: soon", "rules[0].pullSeconds: "),
        ("rules:\n- pullSeconds: -1", "rules[0].pullSeconds: "),
        ("rules:\n- pullSeconds: .nan", "rules[0].pullSeconds: "),
        ("rules:\n- pullSeconds: .inf", "rules[0].pullSeconds: "),
        ("rules:\n- {}\n- exitCode: 256", "rules[1].exitCode: "),
        ("rules:\n- pulSeconds: 1", "rules[0]: "),
        ("rules:\n- match: {image: 3}", "rules[0].match.image: "),
        ("rules: 3", "rules: "),
        ("- 1", "the file: "),
        ("rules:\n- {match: {podLabels: {a: b}}, silent: true}", "rules[0].silent: "),
        ("rules: [", "not YAML: "),
    ],
)
def test_what_is_wrong_is_named(text: str, path: str) -> None:
    with pytest.raises(RulesError) as error:
        rules.read(text)
    assert str(error.value).startswith(path)


def test_the_schema_in_the_documents_is_that_of_the_code() -> None:
    assert json.loads((DOCS / "simulation.schema.json").read_text()) == rules.schema()


@pytest.mark.parametrize("path", sorted((DOCS / "examples").glob("simulation-*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_good(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), rules.schema())
    rules.read(path.read_text())


def test_the_schema_refuses_what_the_code_refuses() -> None:
    for text in ("rules: [{pullSeconds: soon}]", "rules: [{pulSeconds: 1}]", "rules: [{exitCode: 256}]"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(yaml.safe_load(text), rules.schema())


def test_a_changed_file_is_read_again_and_a_broken_one_leaves_the_rules(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "simulation.yaml"
    path.write_text("rules: [{pullSeconds: 1}]")
    book, told = RuleBook.open(path), []
    book.changed = lambda: told.append(book.current.script(POD, *NODE).pull)

    book.look()
    assert told == []
    path.write_text("rules: [{pullSeconds: 2.5}]")
    book.look()
    assert told == [2.5]

    path.write_text("rules: [{pullSeconds: never}]")
    book.look()
    assert book.current.script(POD, *NODE).pull == 2.5
    assert "rules[0].pullSeconds" in caplog.text
    path.unlink()
    book.look()
    assert book.current.script(POD, *NODE).pull == 2.5

    path.write_text("rules: []")
    book.look()
    assert told == [2.5, 0]


def test_a_file_that_is_wrong_at_the_start_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"absent\.yaml: No such file"):
        RuleBook.open(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("rules: [{exitCode: x}]")
    with pytest.raises(RulesError, match=r"bad.yaml: rules\[0\].exitCode: Expected"):
        RuleBook.open(tmp_path / "bad.yaml")
