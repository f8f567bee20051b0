"""A disk that is full and gets room again: what was confirmed meanwhile is remembered, and nothing is claimed that could not be confirmed."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil

import pytest

from pipeline.contracts.values import Claim, ClaimResult
from pipeline.errors import StoreUnavailable
from tests.support.dedup_stores import open_lmdb, told

GRANTED, HELD, DUPLICATE, REDELIVERED = ClaimResult

pytestmark = pytest.mark.slow


def claims_of(numbers, digest=0, order=b""):
    return [Claim(number.to_bytes(16), digest.to_bytes(8), bytes(8), order) for number in numbers]


def opened(folder, owner):
    return open_lmdb(folder, owner, max_bytes=1 << 28)


def let_no_file_grow(most_bytes=0):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))


def confirm_on_a_full_disk(folder, pipe, ends):
    """Claim messages and confirm some, then the rest while no file can grow. Answer what the store said."""
    store = opened(folder, "a")
    store.claim(claims_of(range(300)) + claims_of(range(1_000, 1_100), 1, told(5)))
    store.confirm(claims_of(range(100)))
    store.sync()
    let_no_file_grow()
    store.confirm(claims_of(range(100, 300)))  # answers that were under way
    store.confirm(claims_of(range(1_000, 1_100), 1, told(5)))
    said = []
    for ask in (store.sync, lambda: store.claim(claims_of([5_000])), store.sync):
        try:
            ask()
            said.append("")
        except StoreUnavailable as error:
            said.append(str(error))
    known = set(store.look_up(claims_of(range(300))))
    store.renew()
    if ends == "gets room":
        let_no_file_grow(resource.RLIM_INFINITY)
        store.sync()
        known |= set(store.claim(claims_of(range(300))))
        granted = store.claim(claims_of([5_000]))
        store.release(claims_of([5_000]))
        pipe.send((said, known, granted))
        store.close()
    elif ends == "ends":
        pipe.send((said, known, None))
        store.close()
    else:
        pipe.send((said, known, None))
        os._exit(9)


@pytest.mark.parametrize("ends", ["gets room", "ends", "dies"])
def test_what_is_confirmed_while_the_disk_is_full_is_remembered_and_nothing_new_is_claimed(tmp_path, ends):
    spawn = multiprocessing.get_context("spawn")
    pipe, far_end = spawn.Pipe(duplex=False)
    process = spawn.Process(target=confirm_on_a_full_disk, args=(tmp_path / "store", far_end, ends))
    process.start()
    far_end.close()
    said, known, granted = pipe.recv()
    process.join(60)
    process.close()
    pipe.close()
    assert all("cannot be written" in each and "the disk has room" in each for each in said), said
    assert known == {REDELIVERED}
    assert granted in ([GRANTED], None)

    store = opened(tmp_path / "store", "b")
    everything = claims_of(range(300)) + claims_of(range(1_000, 1_100), 1, told(5))
    assert set(store.claim(everything)) == {REDELIVERED}
    store.sync()
    # The offsets move now, so from now on the confirmations must survive a crash of the machine.
    shutil.copytree(tmp_path / "store", tmp_path / "after")
    store.close()
    (boot,) = (tmp_path / "after").glob("boot-*")
    for name in ("data.mdb", "lock.mdb"):
        (boot / name).write_bytes(b"\xee" * 10_000)
    boot.rename(tmp_path / "after" / "boot-before")
    store = opened(tmp_path / "after", "c")
    assert set(store.claim(everything)) == {REDELIVERED}
    store.close()


def confirm_and_wait(folder, pipe):
    """Confirm while no file can grow, and wait."""
    store = opened(folder, "a")
    store.claim(claims_of(range(10)))
    let_no_file_grow()
    store.confirm(claims_of(range(10)))
    pipe.send("confirmed")
    pipe.recv()
    os._exit(9)


def test_another_process_makes_durable_what_one_could_not_before_it_answers_with_it(tmp_path):
    """Its own disk quota may have room where that of the first process has none."""
    other = opened(tmp_path / "store", "b")
    spawn = multiprocessing.get_context("spawn")
    pipe, far_end = spawn.Pipe()
    process = spawn.Process(target=confirm_and_wait, args=(tmp_path / "store", far_end))
    process.start()
    assert pipe.recv() == "confirmed"
    assert set(other.claim(claims_of(range(10)))) == {REDELIVERED}
    journals = [each.read_bytes() for each in (tmp_path / "store").glob("boot-*/*.journal")]
    assert all(any(each.key in journal for journal in journals) for each in claims_of(range(10)))
    pipe.send("end")
    process.join(60)
    process.close()
    pipe.close()
    far_end.close()
    other.close()
