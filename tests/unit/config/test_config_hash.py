"""The hash of a configuration: another configuration has another hash, and only that."""

from __future__ import annotations

import pytest

from pipeline.config.config_hash import config_hash
from pipeline.config.load import load_source
from tests.support.good_files import GOOD_CATALOGUE, GOOD_SOURCE


@pytest.fixture
def hash_of(tmp_path):
    def hash_of(text, environment=None, **files):
        for name, content in files.items():
            (tmp_path / name.replace("_", ".")).write_text(content, encoding="utf-8")
        path = tmp_path / "shop.yaml"
        path.write_text(text, encoding="utf-8")
        return config_hash(load_source(path, environment or {}))

    return hash_of


def test_comments_and_the_order_of_keys_do_not_matter(hash_of):
    head, _, report = GOOD_SOURCE.partition("report:")
    assert hash_of(GOOD_SOURCE) == hash_of(f"# a comment\nreport:{report}{head}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pay_order", "pay-order"),
        ("divide(100)", "divide(10)"),
        ("region: cn-shanghai", "region: cn-shenzhen"),
        ("decode: json\n", "decode: json\nlimits: {unfinished: 500}\n"),
    ],
)
def test_any_setting_matters(hash_of, old, new):
    assert hash_of(GOOD_SOURCE) != hash_of(GOOD_SOURCE.replace(old, new))


def test_a_variable_counts_by_its_value(hash_of):
    text = GOOD_SOURCE.replace("org-0001", "${ORG}")
    assert hash_of(text, {"ORG": "org-0001"}) == hash_of(GOOD_SOURCE)
    assert hash_of(text, {"ORG": "org-0002"}) != hash_of(GOOD_SOURCE)


def test_the_catalogue_and_the_plug_in_count_by_their_content(hash_of):
    with_catalogue = GOOD_SOURCE.replace("decode: json\n", "decode: json\ncatalogue: events.yaml\n")
    assert hash_of(with_catalogue, events_yaml=GOOD_CATALOGUE) != hash_of(
        with_catalogue, events_yaml=GOOD_CATALOGUE.replace("Order paid", "Paid")
    )
    head, _, tail = GOOD_SOURCE.partition("events:")
    with_plugin = f"{head}transform: {{plugin: mine, file: mine.py}}\nreport:{tail.partition('report:')[2]}"
    plugin = "def mine(options):\n    return lambda entry: []\n"
    assert hash_of(with_plugin, mine_py=plugin) != hash_of(with_plugin, mine_py=plugin + "# changed\n")
