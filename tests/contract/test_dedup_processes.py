"""Several processes, one LMDB store: each key is granted to exactly one living owner, and the claims of a dead owner end with its lease."""

import contextlib
import multiprocessing
import random
import time

from pipeline.contracts.values import ClaimResult
from pipeline.dedup.clocks import machine_clocks
from pipeline.dedup.lmdb_store.store import LmdbStore
from tests.support.dedup_stores import claim

LEASE = 1_500
KEYS = 1_500
VICTIMS_KEYS = range(KEYS, KEYS + 200)


def open_store(folder, name):
    return LmdbStore(
        folder / "store", name, keep_ms=3_600_000, lease_ms=LEASE, max_bytes=1 << 28, clocks=machine_clocks()
    )


class Marks:
    """The owner of each granted key, kept outside the store: a file that only one process can create."""

    def __init__(self, folder, name):
        self._folder, self._name = folder / "marks", name
        self._dead = folder / "victim-is-dead"

    def take(self, number):
        path = self._folder / str(number)
        try:
            with path.open("x") as file:
                file.write(self._name)
        except FileExistsError:
            holder = path.read_text()
            assert holder == "victim", f"{number} was granted to {self._name} and is {holder}'s"
            assert self._dead.exists(), f"{number} was granted to {self._name} while the victim lives"
            path.write_text(self._name)

    def remove(self, number):
        (self._folder / str(number)).unlink()


def survive(folder, name, seed):
    """Claim all keys, in random batches. Confirm most of them and release the others, until all keys are confirmed."""
    store, marks, chance = open_store(folder, name), Marks(folder, name), random.Random(seed)
    left = set(range(VICTIMS_KEYS.stop))
    while left:
        store.renew()
        numbers = chance.sample(sorted(left), min(len(left), chance.randint(1, 60)))
        claims = [claim(number, origin=seed) for number in numbers]
        kept, released = [], []
        for number, asked, result in zip(numbers, claims, store.claim(claims), strict=True):
            if result is ClaimResult.GRANTED:
                marks.take(number)
                (kept if chance.random() < 0.8 else released).append(asked)
            elif result is not ClaimResult.HELD:
                left.discard(number)
        for asked in released:
            marks.remove(int.from_bytes(asked.key))
        store.release(released)
        store.confirm(kept)
        store.sync()
        store.sweep()
        left -= {int.from_bytes(asked.key) for asked in kept}
        if left and left <= set(VICTIMS_KEYS):
            (folder / f"{name}-waits").touch()
    store.close()


def be_killed(folder):
    """Hold keys and write without pause, so that the kill interrupts a write."""
    store, marks = open_store(folder, "victim"), Marks(folder, "victim")
    held = [claim(number) for number in VICTIMS_KEYS]
    assert set(store.claim(held)) == {ClaimResult.GRANTED}
    for number in VICTIMS_KEYS:
        marks.take(number)
    (folder / "victim-holds").touch()
    turn = 0
    while True:
        turn += 1
        own = [claim(10_000 + number, digest=turn) for number in range(50)]
        store.renew()
        store.claim(own)
        store.confirm(own[::2])
        store.release(own[1::2])
        store.sweep()


def wait_for(*paths):
    deadline = time.monotonic() + 60
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline, paths
        time.sleep(0.01)


def test_each_key_has_one_living_owner_and_a_killed_ones_claims_end_with_its_lease(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    (tmp_path / "marks").mkdir()
    victim = spawn.Process(target=be_killed, args=(tmp_path,))
    survivors = [spawn.Process(target=survive, args=(tmp_path, f"survivor-{n}", n)) for n in range(1, 4)]
    with contextlib.ExitStack() as stack:
        for process in (victim, *survivors):
            process.start()
            stack.callback(process.close)
            stack.callback(process.join)
            stack.callback(process.kill)
            wait_for(tmp_path / "victim-holds")  # the victim comes first
        wait_for(*(tmp_path / f"survivor-{n}-waits" for n in range(1, 4)))
        assert {(tmp_path / "marks" / str(number)).read_text() for number in VICTIMS_KEYS} == {"victim"}
        (tmp_path / "victim-is-dead").touch()  # before the kill, since its lease may be near its end
        victim.kill()
        victim.join(20)
        for process in survivors:
            process.join(60)
        assert [process.exitcode for process in survivors] == [0, 0, 0]

    store = open_store(tmp_path, "afterwards")
    everything = [claim(number, origin=9) for number in range(VICTIMS_KEYS.stop)]
    assert set(store.claim(everything)) == {ClaimResult.DUPLICATE}
    store.close()


def begin_at_once(folder, name, number, gate):
    gate.wait(60)
    store = open_store(folder, name)
    store.confirm([claim(number)])
    store.close()


def test_processes_that_open_a_new_store_at_the_same_moment_share_it(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    gate = spawn.Barrier(4)
    processes = [spawn.Process(target=begin_at_once, args=(tmp_path, f"p{n}", n, gate)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    store = open_store(tmp_path, "afterwards")
    assert set(store.claim([claim(n, origin=9) for n in range(4)])) == {ClaimResult.DUPLICATE}
    store.close()
