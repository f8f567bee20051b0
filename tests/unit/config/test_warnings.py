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


@pytest.mark.parametrize(
    ("timeout", "lease", "is_said"), [("500ms", "15s", False), ("4s", "15s", True), ("500ms", "2s", True)]
)
def test_a_plug_in_that_may_take_as_long_as_the_lease_is_said(tmp_path, timeout, lease, is_said):
    path = tmp_path / "shop.yaml"
    before, _, after = GOOD_SOURCE.partition("events:\n")
    report = after[after.index("report:") :]
    transform = f"transform: {{plugin: shop, file: shop.py, timeout: {timeout}}}\n"
    path.write_text(f"{before}{transform}{report}dedup: {{lease: {lease}}}\n")
    (tmp_path / "shop.py").write_text("def shop(options):\n    return lambda _: []\n")
    said = [each for each in warnings(load_source(path, {})) if "dedup.lease" in each]
    assert bool(said) is is_said
    assert all("shop.yaml:4: transform.timeout: is " in each for each in said)
