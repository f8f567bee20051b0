"""The hosts of a soak: each runs one command, and its service manager starts the command again when it has ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pipeline.errors import StoreUnavailable
from tests.soak.evidence import CommandExit, CommandKill, CommandStart, Interruption
from tests.soak.processes import Command, now_ms
from tests.soak.record import Record
from tests.soak.settings import GRACE_S

AGAIN_S = 1.0
"""The service manager waits so long before it starts a command again."""

LOOK_S = 0.1
SPARE_S = 10.0
"""The time beside the grace that a stop gets before a second signal."""

SECOND_SIGNAL_S = 5.0
"""A second signal ends a job at once. It gets this time."""


NEW_STORE = "--new-store"


class Host:
    """One host. `workers` is the number for `--workers`, or None for one process without a supervisor."""

    def __init__(
        self, name: str, workers: int | None, source: Path, environment: Mapping[str, str], logs: Path, record: Record
    ) -> None:
        self.name = name
        self.workers = workers
        self._source = source
        self._environment = environment
        self._logs = logs
        self._record = record
        self._runs = 0
        self._start_again_s = 0.0
        self._is_expected_dead = False  # the soak killed it
        self._is_stopping = False
        self._accepts_store = False
        self.command: Command | None = None

    def start(self) -> None:
        """Start the command."""
        self._runs += 1
        options = ["--workers", str(self.workers)] if self.workers else []
        if self._accepts_store:
            options.append(NEW_STORE)
            self._accepts_store = False
        self.command = self.launch(f"{self.name}-{self._runs}", "run", *options)
        self._is_expected_dead = False
        self._record.starts.append(CommandStart(now_ms(), self.command.name))
        self._record.tell(f"{self.command.name} starts ({self.command.pid})")

    def launch(self, name: str, verb: str, *options: str) -> Command:
        """Run another command of log2mq on this host, such as a replay."""
        arguments = [verb, str(self._source), "--no-progress", "--log-format", "json", *options]
        return Command(name, arguments, self._environment, self._logs / f"{name}.log")

    def pids(self) -> list[int]:
        """Return the IDs of the processes that report."""
        return self.command.workers() if self.command is not None else []

    def interrupt(self, pid: int, number: signal.Signals) -> None:
        """Kill or stop a process that reports."""
        assert self.command is not None
        if number is signal.SIGKILL and pid == self.command.pid:
            self._is_expected_dead = True
            self._record.kills.append(CommandKill(now_ms(), self.command.name))
        with suppress(ProcessLookupError):
            self._record.interrupt(pid, number, f"a worker of {self.command.name}")

    def kill_supervisor(self) -> list[int]:
        """Kill the supervisor alone, and return its workers."""
        assert self.command is not None
        workers = self.command.workers()
        self._is_expected_dead = True
        self.command.send_signal(signal.SIGKILL)
        self._record.tell(f"SIGKILL to the supervisor of {self.command.name} ({self.command.pid})")
        return workers

    def look(self) -> None:
        """Notice that the command has ended, and start it again after a moment."""
        if self.command is None:
            if time.monotonic() >= self._start_again_s:
                self.start()
        elif not self.command.is_alive and not self._is_stopping:
            self._note_end()

    def stop(self) -> Iterator[float]:
        """Stop the command with SIGTERM, with a second one if it takes too long, and with SIGKILL in the end. Yields waits in seconds."""
        command = self.command
        if command is None:
            self._start_again_s = float("inf")
            return
        self._is_stopping = True
        began_ms = now_ms()
        self._record.tell(f"SIGTERM to {command.name}")
        command.send_signal(signal.SIGTERM)
        for limit_s, number in ((GRACE_S + SPARE_S, signal.SIGTERM), (SECOND_SIGNAL_S, signal.SIGKILL)):
            until_s = time.monotonic() + limit_s
            while command.is_alive and time.monotonic() < until_s:
                yield LOOK_S
            if not command.is_alive:
                break
            self._record.tell(f"{command.name} has not ended; {number.name} now")
            for pid in command.workers():
                if number is signal.SIGKILL:
                    self.interrupt(pid, number)
                else:  # a second signal ends the job at once, with the answers under way unknown
                    self._record.interruptions.append(
                        Interruption(now_ms(), "second SIGTERM", f"{command.name} ({pid})", pid)
                    )
            command.send_signal(number)
            if number is signal.SIGKILL:
                self._record.kills.append(CommandKill(now_ms(), command.name))
        while command.is_alive:
            yield LOOK_S
        self._note_end(asked_ms=began_ms)
        self._start_again_s = float("inf")
        self._is_stopping = False

    def restart(self) -> None:
        """Let the service manager start the command again after a `stop`."""
        self._start_again_s = 0.0

    def left_behind(self, command: str, pids: list[int], waited_s: float) -> None:
        """Note the end of the workers of a killed supervisor. Kill those that outlive it, and note each as a stop that took too long."""
        for pid in pids:
            with suppress(ProcessLookupError):
                self._record.interrupt(pid, signal.SIGKILL, f"a worker without supervisor of {self.name}")
                self._record.note_exit(
                    CommandExit(
                        now_ms(),
                        f"{self.name}'s worker",
                        -9,
                        was_asked=True,
                        waited_s=waited_s,
                        last_line="outlived its supervisor",
                    )
                )
        self._record.kills.append(CommandKill(now_ms(), command))

    def _note_end(self, asked_ms: int | None = None) -> None:
        command = self.command
        assert command is not None
        command.finish()
        self._record.printed += command.printed
        self._record.warnings += command.warnings
        code = command.process.returncode
        # A person reads that the store is not the one of the group, and begins a new one.
        self._accepts_store = code == StoreUnavailable.exit_code and any(
            NEW_STORE in each.text for each in command.warnings
        )
        if not self._is_expected_dead:
            waited_s = 0.0 if asked_ms is None else (command.ended_ms - asked_ms) / 1000
            self._record.note_exit(
                CommandExit(command.ended_ms, command.name, code, asked_ms is not None, waited_s, command.last_line)
            )
        self.command = None
        self._start_again_s = time.monotonic() + AGAIN_S


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
