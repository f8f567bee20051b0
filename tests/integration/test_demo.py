"""The demo where a real Kafka cannot be fetched. Where it can, `.ci/run` runs the demo itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NOWHERE = "http://127.0.0.1:9"
"""Nobody listens there: what goes by way of this proxy does not arrive."""


@pytest.mark.timeout(900)  # it takes as long as it makes progress
def test_without_the_artifacts_it_says_so_and_runs_on_the_mock_cluster(tmp_path):
    proxies = {name: NOWHERE for each in ("http_proxy", "https_proxy") for name in (each, each.upper())}
    folders = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "demo", "--folder", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **proxies, **folders},
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "cannot be fetched" in said
    assert "the broker is not" in said
    assert "is killed with SIGKILL" in said
    assert "lost 0, unknown 0: nothing lost, nothing unexplained" in said
