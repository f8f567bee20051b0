"""Nothing is left behind, whatever becomes of the soak."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.soak import keeper
from tests.support.paths import ROOT

SOAK = """
import os, signal, subprocess, sys
from pathlib import Path
from tests.soak import keeper
watching = keeper.Keeper("mark-{mark}", Path({folder!r}))
os.environ[keeper.VARIABLE] = "mark-{mark}"
child = subprocess.Popen([sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '600'])"], start_new_session=True)
os.kill(child.pid, signal.SIGSTOP)  # a stopped process is found too
os.waitpid(child.pid, os.WUNTRACED)  # it has an environment of its own, and stands still
print(watching._process.pid, flush=True)
signal.pause()
"""


@pytest.mark.slow
def test_a_soak_that_is_killed_leaves_no_process_and_no_folder(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    mark = f"{os.getpid()}-{id(tmp_path)}"
    soak = subprocess.Popen(
        [sys.executable, "-c", SOAK.format(mark=mark, folder=str(folder))], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    watching = int(soak.stdout.readline())
    assert keeper.marked(f"mark-{mark}")
    soak.send_signal(signal.SIGKILL)
    soak.wait(10)
    with soak.stdout:
        pass
    _wait_for_end(watching)
    assert keeper.marked(f"mark-{mark}") == []
    assert not folder.exists()


def _wait_for_end(pid):
    """The keeper is no child of this process: its end is seen at its own descriptor."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    import select

    try:
        assert select.select([descriptor], [], [], 60)[0]
    finally:
        os.close(descriptor)


def test_only_processes_with_the_mark_are_found():
    marked = subprocess.Popen(["sleep", "60"], env={**os.environ, keeper.VARIABLE: "mine"})
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, keeper.VARIABLE: "mine too"})
    try:
        assert keeper.marked("mine") == [marked.pid]
        assert keeper.kill_marked("mine") == 1
        assert marked.wait(10) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        other.kill()
        other.wait(10)
        marked.kill()
        marked.wait(10)
