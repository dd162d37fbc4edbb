"""What one more node adds, with its lease and a daemon pod, to what the store keeps and to what the garbage collector looks at.

A hundred thousand nodes are to fit into a process, and no pause of Python's collector may grow with them. Two fleets are held
against each other, so that only what is kept for each node counts: counted, not timed.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter

from everynode.api.scheme import DAEMON_SETS
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.reconcile import correlation
from everynode.store.history import HISTORY_BYTES
from tests.assemble.test_flat import NAMESPACE, manifest, rolled_out
from tests.virtual_time import LoopClock, virtually

# Both above the size up to which simulated nodes narrate every start and stop in events.
SMALL, LARGE = 105, 225
# Bytes of the values of a node, its lease, its pod and an event: as JSON they are 6 KB.
MOST_BYTES = 1_800
LONG = b'{"metadata":{},"data":"%s"}' % (b"x" * 1024 * 1024)


async def at_rest(nodes: int) -> tuple[int, Counter[str]]:
    """Bytes of what stands, and containers that the collector looks at by type, when a DaemonSet has come to such a fleet."""
    async with Cluster(Config(store="memory", nodes=nodes), clock=LoopClock(), dice=random.Random(1)) as cluster:
        await cluster.ready()
        client = cluster.client()
        await client.create(DAEMON_SETS, manifest(), NAMESPACE)
        await rolled_out(client, nodes)
        store = cluster._store
        assert store is not None
        # The history has a constant price; what it lets go of comes to rest.
        for _ in range(2 + HISTORY_BYTES // len(LONG)):
            await store.write("test/history/one", LONG)
        await store.write("test/history/one", None)
        await asyncio.sleep(30)
        # What the last thousand events looked like to watchers is bounded as well, but not reached by fleets of this size.
        cluster.api._watcher._lines.clear()
        for _ in range(3):
            # A tuple is let go of when all that it holds has been.
            gc.collect()
        tracked = Counter(type(each).__qualname__ for each in gc.get_objects() if not _is_remembered(each))
        return sum(len(entry.stored) for entry in (await store.range("")).entries), tracked


def _is_remembered(thing: object) -> bool:
    """What recorders remember of the last few thousand events: bounded, but not reached either."""
    return type(thing).__module__ == correlation.__name__


def test_one_more_node_takes_few_bytes_and_nothing_that_the_collector_looks_at() -> None:
    (small, fewer), (large, more) = virtually(at_rest(SMALL)), virtually(at_rest(LARGE))
    grown = {kind: number for kind, number in (more - fewer).items() if number >= (LARGE - SMALL) / 4}
    assert grown == {}
    assert (large - small) / (LARGE - SMALL) < MOST_BYTES
