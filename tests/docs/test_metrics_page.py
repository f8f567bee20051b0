"""The page of metrics names each reason and each path, and its queries ask for metrics that there are."""

from __future__ import annotations

import re

import pytest

from pipeline.observe.health import NotReady
from pipeline.observe.metrics import METRICS, MetricKind
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
SERIES = {metric.shown_name for metric in METRICS} | {
    f"{metric.shown_name}_{part}"
    for metric in METRICS
    if metric.kind is MetricKind.HISTOGRAM
    for part in ("bucket", "sum", "count")
}


@pytest.mark.parametrize("reason", NotReady)
def test_every_reason_is_explained(reason):
    assert f"| `{reason}` |" in PAGE


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/status"])
def test_every_path_is_explained(path):
    assert f"| `{path}` |" in PAGE


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_pages_name_only_metrics_that_there_are(page):
    assert set(re.findall(r"\blog2mq_[a-z_]+\b", page.read_text(encoding="utf-8"))) <= SERIES


def test_queries_name_only_labels_that_there_are():
    labels = {metric.shown_name: {*metric.labels, "source"} for metric in METRICS}
    for name, selected in re.findall(r"(log2mq_[a-z_]+)\{([^}]*)\}", PAGE):
        assert set(re.findall(r"(\w+)!?=", selected)) <= labels[name]
