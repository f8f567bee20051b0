"""The demo's copies of the examples: they run on its Kafka, and hold a refused event for less time than the demo waits."""

from __future__ import annotations

import os

import pytest

from pipeline.config.load import load_source
from pipeline.emulator.demo import HOLD, STANDSTILL_S
from pipeline.emulator.kafka_broker.demo_kafka import DemoKafka
from pipeline.emulator.samples.generate import SampleKind
from tests.support.paths import ROOT


@pytest.mark.parametrize("kind", SampleKind)
@pytest.mark.parametrize("api_version", [None, "2.6"])
def test_a_refused_event_that_nothing_follows_is_held_for_less_time_than_the_demo_waits(kind, api_version, tmp_path):
    kafka = DemoKafka("127.0.0.1:9092", lambda _topic, _partitions: None, api_version)
    original = load_source(ROOT / "examples" / f"{kind}.yaml", os.environ)
    copy = load_source(kafka.adapt(ROOT / "examples" / f"{kind}.yaml", tmp_path, HOLD), os.environ)
    assert copy.report.unknown_hold < STANDSTILL_S * 1000 / 2
    assert copy.kafka.api_version == api_version
    assert copy.report.model_copy(update={"unknown_hold": original.report.unknown_hold}) == original.report
