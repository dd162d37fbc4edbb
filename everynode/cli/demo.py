"""`everynode demo`: a DaemonSet's rolling update, from its creation to its deletion, in under a minute.

A whole cluster with five simulated nodes runs inside this process, in memory and without a socket. The demo walks through
Kubernetes' own page on rolling updates: it shows each command as a person would type it, carries it out through the API, and
prints what comes of it, while a picture of the nodes shows the update pass. It needs neither kubectl nor a terminal.
Exit status 0 if every step came out as told, else 1 and one line on standard error.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from everynode.assemble.cluster import Cluster
    from everynode.cli.demo_commands import Kubectl
    from everynode.cli.demo_picture import Fleet, PodView, RevisionView, Stage
    from everynode.reconcile.informer import Informer

NODES = 5
NAME, NAMESPACE = "fluentd-elasticsearch", "kube-system"
SELECTOR = f"name={NAME}"
REPOSITORY = "quay.io/fluentd_elasticsearch/fluentd"
BROKEN_TAG = "v2.6.O"  # the letter O where a zero was meant
# Seconds at pace 1: what a pod takes on a simulated node, and how long a reader gets.
STOP, PULL, START, READY = 0.25, 0.4, 0.1, 0.2
GLANCE, READ = 0.5, 1.2
# No step takes longer than this, whatever the pace.
STEP_LIMIT = 60.0


class Unexpected(Exception):
    """A step did not come out as told."""


@click.command()
@click.option(
    "--pace", type=click.FloatRange(0, 10), default=1.0, show_default=True, help="2: half as fast; 0: no waiting."
)
@click.option("--plain", is_flag=True, help="Lines of text only, as without a terminal.")
@click.option("--no-color", is_flag=True, help="The same picture without colours.")
def demo(pace: float, plain: bool, no_color: bool) -> None:
    """Watch a DaemonSet's rolling update pass over five simulated nodes."""
    import logging

    from everynode.cli.demo_picture import LiveStage, PlainStage

    logging.basicConfig(level=logging.ERROR)
    stage: Stage = PlainStage() if plain or not sys.stdout.isatty() else LiveStage(colour=not no_color)
    try:
        asyncio.run(_show(stage, pace))
    except Unexpected as error:
        click.echo(f"everynode demo: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


async def _show(stage: Stage, pace: float) -> None:
    from everynode.assemble.cluster import Cluster
    from everynode.assemble.config import Config

    with tempfile.TemporaryDirectory(prefix="everynode-demo-") as directory, stage:
        stage.title(
            "everynode demo: a rolling update on five nodes",
            "A whole Kubernetes control plane in this process. Nothing is installed, nothing listens, nothing stays.",
        )
        began = time.monotonic()
        async with Cluster(Config(store="memory", nodes=NODES, simulation=_rules(Path(directory), pace))) as cluster:
            await _within(cluster.ready(), "the nodes did not become Ready")
            stage.say(
                f"API server, controllers, scheduler and {NODES} nodes: ready in {time.monotonic() - began:.1f} s."
            )
            await _play(cluster, stage, pace)


def _rules(directory: Path, pace: float) -> Path:
    """A simulation file: pods take their time, and one image does not exist."""
    import yaml

    path = directory / "simulation.yaml"
    times = {"stopSeconds": STOP, "pullSeconds": PULL, "startSeconds": START, "readySeconds": READY}
    broken = {"match": {"image": f"*:{BROKEN_TAG}"}, "imagePullBackOff": True}
    path.write_text(yaml.safe_dump({"rules": [broken, {effect: took * pace for effect, took in times.items()}]}))
    return path


def manifest(name: str) -> dict[str, Any]:
    """A packaged manifest, read."""
    import yaml

    text = resources.files("everynode.cli").joinpath("manifests", name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content


async def _play(cluster: Cluster, stage: Stage, pace: float) -> None:
    """Keeps the picture current while the story is told."""
    from everynode.api.scheme import CONTROLLER_REVISIONS, PODS
    from everynode.cli.demo_commands import Kubectl
    from everynode.cli.demo_picture import Fleet, PodView, RevisionView
    from everynode.reconcile.informer import Informer
    from everynode.wire.message import Peer

    client = cluster.client()
    pods: Informer[PodView] = Informer(client, PODS, PodView, namespace=NAMESPACE, labels=SELECTOR)
    revisions: Informer[RevisionView] = Informer(
        client, CONTROLLER_REVISIONS, RevisionView, namespace=NAMESPACE, labels=SELECTOR
    )
    fleet = Fleet([f"node-{number:05d}" for number in range(NODES)], pods.objects, revisions.objects)
    for informer in (pods, revisions):
        informer.on_change(fleet.seen)
    watching = [asyncio.ensure_future(pods.run()), asyncio.ensure_future(revisions.run())]
    watching.append(asyncio.ensure_future(_failure(cluster)))
    kubectl = Kubectl(cluster.api, client, Peer("everynode-admin", ("system:masters",)), NAMESPACE)
    story = asyncio.ensure_future(Story(stage, kubectl, fleet, pace).tell())
    try:
        await asyncio.wait([story, *watching], return_when=asyncio.FIRST_COMPLETED)
        for task in (story, *watching):
            if task.done():
                task.result()
    finally:
        for task in (story, *watching):
            task.cancel()
        await asyncio.gather(story, *watching, return_exceptions=True)


async def _failure(cluster: Cluster) -> None:
    raise Unexpected(str(await cluster.failure()))


async def _within(work: Any, otherwise: str) -> Any:
    try:
        return await asyncio.wait_for(work, STEP_LIMIT)
    except TimeoutError:
        raise Unexpected(otherwise) from None


class Story:
    """The page's steps, one method a chapter."""

    def __init__(self, stage: Stage, kubectl: Kubectl, fleet: Fleet, pace: float) -> None:
        self._stage, self._kubectl, self._fleet, self._pace = stage, kubectl, fleet, pace

    async def tell(self) -> None:
        await self._nodes()
        self._stage.picture(self._fleet)
        await self._create()
        await self._update()
        await self._break()
        await self._repair()
        await self._roll_back()
        await self._clean_up()

    async def _nodes(self) -> None:
        from everynode.api.scheme import NODES as NODE_KIND

        await self._type("kubectl get nodes", self._kubectl.get(NODE_KIND))
        await self._pause(READ)

    async def _create(self) -> None:
        self._stage.chapter("Create a DaemonSet: a log shipper, one copy on every node")
        await self._type(
            "kubectl apply -f fluentd-daemonset.yaml", self._kubectl.apply(manifest("fluentd-daemonset.yaml"))
        )
        await self._rollout_status()
        await self._type(
            f"kubectl get ds/{NAME} -o go-template='{{{{.spec.updateStrategy.type}}}}{{{{\"\\n\"}}}}' -n {NAMESPACE}",
            self._kubectl.strategy(NAME),
        )
        await self._pause(READ)

    async def _update(self) -> None:
        self._stage.chapter("Update its template: the manifest now sets resources")
        self._stage.say(
            "One node after the other: the old pod ends, the new one starts, and only then the next (maxUnavailable: 1)."
        )
        self._fleet.watched = True
        await self._type(
            "kubectl apply -f fluentd-daemonset-update.yaml",
            self._kubectl.apply(manifest("fluentd-daemonset-update.yaml")),
        )
        await self._rollout_status()
        self._expect(
            "every node runs revision 2", lambda: all(row.revision == 2 and row.ready for row in self._fleet.rows)
        )
        await self._pause(READ)

    async def _break(self) -> None:
        self._stage.chapter(f"Break it: an image that does not exist ({BROKEN_TAG}, with the letter O)")
        await self._set_image(BROKEN_TAG)
        await self._until(
            lambda: any(row.state == "ImagePullBackOff" for row in self._fleet.rows), "the broken image was pulled"
        )
        from everynode.api.scheme import PODS

        await self._type(
            f"kubectl get pods -l {SELECTOR} -o wide -n {NAMESPACE}",
            self._kubectl.get(PODS, labels=SELECTOR, wide=True),
        )
        self._stage.say(
            "The rollout stands, as it should: one node waits for an image, four go on with the version that works."
        )
        self._expect("only one node is without", lambda: self._fleet.unavailable == 1)
        await self._pause(2 * READ)

    async def _repair(self) -> None:
        self._stage.chapter("Repair it: update the template again; a broken rollout blocks no new one")
        await self._set_image("v2.6.0")
        await self._rollout_status()
        self._expect(
            "every node runs v2.6.0", lambda: all(row.image == "v2.6.0" and row.ready for row in self._fleet.rows)
        )
        await self._pause(READ)

    async def _roll_back(self) -> None:
        self._stage.chapter("Roll back to revision 2")
        await self._type(f"kubectl rollout history ds/{NAME} -n {NAMESPACE}", self._kubectl.rollout_history(NAME))
        await self._pause(GLANCE)
        await self._type(
            f"kubectl rollout undo ds/{NAME} --to-revision=2 -n {NAMESPACE}", self._kubectl.rollout_undo(NAME, 2)
        )
        await self._rollout_status()
        self._expect("every node runs v2.5.2 again", lambda: all(row.image == "v2.5.2" for row in self._fleet.rows))
        self._fleet.watched = False
        await self._pause(READ)

    async def _clean_up(self) -> None:
        self._stage.chapter("Clean up")
        await self._type(f"kubectl delete ds {NAME} -n {NAMESPACE}", self._kubectl.delete(NAME))
        await self._until(lambda: not any(row.pod for row in self._fleet.rows), "pods outlived their DaemonSet")
        self._expect("the budget of one node was kept", lambda: self._fleet.worst == 1)
        self._stage.say(
            "Done. Three rollouts and one that failed, and never was more than one node of five without its log shipper."
        )
        self._stage.say("Next: `everynode up`, and your own kubectl.")

    async def _set_image(self, tag: str) -> None:
        image = f"{REPOSITORY}:{tag}"
        await self._type(
            f"kubectl set image ds/{NAME} {NAME}={image} -n {NAMESPACE}", self._kubectl.set_image(NAME, NAME, image)
        )

    async def _rollout_status(self) -> None:
        self._stage.command(f"kubectl rollout status ds/{NAME} -n {NAMESPACE}")

        async def follow() -> None:
            async for line in self._kubectl.rollout_status(NAME):
                self._stage.output([line])

        await _within(follow(), "the rollout did not finish")

    async def _type(self, command: str, carried_out: Any) -> None:
        from everynode.api.status import ApiError

        self._stage.command(command)
        await self._pause(GLANCE)
        try:
            self._stage.output(await _within(carried_out, f"no answer to: {command}"))
        except ApiError as error:
            raise Unexpected(f"{command}: {error}") from error

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._pace)

    async def _until(self, so: Callable[[], bool], otherwise: str) -> None:
        async def look() -> None:
            while not so():  # noqa: ASYNC110 - a picture is looked at, ten times a second
                await asyncio.sleep(0.1)

        await _within(look(), otherwise)

    def _expect(self, what: str, so: Callable[[], bool]) -> None:
        if not so():
            raise Unexpected(f"this did not come true: {what}")
