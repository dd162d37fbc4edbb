"""All that is known of one DaemonSet between two syncs: its pods by node, its tally, writes not seen yet, and moments to come.

Events write into it at a constant price each: they file the pod under its node and mark the node as stale. `refresh` judges
the stale nodes again, and only those, and brings the tally up to date. Nothing here calls the API.

*Own writes.* A node about which something was written is unsettled until the informer has shown that write: the created
pod with its uid, or a revision past it (it may have come and gone unseen); the deleted pod gone, replaced or terminating.
Nothing is planned for an unsettled node, so no decision rests on a view older than our own last writes; the others go on.

*Predecessors.* A DaemonSet that was deleted and made again under its name finds the pods of the one before, until they have
been collected. They are not ours, but a node gets no second pod while one of them lives there (with surge it does).

*Availability* is judged by our own clock. A pod that becomes ready while we watch has been ready since the moment we heard of
it; one that was found ready (at start, or after a break in the watch) since its lastTransitionTime, but never since later than
now. A node whose clock is wrong cannot make its pods available too early or keep an update waiting.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from math import inf

import msgspec

from everynode.controllers.daemonset.backoff import FailureBackoff
from everynode.controllers.daemonset.decisions import NodeFacts
from everynode.controllers.daemonset.observe import DaemonSet, DaemonSetStatus, Node, Pod
from everynode.controllers.daemonset.placement import Rules, judge
from everynode.controllers.daemonset.plan import Strategy
from everynode.controllers.daemonset.tally import Tally
from everynode.reconcile.informer import Informer
from everynode.values.timestamps import TimestampError, parse


class Awaited(msgspec.Struct, frozen=True, gc=False):
    """One write that the informer has yet to show: of which pod, and what the view must show to be past it.

    `created_at` is the revision of a creation (without a uid: of one that may or may not have happened). `changed_from` is the
    resourceVersion of a view that the API called out of date, or that we wrote over.
    Neither: a deletion.
    """

    namespace: str
    name: str
    uid: str
    created_at: int = 0
    changed_from: str = ""

    def seen(self, pods: Informer[Pod]) -> bool:
        pod = pods.get(self.namespace, self.name)
        there = pod is not None and pod.metadata.uid == self.uid
        if self.created_at:
            return there or pods.seen_revision >= self.created_at
        if pod is None or not there:
            return True
        return pod.terminating or pod.metadata.resource_version != self.changed_from != ""


class Ledger:
    """What is known of one DaemonSet (one uid; a DaemonSet made again under the same name gets a new ledger)."""

    def __init__(self, ds: DaemonSet, pods: Informer[Pod], nodes: Informer[Node], known: Iterable[Pod] = ()) -> None:
        """`known` are pods of which no event will tell: they are there already. `read` files them, a few at a time."""
        self.ds = ds
        self.selector = ds.selector
        # The newest status known, be it from the informer or from our own write.
        self.status: DaemonSetStatus = ds.status
        self.status_revision = int(ds.metadata.resource_version or 0)
        self.status_written = -inf  # loop time
        self.rules: Rules | None = None
        self.strategy = Strategy.of(ds.spec.update_strategy)
        self.tally = Tally()
        self.backoff = FailureBackoff()
        self.history_stale = True
        self.epoch = 0  # counts the changes of what the DaemonSet asks for
        self.examined = 0
        # Pods that could be ours and are not, and pods that are ours and should not be.
        self.strays: dict[str, Pod] = {}
        self.hashes: Counter[str] = Counter()
        self._pods = pods
        self._nodes = nodes
        self._unread = {pod.key: pod for pod in known}
        self._by_node: dict[str, tuple[Pod, ...]] = {}
        self._ready_since: dict[str, float] = {}
        self._stale: dict[str, None] = dict.fromkeys(nodes.objects)
        self._awaited: dict[str, list[Awaited]] = {}
        self._predecessors: dict[str, set[str]] = {}  # uids of the predecessors' living pods, by node
        self._moments: list[tuple[float, str]] = []

    # Events

    def pod_changed(self, old: Pod | None, new: Pod | None, now: float) -> bool:
        """Files one change of a pod that is, was or could become ours; tells whether it is of any concern."""
        if old is not None:
            self.strays.pop(old.key, None)
            if self._unread.pop(old.key, None) is None:
                if self._claims(old):
                    self._unfile(old)
                elif self._precedes(old):
                    self._let_go(old)
        if new is None:
            if old is not None:
                self._ready_since.pop(old.metadata.uid, None)
        elif self._claims(new):
            self._note_ready(old, new, now)
            self._file(new)
        elif self._stray(new):
            self.strays[new.key] = new
        elif self._precedes(new):
            self._predecessors.setdefault(new.target, set()).add(new.metadata.uid)
            self._stale[new.target] = None
        else:
            return old is not None and (self._claims(old) or self._precedes(old))
        return True

    def read(self, now: float, most: int) -> bool:
        """Files up to `most` of the pods that were there from the start; tells whether there are more."""
        for _ in range(min(most, len(self._unread))):
            _, pod = self._unread.popitem()
            self.pod_changed(None, pod, now)
        return bool(self._unread)

    def claimed(self, before: Pod, after: Pod) -> None:
        """We have adopted or released a stray; nothing more on its node until the informer shows whose it is."""
        if self.strays.get(before.key) is before:
            del self.strays[before.key]
        if before.target and after.metadata.resource_version != before.metadata.resource_version:
            meta = before.metadata
            self.wrote(before.target, Awaited(meta.namespace, meta.name, meta.uid, changed_from=meta.resource_version))

    def pods_for(self, node: str) -> tuple[Pod, ...]:
        """Our pods that are for this node."""
        return self._by_node.get(node, ())

    def node_changed(self, name: str) -> None:
        self._stale[name] = None

    def wrote(self, node: str, awaited: Awaited) -> None:
        """Something was written about this node; nothing more until the informer shows it."""
        if not awaited.seen(self._pods):
            self._awaited.setdefault(node, []).append(awaited)
        self._stale[node] = None

    def retarget(self, rules: Rules, now: float) -> None:
        """The DaemonSet asks for something else: every node is to be judged anew."""
        if rules == self.rules:
            return
        if rules.min_ready_seconds and not (self.rules and self.rules.min_ready_seconds):
            for pods in self._by_node.values():
                for pod in pods:
                    self._found_ready(pod, now)
        self.rules = rules
        self._stale.update(dict.fromkeys(self._nodes.objects))
        self._stale.update(dict.fromkeys(self._by_node))

    # Judging

    @property
    def stale(self) -> bool:
        """Whether there are nodes to be judged again."""
        return bool(self._stale)

    @property
    def unsettled(self) -> bool:
        """Whether there are writes that the informer has not shown yet."""
        return bool(self._awaited)

    def recheck_awaited(self) -> None:
        """Judges all unsettled nodes again, for a write whose event never came (the pod came and went between two lists)."""
        self._stale.update(dict.fromkeys(self._awaited))

    def refresh(self, now: float, most: int) -> bool:
        """Judges up to `most` stale nodes; tells whether any Verdict changed."""
        changed = False
        for _ in range(min(most, len(self._stale))):
            node, _ = self._stale.popitem()
            changed |= self._judge(node, now)
            self.examined += 1
        return changed

    def facts_of(self, nodes: Iterable[str], now: float) -> Iterator[NodeFacts]:
        """What the Verdicts on these nodes rest on, for the record; none of them is stale."""
        since = self._ready_since
        for name in nodes:
            pods = self._by_node.get(name, ())
            ready_since = {pod.metadata.uid: since[pod.metadata.uid] for pod in pods if pod.metadata.uid in since}
            failed_until = self._failed_until(name, now)
            yield NodeFacts(name, self._nodes.get("", name), pods, ready_since, failed_until, self._is_unsettled(name))

    def _judge(self, name: str, now: float) -> bool:
        assert self.rules is not None, "retarget comes before refresh"
        node = self._nodes.get("", name)
        pods = self._by_node.get(name, ())
        self._settle(name)
        if node is None and not pods and name not in self._awaited:
            self.backoff.forget(name)
            known = name in self.tally.verdicts
            self.tally.forget(name)
            return known
        verdict = judge(
            self.rules,
            name,
            node,
            pods,
            now,
            ready_since=self._ready_since,
            failed_until=self._failed_until(name, now),
            unsettled=self._is_unsettled(name),
        )
        if verdict.until < inf:
            heapq.heappush(self._moments, (verdict.until, name))
        return self.tally.replace(verdict)

    def _failed_until(self, name: str, now: float) -> float:
        return self.backoff.until(name, self.status.observed_generation, now)

    def _is_unsettled(self, name: str) -> bool:
        if name in self._awaited:
            return True
        return name in self._predecessors and name not in self._by_node and not (self.rules and self.rules.surge)

    def _settle(self, name: str) -> None:
        """Drops the writes about the node that the informer has shown by now."""
        awaited = self._awaited.get(name)
        if awaited is None:
            return
        left = [one for one in awaited if not one.seen(self._pods)]
        if left:
            self._awaited[name] = left
        else:
            del self._awaited[name]

    # Moments

    def wake(self, now: float) -> float:
        """Marks the nodes whose moment has come as stale, and tells the next moment (inf: none)."""
        while self._moments:
            moment, node = self._moments[0]
            verdict = self.tally.verdicts.get(node)
            if verdict is not None and verdict.until == moment:
                if moment > now:
                    return moment
                self._stale[node] = None
            heapq.heappop(self._moments)
        return inf

    # Pods

    def pods(self) -> Iterable[Pod]:
        """All pods of this DaemonSet, by node."""
        for pods in self._by_node.values():
            yield from pods

    def _claims(self, pod: Pod) -> bool:
        """Whether the pod is managed by this DaemonSet: it has us as controller, and the selector still matches."""
        owner = pod.metadata.controller
        return owner is not None and owner.uid == self.ds.metadata.uid and self.selector.matches(pod.metadata.labels)

    def _stray(self, pod: Pod) -> bool:
        """Whether the pod is to be released, or could be adopted."""
        if pod.metadata.namespace != self.ds.metadata.namespace:
            return False
        owner = pod.metadata.controller
        if owner is not None:
            return owner.uid == self.ds.metadata.uid
        return not pod.terminating and self.selector.matches(pod.metadata.labels)

    def _precedes(self, pod: Pod) -> bool:
        """Whether it is a pod, not ended yet, of a DaemonSet that had our name before us."""
        owner = pod.metadata.controller
        return (
            owner is not None
            and owner.precedes(self.ds)
            and pod.metadata.namespace == self.ds.metadata.namespace
            and not pod.terminal
            and pod.target != ""
        )

    def _let_go(self, pod: Pod) -> None:
        """A predecessor's pod has gone from its node, or may have changed."""
        left = self._predecessors.get(pod.target)
        if left is not None:
            left.discard(pod.metadata.uid)
            if not left:
                del self._predecessors[pod.target]
        self._stale[pod.target] = None

    def _file(self, pod: Pod) -> None:
        self.hashes[pod.hash] += 1
        if pod.target:
            self._by_node[pod.target] = (*self._by_node.get(pod.target, ()), pod)
            self._stale[pod.target] = None

    def _unfile(self, pod: Pod) -> None:
        self.hashes[pod.hash] -= 1
        if not self.hashes[pod.hash]:
            del self.hashes[pod.hash]
        if pod.target:
            left = tuple(one for one in self._by_node.get(pod.target, ()) if one.metadata.uid != pod.metadata.uid)
            if left:
                self._by_node[pod.target] = left
            else:
                self._by_node.pop(pod.target, None)
            self._stale[pod.target] = None

    # Since when a pod has been ready

    def _note_ready(self, old: Pod | None, new: Pod, now: float) -> None:
        if not new.ready:
            self._ready_since.pop(new.metadata.uid, None)
        elif old is not None and (not old.ready or old.status.ready_changed != new.status.ready_changed):
            if self.ds.spec.min_ready_seconds:
                self._ready_since[new.metadata.uid] = now
        elif self.ds.spec.min_ready_seconds:
            self._found_ready(new, now)

    def _found_ready(self, pod: Pod, now: float) -> None:
        """The pod is ready, and nobody saw it become so."""
        if pod.ready and pod.metadata.uid not in self._ready_since:
            self._ready_since[pod.metadata.uid] = min(now, _moment(pod.status.ready_changed, now))


def _moment(timestamp: str | None, otherwise: float) -> float:
    if timestamp is None:
        return otherwise
    try:
        return parse(timestamp)
    except TimestampError:
        return otherwise
