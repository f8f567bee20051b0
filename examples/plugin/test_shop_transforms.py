"""The tests of a plug-in's author. `UPDATE=1 pytest` writes a new golden file: look at the difference before you commit the file."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from shop_transforms import shares
from transforms.fault import MappingFaults
from transforms.testing import check_golden, check_transform, entry, json_entries, load_plugin

HERE = Path(__file__).parent
MODULE = HERE / "shop_transforms.py"
OPTIONS = {"channel": "shop-app"}


def test_the_sample_gives_what_it_gave():
    plugin = load_plugin("order_lines", OPTIONS, file=MODULE)
    golden = HERE / "orders.golden.json"
    check_golden(plugin, json_entries(HERE / "orders.sample.jsonl"), golden, update="UPDATE" in os.environ)


def test_an_order_without_lines_is_no_event():
    plugin = load_plugin("order_lines", OPTIONS, file=MODULE)
    order = {"type": "order_paid", "no": "A4", "user": "u4", "paid_at": 1794326400000, "lines": []}
    (answer,) = check_transform(plugin, [entry(order)])
    assert not isinstance(answer, list)


def test_options_are_checked():
    with pytest.raises(MappingFaults, match=r"transform\.options\.channel"):
        load_plugin("order_lines", {}, file=MODULE)


def test_no_cent_is_lost():
    assert shares(Decimal(10), [Decimal(1)] * 3) == [Decimal("3.33"), Decimal("3.33"), Decimal("3.34")]
