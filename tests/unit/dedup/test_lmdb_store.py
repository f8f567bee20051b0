"""The LMDB store against the disk: growth, limits, permissions, damage, and the files that a crash of the machine leaves."""

import multiprocessing
import os
import resource
import shutil
import tempfile
from pathlib import Path

import lmdb
import pytest

from pipeline.contracts.values import Claim, ClaimResult
from pipeline.dedup import DedupSettings, open_store
from pipeline.dedup.lmdb_store.store import LmdbStore
from pipeline.errors import StoreUnavailable, UsageError
from pipeline.setting_types.quantity import MOST_MS
from tests.support.dedup_stores import Machine, open_lmdb, sweep_for, told

KEEP = 86_400_000
LEASE = 15_000
GRANTED, HELD, DUPLICATE, REDELIVERED = ClaimResult


def claims_of(numbers, digest=0, order=b""):
    return [
        Claim((number * 2_654_435_761 % 2**64).to_bytes(16), digest.to_bytes(8), bytes(8), order) for number in numbers
    ]


def open_on(machine, folder, owner="a", **more):
    return open_lmdb(folder, owner, machine, **{"keep_ms": KEEP, "lease_ms": LEASE, "max_bytes": 1 << 28} | more)


@pytest.fixture
def opened(machine):
    """Open stores. All are closed at the end, also after a failure."""
    stores = []

    def open_(folder, owner="a", **more):
        stores.append(open_on(machine, folder, owner, **more))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def durable_keys(folder):
    """Return the number of keys in the durable table of a closed store."""
    with lmdb.open(str(folder / "confirmed"), max_dbs=2) as environment:
        table = environment.open_db(b"confirmed")
        with environment.begin() as reading:
            return reading.stat(table)["entries"]


def in_a_process(target, *arguments):
    """Run a function in a spawned process, and return its answer."""
    spawn = multiprocessing.get_context("spawn")
    answers, far_end = spawn.Pipe(duplex=False)
    process = spawn.Process(target=answer_through, args=(far_end, target, arguments))
    process.start()
    far_end.close()
    try:
        assert answers.poll(60)
        return answers.recv()
    finally:
        process.join(20)
        process.close()
        answers.close()


def answer_through(pipe, target, arguments):
    try:
        pipe.send(target(*arguments))
    except StoreUnavailable as error:
        pipe.send(str(error))


# --- growth and limits -------------------------------------------------------------------------------------------------------


def confirm_many(folder, numbers):
    machine = Machine()
    store = open_on(machine, folder, "other")
    store.confirm(claims_of(numbers))
    sweep_for(store, machine, 60)
    store.close()
    return (folder / "confirmed" / "data.mdb").stat().st_size


@pytest.mark.slow
def test_the_map_grows_when_it_is_full(opened, machine, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.dedup.lmdb_store.environment.FIRST_BYTES", 1 << 16)
    store = opened(tmp_path)
    store.confirm(claims_of(range(20_000)))
    sweep_for(store, machine, 60)
    assert (tmp_path / "confirmed" / "data.mdb").stat().st_size > 1 << 19
    assert set(store.claim(claims_of(range(20_000)))) == {REDELIVERED}


@pytest.mark.slow
@pytest.mark.parametrize("writes_first", [False, True])
def test_a_map_that_another_process_has_grown_is_followed(opened, machine, tmp_path, monkeypatch, writes_first):
    monkeypatch.setattr("pipeline.dedup.lmdb_store.environment.FIRST_BYTES", 1 << 16)
    store = opened(tmp_path)
    assert in_a_process(confirm_many, tmp_path, range(20_000)) > 1 << 19
    if writes_first:
        monkeypatch.setattr("pipeline.dedup.lmdb_store.mover.MOST_RECENT", 1_000)
    else:
        assert set(store.claim(claims_of(range(20_000)))) == {REDELIVERED}
    machine.wait(60_000)
    store.confirm(claims_of(range(20_000, 40_000)))
    sweep_for(store, machine, 60)
    assert set(store.claim(claims_of(range(40_000)))) == {REDELIVERED}


def move_elsewhere(folder, more, boot_ms):
    machine = Machine(boot_ms=boot_ms)
    store = open_on(machine, folder, "other")
    store.confirm(claims_of(range(50_000, 50_000 + more)))
    sweep_for(store, machine, 40)
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("more", [0, 10], ids=["within a round", "over rounds"])
def test_what_another_process_moves_while_a_claim_is_looked_up_is_not_missed(
    opened, machine, tmp_path, monkeypatch, more
):
    store = opened(tmp_path)
    store.confirm(claims_of(range(9_000)))
    machine.wait(60_000)
    store.sweep()  # freezes them
    store.claim(claims_of([60_000]))
    look_up = store._durable_entries
    moved = []

    def look_up_and_lose_time(keys):
        found = look_up(keys)
        if not moved:
            moved.append(in_a_process(move_elsewhere, tmp_path, more, machine.boot_ms))
        return found

    monkeypatch.setattr(store, "_durable_entries", look_up_and_lose_time)
    assert set(store.claim(claims_of(range(9_000)))) == {REDELIVERED}
    assert moved


def test_a_full_store_says_so_and_forgets_nothing(opened, machine, tmp_path):
    store = opened(tmp_path, max_bytes=1 << 19)
    store.confirm(claims_of(range(30_000)))
    with pytest.raises(StoreUnavailable, match=r"is full.*dedup\.max_size") as raised:
        sweep_for(store, machine, 60)
    assert str(tmp_path) in str(raised.value)
    assert set(store.claim(claims_of(range(30_000)))) == {REDELIVERED}
    store.close()
    store = opened(tmp_path)
    sweep_for(store, machine, 60)
    assert set(store.claim(claims_of(range(30_000)))) == {REDELIVERED}


def test_confirming_faster_than_anybody_sweeps_moves_them_at_once(opened, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.dedup.lmdb_store.mover.MOST_RECENT", 1_000)
    store = opened(tmp_path)
    for start in range(0, 10_000, 500):
        store.confirm(claims_of(range(start, start + 500)))
    assert set(store.claim(claims_of(range(10_000)))) == {REDELIVERED}
    store.close()
    assert durable_keys(tmp_path) >= 7_000


def test_more_claims_than_there_is_room_for_are_refused(opened, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.dedup.lmdb_store.store_files.RECENT_BYTES", 1 << 20)
    store = opened(tmp_path)
    with pytest.raises(StoreUnavailable, match=r"limits\.unfinished"):
        store.claim(claims_of(range(50_000)))
    assert store.claim(claims_of(range(10))) == [GRANTED] * 10


def fill_a_disk_of(folder, limit):
    """A file that may not grow has the effect of a full disk."""
    store = open_on(Machine(), folder, "a")
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    done = 0
    try:
        for start in range(0, 50_000, 500):
            store.confirm(claims_of(range(start, start + 500)))
            store.sync()
            done = start + 500
    except StoreUnavailable as error:
        known = store.look_up(claims_of(range(done)))
        return str(error), done, known.count(REDELIVERED)
    return "", done, 0


@pytest.mark.slow  # in a process of its own
def test_a_full_disk_is_said_and_what_was_confirmed_is_known(tmp_path):
    message, done, known = in_a_process(fill_a_disk_of, tmp_path, 1 << 20)
    assert "cannot be written" in message
    assert "the disk has room" in message
    assert 0 < done == known


def open_on_a_disk_of(folder, limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    open_on(Machine(), folder, "a")
    return ""


@pytest.mark.slow  # in a process of its own
def test_a_disk_too_full_to_open_on_is_said(tmp_path):
    assert "cannot be opened" in in_a_process(open_on_a_disk_of, tmp_path, 1 << 20)


# --- folders that are not a store --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_path_that_is_a_file_is_refused(opened, tmp_path, below):
    path = tmp_path / "file"
    path.write_text("something")
    with pytest.raises(StoreUnavailable, match=r"dedup\.path is a folder") as raised:
        opened(path / below)
    assert str(path) in str(raised.value)


def open_unprivileged(folder):
    if os.getuid() == 0:
        os.setuid(65_534)
    open_on(Machine(), Path(folder), "a")
    return ""


@pytest.mark.slow  # in a process of its own
@pytest.mark.parametrize("made_before", [False, True], ids=["new", "existing"])
def test_a_read_only_folder_is_refused(opened, made_before):
    folder = Path(tempfile.mkdtemp(prefix="log2mq-read-only-"))
    try:
        if made_before:
            opened(folder).close()
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        message = in_a_process(open_unprivileged, folder)
        assert "this user must be able to write to it" in message
        assert str(folder) in message
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o700)
        shutil.rmtree(folder)


@pytest.mark.parametrize("content", [b"", b"not a database, by no means" * 1_000, bytes(1 << 16)])
def test_a_file_that_is_no_database_is_refused_or_made_anew_if_empty(opened, tmp_path, content):
    (tmp_path / "confirmed").mkdir()
    (tmp_path / "confirmed" / "data.mdb").write_bytes(content)
    if not content:
        assert opened(tmp_path).claim(claims_of([1])) == [GRANTED]
        return
    with pytest.raises(StoreUnavailable, match="damaged, or is not a dedup store") as raised:
        opened(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert (tmp_path / "confirmed" / "data.mdb").read_bytes() == content


def test_a_file_cut_short_is_refused(opened, machine, tmp_path):
    store = opened(tmp_path)
    store.confirm(claims_of(range(20_000)))
    sweep_for(store, machine, 60)
    store.close()
    path = tmp_path / "confirmed" / "data.mdb"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StoreUnavailable, match="cut short"):
        opened(tmp_path)


def test_overwritten_pages_are_noticed_when_they_are_read(opened, machine, tmp_path):
    store = opened(tmp_path)
    store.confirm(claims_of(range(20_000)))
    sweep_for(store, machine, 60)
    store.close()
    shutil.rmtree(next(tmp_path.glob("boot-*")))
    path = tmp_path / "confirmed" / "data.mdb"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\x5a" * (size // 4))

    def use():
        opened(tmp_path).claim(claims_of(range(20_000)))

    with pytest.raises(StoreUnavailable, match="damaged"):
        use()


def test_another_format_is_refused_and_left_alone(opened, tmp_path):
    opened(tmp_path).close()
    with lmdb.open(str(tmp_path / "confirmed"), max_dbs=2) as environment:
        meta = environment.open_db(b"meta")
        with environment.begin(write=True) as changing:
            changing.put(b"format", b"log2mq dedup 9", db=meta)
    with pytest.raises(StoreUnavailable, match=r"log2mq dedup 9.*empty folder"):
        opened(tmp_path)


def format_of(folder):
    with lmdb.open(str(folder / "confirmed"), max_dbs=2) as environment:
        meta = environment.open_db(b"meta")
        with environment.begin() as reading:
            return reading.get(b"format", db=meta)


def make_former(folder):
    """Make a closed store, which holds no order, one of the version that knew none."""
    with lmdb.open(str(folder / "confirmed"), max_dbs=2) as environment:
        meta = environment.open_db(b"meta")
        with environment.begin(write=True) as changing:
            changing.put(b"format", b"log2mq dedup 1", db=meta)
            changing.delete(b"identity", db=meta)
    (boot,) = folder.glob("boot-*-3")
    return boot.rename(boot.with_name(boot.name[:-1] + "2"))


def test_a_store_of_the_former_format_is_read_and_no_version_that_knows_no_orders_opens_it_again(
    opened, machine, tmp_path
):
    store = opened(tmp_path)
    store.confirm(claims_of(range(5_000)))
    sweep_for(store, machine, 60)  # these are in the durable table, and the next ones in a journal
    store.confirm(claims_of(range(5_000, 6_000)))
    store.close()
    former = make_former(tmp_path)
    store = opened(tmp_path)
    assert set(store.claim(claims_of(range(6_000)))) == {REDELIVERED}
    assert store.claim(claims_of([1], 1, told(5))) == [GRANTED]
    assert store.claim(claims_of([2], 0, told(5))) == [REDELIVERED]
    identity = store.identity
    store.close()
    assert identity.id
    store = opened(tmp_path, "b")
    assert store.identity == identity
    store.close()
    assert format_of(tmp_path) == b"log2mq dedup 2"
    assert not former.exists()


def hold_open(pipe, folder):
    environment = lmdb.open(str(folder), max_dbs=5, map_size=1 << 20)
    pipe.send("open")
    pipe.recv()
    environment.close()


@pytest.mark.slow  # in a process of its own
def test_a_store_that_a_job_of_another_version_uses_is_left_alone(opened, tmp_path):
    opened(tmp_path).close()
    former = make_former(tmp_path)
    spawn = multiprocessing.get_context("spawn")
    pipe, far_end = spawn.Pipe()
    process = spawn.Process(target=hold_open, args=(far_end, former))
    process.start()
    assert pipe.poll(60)
    with pytest.raises(StoreUnavailable, match="in use by another version of log2mq; stop the jobs"):
        opened(tmp_path)
    assert former.exists()
    assert format_of(tmp_path) == b"log2mq dedup 1"
    pipe.send("close")
    process.join(20)
    assert opened(tmp_path).claim(claims_of([1])) == [GRANTED]
    assert not former.exists()
    process.close()
    pipe.close()
    far_end.close()


def test_the_time_to_live_is_recorded(opened, tmp_path):
    opened(tmp_path, keep_ms=123_000).close()
    with lmdb.open(str(tmp_path / "confirmed"), max_dbs=2) as environment:
        meta = environment.open_db(b"meta")
        with environment.begin() as reading:
            assert reading.get(b"keep_ms", db=meta) == b"123000"


def test_a_store_is_open_once_a_process_and_again_after_it_is_closed(opened, tmp_path):
    store = opened(tmp_path / "store")
    (tmp_path / "link").symlink_to(tmp_path / "store")
    for path in (tmp_path / "store", tmp_path / "link"):
        with pytest.raises(StoreUnavailable, match="open in this process already"):
            opened(path)
    store.close()
    assert opened(tmp_path / "link").claim(claims_of([1])) == [GRANTED]


def test_a_failed_opening_leaves_nothing_open(opened, tmp_path):
    path = tmp_path / "confirmed" / "data.mdb"
    path.parent.mkdir()
    path.write_bytes(b"nonsense" * 2_000)
    with pytest.raises(StoreUnavailable):
        opened(tmp_path)
    path.unlink()
    assert opened(tmp_path).claim(claims_of([1])) == [GRANTED]


def test_the_settings_name_the_store(machine, tmp_path):
    store = open_store(DedupSettings(store="lmdb", path=str(tmp_path)), "a", machine.clocks)
    assert isinstance(store, LmdbStore)
    store.close()
    with pytest.raises(UsageError, match=r"dedup\.path"):
        open_store(DedupSettings(store="lmdb"), "a", machine.clocks)


# --- crashes -----------------------------------------------------------------------------------------------------------------


def crash_machine(folder, into):
    """Copy what a crash of the machine leaves on the disk: the durable table and the journals, without the tables of the boot."""
    shutil.copytree(folder, into)
    (boot,) = into.glob("boot-*")
    for name in ("data.mdb", "lock.mdb"):
        (boot / name).write_bytes(b"\xee" * 10_000)
    boot.rename(into / "boot-before")
    return into


def test_what_was_synced_survives_a_crash_of_the_machine_and_claims_do_not(opened, machine, tmp_path):
    store = opened(tmp_path / "store")
    store.confirm(claims_of(range(5_000)))
    sweep_for(store, machine, 12)  # the first are on their way to the durable table
    store.confirm(claims_of(range(5_000, 6_000)))
    store.claim(claims_of(range(6_000, 6_100)))
    store.sync()
    after = opened(crash_machine(tmp_path / "store", tmp_path / "after"), "b")
    assert set(after.claim(claims_of(range(6_000)))) == {REDELIVERED}
    assert set(after.claim(claims_of(range(6_000, 6_100)))) == {GRANTED}
    assert len(list((tmp_path / "after").glob("boot-*"))) == 1


@pytest.mark.parametrize("sweeps", [0, 2, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 3, 4))])
def test_what_was_synced_survives_a_crash_at_any_step_of_its_way_to_the_durable_table(
    opened, machine, tmp_path, sweeps
):
    store = opened(tmp_path / "store")
    store.confirm(claims_of(range(9_000)))
    store.sync()
    sweep_for(store, machine, sweeps)
    after = opened(crash_machine(tmp_path / "store", tmp_path / "after"), "b")
    assert set(after.claim(claims_of(range(9_000)))) == {REDELIVERED}


def confirm_version(folder, name, digest, waited_ms):
    machine = Machine()
    machine.wait(waited_ms)
    store = open_on(machine, folder, name)
    store.confirm(claims_of([1], digest=digest))
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 1_000])
@pytest.mark.parametrize("names", ["ab", "ba"])
def test_the_later_of_two_processes_versions_survives_a_crash_of_the_machine(
    opened, tmp_path, monkeypatch, names, at_once
):
    monkeypatch.setattr("pipeline.dedup.lmdb_store.recovery.RECOVERED_AT_ONCE", at_once)
    for place, name in enumerate(names):
        in_a_process(confirm_version, tmp_path / "store", name, place + 1, place)
    after = opened(crash_machine(tmp_path / "store", tmp_path / "after"), "c")
    assert after.claim(claims_of([1], digest=2)) == [REDELIVERED]


def test_the_newest_version_survives_a_crash_of_the_machine(opened, machine, tmp_path):
    store = opened(tmp_path / "store")
    for version in range(1, 6):
        machine.wait(1_000)
        store.confirm(claims_of(range(100), digest=version))
        sweep_for(store, machine, 11)
    store.sync()
    after = opened(crash_machine(tmp_path / "store", tmp_path / "after"), "b")
    assert set(after.claim(claims_of(range(100), digest=5))) == {REDELIVERED}


@pytest.mark.parametrize("sweeps", [0, 2, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 3))])
def test_orders_survive_a_crash_of_the_machine_at_any_step(opened, machine, tmp_path, sweeps):
    store = opened(tmp_path / "store")
    store.confirm(claims_of(range(9_000)) + claims_of(range(10_000, 19_000), 1, told(5)))
    assert set(store.claim(claims_of(range(10_000, 15_000), 1, told(20)))) == {REDELIVERED}
    store.sync()
    sweep_for(store, machine, sweeps)
    after = opened(crash_machine(tmp_path / "store", tmp_path / "after"), "b")
    assert set(after.claim(claims_of(range(9_000)))) == {REDELIVERED}
    assert set(after.claim(claims_of(range(10_000, 15_000), 2, told(19)))) == {REDELIVERED}
    assert set(after.claim(claims_of(range(15_000, 19_000), 2, told(4)))) == {REDELIVERED}
    assert set(after.claim(claims_of(range(15_000, 19_000), 2, told(6)))) == {GRANTED}


@pytest.mark.parametrize(
    ("wait_ms", "known"), [(KEEP // 2, (2, told(6))), (KEEP, (1, told(5)))], ids=["living", "expired"]
)
def test_of_two_versions_in_the_journals_the_newer_one_counts_unless_it_had_expired(
    opened, machine, tmp_path, wait_ms, known
):
    store = opened(tmp_path / "store")
    store.confirm(claims_of([1], 2, told(6)))
    sweep_for(store, machine, 40)
    machine.wait(wait_ms)
    store.sweep()
    store.confirm(claims_of([1], 1, told(5)))
    store.sync()
    after = opened(crash_machine(tmp_path / "store", tmp_path / "after"), "b")
    assert after.claim(claims_of([1], *known)) == [REDELIVERED]


@pytest.mark.parametrize("damage", ["cut", "zeroed", "scribbled"])
def test_a_torn_end_of_a_journal_costs_only_what_was_not_synced(opened, tmp_path, damage):
    store = opened(tmp_path / "store")
    store.confirm(claims_of(range(100)))
    store.sync()
    (journal,) = (tmp_path / "store").glob("boot-*/*.journal")
    synced = journal.stat().st_size
    store.confirm(claims_of(range(100, 200)))
    whole = journal.read_bytes()
    crash_machine(tmp_path / "store", tmp_path / "after")
    (journal,) = (tmp_path / "after").glob("boot-*/*.journal")
    torn = {
        "cut": whole[: synced + 1_000],
        "zeroed": whole[:synced] + bytes(len(whole) - synced),
        "scribbled": whole[:-2_000] + b"\xff" * 2_000,
    }[damage]
    journal.write_bytes(torn)
    after = opened(tmp_path / "after", "b")
    assert set(after.claim(claims_of(range(100)))) == {REDELIVERED}
    assert set(after.claim(claims_of(range(100, 200)))) == {GRANTED}


def confirm_and_die(folder):
    store = open_on(Machine(), folder, "victim")
    store.claim(claims_of(range(200)))
    store.confirm(claims_of(range(100)))
    os._exit(9)


@pytest.mark.slow
def test_what_was_confirmed_survives_the_death_of_the_process_and_its_claims_end_with_the_lease(
    opened, machine, tmp_path
):
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=confirm_and_die, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    process.close()
    store = opened(tmp_path)
    assert set(store.claim(claims_of(range(100)))) == {REDELIVERED}
    machine.wait(LEASE - 1)
    assert set(store.claim(claims_of(range(100, 200)))) == {HELD}
    machine.wait(1)
    assert set(store.claim(claims_of(range(100, 200)))) == {GRANTED}


def test_journals_do_not_pile_up(opened, machine, tmp_path):
    store = opened(tmp_path)
    for turn in range(20):
        store.confirm(claims_of(range(turn * 100, turn * 100 + 100)))
        sweep_for(store, machine, 11)
    assert len(list(tmp_path.glob("boot-*/*.journal"))) <= 3
    assert set(store.claim(claims_of(range(2_000)))) == {REDELIVERED}


def test_expired_keys_leave_the_disk(opened, machine, tmp_path):
    store = opened(tmp_path, keep_ms=100_000)
    store.confirm(claims_of(range(10_000)))
    sweep_for(store, machine, 40)
    machine.wait(100_000)
    swept = 0
    for _ in range(25):
        machine.wait(1_000)
        swept += store.sweep()
    assert swept == 10_000
    store.close()
    assert durable_keys(tmp_path) == 0


def test_the_longest_time_to_live_fits_into_an_entry(opened, machine, tmp_path):
    """A longer one ended the job with exit code 70 when it confirmed its first batch, so that the batch was reported again."""
    store = opened(tmp_path, keep_ms=MOST_MS)
    assert store.claim(claims_of([1])) == [GRANTED]
    store.confirm(claims_of([1]))
    machine.wait(MOST_MS - 1)
    assert store.claim(claims_of([1])) == [REDELIVERED]
