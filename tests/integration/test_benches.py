"""Each bench runs: its figures are for a person, but a bench that fails measures nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT


def run_bench(*command):
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bench", "arguments", "said"),
    [
        ("mapping", ["--count", 20, "--rounds", 1], "us"),
        ("decode_avro", ["--count", 20, "--rounds", 1], "us"),
        ("dedup", ["--known", 2_000, "--count", 2_000, "--rounds", 1], "sweep"),
        ("startup", ["--rounds", 1], "check"),
    ],
)
def test_a_bench_without_kafka_runs(bench, arguments, said):
    assert said in run_bench(ROOT / "bench" / f"{bench}.py", *arguments)


@pytest.mark.slow
@pytest.mark.kafka
def test_the_bench_of_the_whole_job_reports_every_event():
    """It fails by itself where the job or the bare loop does not report the whole count."""
    said = run_bench(ROOT / "bench" / "whole_job.py", "--count", 2_000, "--rounds", 1)
    assert "times the bare loop's CPU an event" in said
