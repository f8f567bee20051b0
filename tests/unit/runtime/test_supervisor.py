"""The supervisor with real processes: dead workers are started again, a worker that keeps dying ends all, and dead workers stay in the books."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.contracts.log_events import LogEvent
from pipeline.contracts.values import Partition
from pipeline.errors import DestinationHalt, Log2mqError, SourceUnavailable, WorkerFailed
from pipeline.job.books import Books
from pipeline.job.status import Status
from pipeline.observe.summary import merge
from pipeline.runtime.restart_policy import RestartPolicy
from pipeline.runtime.supervisor import Supervisor
from pipeline.runtime.supervisor_pipe import WorkerMessage
from pipeline.runtime.worker_slot import WorkerEnd

pytestmark = pytest.mark.slow  # each worker is a process

QUICK = RestartPolicy(first_s=0.01, most_s=0.02, most_deaths=2)
LATER = RestartPolicy(first_s=3_600, most_s=3_600)
"""Whoever waits for such a worker is stopped by the time limit of each test."""


def status(**columns):
    return Status(1_000, {Partition("log", 0): Books(**columns)}, lag={Partition("log", 0): 7})


@dataclass
class Worker:
    """A scripted worker: slot 0 dies `deaths` times and then ends without an error. Any other slot waits for SIGTERM.

    Slot 0 begins once the `others` can answer SIGTERM, at any speed of their start.
    """

    folder: Path
    deaths: int
    leaves_with: int = 0
    others: int = 0

    def __call__(self, slot, pipe):
        asked = threading.Event()
        signal.signal(signal.SIGTERM, lambda _number, _frame: asked.set())
        if slot:
            pipe.send(WorkerMessage(status()))
            (self.folder / f"ready-{slot}").touch()
            assert asked.wait(60)
            pipe.send(WorkerMessage(status(read=1, reported=1), 0))
            return
        while len(list(self.folder.glob("ready-*"))) < self.others:
            time.sleep(0.01)
        lives = len(list(self.folder.glob("life-*")))
        (self.folder / f"life-{lives}").touch()
        pipe.send(WorkerMessage(status(read=10, reported=6, in_flight=4)))
        if lives < self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        pipe.send(WorkerMessage(None, self.leaves_with, "no such organisation" if self.leaves_with else ""))


@dataclass
class Passing:
    """A scripted worker: slots below `count` end `times` times with an error that may pass, and then without one. The others end after them.

    Each life of the former finishes so many records.
    """

    folder: Path
    times: int
    count: int = 1
    finishes: int = 6

    def __call__(self, slot, pipe):
        pipe.send(WorkerMessage(status()))
        if slot >= self.count:
            asked = threading.Event()
            signal.signal(signal.SIGTERM, lambda _number, _frame: asked.set())
            while not asked.wait(0.01) and len(list(self.folder.glob("done-*"))) < self.count:
                pass
            pipe.send(WorkerMessage(status(read=1, reported=1), 0))
            return
        lives = len(list(self.folder.glob(f"life-{slot}-*")))
        (self.folder / f"life-{slot}-{lives}").touch()
        pipe.send(WorkerMessage(status(read=10, reported=self.finishes, in_flight=10 - self.finishes)))
        if lives < self.times:
            pipe.send(WorkerMessage(None, SourceUnavailable.exit_code, "no broker answers", may_pass=True))
            sys.exit(SourceUnavailable.exit_code)
        (self.folder / f"done-{slot}").touch()
        pipe.send(WorkerMessage(None, 0))


@dataclass
class Heir:
    """A worker that counts its open handles of the parent's file."""

    file: tuple[int, int]

    def __call__(self, slot, pipe):
        found = 0
        for handle in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                opened = handle.stat()
                found += (opened.st_dev, opened.st_ino) == self.file
        pipe.send(WorkerMessage(status(read=found, reported=found), 0))


def supervise(worker, count, policy=QUICK):
    notes, shown = [], []
    supervisor = Supervisor(worker, count, shown.append, notes.append, policy)
    error = None
    try:
        supervisor.run()
    except Log2mqError as raised:
        error = raised
    assert not supervisor.pids
    return error, [str(note) for note in notes], shown[-1]


def test_who_keeps_dying_ends_all_and_the_others_finish_first(tmp_path):
    error, notes, statuses = supervise(Worker(tmp_path, deaths=100, others=1), 2)
    assert isinstance(error, WorkerFailed)
    assert error.exit_code == 8
    assert str(error) == "worker 0 was killed by SIGKILL, 3 times in a row; giving up"
    assert sum("starting it again" in note for note in notes) == 2
    assert merge(statuses).total.reported == 3 * 6 + 1


def test_what_the_dead_had_in_hand_counts_as_returned_for_another_reads_it_again(tmp_path):
    error, notes, statuses = supervise(Worker(tmp_path, deaths=1), 1)
    assert error is None
    assert len([note for note in notes if "runs as process" in note]) == 2
    total = merge(statuses).total
    total.check()
    assert (total.read, total.reported, total.in_flight, total.returned) == (10 + 10, 6 + 6, 4, 4)
    assert merge(statuses).lag == {Partition("log", 0): 7}


def test_a_death_after_a_steady_life_is_a_first_one(tmp_path):
    error, notes, _ = supervise(Worker(tmp_path, deaths=5), 1, RestartPolicy(first_s=0.01, steady_s=0, most_deaths=1))
    assert error is None
    assert sum("starting it again" in note for note in notes) == 5


def test_the_reason_of_one_is_the_reason_of_all(tmp_path):
    error, _, statuses = supervise(Worker(tmp_path, deaths=0, leaves_with=DestinationHalt.exit_code, others=1), 2)
    assert (error.exit_code, str(error)) == (4, "no such organisation")
    assert merge(statuses).total.reported == 6 + 1


def test_an_error_that_passes_ends_one_worker_and_not_the_others(tmp_path):
    error, notes, statuses = supervise(Passing(tmp_path, times=2), 2)
    assert error is None
    assert [note for note in notes if "again" in note] == [
        "worker 0 ended: no broker answers; starting it again in 0 s"
    ] * 2
    assert merge(statuses).total.reported == 3 * 6 + 1


def test_an_error_that_does_not_pass_is_told_in_the_end(tmp_path):
    error, notes, _ = supervise(Passing(tmp_path, times=100), 2)
    assert (error.exit_code, str(error)) == (3, "no broker answers")
    assert sum("starting it again" in note for note in notes) == QUICK.most_deaths


def fail_when_asked(_slot, pipe):
    """A worker whose last commit fails: it ends at a stop, with an error that may pass."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: asked.set())
    pipe.send(WorkerMessage(status(read=1, reported=1)))
    assert asked.wait(60)
    pipe.send(WorkerMessage(None, SourceUnavailable.exit_code, "no broker answers", may_pass=True))


def test_an_error_at_a_stop_is_told_although_it_may_pass():
    def stop_when_it_runs(statuses):
        if statuses:
            supervisor.stop()

    supervisor = Supervisor(fail_when_asked, 1, stop_when_it_runs, lambda _: None, QUICK)
    with pytest.raises(Log2mqError, match="no broker answers") as raised:
        supervisor.run()
    assert raised.value.exit_code == 3


@dataclass
class Interrupted:
    """A worker that ends early while it finishes what is in flight: somebody kills it, or its own guard ends it."""

    code: int

    def __call__(self, _slot, pipe):
        signal.signal(signal.SIGTERM, lambda _number, _frame: self.end())
        pipe.send(WorkerMessage(status(read=2, reported=1, in_flight=1)))
        signal.pause()

    def end(self):
        if self.code < 0:
            os.kill(os.getpid(), -self.code)
        os._exit(self.code)


@pytest.mark.parametrize(
    ("code", "said"), [(-signal.SIGKILL, "was killed by SIGKILL"), (130, "left with exit code 130")]
)
def test_a_worker_that_ends_early_during_a_stop_is_told(code, said):
    """Before the mend the exit code was 0."""

    def stop_when_it_runs(statuses):
        if statuses:
            supervisor.stop()

    supervisor = Supervisor(Interrupted(code), 1, stop_when_it_runs, lambda _: None, QUICK)
    with pytest.raises(WorkerFailed, match=f"worker 0 {said} before it had finished") as raised:
        supervisor.run()
    assert raised.value.exit_code == 8


def test_a_stop_does_not_wait_for_a_worker_that_is_started_again_later(tmp_path):
    supervisor = Supervisor(
        Passing(tmp_path, times=100), 2, lambda _: None, lambda note: "again" in str(note) and supervisor.stop(), LATER
    )
    supervisor.run()
    assert not supervisor.pids


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_of_every_worker_is_the_error_of_all(tmp_path, count):
    """None of them finishes anything."""
    worker = Passing(tmp_path, times=100, count=count, finishes=0)
    error, notes, _ = supervise(worker, count, LATER)
    assert (error.exit_code, str(error)) == (3, "no broker answers")
    assert sum("starting it again" in note for note in notes) == count - 1


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_that_passes_ends_no_worker_for_good_while_records_are_finished(tmp_path, count):
    """Before the mend all halted at the last worker's first error, with `--workers 1` at its first."""
    error, notes, statuses = supervise(Passing(tmp_path, times=2, count=count), count)
    assert error is None
    assert sum("starting it again" in note for note in notes) == 2 * count
    assert merge(statuses).total.reported == 3 * 6 * count


def test_what_fails_for_ever_ends_with_its_code_although_records_are_finished(tmp_path):
    error, notes, _ = supervise(Passing(tmp_path, times=100), 1)
    assert (error.exit_code, str(error)) == (3, "no broker answers")
    assert sum("starting it again" in note for note in notes) == QUICK.most_deaths


@dataclass
class Parent:
    """A worker whose plug-in has started a process; somebody kills the worker, and not the process. Its second life ends in order."""

    folder: Path

    def __call__(self, _slot, pipe):
        mark = self.folder / "child"
        if mark.exists():
            pipe.send(WorkerMessage(None, 0))
            return
        if not (child := os.fork()):
            time.sleep(60)
            os._exit(0)
        mark.write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_dead_worker_is_noticed_although_a_process_that_it_started_lives(tmp_path):
    """Before the mend it was noticed when that process ended."""
    error, notes, _ = supervise(Parent(tmp_path), 1)
    child = int((tmp_path / "child").read_text())
    os.kill(child, signal.SIGKILL)  # fails where the process has ended by itself
    assert error is None
    assert "worker 0 was killed by SIGKILL; starting it again in 0 s" in notes


def test_a_signal_without_a_name_is_an_end_like_others():
    assert str(WorkerEnd(-signal.SIGRTMIN - 1)) == f"was killed by signal {signal.SIGRTMIN + 1}"


def test_the_dead_leave_one_status_behind(tmp_path):
    shown = []
    policy = RestartPolicy(first_s=0.001, steady_s=0)
    Supervisor(Worker(tmp_path, deaths=6), 1, shown.append, lambda _: None, policy).run()
    assert max(map(len, shown)) == 2
    assert merge(shown[-1]).total.reported == 7 * 6


@pytest.mark.parametrize("count", [1, 3])
def test_a_stop_asked_for_before_the_workers_run_is_a_stop(tmp_path, count):
    supervisor = Supervisor(Worker(tmp_path, deaths=0), count, lambda _: None, lambda _: None, QUICK)
    supervisor.stop()
    supervisor.run()
    assert supervisor.statuses == []


def test_workers_are_spawned_and_inherit_nothing_that_is_open(tmp_path):
    with (tmp_path / "open").open("wb") as opened:
        here = os.fstat(opened.fileno())
        error, _, shown = supervise(Heir((here.st_dev, here.st_ino)), 1)
    assert error is None
    assert merge(shown).total.read == 0


@dataclass
class Silent:
    """A worker that tells one status, then nothing until it is released, and then goes on."""

    folder: Path

    def __call__(self, slot, pipe):
        pipe.send(WorkerMessage(status()))
        while not (self.folder / "release").exists():
            time.sleep(0.01)
        pipe.send(WorkerMessage(None, 0))


def test_a_worker_that_tells_nothing_is_named_once(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.runtime.worker_slot.HUNG_S", 0.5)
    notes = []

    def note(said):
        notes.append(said)
        if said.event is LogEvent.WORKER_HUNG:
            time.sleep(0.6)  # so that it could be named again
            (tmp_path / "release").touch()

    supervisor = Supervisor(Silent(tmp_path), 1, lambda _: None, note, QUICK)
    supervisor.run()
    (hung,) = [said for said in notes if said.event is LogEvent.WORKER_HUNG]
    assert str(hung).startswith(f"worker 0 (process {hung.pid}) has stood still for ")


@dataclass
class Named:
    """A worker that notes its name, and runs until SIGTERM."""

    folder: Path
    name: str

    def __call__(self, slot, pipe):
        asked = threading.Event()
        signal.signal(signal.SIGTERM, lambda _number, _frame: asked.set())
        pipe.send(WorkerMessage(status(read=1, reported=1)))
        (self.folder / self.name).touch()
        assert asked.wait(60)
        pipe.send(WorkerMessage(status(read=1, reported=1), 0))


def test_workers_go_on_with_the_newest_target_and_their_counts(tmp_path):
    shown = []

    def show(statuses):
        shown.append(merge(statuses).total.read)
        if (tmp_path / "third").exists() and not supervisor.is_reloading:
            supervisor.stop()

    supervisor = Supervisor(Named(tmp_path, "first"), 2, show, lambda _: None, QUICK)
    supervisor.reload(Named(tmp_path, "second"), 5_000)
    supervisor.reload(Named(tmp_path, "third"), 5_000)
    supervisor.run()
    assert {each.name for each in tmp_path.iterdir()} == {"first", "third"}
    assert shown[-1] == 4  # two workers of each of the two targets read a record
    assert shown == sorted(shown)
