"""What the agent reads of a pod, and what it keeps of one.

`PodView` is what the agent's watch decodes. A `Pod` is the agent's own record: small, for a process keeps one for each pod of
a hundred thousand nodes; what the pods of one template have in common (`Template`) they share.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from everynode.agent import imagename
from everynode.api.core_v1 import ContainerState, ContainerStateTerminated, PodCondition, PodReadinessGate
from everynode.api.views import SHARED, Identity, View
from everynode.fit.ports import HostPort, host_ports_of
from everynode.fit.resources import requests_of
from everynode.fit.views import Affinity, ContainerPort, Quantity, Resources, Toleration
from everynode.values.timestamps import parse

# Templates kept for sharing; beyond it all are forgotten and those in use are met again.
MOST_TEMPLATES = 4_096


class PodMeta(Identity):
    generation: int = 0
    labels: dict[str, str] = {}
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    finalizers: tuple[str, ...] = ()


class ContainerSpec(View):
    name: str = ""
    image: str = ""
    resources: Resources = msgspec.field(default_factory=Resources)
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str | None = None


class PodSpec(View):
    node_name: str = ""
    node_selector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    containers: tuple[ContainerSpec, ...] = ()
    init_containers: tuple[ContainerSpec, ...] = ()
    overhead: dict[str, Quantity] = {}
    resources: Resources | None = None
    host_network: bool = False
    restart_policy: str = "Always"
    readiness_gates: tuple[PodReadinessGate, ...] = ()


class SeenContainer(View):
    name: str = ""
    state: ContainerState = msgspec.field(default_factory=ContainerState)
    last_state: ContainerState = msgspec.field(default_factory=ContainerState)
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0


class SeenStatus(View):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[PodCondition, ...] = ()
    pod_ip: str = msgspec.field(default="", name="podIP")
    start_time: str | None = None
    init_container_statuses: tuple[SeenContainer, ...] = ()
    container_statuses: tuple[SeenContainer, ...] = ()


class PodView(View):
    """The part of a pod that an agent reads."""

    metadata: PodMeta = msgspec.field(default_factory=PodMeta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: SeenStatus = msgspec.field(default_factory=SeenStatus)

    def strip(self, bare: PodSpec) -> None:
        """Lets go of all that the agent's own record has now; an informer keeps a view of every pod for ever."""
        self.metadata.labels, self.metadata.finalizers = NOTHING, ()
        self.spec, self.status = bare, _NO_STATUS


NOTHING: dict[str, Any] = {}
_NO_STATUS = SeenStatus()


@functools.lru_cache(maxsize=SHARED)
def _conditions(facts: tuple[tuple[Any, ...], ...]) -> tuple[PodCondition, ...]:
    names = PodCondition.__struct_fields__
    return tuple(PodCondition(**dict(zip(names, each, strict=True))) for each in facts)


def shared_conditions(conditions: Iterable[PodCondition]) -> tuple[PodCondition, ...]:
    """The same conditions; pods that become ready in the same second share them."""
    return _conditions(tuple(msgspec.structs.astuple(each) for each in conditions))


class Role(enum.Enum):
    """What a container is to its pod."""

    INIT = "runs to its end before the next one starts"
    SIDECAR = "starts in its turn among the init containers and keeps running"
    MAIN = "what the pod is for"


class ContainerFacts(NamedTuple):
    name: str
    image: str
    role: Role
    misnamed: str  # why the image's name cannot be read, empty when it can


class Template(NamedTuple):
    """What pods made from one template have in common."""

    containers: tuple[ContainerFacts, ...]
    labels: Mapping[str, str]
    restart_policy: str
    host_network: bool
    readiness_gates: tuple[str, ...]
    requests: Mapping[str, int]
    ports: tuple[HostPort, ...]


class Templates:
    """Finds the one Template that equal pods share."""

    def __init__(self) -> None:
        self._known: dict[bytes, Template] = {}
        self._encode = msgspec.json.Encoder().encode

    def of(self, view: PodView) -> Template:
        spec = view.spec
        key = self._encode(
            (
                view.metadata.labels,
                spec.init_containers,
                spec.containers,
                spec.restart_policy,
                spec.host_network,
                spec.readiness_gates,
                spec.overhead,
                spec.resources,
            )
        )
        template = self._known.get(key)
        if template is None:
            if len(self._known) >= MOST_TEMPLATES:
                self._known.clear()
            template = self._known[key] = _template(view)
        return template


def _template(view: PodView) -> Template:
    spec = view.spec
    initial = [
        _facts(one, Role.SIDECAR if one.restart_policy == "Always" else Role.INIT) for one in spec.init_containers
    ]
    main = [_facts(one, Role.MAIN) for one in spec.containers]
    return Template(
        containers=(*initial, *main),
        labels=view.metadata.labels,
        restart_policy=spec.restart_policy,
        host_network=spec.host_network,
        readiness_gates=tuple(gate.condition_type for gate in spec.readiness_gates),
        requests=requests_of(spec),
        ports=tuple(host_ports_of(spec)),
    )


def _facts(container: ContainerSpec, role: Role) -> ContainerFacts:
    return ContainerFacts(container.name, container.image, role, imagename.refusal(container.image))


class Stage(enum.Enum):
    """Where a container stands."""

    WAITING = "its turn has not come"
    MISNAMED = "its image's name cannot be read, and it waits for another (InvalidImageName)"
    PULLING = "its image is being pulled"
    PULL_FAILED = "the pull has just failed (ErrImagePull)"
    PULL_BACK_OFF = "waits before the next pull (ImagePullBackOff)"
    STARTING = "is being created and started"
    RUNNING = "runs and is not ready"
    READY = "runs and is ready"
    EXITED = "has just exited and will be started again (Error or Completed)"
    CRASHED = "has exited and waits before the next start (CrashLoopBackOff)"
    DONE = "has exited for good"


class Container(msgspec.Struct, gc=False, eq=False):
    """One container's state. Times are Unix seconds by the true clock."""

    facts: ContainerFacts
    since: float
    stage: Stage = Stage.WAITING
    started_at: float = 0.0
    retry_at: float = 0.0
    restarts: int = 0
    failed_pulls: int = 0
    # Exits in a row that the back-off counts; a long good run sets it back.
    crashes: int = 0
    # How the run before this one ended, or this one if it has; and the run before that.
    last: Exit | None = None
    before_last: Exit | None = None

    @property
    def runs(self) -> bool:
        return self.stage is Stage.RUNNING or self.stage is Stage.READY

    @property
    def passed(self) -> bool:
        """Whether the init container after this one, or the main containers, may start."""
        if self.facts.role is Role.INIT:
            return self.stage is Stage.DONE and self.last is not None and self.last.code == 0
        return self.runs


# Phases that a pod does not leave again, whoever wrote them.
OVER = ("Succeeded", "Failed")


class Exit(NamedTuple):
    """How a run of a container ended."""

    code: int
    started_at: float
    finished_at: float
    run: int  # the number of the run, which names its container id


class Rejection(NamedTuple):
    """Why an agent does not take a pod (`OutOfcpu`), and the sentence that says so."""

    reason: str
    message: str


class Pod(msgspec.Struct, gc=False, eq=False):
    """The agent's record of one pod that is bound to one of its nodes.

    The pod knows its node and the node its pods, and the garbage collector knows of neither: a pod is gone when its node has
    let go of it, as a fleet that ends does with all of them.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    finalizers: bool
    template: Template
    node: Any
    start_time: float
    containers: tuple[Container, ...]
    # The conditions of the pod as they were last seen or written, those of others among them.
    conditions: tuple[PodCondition, ...]
    # Somebody else's word is that it has Succeeded or Failed: nothing more will be told of it.
    over: bool
    # The pod's number on its node, which gives it its address.
    place: int = 0
    initialized: bool = False
    rejection: Rejection | None = None
    # When a stop that was asked for is over, None before it is asked for.
    stop_at: float | None = None
    stopped: bool = False
    removed: bool = False
    # When something will happen by itself, None if nothing will.
    wake_at: float | None = None
    # `change` counts what happened; a status that was written tells of all up to `written`.
    change: int = 0
    written: int = 0

    @classmethod
    def of(cls, view: PodView, template: Template, node: Any, now: float) -> Pod:
        """A record of a pod that has just been seen for the first time."""
        meta, status = view.metadata, view.status
        return cls(
            meta.namespace,
            meta.name,
            meta.uid,
            meta.generation,
            bool(meta.finalizers),
            template,
            node,
            now,
            tuple(Container(facts, now) for facts in template.containers),
            shared_conditions(status.conditions),
            status.phase in OVER,
        )

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def main(self) -> list[Container]:
        return [one for one in self.containers if one.facts.role is Role.MAIN]

    @property
    def ended(self) -> bool:
        """Whether the pod is Succeeded or Failed, and so holds nothing of its node any more."""
        if self.over or self.rejection is not None:
            return True
        if any(one.facts.role is Role.INIT and one.stage is Stage.DONE and not one.passed for one in self.containers):
            return True
        return all(one.stage is Stage.DONE for one in self.containers if one.facts.role is Role.MAIN)


def exit_of(seen: ContainerStateTerminated, run: int, clock_offset: float) -> Exit:
    """An exit as it was written into a status once."""
    return Exit(
        seen.exit_code, true_time(seen.started_at, clock_offset), true_time(seen.finished_at, clock_offset), run
    )


def true_time(stamp: str | None, clock_offset: float) -> float:
    """What the true clock showed when a node with this offset wrote the time."""
    return parse(stamp) - clock_offset if stamp else 0.0
