"""A store is accepted where no commit says that another store knows more; otherwise the job stops before it owns a partition."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import Commit, Partition, StoreIdentity
from pipeline.errors import StoreUnavailable
from pipeline.job.books import (
    FILTERED,
    MessageResult,
    RecordOutcome,
    RecordResult,
    Tally,
    decode_store_id,
    encode_books,
)
from pipeline.job.group_store import GroupStore
from pipeline.job.offsets import Offsets
from schemas.log import RawRecord

HERE = StoreIdentity("a" * 16, "in /var/lib/log2mq/shop")
IN_MEMORY = StoreIdentity("memory-" + "b" * 16, "in the memory of this process")
REPORTED = RecordResult(RecordOutcome.REPORTED, ((MessageResult.EVENT_REPORTED, 1),))


def commit(store_id, result=REPORTED, records=3):
    """Return the commit after some records, as a job with this store makes it. Of filtered records a store remembers nothing."""
    return Commit(
        records, encode_books(Tally.of([result] * records), 0, store_id="" if result is FILTERED else store_id)
    )


def commits(*each):
    return {Partition("log", number): one for number, one in enumerate(each)}


COMMITS = st.lists(
    st.tuples(
        st.sampled_from([HERE.id, "", "c" * 16, "d" * 16, "memory-" + "e" * 16]), st.sampled_from([REPORTED, FILTERED])
    ),
    max_size=5,
)


@given(COMMITS)
def test_a_store_is_refused_exactly_where_records_were_finished_with_another_one(drawn):
    others = [store_id for store_id, result in drawn if result is not FILTERED and store_id and store_id != HERE.id]
    found = commits(*(commit(*each) for each in drawn))
    owned = Offsets(GroupStore(HERE))
    if not others:
        owned.assign(found)
        assert owned.owned.keys() == found.keys()
        return
    with pytest.raises(StoreUnavailable):
        owned.assign(found)
    assert owned.owned == {}
    accepting = Offsets(GroupStore(HERE, is_new=True))
    accepting.assign(found)
    again = Offsets(GroupStore(HERE))
    again.assign({**found, **accepting.committable()})  # the commits name the store from then on
    assert again.committable() == {}
    if not all(store_id.startswith("memory-") for store_id in others):
        with pytest.raises(StoreUnavailable):
            GroupStore(IN_MEMORY).check_assigned(found)


def test_it_is_said_what_was_found_what_it_means_and_how_to_go_on():
    with pytest.raises(StoreUnavailable) as raised:
        GroupStore(HERE).check_assigned(commits(commit("c" * 16, records=42_000), commit("c" * 16), commit(HERE.id)))
    said = str(raised.value)
    for part in (
        "42,003 records of 2 partitions",
        f"(identity {'c' * 16})",
        f"in /var/lib/log2mq/shop (identity {HERE.id})",
        "report those again",
        "dedup.path",
        "XDG_STATE_HOME",
        "dedup.url",
        "--new-store",
    ):
        assert part in said


def test_a_commit_without_a_name_is_accepted_and_the_next_one_has_it():
    owned = Offsets(GroupStore(HERE))
    before = commits(commit(""), commit("", FILTERED), Commit(7, "set by hand"))
    owned.assign(before)
    assert owned.committable() == commits(commit(HERE.id))
    owned.committed(owned.committable())
    assert owned.committable() == {}


def test_a_store_in_memory_follows_another_one_with_a_warning_but_replays_nothing(caplog):
    found = commits(commit("memory-" + "e" * 16))
    with caplog.at_level(logging.WARNING):
        GroupStore(IN_MEMORY).check_assigned(found)
    assert "are reported again" in caplog.text
    with pytest.raises(StoreUnavailable, match="--new-store"):
        GroupStore(IN_MEMORY).check_replayed(found)
    for other in (GroupStore(HERE).check_assigned, GroupStore(HERE).check_replayed):
        with pytest.raises(StoreUnavailable, match="in the memory of another process"):
            other(found)


def test_accepting_the_store_that_the_group_has_says_nothing(caplog):
    GroupStore(HERE, is_new=True).check_assigned(commits(commit(HERE.id)))
    GroupStore(HERE, is_new=True).check_replayed(commits(commit(HERE.id), commit("")))
    assert caplog.text == ""


def behind_the_head(store_id):
    """Return a commit whose next record is not finished, and later ones were finished with this store."""
    return Commit(0, encode_books(Tally(), 0, store_id=store_id))


def test_work_behind_the_head_is_refused_to_another_store_too():
    with pytest.raises(StoreUnavailable, match=r"records behind the committed offsets of 1 partitions were finished"):
        GroupStore(HERE).check_assigned(commits(behind_the_head("c" * 16)))


def test_a_new_store_names_itself_at_once_and_keeps_its_name_while_only_filtered_records_follow():
    owned = Offsets(GroupStore(HERE, is_new=True))
    owned.assign(commits(behind_the_head("c" * 16)))
    assert owned.committable() == commits(behind_the_head(HERE.id))
    owned.committed(owned.committable())
    assert owned.committable() == {}
    (offsets,) = owned.owned.values()
    offsets.begin([RawRecord("log", 0, 0, -1, None, b"")])
    offsets.end(0, FILTERED)
    assert decode_store_id(owned.committable()[Partition("log", 0)].metadata) == HERE.id
