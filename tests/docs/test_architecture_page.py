"""The architecture page and its picture name the rooms that there are, and files that are there."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PICTURE = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = [[room.strip() for room in layer.split("|")] for layer in CONTRACTS[0]["layers"]]


def test_the_picture_has_the_layers_in_their_order():
    drawn = re.findall(r'y="(\d+)" class="name">(\w+)<', PICTURE)
    rows = {}
    for height, room in drawn:
        rows.setdefault(int(height), []).append(room)
    assert [rows[height] for height in sorted(rows)] == [*LAYERS, ["transforms"], ["schemas"]]


def test_the_table_has_every_room():
    named = set(re.findall(r"^\| `pipeline/(\w+)(?:\.py)?` \|", PAGE, re.MULTILINE))
    assert named == {room for layer in LAYERS for room in layer}


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/security.md", "CONTRIBUTING.md"])
def test_every_file_that_a_page_names_is_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in re.findall(r"`([a-z_]+(?:/[a-zA-Z0-9_.-]+)+)`", text):
        assert any((ROOT / parent / name).exists() for parent in ("", "pipeline")), name
