"""Leaves nothing behind: when the soak has ended, in whatever way, every process that it started is killed, and its working folder removed.

A process of the soak carries the mark of the soak in its environment, and so do the processes that it starts itself. This process waits for the end of
its standard input, which only the soak holds open.

    python -m tests.soak.keeper MARK FOLDER
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "LOG2MQ_SOAK"
LIMIT_S = 20.0


def marked(mark: str) -> list[int]:
    """Return the IDs of the processes that carry the mark, without this one."""
    wanted = f"{VARIABLE}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            with suppress(OSError):  # it has ended, or belongs to another user
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def kill_marked(mark: str) -> int:
    """Kill the processes that carry the mark until none is left, and return how many there were."""
    killed: set[int] = set()
    until_s = time.monotonic() + LIMIT_S
    while (alive := marked(mark)) and time.monotonic() < until_s:
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.update(alive)
        time.sleep(0.05)
    return len(killed)


class Keeper:
    """The keeper's process, as the soak has it."""

    def __init__(self, mark: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.keeper", mark, str(folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal does not reach it
        )

    def close(self) -> None:
        """Let it do its work now, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(LIMIT_S + 10)


def main() -> None:
    """Wait for the end of the soak, then tidy up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mark, folder = sys.argv[1:]
    sys.stdin.buffer.read()
    kill_marked(mark)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
