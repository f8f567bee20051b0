"""The evidence of a soak: everything that the judge looks at, from witnesses that are independent of the job. Times are Unix ms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.soak.kinds import FaultKind
from tests.soak.workload import Line


@dataclass(frozen=True, slots=True)
class LoggedLine:
    """A line as the source's topic has it."""

    line: Line
    partition: int
    offset: int
    at_ms: int

    @property
    def place(self) -> tuple[int, int]:
        """Its partition and offset."""
        return self.partition, self.offset


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """A batch that the stand-in accepted. `passed_ms` is when the proxy had passed its answer on to the client; None if it never did.

    `client` is the ID of the process that got the answer; None if it is not known. `keys` are (event code, outBizId) or (customer,). `identities` has a digest for each user message.
    """

    kind: str
    keys: Sequence[tuple[str, ...]]
    request_id: str
    received_ms: int
    accepted_ms: int
    passed_ms: int | None
    identities: Sequence[str | None] = ()
    client: int | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter: the place of its record in the source's topic, when the broker wrote it, and its reason."""

    partition: int
    offset: int
    at_ms: int
    reason: str

    @property
    def place(self) -> tuple[int, int]:
        """The place of its record."""
        return self.partition, self.offset


@dataclass(frozen=True, slots=True)
class CommitSnapshot:
    """The commits of the group at one moment, by partition, and the ends of the partitions. `at_ms` is after the brokers' answer.

    `books` are the counts in the commit's metadata.
    """

    at_ms: int
    offsets: Mapping[int, int]
    ends: Mapping[int, int]
    books: Mapping[int, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class PlayedFault:
    """A fault that happened."""

    kind: FaultKind
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class UnmadeFault:
    """A fault that was planned and did not happen, and why."""

    at_ms: int
    kind: FaultKind
    reason: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """The soak killed a process that reports (SIGKILL), made it end at once (second SIGTERM), or stopped it beyond its lease (SIGSTOP)."""

    at_ms: int
    signal: str
    process: str
    pid: int


@dataclass(frozen=True, slots=True)
class CommandStart:
    """A command was started."""

    at_ms: int
    command: str


@dataclass(frozen=True, slots=True)
class CommandKill:
    """The soak killed a command's own process (SIGKILL): it could print no closing summary. `at_ms` is when the last of its workers had ended, too."""

    at_ms: int
    command: str


@dataclass(frozen=True, slots=True)
class CommandExit:
    """A command that ended. `was_asked`: after a SIGTERM of the soak, `waited_s` after it. `code` is negative for a signal."""

    at_ms: int
    command: str
    code: int
    was_asked: bool
    waited_s: float = 0.0
    last_line: str = ""


@dataclass(frozen=True, slots=True)
class PrintedBooks:
    """The books in a line of a command's log, or in its closing summary."""

    at_ms: int
    command: str
    books: Mapping[str, int]
    is_closing: bool = False


@dataclass(frozen=True, slots=True)
class MemorySample:
    """The memory of a process that is no file's: RssAnon of proc_pid_status(5)."""

    at_ms: int
    pid: int
    process: str
    used_bytes: int


@dataclass(frozen=True, slots=True)
class LoggedWarning:
    """A line of a command's log that a person should see: a warning, an error, a start or an end of a process."""

    at_ms: int
    command: str
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything about one soak. `senders` is how many batches one process may have in flight, `slow_ms` after which time a client gives up.

    `planned` is how many faults the schedule has, `unwritten` how many lines of the workload the broker did not take.
    """

    seed: int
    began_ms: int
    ended_ms: int
    senders: int
    slow_ms: int
    grace_s: float
    log: Sequence[LoggedLine] = ()
    accepted: Sequence[AcceptedBatch] = ()
    dead_letters: Sequence[DeadLetter] = ()
    snapshots: Sequence[CommitSnapshot] = ()
    faults: Sequence[PlayedFault] = ()
    interruptions: Sequence[Interruption] = ()
    store_losses_ms: Sequence[int] = ()
    exits: Sequence[CommandExit] = ()
    printed: Sequence[PrintedBooks] = ()
    memory: Sequence[MemorySample] = ()
    warnings: Sequence[LoggedWarning] = ()
    starts: Sequence[CommandStart] = ()
    kills: Sequence[CommandKill] = ()
    planned: int = 0
    unmade: Sequence[UnmadeFault] = ()
    unwritten: int = 0
    happenings: Sequence[tuple[int, str]] = ()
