"""One command of log2mq as a process: started, signalled, read line by line. Processes are named by their IDs only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.soak.evidence import LoggedWarning, PrintedBooks
from tests.support.paths import ROOT

_COLUMNS = ("read", "reported", "duplicate", "filtered", "dead_lettered", "in_flight", "returned")


def now_ms() -> int:
    """Return the time in Unix ms."""
    return time.time_ns() // 1_000_000


class Command:
    """A running command. A thread reads what it prints, into a file with times, and keeps the books and warnings in it.

    Another thread notes when it ends: whoever asks may be busy meanwhile, such as with the start of a broker.
    """

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.printed: list[PrintedBooks] = []
        self.warnings: list[LoggedWarning] = []
        self.last_line = ""
        self.ended_ms = 0
        """When its own process ended, in Unix ms; 0 while it runs."""
        self._log = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.command", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # not a file: a limit on the size of files must touch the store alone
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C in the terminal reaches the soak alone, which then stops it
        )
        self._reader = threading.Thread(target=self._read, name=f"reads-{name}", daemon=True)
        self._reader.start()
        self._watcher = threading.Thread(target=self._watch, name=f"watches-{name}", daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        """The ID of the command's own process: the supervisor, or the one worker."""
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the command's own process runs."""
        return self.process.poll() is None

    def workers(self) -> list[int]:
        """Return the IDs of the processes that report: the children of a supervisor, or the command itself."""
        with suppress(psutil.Error):
            children = psutil.Process(self.pid).children()
            if any("resource_tracker" in " ".join(child.cmdline()) for child in children):
                return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]
        return [self.pid] if self.is_alive else []

    def pids(self) -> list[int]:
        """Return the IDs of all its processes."""
        return list({self.pid, *self.workers()})

    def send_signal(self, number: signal.Signals) -> None:
        """Send the command's own process a signal."""
        if self.is_alive:
            self.process.send_signal(number)

    def kill_all(self) -> None:
        """Kill all its processes."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def finish(self) -> None:
        """Read to the end of what an ended command printed, and so its closing books."""
        self.process.wait(10)
        self._watcher.join()
        self._reader.join(1)  # longer only where workers outlive a supervisor that was killed

    def _watch(self) -> None:
        self.process.wait()
        self.ended_ms = now_ms()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self._log.open("a", encoding="utf-8") as log:
            for raw in self.process.stdout:
                line, at_ms = raw.decode(errors="replace").rstrip("\n"), now_ms()
                log.write(f"{at_ms} {line}\n")
                log.flush()
                if line.strip():
                    self._note(line, at_ms)

    def _note(self, line: str, at_ms: int) -> None:
        if line.startswith("{"):
            with suppress(ValueError):
                entry = json.loads(line)
                if "books" in entry:
                    row = {name: entry["books"][name] for name in _COLUMNS}
                    self.printed.append(PrintedBooks(at_ms, self.name, row, is_closing=entry.get("event") == "stop"))
                elif entry["level"] != "debug":
                    self._warn(at_ms, entry["message"])
                return
        if line.startswith("log2mq:") or "Error" in line or "Traceback" in line:
            self._warn(at_ms, line)

    def _warn(self, at_ms: int, text: str) -> None:
        self.last_line = text
        self.warnings.append(LoggedWarning(at_ms, self.name, text))
