"""Settings that are allowed and probably a mistake, each with file, line and key."""

from __future__ import annotations

import pytest

from pipeline.config.load import load_source
from pipeline.config.warnings import warnings
from tests.support.good_files import GOOD_SOURCE


@pytest.mark.parametrize(
    ("dedup", "is_said"),
    [
        ("store: redis, url: redis://localhost:6379/0", False),
        ("store: redis, url: redis://localhost:6379/0, give_up_after: 10m", True),
        ("store: lmdb, give_up_after: 10m", True),  # it waits for a process that keeps the store locked
        ("store: memory, give_up_after: 10m", False),
    ],
)
def test_a_wait_for_the_server_that_is_longer_than_the_group_waits_is_said(tmp_path, dedup, is_said):
    path = tmp_path / "shop.yaml"
    path.write_text(f"{GOOD_SOURCE}dedup: {{{dedup}}}\n")
    said = [each for each in warnings(load_source(path, {})) if "kafka.max_poll_interval" in each]
    assert bool(said) is is_said
    assert all("shop.yaml:16: dedup.give_up_after: is 10m" in each for each in said)
