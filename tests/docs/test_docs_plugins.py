"""The example of docs/plugins.md is a plug-in, its test passes, and its fault is the one shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from pipeline.config.load import load_source
from pipeline.errors import UsageError
from tests.support.paths import ROOT
from transforms import testing

PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
MODULE, TEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TRANSFORM = PAGE.partition("```yaml\n")[2].partition("```")[0]
REST = """\
source: shop
kafka: {bootstrap_servers: "localhost:9092", topics: [t]}
decode: json
report: {region: cn-shanghai, organization_id: a, access_id: b}
"""


def test_the_source_file_is_right_and_the_fault_is_as_shown(tmp_path):
    (tmp_path / "shop_transforms.py").write_text(MODULE)
    path = tmp_path / "shop.yaml"
    path.write_text(REST + TRANSFORM)
    load_source(path, {})
    path.write_text(REST + TRANSFORM.replace("channel:", "chanel:"))
    with pytest.raises(UsageError) as found:
        load_source(path, {})
    shown = re.search(r"```\n(shop\.yaml:\d+: transform.*)\n```", PAGE)
    assert shown[1] in str(found.value)


@pytest.mark.slow
def test_the_test_passes(tmp_path):
    (tmp_path / "shop_transforms.py").write_text(MODULE)
    (tmp_path / "test_orders.py").write_text(TEST.replace('.json")', '.json", update=True)'))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]  # fmt: skip
    for _ in range(2):
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        (tmp_path / "test_orders.py").write_text(TEST)


@pytest.mark.parametrize("name", sorted({*testing.__all__} - {"Answer"}))
def test_each_function_of_the_kit_is_named(name):
    assert f"| `{name}(" in PAGE
