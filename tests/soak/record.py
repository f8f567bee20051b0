"""What the soak writes down while it runs. At the end it becomes the evidence."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.soak.evidence import (
    CommandExit,
    CommandKill,
    CommandStart,
    CommitSnapshot,
    DeadLetter,
    Interruption,
    LoggedWarning,
    MemorySample,
    PlayedFault,
    PrintedBooks,
    UnmadeFault,
)
from tests.soak.processes import now_ms


@dataclass(slots=True)
class Record:
    """Lists that grow. `say` is told each thing that happens, as a sentence."""

    say: Callable[[str], None]
    began_ms: int = 0
    snapshots: list[CommitSnapshot] = field(default_factory=list)
    faults: list[PlayedFault] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    planned: int = 0
    unmade: list[UnmadeFault] = field(default_factory=list)
    starts: list[CommandStart] = field(default_factory=list)
    kills: list[CommandKill] = field(default_factory=list)
    store_losses_ms: list[int] = field(default_factory=list)
    exits: list[CommandExit] = field(default_factory=list)
    printed: list[PrintedBooks] = field(default_factory=list)
    warnings: list[LoggedWarning] = field(default_factory=list)
    memory: list[MemorySample] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    """Of dead-letter topics that were deleted."""
    happenings: list[tuple[int, str]] = field(default_factory=list)

    def tell(self, sentence: str) -> None:
        """Note that something happened, and say it with its time."""
        at_ms = now_ms()
        self.happenings.append((at_ms, sentence))
        self.say(f"{(at_ms - self.began_ms) / 1000:8.1f} s  {sentence}")

    def interrupt(self, pid: int, number: signal.Signals, process: str) -> None:
        """Send a process that reports SIGKILL or SIGSTOP, and note it."""
        at_ms = now_ms()  # before the signal: the supervisor may tell of it at once
        os.kill(pid, number)
        self.interruptions.append(Interruption(at_ms, number.name, process, pid))
        self.tell(f"{number.name} to {process} ({pid})")

    def note_exit(self, ended: CommandExit) -> None:
        """Note the end of a command."""
        self.exits.append(ended)
        how = f" {ended.waited_s:.1f} s after SIGTERM" if ended.was_asked else " by itself"
        self.tell(f"{ended.command} ended with code {ended.code}{how}: {ended.last_line[:120]}")
