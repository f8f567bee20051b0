"""The template in examples/plugin does what it shows: by its path, installed, and by its own tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

from pipeline.cli.plugins import plugins
from pipeline.config.load import load_source
from pipeline.runtime.build_converter import build_converter
from schemas.log import RawRecord
from schemas.refusal import ReasonCode
from tests.support.paths import ROOT

TEMPLATE = ROOT / "examples" / "plugin"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The template as pip would have installed it, by what its pyproject.toml says."""
    project = tomllib.loads((TEMPLATE / "pyproject.toml").read_text())["project"]
    shutil.copy(TEMPLATE / "shop_transforms.py", tmp_path)
    metadata = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = project["entry-points"]["log2mq.transforms"]
    lines = [f"{name} = {value}" for name, value in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[log2mq.transforms]", *lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("shop_transforms", None)
    yield
    sys.modules.pop("shop_transforms", None)


def answers(source):
    convert = build_converter(source, {})
    lines = (TEMPLATE / "orders.sample.jsonl").read_bytes().splitlines()
    return [convert(RawRecord("t", 0, number, -1, None, line)) for number, line in enumerate(lines)]


def test_its_source_file_takes_it_from_the_file_beside_it():
    made = answers(load_source(TEMPLATE / "order-lines.yaml", {}))
    assert [[json.loads(draft.body)["customerId"] for draft in each.messages] for each in made[:2]] == [
        ["u1"] * 3,
        ["u2"],
    ]
    assert made[3].refusal.code is ReasonCode.PLUGIN_RAISED


def test_installed_it_does_the_same(installed, tmp_path):
    path = tmp_path / "order-lines.yaml"
    path.write_text((TEMPLATE / "order-lines.yaml").read_text().replace("  file: ", "  # file: "))
    source = load_source(path, {})
    assert source.plugin_file is None
    by_file = answers(load_source(TEMPLATE / "order-lines.yaml", {}))
    assert _messages(answers(source)) == _messages(by_file)


def _messages(made):
    return [
        ([(one.kind, one.body, one.claim) for one in each.messages], each.refusal, each.filtered) for each in made[:3]
    ]


def test_the_command_lists_it(installed):
    said = CliRunner().invoke(plugins).output
    assert "order_lines (shop_transforms:order_lines, shop-transforms 1.0.0)\n  An event for each line" in said
    assert "    channel        text, required               the channel's APP_KEY\n" in said
    assert CliRunner().invoke(plugins, ["--file", str(TEMPLATE / "shop_transforms.py")]).output.splitlines()[2:] == [
        "  options:",
        "    channel        text, required               the channel's APP_KEY",
        "    event_code     text, default 'buy_item'     the event's code in Quick Audience",
        "    with_identity  true or false, default true  report the buyer's mobile number too",
    ]


@pytest.mark.slow
def test_its_own_tests_pass(tmp_path):
    folder = tmp_path / "plugin"
    shutil.copytree(TEMPLATE, folder)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
