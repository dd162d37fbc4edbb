"""`/metrics`: what the server counts, in the text format that Prometheus reads.

Nothing is counted for the metrics alone: they are read off the counters that the server and the store keep anyway, when
somebody asks. Names and labels are kube-apiserver's where it has the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from everynode.api import scheme
from everynode.base.samples import Samples
from everynode.store.contract import Store
from everynode.wire.message import Response

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Answered = Counter[tuple[str, str, int]]
Sent = Counter[scheme.Resource]


def serve(answered: Answered, sent: Sent, store: Store, others: Sequence[Samples] = ()) -> Response:
    """The metrics of this moment, the server's own and those of other parts of this process."""
    # Loaded when first asked for: it would cost every start 20 ms.
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(answered, sent, store, others))
    return Response(200, {"content-type": CONTENT_TYPE}, generate_latest(registry))


class _Collector:
    """Gives the counters as prometheus-client's metric families."""

    def __init__(self, answered: Answered, sent: Sent, store: Store, others: Sequence[Samples]) -> None:
        self._answered = answered
        self._sent = sent
        self._store = store
        self._others = others

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        requests = CounterMetricFamily("apiserver_request", "Requests answered.", labels=["verb", "resource", "code"])
        for (verb, plural, code), times in sorted(self._answered.items()):
            requests.add_metric([verb, plural, str(code)], times)
        yield requests

        told = CounterMetricFamily(
            "apiserver_watch_events", "Events sent to those who watch.", labels=["group", "version", "resource"]
        )
        for resource, times in self._sent.items():
            told.add_metric([resource.group, resource.version, resource.plural], times)
        yield told

        stored = {
            each.prefix: each.group_resource for each in scheme.RESOURCES if not each.is_review and not each.stored_as
        }
        objects = GaugeMetricFamily("apiserver_storage_objects", "Objects stored.", labels=["resource"])
        for prefix, name in stored.items():
            objects.add_metric([name], self._store.count(prefix))
        yield objects

        revision = GaugeMetricFamily("everynode_store_revision", "The newest readable revision.")
        revision.add_metric([], self._store.revision)
        yield revision

        written = self._store.written
        commits = CounterMetricFamily("everynode_store_commits", "Commits to the medium.")
        commits.add_metric([], written.commits)
        yield commits
        for name, about, counts in (
            ("events", "Writes that were committed; each is an event for who watches.", written.events),
            ("written_bytes", "Bytes of the values written.", written.value_bytes),
            ("delivered_events", "How many times a write was handed to a watch.", written.delivered),
        ):
            counted = CounterMetricFamily(f"everynode_store_{name}", about, labels=["resource"])
            for prefix, value in counts.items():
                counted.add_metric([stored.get(prefix, prefix)], value)
            yield counted

        families: dict[str, Any] = {}
        for one in chain.from_iterable(samples() for samples in self._others):
            family = families.get(one.metric)
            if family is None:
                shape = CounterMetricFamily if one.metric.endswith("_total") else GaugeMetricFamily
                family = families[one.metric] = shape(one.metric, one.about, labels=list(one.labels))
            family.add_metric(list(one.labels.values()), one.value)
        yield from families.values()
