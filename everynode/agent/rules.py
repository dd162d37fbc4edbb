"""What a simulation file may say, and which rule holds.

In: YAML text (`docs/simulation.md` explains it, `docs/simulation.schema.json` is its schema, made from the structs below).
Out: `Rules`, which answer two questions: how does this container of this pod on this node behave (`Script`), and how does
this node behave (`NodeScript`).

A file is a list of rules. Each has a `match` and any number of effects. For every effect the first rule counts that matches
and says something about it; what no rule speaks of happens at once and goes well. Pure: reading the file, and reading
it again when it changes, is the business of `rulebook`.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
import yaml

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Rules of one file; every new pod asks all of them.
MOST_RULES = 1_000
# Seconds in any field: a year, beyond which a number is a slip of the pen.
LONGEST = 31_536_000.0

Seconds = Annotated[float, msgspec.Meta(ge=0, le=LONGEST)]
Glob = Annotated[str, msgspec.Meta(min_length=1, description="A name; `*`, `?` and `[…]` stand for others.")]


class RulesError(ValueError):
    """The text is no simulation file; the message names the field and what is wrong with it."""


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True, kw_only=True):
    """What a rule is about. Everything that is given must hold; nothing given matches all."""

    image: Annotated[Glob | list[Glob] | None, msgspec.Meta(description="The container's image.")] = None
    container: Annotated[Glob | list[Glob] | None, msgspec.Meta(description="The container's name.")] = None
    namespace: Annotated[Glob | list[Glob] | None, msgspec.Meta(description="The pod's namespace.")] = None
    pod: Annotated[Glob | list[Glob] | None, msgspec.Meta(description="The pod's name.")] = None
    pod_labels: Annotated[
        dict[str, Glob], msgspec.Meta(description="Labels of the pod; each must be there with such a value.")
    ] = {}
    node: Annotated[Glob | list[Glob] | None, msgspec.Meta(description="The node's name.")] = None
    node_labels: Annotated[
        dict[str, Glob], msgspec.Meta(description="Labels of the node; each must be there with such a value.")
    ] = {}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True, kw_only=True):
    """One rule: what it is about, and what happens then."""

    match: Match = Match()
    pull_seconds: Annotated[Seconds | None, msgspec.Meta(description="Pulling the image takes so long.")] = None
    image_pull_back_off: Annotated[
        bool | None,
        msgspec.Meta(
            description="The image cannot be pulled: ErrImagePull and ImagePullBackOff in turn, tried again after"
            " 10 s, 20 s, … 5 min."
        ),
    ] = None
    start_seconds: Annotated[Seconds | None, msgspec.Meta(description="Starting the container takes so long.")] = None
    ready_seconds: Annotated[
        Seconds | None, msgspec.Meta(description="So long after its start the container becomes ready.")
    ] = None
    never_ready: Annotated[bool | None, msgspec.Meta(description="The container runs but is never ready.")] = None
    exit_after_seconds: Annotated[
        Seconds | None,
        msgspec.Meta(description="So long after its start the container exits, with exitCode or 0."),
    ] = None
    exit_code: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=255)] | None,
        msgspec.Meta(description="The container exits with this code, after exitAfterSeconds or at once."),
    ] = None
    crash_loop_back_off: Annotated[
        bool | None,
        msgspec.Meta(
            description="The container exits each time it was started (exitCode, else 1), so that it ends in"
            " CrashLoopBackOff: 10 s, 20 s, … 5 min between the tries."
        ),
    ] = None
    stop_seconds: Annotated[
        Seconds | None,
        msgspec.Meta(description="After SIGTERM the container takes so long to end; the grace period cuts it short."),
    ] = None
    silent: Annotated[
        bool | None,
        msgspec.Meta(description="The node neither heartbeats nor acts, as one that lost power or network."),
    ] = None
    clock_offset_seconds: Annotated[
        Annotated[float, msgspec.Meta(ge=-LONGEST, le=LONGEST)] | None,
        msgspec.Meta(description="The node's clock is so far ahead (behind, if negative)."),
    ] = None


class RulesFile(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True, kw_only=True
):
    """A simulation file. For every effect the first rule that matches and speaks of it counts."""

    rules: Annotated[list[Rule], msgspec.Meta(max_length=MOST_RULES)] = []


class Script(NamedTuple):
    """How one container behaves. Durations in seconds; `exit_after` None: it does not end by itself."""

    pull: float = 0.0
    unpullable: bool = False
    start: float = 0.0
    ready: float = 0.0
    never_ready: bool = False
    exit_after: float | None = None
    exit_code: int = 0
    stop: float = 0.0


class NodeScript(NamedTuple):
    """How one node behaves; `clock_offset` in seconds, positive when its clock is ahead."""

    silent: bool = False
    clock_offset: float = 0.0


WELL = Script()
SOUND = NodeScript()

_OF_NODES = ("silent", "clock_offset_seconds")
_OF_CONTAINERS = tuple(name for name in Rule.__struct_fields__ if name not in (*_OF_NODES, "match"))
_OF_PODS_ONLY = ("image", "container", "namespace", "pod", "pod_labels")


class Subject(NamedTuple):
    """What a container's rules are asked with."""

    image: str
    container: str
    namespace: str
    pod: str
    pod_labels: Mapping[str, str]


class Rules:
    """The rules of one file, compiled. Immutable; a changed file makes new Rules."""

    def __init__(self, file: RulesFile) -> None:
        self._for_containers = [
            _Compiled(rule) for rule in file.rules if any(getattr(rule, name) is not None for name in _OF_CONTAINERS)
        ]
        self._for_nodes = [
            _Compiled(rule) for rule in file.rules if any(getattr(rule, name) is not None for name in _OF_NODES)
        ]

    def script(self, subject: Subject, node: str, node_labels: Mapping[str, str]) -> Script:
        """How this container behaves on this node."""
        if not self._for_containers:
            return WELL
        found = _first_said(
            _OF_CONTAINERS,
            (one.rule for one in self._for_containers if one.is_of(subject) and one.is_on(node, node_labels)),
        )
        return _script(found) if found else WELL

    def node_script(self, node: str, labels: Mapping[str, str]) -> NodeScript:
        """How this node behaves."""
        if not self._for_nodes:
            return SOUND
        found = _first_said(_OF_NODES, (one.rule for one in self._for_nodes if one.is_on(node, labels)))
        return NodeScript(bool(found.get("silent")), float(found.get("clock_offset_seconds") or 0.0))


class _Compiled:
    """A rule with its globs made ready."""

    __slots__ = ("_labels", "_names", "_node", "_node_labels", "rule")

    def __init__(self, rule: Rule) -> None:
        match = rule.match
        self.rule = rule
        self._names = [
            (field, pattern)
            for field in ("image", "container", "namespace", "pod")
            if (pattern := _pattern(getattr(match, field))) is not None
        ]
        self._labels = _label_patterns(match.pod_labels)
        self._node = _pattern(match.node)
        self._node_labels = _label_patterns(match.node_labels)

    def is_of(self, subject: Subject) -> bool:
        return all(pattern.fullmatch(getattr(subject, field)) for field, pattern in self._names) and _labels_hold(
            self._labels, subject.pod_labels
        )

    def is_on(self, node: str, labels: Mapping[str, str]) -> bool:
        return (self._node is None or bool(self._node.fullmatch(node))) and _labels_hold(self._node_labels, labels)


def _pattern(globs: str | list[str] | None) -> re.Pattern[str] | None:
    if globs is None:
        return None
    return re.compile("|".join(fnmatch.translate(glob) for glob in ([globs] if isinstance(globs, str) else globs)))


def _label_patterns(labels: Mapping[str, str]) -> list[tuple[str, re.Pattern[str]]]:
    return [(key, re.compile(fnmatch.translate(glob))) for key, glob in labels.items()]


def _labels_hold(patterns: list[tuple[str, re.Pattern[str]]], labels: Mapping[str, str]) -> bool:
    return all((value := labels.get(key)) is not None and pattern.fullmatch(value) for key, pattern in patterns)


def _first_said(effects: Iterable[str], rules: Iterable[Rule]) -> dict[str, Any]:
    """For every effect what the first of the rules says that speaks of it."""
    found: dict[str, Any] = {}
    for rule in rules:
        for effect in effects:
            if effect not in found and (said := getattr(rule, effect)) is not None:
                found[effect] = said
    return found


def _script(said: Mapping[str, Any]) -> Script:
    crashes = bool(said.get("crash_loop_back_off"))
    exits = crashes or "exit_code" in said or "exit_after_seconds" in said
    return Script(
        pull=said.get("pull_seconds", 0.0),
        unpullable=said.get("image_pull_back_off", False),
        start=said.get("start_seconds", 0.0),
        ready=said.get("ready_seconds", 0.0),
        never_ready=said.get("never_ready", False),
        exit_after=said.get("exit_after_seconds", 0.0) if exits else None,
        exit_code=said.get("exit_code", 1 if crashes else 0),
        stop=said.get("stop_seconds", 0.0),
    )


NO_RULES = Rules(RulesFile())


def read(text: str) -> Rules:
    """The rules of a simulation file. Raises `RulesError` with the path of the field that is wrong."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RulesError(f"not YAML: {' '.join(str(error).split())}") from error
    return of({} if content is None else content)


def of(content: Any) -> Rules:
    """The same of what YAML has already been read into."""
    try:
        file = msgspec.convert(content, RulesFile)
    except msgspec.ValidationError as error:
        raise RulesError(_with_path_first(str(error))) from error
    for number, rule in enumerate(file.rules):
        _check_node_effects(number, rule)
    return Rules(file)


def _check_node_effects(number: int, rule: Rule) -> None:
    """A node falls silent whatever runs on it: such an effect beside a condition on pods is a misunderstanding."""
    said = [effect for effect in _OF_NODES if getattr(rule, effect) is not None]
    asked = [condition for condition in _OF_PODS_ONLY if getattr(rule.match, condition)]
    if said and asked:
        raise RulesError(
            f"rules[{number}].{_camel(said[0])}: is an effect on nodes and cannot depend on match.{_camel(asked[0])}"
        )


def _with_path_first(message: str) -> str:
    """msgspec's "Expected … - at `$.rules[0].x`" as "rules[0].x: Expected …"."""
    what, found, path = message.rpartition(" - at `$")
    return f"{path.rstrip('`').removeprefix('.')}: {what}" if found else f"the file: {message}"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a simulation file, as `docs/simulation.schema.json` holds it."""
    return {"$schema": SCHEMA_DIALECT, "title": "everynode simulation", **msgspec.json.schema(RulesFile)}
