"""A process that stands still while it writes to the store, or opens it, holds no other process for ever, and keeps no signal from being served."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import contextmanager

import pytest

from pipeline.contracts.values import ClaimResult
from pipeline.dedup.clocks import machine_clocks
from pipeline.dedup.lmdb_store.bounded_wait import HolderWait, is_done_within
from pipeline.dedup.lmdb_store.folder import StoreFolder
from pipeline.dedup.lmdb_store.store import LmdbStore
from pipeline.dedup.lmdb_store.write_lock import Guarded, WriteLocks
from pipeline.errors import StoreUnavailable
from tests.support.dedup_stores import claim

PATIENCE_MS = 300


def opened(folder, owner, patience_ms=PATIENCE_MS):
    wait = HolderWait(patience_ms)
    return LmdbStore(
        folder, owner, keep_ms=10**9, lease_ms=5_000, max_bytes=1 << 26, clocks=machine_clocks(), wait=wait
    )


def stop_while_writing(folder, guarded, pipe):
    """Stand still within a transaction that writes, until SIGCONT; then finish it, and close the store."""
    store = opened(folder, "stopped")
    if guarded is Guarded.RECENT:
        with store._recent.writing() as changing:
            store._tables.hold(changing, [claim(1).key], store._owner)
            pipe.send(os.getpid())
            os.kill(os.getpid(), signal.SIGSTOP)
    else:
        store._durable.change(lambda _: pipe.send(os.getpid()) or os.kill(os.getpid(), signal.SIGSTOP))
    store.close()


def stop_while_opening(folder, pipe):
    """Stand still while the store is being opened, until SIGCONT."""
    with StoreFolder(folder).opening(HolderWait()):
        pipe.send(os.getpid())
        os.kill(os.getpid(), signal.SIGSTOP)


@contextmanager
def stopped(target, *arguments):
    """Run a function in a process that stops itself. Yield its ID once it stands still; let it go on, and see it end, afterwards."""
    spawn = multiprocessing.get_context("spawn")
    pipe, far_end = spawn.Pipe(duplex=False)
    process = spawn.Process(target=target, args=(*arguments, far_end))
    process.start()
    try:
        assert pipe.poll(60)
        pid = pipe.recv()
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
        yield pid
        os.kill(pid, signal.SIGCONT)
        process.join(60)
        assert process.exitcode == 0
    finally:
        if process.is_alive():
            process.kill()
            process.join(20)
        process.close()
        pipe.close()
        far_end.close()


@pytest.mark.slow
def test_a_process_that_is_stopped_while_it_writes_is_named_and_when_it_goes_on_so_does_the_store(tmp_path):
    store = opened(tmp_path, "a")
    served = []
    before = signal.signal(signal.SIGALRM, lambda *_: served.append(1))
    try:
        with stopped(stop_while_writing, tmp_path, Guarded.RECENT) as pid:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_MS / 2_000)
            asked = [
                lambda: store.claim([claim(1)]),
                lambda: store.confirm([claim(1)]),
                lambda: store.release([claim(1)]),
                store.renew,
                store.sweep,
            ]
            for ask in asked:
                with pytest.raises(
                    StoreUnavailable, match=rf"process {pid} keeps the dedup store .*kill -CONT"
                ) as raised:
                    ask()
                assert raised.value.may_pass
            assert served, "no signal was served while the store waited"
            assert store.look_up([claim(1)]) == [ClaimResult.GRANTED]  # reading waits for nobody
        assert store.claim([claim(1)]) == [ClaimResult.GRANTED]
    finally:
        signal.signal(signal.SIGALRM, before)
        store.close()


@pytest.mark.slow
def test_a_process_that_is_stopped_while_it_moves_entries_holds_no_claim(tmp_path):
    store = opened(tmp_path, "a")
    with stopped(stop_while_writing, tmp_path, Guarded.DURABLE) as pid:
        assert store.claim([claim(1)]) == [ClaimResult.GRANTED]
        store.confirm([claim(1)])
        store.sync()
        with pytest.raises(StoreUnavailable, match=f"process {pid} keeps"):
            store.sweep()
    store.sweep()
    store.close()


@pytest.mark.slow
def test_a_process_that_is_stopped_while_it_opens_the_store_is_named(tmp_path):
    opened(tmp_path, "a").close()
    with (
        stopped(stop_while_opening, tmp_path) as pid,
        pytest.raises(StoreUnavailable, match=f"process {pid} opens the dedup store .*kill -CONT") as raised,
    ):
        opened(tmp_path, "b")
    assert raised.value.may_pass
    opened(tmp_path, "b").close()


@pytest.mark.slow
def test_after_one_wait_that_was_too_long_the_next_ones_are_short_until_the_lock_is_free(tmp_path):
    """A job that ends asks the store several times: the waits must not add up."""
    opened(tmp_path, "a").close()
    slept = []

    def wait(_reason, pause_ms):
        slept.append(pause_ms / 1000)
        return True

    locks = WriteLocks(tmp_path, HolderWait(60_000, wait, slept.append))
    try:
        with stopped(stop_while_writing, tmp_path, Guarded.RECENT):
            for _ in range(3):
                with pytest.raises(StoreUnavailable, match="does not go on"), locks.held(Guarded.RECENT):
                    pass
            assert 60 <= sum(slept) <= 60.1
        with locks.held(Guarded.RECENT), locks.held(Guarded.DURABLE):
            pass
        with stopped(stop_while_writing, tmp_path, Guarded.RECENT), pytest.raises(StoreUnavailable):  # noqa: SIM117
            with locks.held(Guarded.RECENT):
                pass
        assert 120 <= sum(slept) <= 120.1
    finally:
        locks.close()


@pytest.mark.slow
def test_the_job_is_asked_whether_it_waits_and_told_for_what(tmp_path):
    """Before the mend only `dedup.lease` was waited for, nothing was shown, and a stop did not end the waiting."""
    opened(tmp_path, "a").close()
    reasons = []

    def wait(reason, _pause_ms):
        reasons.append(reason)
        return len(reasons) < 3

    locks = WriteLocks(tmp_path, HolderWait(60_000, wait, lambda _: None))
    try:
        with stopped(stop_while_writing, tmp_path, Guarded.RECENT) as pid, pytest.raises(StoreUnavailable):  # noqa: SIM117
            with locks.held(Guarded.RECENT):
                pass
        assert len(reasons) == 3
        assert all(each.startswith(f"process {pid} keeps the dedup store") for each in reasons)
        assert all(each.endswith("; trying for 60 s") for each in reasons)
    finally:
        locks.close()


@pytest.mark.slow
def test_a_wait_ends_when_the_process_goes_on(tmp_path, caplog):
    opened(tmp_path, "a").close()
    with stopped(stop_while_writing, tmp_path, Guarded.RECENT) as pid:

        def wait(_reason, _pause_ms):
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.01)
            return True

        locks = WriteLocks(tmp_path, HolderWait(10**9, wait))
        with locks.held(Guarded.RECENT):
            pass
        locks.close()
    assert [each.getMessage().split(",")[0] for each in caplog.records][-1] == "the dedup store can be written again"


@pytest.mark.slow
def test_a_store_that_another_process_keeps_locked_is_closed_without_an_error(tmp_path):
    """Its lease ends by itself. A job that has remembered everything ends with exit code 0, and in time."""
    store = opened(tmp_path, "a", patience_ms=10**9)
    with stopped(stop_while_writing, tmp_path, Guarded.RECENT):
        store.close()
    opened(tmp_path, "a").close()


def test_a_bounded_wait_tries_again_before_it_gives_up():
    answers, slept = iter([False, False, True]), []
    assert is_done_within(lambda: next(answers), 1.0, slept.append)
    assert slept == [0.0001, 0.0002]
    tries = []
    assert not is_done_within(lambda: tries.append(1), 0.0003, slept.append)
    assert len(tries) == 3
