"""A process that stands still while it writes to the store, or opens it, holds no other process for ever, and keeps no signal from being served."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import contextmanager

import pytest

from pipeline.contracts.values import ClaimResult
from pipeline.dedup.clocks import machine_clocks
from pipeline.dedup.lmdb_store import folder as store_folder
from pipeline.dedup.lmdb_store.bounded_wait import is_done_within
from pipeline.dedup.lmdb_store.folder import StoreFolder
from pipeline.dedup.lmdb_store.store import LmdbStore
from pipeline.dedup.lmdb_store.write_lock import Guarded, WriteLocks
from pipeline.errors import StoreUnavailable
from tests.support.dedup_stores import claim

PATIENCE_MS = 300


def opened(folder, owner, patience_ms=PATIENCE_MS):
    return LmdbStore(folder, owner, keep_ms=10**9, lease_ms=patience_ms, max_bytes=1 << 26, clocks=machine_clocks())


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
    with StoreFolder(folder).opening():
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
                with pytest.raises(StoreUnavailable, match=rf"process {pid} keeps the dedup store .*kill -CONT"):
                    ask()
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
def test_a_process_that_is_stopped_while_it_opens_the_store_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(store_folder, "OPENING_S", PATIENCE_MS / 1_000)
    opened(tmp_path, "a").close()
    with (
        stopped(stop_while_opening, tmp_path) as pid,
        pytest.raises(StoreUnavailable, match=f"process {pid} has been opening the dedup store"),
    ):
        opened(tmp_path, "b")
    opened(tmp_path, "b").close()


@pytest.mark.slow
def test_after_one_wait_that_was_too_long_the_next_ones_are_short_until_the_lock_is_free(tmp_path):
    """A job that ends asks the store several times: the waits must not add up."""
    opened(tmp_path, "a").close()
    slept = []
    locks = WriteLocks(tmp_path, 60_000, slept.append)
    try:
        with stopped(stop_while_writing, tmp_path, Guarded.RECENT):
            for _ in range(3):
                with pytest.raises(StoreUnavailable, match="for 60 s"), locks.held(Guarded.RECENT):
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


def test_a_bounded_wait_tries_again_before_it_gives_up():
    answers, slept = iter([False, False, True]), []
    assert is_done_within(lambda: next(answers), 1.0, slept.append)
    assert slept == [0.0001, 0.0002]
    tries = []
    assert not is_done_within(lambda: tries.append(1), 0.0003, slept.append)
    assert len(tries) == 3
