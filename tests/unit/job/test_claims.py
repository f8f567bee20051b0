"""The desk where messages ask for the right to be reported: who is granted, who waits, who learns that it is known."""

from __future__ import annotations

from pipeline.contracts.values import Claim, Commit, Partition, Standing
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.job.claims import ASK_AGAIN_MS, ClaimDesk
from pipeline.job.in_flight import Parcel, Ticket
from pipeline.job.offsets import PartitionOffsets
from schemas.log import RawRecord
from transforms.base import Kind

LEASE_MS = 5_000


def parcel(offset, key=b"order-1", offsets=None):
    offsets = offsets or PartitionOffsets(Partition("log", 0), Commit(0, ""))
    ticket = Ticket(RawRecord("log", 0, offset, -1, None, b""), offsets, 0)
    made = Parcel(Kind.EVENT, b"{}", Claim(key.ljust(16), bytes(8), offset.to_bytes(8)))
    made.ticket = ticket
    return made


def desk(table, owner="here", now_ms=0):
    store = MemoryStore(table, owner, 10**9, LEASE_MS, now_ms)
    return ClaimDesk(store), store


def ask(at, *parcels, now_ms=0):
    at.ask(parcels)
    return at.settle(now_ms)


def test_the_second_waits_and_is_a_duplicate_once_the_first_was_reported():
    here, _ = desk(MemoryTable())
    first, second = parcel(1), parcel(2)
    assert ask(here, first, second) == ([first], [])
    assert not here.has_work
    here.confirm([first], 10)
    assert here.settle(10) == ([], [(second, Standing.DUPLICATE)])


def test_the_second_is_tried_itself_when_the_first_was_refused():
    here, _ = desk(MemoryTable())
    first, second, third = parcel(1), parcel(2), parcel(3)
    ask(here, first, second, third)
    here.release([first])
    assert here.settle(10) == ([second], [])
    here.confirm([second], 20)
    assert here.settle(20) == ([], [(third, Standing.DUPLICATE)])


def test_a_record_read_a_second_time_is_told_from_a_repeat():
    here, _ = desk(MemoryTable())
    once, again = parcel(1), parcel(1)
    ask(here, once)
    here.confirm([once], 0)
    assert ask(here, again) == ([], [(again, Standing.REREAD)])


def test_what_another_process_holds_is_asked_for_again_in_a_while():
    table = MemoryTable()
    (here, _), (there, _) = desk(table), desk(table, "there")
    theirs, ours = parcel(1), parcel(2)
    ask(there, theirs)
    assert ask(here, ours, now_ms=1) == ([], [])
    assert here.waiting_elsewhere == 1
    there.release([theirs])
    assert here.settle(1 + ASK_AGAIN_MS) == ([ours], [])
    assert here.waiting_elsewhere == 0


def test_who_waits_for_a_partition_taken_away_is_forgotten():
    table = MemoryTable()
    (here, _), (there, _) = desk(table), desk(table, "there")
    gone = PartitionOffsets(Partition("log", 1), Commit(0, ""))
    first, waiting, elsewhere, asking = (
        parcel(1),
        parcel(2, offsets=gone),
        parcel(3, b"order-2", gone),
        parcel(4, b"order-3", gone),
    )
    ask(there, parcel(9, b"order-2"))
    ask(here, first, waiting, elsewhere)
    here.ask([asking])
    gone.closed = True
    here.drop_stale()
    assert (here.has_work, here.waiting_elsewhere) == (False, 0)
    here.release([first])
    assert not here.has_work


def test_who_waits_goes_on_waiting_when_the_claim_lapsed_and_was_granted_anew():
    table = MemoryTable()
    here, store = desk(table)
    first, waiting = parcel(1), parcel(2)
    ask(here, first, waiting)
    there, _ = desk(table, "there", LEASE_MS + 1)  # while this process slept, another had the claim and gave it back
    [theirs], _ = ask(there, parcel(5), now_ms=LEASE_MS + 1)
    there.release([theirs])
    store.renew(LEASE_MS + 2)
    late = parcel(3)
    assert ask(here, late, now_ms=LEASE_MS + 2) == ([late], [])
    here.confirm([first], LEASE_MS + 3)
    assert here.settle(LEASE_MS + 3) == ([], [(waiting, Standing.DUPLICATE)])
