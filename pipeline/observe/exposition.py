"""The metrics as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from pipeline.observe.job_view import JobView
from pipeline.observe.metrics import METRICS, PREFIX, SOURCE, Metric, MetricKind
from pipeline.observe.samples import Buckets, samples


class JobCollector(Collector):
    """Gives the registry the metrics of some jobs, as they are at the moment of the question."""

    def __init__(self, views: Callable[[], Sequence[JobView]]) -> None:
        self._views = views

    def collect(self) -> Iterable[Family]:
        """Return all metrics, in the order of `METRICS`."""
        families = {metric: _family(metric) for metric in METRICS}
        for view in self._views():
            for sample in samples(view):
                family, labels, value = families[sample.metric], [view.source, *sample.labels], sample.value
                if isinstance(family, HistogramMetricFamily) and isinstance(value, Buckets):
                    buckets = zip(map(floatToGoString, value.bounds), value.counts, strict=True)
                    family.add_metric(labels, list(buckets), value.sum)
                elif not isinstance(family, HistogramMetricFamily) and not isinstance(value, Buckets):
                    family.add_metric(labels, value)
        return families.values()


def exposition(views: Callable[[], Sequence[JobView]], accepted: str) -> tuple[bytes, str]:
    """Return the metrics as text, and its content type: OpenMetrics where the `Accept` header asks for it, else Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(JobCollector(views))
    encode, content_type = choose_encoder(accepted)
    return encode(registry), content_type


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    name, labels = PREFIX + metric.name, [SOURCE, *metric.labels]
    if metric.kind is MetricKind.COUNTER:
        return CounterMetricFamily(name, metric.help, labels=labels)
    if metric.kind is MetricKind.GAUGE:
        return GaugeMetricFamily(name, metric.help, labels=labels)
    return HistogramMetricFamily(name, metric.help, labels=labels)
