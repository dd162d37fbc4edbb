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


def serve(answered: Answered, store: Store, others: Sequence[Samples] = ()) -> Response:
    """The metrics of this moment, the server's own and those of other parts of this process."""
    # Loaded when first asked for: it would cost every start 20 ms.
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(answered, store, others))
    return Response(200, {"content-type": CONTENT_TYPE}, generate_latest(registry))


class _Collector:
    """Gives the counters as prometheus-client's metric families."""

    def __init__(self, answered: Answered, store: Store, others: Sequence[Samples]) -> None:
        self._answered = answered
        self._store = store
        self._others = others

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        requests = CounterMetricFamily("apiserver_request", "Requests answered.", labels=["verb", "resource", "code"])
        for (verb, plural, code), times in sorted(self._answered.items()):
            requests.add_metric([verb, plural, str(code)], times)
        yield requests

        objects = GaugeMetricFamily("apiserver_storage_objects", "Objects stored.", labels=["resource"])
        for resource in scheme.RESOURCES:
            if not resource.is_review and not resource.stored_as:
                objects.add_metric([resource.group_resource], self._store.count(resource.prefix))
        yield objects

        revision = GaugeMetricFamily("everynode_store_revision", "The newest readable revision.")
        revision.add_metric([], self._store.revision)
        yield revision

        written = self._store.written
        for name, about, value in (
            ("commits", "Commits to the medium.", written.commits),
            ("events", "Writes that were committed; each is an event for who watches.", written.events),
            ("written_bytes", "Bytes of the values written.", written.value_bytes),
        ):
            counted = CounterMetricFamily(f"everynode_store_{name}", about)
            counted.add_metric([], value)
            yield counted

        families: dict[str, Any] = {}
        for one in chain.from_iterable(samples() for samples in self._others):
            family = families.get(one.metric)
            if family is None:
                shape = CounterMetricFamily if one.metric.endswith("_total") else GaugeMetricFamily
                family = families[one.metric] = shape(one.metric, one.about, labels=list(one.labels))
            family.add_metric(list(one.labels.values()), one.value)
        yield from families.values()
