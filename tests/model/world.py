"""The model's world: one topic, one API, one dedup store, and processes that come and go. It also says what must hold at every moment."""

from __future__ import annotations

from collections import Counter
from random import Random

from pipeline.contracts.values import Commit, Outcome, Partition
from pipeline.dedup.memory_store import MemoryTable
from pipeline.job.books import Books, decode_books
from pipeline.job.status import Status
from tests.model.api import Api, State
from tests.model.kafka import DeadLetterTopic, Group
from tests.model.process import LEASE_MS, Call, Process
from tests.model.records import Told, event
from transforms.base import Kind

GROWING = (
    "read",
    "reported",
    "duplicate",
    "filtered",
    "dead_lettered",
    "returned",
    "events_reported",
    "users_reported",
)
"""The counts that never fall."""

LAST_EVENTS = 10**6
"""Numbers of events that no rule writes."""


class World:
    """Everything outside of the processes, and the promises."""

    def __init__(self, seed: int, partitions: int, *, refuses_with_unknown: bool, stop_above: float) -> None:
        self.chance = Random(seed)
        self.now_ms = 1_700_000_000_000
        self.group = Group(partitions)
        self.table = MemoryTable()
        self.api = Api(refuses_with_unknown=refuses_with_unknown)
        self.dead = DeadLetterTopic()
        self.is_registry_away = False
        self.stop_above = stop_above
        self.processes: dict[int, Process] = {}
        self.begun = 0
        self.may_be_twice: Counter[str] = Counter()
        """Calls whose answer nobody could remember, by outBizId: their process was killed, or stood still for longer than its lease."""
        self.letters_may_be_twice: Counter[tuple[str, int, int]] = Counter()
        """Dead letters whose yes nobody could remember, by place: the same for dead letters."""
        self.shown: dict[str, Status] = {}
        """The last status of each process, also of those that ended, as a supervisor has it."""
        self._has_lost_answers = False
        self._judged: dict[Partition, int] = dict.fromkeys(self.group.logs, 0)
        self._told: dict[str, int] = {}

    # --- what happens ----------------------------------------------------------------------------------------------------------

    def append(self, told: Told) -> None:
        """Write a record. The records of one customer are in one partition."""
        partitions = list(self.group.logs)
        key = int(told.customer[1:]) if told.customer else self.chance.randrange(len(partitions))
        self.group.logs[partitions[key % len(partitions)]].append(told)

    def start(self, slot: int) -> None:
        """Start a process in a slot."""
        self.begun += 1
        self.processes[slot] = Process(self, f"process-{self.begun}")
        self.rebalance()

    def kill(self, slot: int) -> None:
        """End a process at once. What it has written is on its way all the same."""
        process = self.processes.pop(slot)
        self._has_lost_answers = True
        self._forget_all(process)
        self.group.evict(process.name)
        self.rebalance()

    def ended(self, process: Process) -> None:
        """Note the end of a process. Answers come within its grace time, so nothing may be forgotten."""
        self.processes = {slot: each for slot, each in self.processes.items() if each is not process}
        self.group.evict(process.name)
        self.rebalance()

    def rebalance(self) -> None:
        """Plan new owners."""
        self.group.give([process.name for process in self.processes.values()], self.chance)

    def stand_still(self, process: Process) -> None:
        """Let the others run while a process stands still, for longer than its lease and its session."""
        was_busy, process.is_busy = process.is_busy, True
        for each in self.processes.values():
            if each.is_busy:  # this one, and those that wait for it to go on: no two threads run here
                for call in (*each.senders.calls, *each.senders.unconfirmed):
                    if call.answer is not None:
                        self._forget(call)  # it cannot be confirmed before the lease ends
                self._forget_letters(each)
        self.now_ms += LEASE_MS + 500
        self.group.evict(process.name)
        others = [each for each in self.processes.values() if each is not process]
        self.group.give([each.name for each in others] or [process.name], self.chance)
        self.run(self.chance.choice([5, 40]), but=process, step_ms=50)
        process.is_busy = was_busy

    def run(self, turns: int = 1, *, but: Process | None = None, step_ms: int = 0) -> None:
        """Let each process go around its loop, unless it stands still or waits in its end. `step_ms` pass between two turns."""
        for _ in range(turns):
            for process in list(self.processes.values()):
                if process is not but and not process.is_busy and process in self.processes.values():
                    process.turn()
            self.now_ms += step_ms

    def _forget_all(self, process: Process) -> None:
        for call in process.senders.calls:
            self._forget(call)
        self._forget_letters(process)

    def _forget_letters(self, process: Process) -> None:
        self.letters_may_be_twice.update((raw.topic, raw.partition, raw.offset) for raw in process.writer.unanswered)

    def _forget(self, call: Call) -> None:
        self._has_lost_answers = True
        self.may_be_twice.update(call.numbers())

    # --- what the API answers ----------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Outcome:
        """Return the API's answer to a call that reaches it now."""
        outcome = self.api.answer(call.kind, call.messages)
        if self.api.states[call.kind] is State.CUT:
            self._forget(call)
        return outcome

    # --- what a person is shown --------------------------------------------------------------------------------------------------

    def note_status(self, name: str, status: Status) -> None:
        """Note a status. It balances, and none of its counts is lower than before."""
        before = self.shown.get(name)
        for partition, books in status.books.items():
            books.check()
            if before is not None and (earlier := before.books.get(partition)) is not None:
                for column in GROWING:
                    now, then = getattr(books, column), getattr(earlier, column)
                    assert now >= then, f"{column} of {partition} in {name} fell from {then} to {now}"
        self.shown[name] = status

    def _what_is_committed_is_shown(self) -> None:
        """Whatever died, the statuses of all processes count each committed record at least once."""
        total: Counter[Partition] = Counter()
        for status in self.shown.values():
            for partition, books in status.books.items():
                total[partition] += books.read - books.in_flight - books.returned
        for partition, commit in self.group.committed.items():
            assert total[partition] >= commit.offset, f"{total[partition]} of {commit.offset} in {partition} are shown"

    # --- what must hold ----------------------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Check every promise that must hold at every moment."""
        self._nothing_is_passed_by()
        self._nothing_is_taken_twice()
        self._identities_never_go_back()
        self._only_bad_records_are_dead_letters()
        self._each_dead_letter_is_written_once()
        self._what_is_committed_is_shown()
        for process in self.processes.values():
            Books.total(process.runner.offsets.books().values()).check()

    def _nothing_is_passed_by(self) -> None:
        for partition, commit in self.group.committed.items():
            for offset in range(self._judged[partition], commit.offset):
                told = self.group.logs[partition][offset]
                assert self._is_finished(partition, offset, told), f"{partition} {offset} was committed: {told}"
            self._judged[partition] = max(self._judged[partition], commit.offset)

    def _is_finished(self, partition: Partition, offset: int, told: Told) -> bool:
        if told.is_bad:
            return any((raw.topic, raw.partition, raw.offset) == (*partition, offset) for raw, _ in self.dead.written)
        if told.event:
            return bool(self.api.taken[told.event])
        return not told.customer or max(self.api.versions.get(told.customer, [0])) >= told.version

    def _nothing_is_taken_twice(self) -> None:
        for number, times in self.api.taken.items():
            assert times <= 1 + self.may_be_twice[number], f"{number} was taken {times} times"

    def _identities_never_go_back(self) -> None:
        for customer, versions in self.api.versions.items():
            assert versions == sorted(versions), f"{customer}: {versions}"

    def _only_bad_records_are_dead_letters(self) -> None:
        for raw, _ in self.dead.written:
            told = self.group.logs[Partition(raw.topic, raw.partition)][raw.offset]
            assert told.is_bad, f"{raw.topic} {raw.partition} {raw.offset} is a dead letter: {told}"

    def _each_dead_letter_is_written_once(self) -> None:
        places = Counter((raw.topic, raw.partition, raw.offset) for raw, _ in self.dead.written)
        for place, times in places.items():
            assert times <= 1 + self.letters_may_be_twice[place], f"{place} is a dead letter {times} times"

    # --- the end -----------------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """End all faults, let the job read to the end, and check that everything is finished and counted."""
        self.api.states = dict.fromkeys(Kind, State.UP)
        self.dead.is_away = self.is_registry_away = False
        self.stop_above = 1.0  # a person raises the limit, where it stopped the job
        for process in self.processes.values():
            process.points_to_go = 0
        for turn in range(5_000):
            if all(self._is_read(partition) for partition in self.group.logs):
                break
            if not turn % 250:
                self.append(event(LAST_EVENTS + turn))  # what is accepted now tells that the held messages are at fault
            if not self.processes:
                self.start(0)
            self.run(step_ms=20)
        for partition in self.group.logs:
            assert self._is_read(partition), f"{partition} stands at {self.group.committed.get(partition)}"
        self.judge()
        lifetime = Books.total(Books.of(decode_books(commit.metadata)[0]) for commit in self.group.committed.values())
        lifetime.check()
        told = [each for log in self.group.logs.values() for each in log]
        assert lifetime.read == len(told)
        assert lifetime.dead_lettered == sum(each.is_bad for each in told)
        for process in list(self.processes.values()):
            process.end()
        assert not self.table.claims
        if not self._has_lost_answers:  # then each event that was taken was reported by one process
            reported = sum(status.total.events_reported for status in self.shown.values())
            assert reported == self.api.taken.total()

    def _is_read(self, partition: Partition) -> bool:
        return self.group.committed.get(partition, Commit(0, "")).offset == len(self.group.logs[partition])
