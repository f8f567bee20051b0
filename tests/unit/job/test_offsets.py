"""The lowest unfinished offset is what may be committed, in whatever order records end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import Commit, Partition, StoreIdentity
from pipeline.job.books import (
    FILTERED,
    REFUSED,
    Books,
    MessageResult,
    RecordOutcome,
    RecordResult,
    Tally,
    decode_books,
    decode_store_id,
    encode_books,
)
from pipeline.job.group_store import GroupStore
from pipeline.job.offsets import Offsets
from pipeline.job.partition_offsets import PartitionOffsets
from schemas.log import RawRecord

HERE = Partition("log", 0)
ANY_STORE = GroupStore(StoreIdentity("a" * 16, "here"))
REPORTED = RecordResult(RecordOutcome.REPORTED, ((MessageResult.EVENT_REPORTED, 1),))


def records(offsets):
    return [RawRecord("log", 0, offset, -1, None, b"") for offset in offsets]


@st.composite
def histories(draw):
    """Offsets with gaps, the order in which they end, and how."""
    gaps = draw(st.lists(st.integers(1, 4), min_size=1, max_size=40))
    offsets, position = [], draw(st.integers(0, 1000))
    start = position
    for gap in gaps:
        position += gap
        offsets.append(position - 1)
    order = draw(st.permutations(offsets))
    endings = [draw(st.sampled_from([REPORTED, FILTERED, REFUSED])) for _ in order]
    return start, offsets, position, list(zip(order, endings, strict=True))


@given(histories(), st.integers(1, 7))
def test_records_that_end_together_leave_what_they_leave_one_after_the_other(history, together):
    start, offsets, position, ends = history
    one_by_one, at_once = PartitionOffsets(HERE, Commit(start, "")), PartitionOffsets(HERE, Commit(start, ""))
    for tracker in (one_by_one, at_once):
        tracker.begin(records(offsets))
        tracker.position = position
    for first in range(0, len(ends), together):
        by_ending = {}
        for offset, ending in ends[first : first + together]:
            one_by_one.end(offset, ending)
            by_ending.setdefault(ending, []).append(offset)
        for ending, ended in by_ending.items():
            at_once.end_all(ended, ending)
        assert at_once.committable() == one_by_one.committable()
        assert at_once.in_flight == one_by_one.in_flight
        assert at_once.session_books() == one_by_one.session_books()


@given(histories(), st.integers(1, 7))
def test_commits_stay_at_the_lowest_unfinished_offset(history, chunk):
    start, offsets, position, ends = history
    tracker = PartitionOffsets(HERE, Commit(start, ""))
    for first in range(0, len(offsets), chunk):
        tracker.begin(records(offsets[first : first + chunk]))
    tracker.position = position
    unfinished = set(offsets)
    for offset, ending in ends:
        assert tracker.committable().offset == min(unfinished)
        assert tracker.in_flight == len(unfinished)
        tracker.session_books().check()
        tracker.end(offset, ending)
        unfinished.discard(offset)
    assert tracker.committable().offset == position
    assert tracker.in_flight == 0


@given(histories(), st.data())
def test_lifetime_books_count_exactly_what_lies_below_the_commit(history, data):
    start, offsets, position, ends = history
    tracker = PartitionOffsets(HERE, Commit(start, ""))
    tracker.begin(records(offsets))
    tracker.position = position
    cut = data.draw(st.integers(0, len(ends)))
    for offset, ending in ends[:cut]:
        tracker.end(offset, ending)
    commit = tracker.committable()
    below = {offset: ending for offset, ending in ends[:cut] if offset < commit.offset}
    tally, lost, until = decode_books(commit.metadata)
    assert len(below) == len([offset for offset in offsets if offset < commit.offset])
    assert tally == Tally.of(below.values())
    assert (lost, until) == (0, None)

    # Killed here; the next owner reads on from the commit and comes to the same sum.
    successor = PartitionOffsets(HERE, commit)
    successor.begin(records([offset for offset in offsets if offset >= commit.offset]))
    successor.position = position
    for offset, ending in ends:
        if offset >= commit.offset:
            successor.end(offset, ending)
    assert PartitionOffsets(HERE, successor.committable()).committed_books() == Books.of(
        Tally.of(ending for _, ending in ends)
    )


@given(histories(), st.sampled_from(["", "a" * 16]))
def test_a_commit_names_the_store_once_it_remembers_something_below_or_behind_the_head(history, named):
    start, offsets, position, ends = history
    owned = Offsets(ANY_STORE)
    owned.assign({HERE: Commit(start, encode_books(Tally(), 0, store_id=named))})
    tracker = owned.owned[HERE]
    tracker.begin(records(offsets))
    tracker.position = position
    committed, is_remembered = Commit(start, ""), bool(named)
    for offset, ending in ends:
        tracker.end(offset, ending)
        is_remembered = is_remembered or ending is not FILTERED
        if commits := owned.committable():
            assert decode_store_id(commits[HERE].metadata) == ("a" * 16 if is_remembered else "")
            assert commits[HERE].offset >= committed.offset  # it never goes back
            assert commits[HERE].offset == tracker.committable().offset  # nor past the head
            owned.committed(commits)
            committed = commits[HERE]
        assert owned.committable() == {}  # one commit is enough
        assert decode_store_id(tracker.committable().metadata) == ("a" * 16 if is_remembered else "")


def test_a_message_of_a_record_that_is_not_finished_names_the_store():
    """The head has two messages. One was reported, the other one is held."""
    owned = Offsets(ANY_STORE)
    owned.assign({HERE: Commit(7, "")})
    head = owned.owned[HERE]
    head.begin(records([7]))
    head.message_results[MessageResult.EVENT_REFUSED] += 1
    assert owned.committable() == {}  # a store remembers nothing of it before its dead letter
    head.message_results[MessageResult.USER_REPORTED] += 1
    (commit,) = owned.committable().values()
    assert (commit.offset, decode_store_id(commit.metadata)) == (7, "a" * 16)
    owned.committed({HERE: commit})
    assert owned.committable() == {}


def test_what_is_finished_is_committed_although_the_sources_position_was_not_noted():
    """An error ended the job between the two. Else the books of a commit hold records that the next owner reads again."""
    tracker = PartitionOffsets(HERE, Commit(10, ""))
    tracker.begin(records([10, 11]))
    tracker.end(10, FILTERED)
    tracker.end(11, REFUSED)
    assert tracker.committable().offset == 12


def test_a_gap_at_the_end_leaves_nothing_uncommitted():
    tracker = PartitionOffsets(HERE, Commit(10, ""))
    tracker.begin(records([10, 11]))
    tracker.end(10, FILTERED)
    tracker.end(11, FILTERED)
    tracker.position = 15  # a transaction marker and aborted records follow
    assert tracker.committable().offset == 15
    assert tracker.is_dirty()


def test_a_partition_that_comes_back_begins_a_new_epoch():
    owned = Offsets(ANY_STORE)
    owned.assign({HERE: Commit(300, "")})
    before = owned.owned[HERE]
    before.begin(records(range(300, 310)))
    before.end(300, FILTERED)
    owned.assign({HERE: Commit(300, "")})
    assert before.closed
    assert owned.owned[HERE] is not before
    assert owned.owned[HERE].in_flight == 0
    assert owned.books()[HERE] == Books(read=10, filtered=1, returned=9)
    assert owned.committable() == {}


def test_the_end_of_a_replay_survives_in_the_commit():
    first = PartitionOffsets(HERE, Commit(0, '{"endings":[],"lost":0,"until":50}'))
    first.begin(records([0]))
    first.end(0, FILTERED)
    first.position = 1
    assert PartitionOffsets(HERE, first.committable()).until == 50


def test_offsets_lost_to_retention_are_counted_and_passed():
    tracker = PartitionOffsets(HERE, Commit(5, ""))
    tracker.lose(5, 24, resumed_at=25)
    assert tracker.committable().offset == 25
    assert tracker.session_books().lost_to_retention == 20
    assert PartitionOffsets(HERE, tracker.committable()).committed_books().lost_to_retention == 20


def test_a_range_that_ends_earlier_says_so_in_its_next_commit():
    """Before the mend the same command went on with a range that has no records, instead of a new one."""
    offsets = Offsets(ANY_STORE)
    offsets.assign({HERE: Commit(0, encode_books(Tally(), 0, 10))})
    own = offsets.owned[HERE]
    own.begin(records(range(6)))
    for offset in range(6):
        own.end(offset, FILTERED)
    offsets.committed(offsets.committable())
    assert not offsets.committable()
    offsets.lose(HERE, 6, 9, 6)
    (commit,) = offsets.committable().values()
    assert commit.offset == 6
    assert decode_books(commit.metadata)[1:] == (4, 6)
    offsets.committed({HERE: commit})
    assert not offsets.committable()
    assert offsets.books()[HERE].lost_to_retention == 4


def test_a_range_whose_middle_is_lost_keeps_its_end():
    offsets = Offsets(ANY_STORE)
    offsets.assign({HERE: Commit(0, encode_books(Tally(), 0, 10))})
    offsets.lose(HERE, 2, 5, 6)
    (commit,) = offsets.committable().values()
    assert (commit.offset, decode_books(commit.metadata)[1:]) == (6, (4, 10))
