"""The model's world: one topic, one API, one dedup store, and processes that come and go. It also says what must hold at every moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from pipeline.contracts.values import Commit, Outcome, Partition
from pipeline.dedup.clocks import Clocks
from pipeline.dedup.lmdb_store.store_clock import begin_clock
from pipeline.dedup.memory_store import MemoryTable
from pipeline.job.books import Books, decode_books, decode_store_id
from pipeline.job.status import Status
from tests.model.api import Api, State
from tests.model.kafka import DeadLetterTopic, Group
from tests.model.process import KEEP_MS, LEASE_MS, Call, Process
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

SOME_TURNS = 20
"""Turns in which a process commits several times; one commit in ten fails."""

LAST_EVENTS = 10**6
"""Numbers of events that no rule writes."""


class World:
    """Everything outside of the processes, and the promises."""

    def __init__(self, seed: int, partitions: int, *, refuses_with_unknown: bool, stop_above: float) -> None:
        self.chance = Random(seed)
        self.now_ms = 5_000_000
        """The time since the machine started."""
        self.wall_at_start_ms = 1_700_000_000_000
        """What the wall clock would have said at the start of the machine, as it is set now."""
        self.clocks = Clocks(lambda: self.wall_at_start_ms + self.now_ms, lambda: self.now_ms)
        self.anchor_ms = begin_clock(self.clocks, None, KEEP_MS).anchor_ms
        self.group = Group(partitions)
        self.table = MemoryTable(identity="the store")
        self.api = Api(refuses_with_unknown=refuses_with_unknown)
        self.dead = DeadLetterTopic()
        self.is_registry_away = False
        self.is_disk_full = False
        self.stop_above = stop_above
        self.processes: dict[int, Process] = {}
        self.begun = 0
        self.may_be_twice: Counter[str] = Counter()
        """Calls whose answer nobody could remember, by outBizId: their process was killed, or stood still for longer than its lease."""
        self.letters_may_be_twice: Counter[tuple[str, int, int]] = Counter()
        """Dead letters whose yes nobody could remember, by place: the same for dead letters."""
        self.may_go_back: set[str] = set()
        """Customers in several partitions for whom such a call leaves a version in doubt (docs/guarantees.md, "Order"): only the last one is sure."""
        self.shown: dict[str, Status] = {}
        """The last status of each process, also of those that ended, as a supervisor has it."""
        self._has_lost_answers = False
        self._judged: dict[Partition, int] = dict.fromkeys(self.group.logs, 0)
        self._told: dict[str, list[Told]] = {}
        """The records of each customer, the oldest first."""

    # --- what happens ----------------------------------------------------------------------------------------------------------

    def append(self, told: Told) -> None:
        """Write a record. The records of one customer are in one partition, or in all."""
        self.now_ms += 1
        told = replace(told, time_ms=self.now_ms)
        partitions = list(self.group.logs)
        is_keyed = told.customer and not told.is_spread
        key = int(told.customer[1:]) if is_keyed else self.chance.randrange(len(partitions))
        self.group.logs[partitions[key % len(partitions)]].append(told)
        if told.customer:
            self._told.setdefault(told.customer, []).append(told)

    def start(self, slot: int, table: MemoryTable | None = None) -> None:
        """Start a process in a slot, with the store of the group or with another one, if it can open the store."""
        if self.is_disk_full:
            return
        self.begun += 1
        self.processes[slot] = Process(self, f"process-{self.begun}", table or self.table)
        self.rebalance()

    @property
    def is_all_named(self) -> bool:
        """Whether the commit of every partition names the store of the group: it has work that another store does not know."""
        return all(
            (commit := self.group.committed.get(partition)) is not None and decode_store_id(commit.metadata)
            for partition in self.group.logs
        )

    def name_the_store(self) -> None:
        """Let the processes run. A commit names the store of the group where it remembers something, also behind a head that is stuck."""
        self.run(SOME_TURNS, step_ms=50)
        remembered = [
            (process, offsets)
            for process in self.processes.values()
            for offsets in process.runner.offsets.owned.values()
            if (books := offsets.session_books()).reported + books.duplicate + books.dead_lettered
        ]
        self.run(SOME_TURNS, step_ms=50)
        for process, offsets in remembered:
            if not offsets.closed and not process.is_busy and self.group.owned[offsets.partition] == process.name:
                commit = self.group.committed.get(offsets.partition)
                assert commit is not None, f"{offsets.partition} has no commit"
                assert decode_store_id(commit.metadata) == self.table.identity, f"{offsets.partition} has no name"

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
                if process is but or process not in self.processes.values():
                    continue
                if process.is_waiting:
                    process.deadline.while_waiting()
                elif not process.is_busy:
                    process.turn()
            self.now_ms += step_ms

    def _forget_all(self, process: Process) -> None:
        for call in process.senders.calls:
            self._forget(call)
        self._forget_letters(process)

    def _forget_letters(self, process: Process) -> None:
        raws = (*process.writer.unanswered, *process.writer.unconfirmed)
        self.letters_may_be_twice.update((raw.topic, raw.partition, raw.offset) for raw in raws)

    def _forget(self, call: Call) -> None:
        self._has_lost_answers = True
        self.may_be_twice.update(call.numbers())
        self.may_go_back.update(customer for customer in call.customers() if self._told[customer][0].is_spread)

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
        for books in status.books.values():
            books.check()
        self._no_count_falls(name, status)
        self.shown[name] = status

    def _no_count_falls(self, name: str, status: Status) -> None:
        if (before := self.shown.get(name)) is None:
            return
        for partition, books in status.books.items():
            if (earlier := before.books.get(partition)) is not None:
                for column in GROWING:
                    now, then = getattr(books, column), getattr(earlier, column)
                    assert now >= then, f"{column} of {partition} in {name} fell from {then} to {now}"

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
        self._only_the_store_of_the_group_is_worked_with()
        self._only_bad_records_are_dead_letters()
        self._each_dead_letter_is_written_once()
        self._what_is_committed_is_shown()
        self._books_balance()

    def _books_balance(self) -> None:
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
        if not told.customer:
            return True
        reached = self._last_reported(told.customer)
        return reached is not None and reached.time_ms >= told.time_ms

    def _nothing_is_taken_twice(self) -> None:
        for number, times in self.api.taken.items():
            assert times <= 1 + self.may_be_twice[number], f"{number} was taken {times} times"

    def _identities_never_go_back(self) -> None:
        for customer in self.api.identities:
            self._last_reported(customer)

    def _last_reported(self, customer: str) -> Told | None:
        """Return the latest record that may have told what the API took last of a customer; None if it took nothing.

        What it took must be told by records of which none is older than the one before.
        """
        taken, told = self.api.identities.get(customer, []), self._told[customer]
        place = 0
        for identities in taken:
            later = [at for at in range(place, len(told)) if told[at].identities == identities]
            if not later and customer in self.may_go_back:
                later = [at for at in range(place) if told[at].identities == identities]
            assert later, f"{customer}: the log tells {[each.identities for each in told]}, the API took {taken}"
            place = later[0]
        return next((each for each in reversed(told[place:]) if taken and each.identities == taken[-1]), None)

    def _only_the_store_of_the_group_is_worked_with(self) -> None:
        for process in self.processes.values():
            if process.store.identity.id != self.table.identity:
                assert not process.runner.offsets.owned, f"{process.name} owns partitions with another store"
        for partition, commit in self.group.committed.items():
            assert decode_store_id(commit.metadata) in {"", self.table.identity}, f"{partition} names another store"

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
        self.dead.is_away = self.is_registry_away = self.is_disk_full = False
        self.stop_above = 1.0  # a person raises the limit, where it stopped the job
        for process in self.processes.values():
            process.points_to_go = 0
        for turn in range(5_000):
            if all(self._is_read(partition) for partition in self.group.logs):
                break
            if not turn % 50:
                self.append(event(LAST_EVENTS + turn))  # what is accepted now tells that the held messages are at fault
            if not self.processes:
                self.start(0)
            self.run(step_ms=20)
        self._everything_is_finished()
        self.judge()
        self._the_last_identities_are_told()
        self._the_books_of_the_commits_are_those_of_the_log()
        for process in list(self.processes.values()):
            process.end()
        self._no_claim_is_left()
        self._each_event_was_reported_by_one_process()

    def _everything_is_finished(self) -> None:
        for partition in self.group.logs:
            assert self._is_read(partition), f"{partition} stands at {self.group.committed.get(partition)}"

    def _the_last_identities_are_told(self) -> None:
        for customer, told in self._told.items():
            last = self._last_reported(customer)
            assert last is not None, f"{customer}: no version was reported"
            assert last.identities == told[-1].identities, f"{customer}: {self.api.identities[customer]}"

    def _the_books_of_the_commits_are_those_of_the_log(self) -> None:
        lifetime = Books.total(Books.of(decode_books(commit.metadata)[0]) for commit in self.group.committed.values())
        lifetime.check()
        told = [each for log in self.group.logs.values() for each in log]
        assert lifetime.read == len(told), f"the books of the commits count {lifetime.read} of {len(told)} records"
        bad = sum(each.is_bad for each in told)
        assert lifetime.dead_lettered == bad, (
            f"the books of the commits count {lifetime.dead_lettered} of {bad} dead letters"
        )

    def _no_claim_is_left(self) -> None:
        assert not self.table.claims, f"{len(self.table.claims)} claims are left"

    def _each_event_was_reported_by_one_process(self) -> None:
        if not self._has_lost_answers:
            reported = sum(status.total.events_reported for status in self.shown.values())
            taken = self.api.taken.total()
            assert reported == taken, f"the statuses count {reported} of {taken} events that were taken"

    def _is_read(self, partition: Partition) -> bool:
        return self.group.committed.get(partition, Commit(0, "")).offset == len(self.group.logs[partition])
