"""The loop, played through: a log, a group and an API of the test's own, in which everything that may go wrong does, in any order.

What must hold whatever happens: every event is taken once, or refused and in the dead letters; commits end at the end; the books balance.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from copy import copy
from itertools import count, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.deadline import Deadline
from pipeline.contracts.pauses import Pauses
from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import (
    Assigned,
    Commit,
    Delivered,
    Exhausted,
    Halt,
    Leaving,
    Partition,
    Pending,
    Polled,
    Refused,
    Retry,
    Revoked,
    SourceState,
    Unsent,
)
from pipeline.dead_letters.limit import DeadLetterLimit
from pipeline.decode import DecodeLimits, build_decoder
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.errors import (
    DeadLetterUnavailable,
    DestinationHalt,
    Log2mqError,
    RegistryUnavailable,
    SourceUnavailable,
    StoreUnavailable,
    TooManyDeadLetters,
)
from pipeline.job.batch import Batcher
from pipeline.job.books import Books, decode_books, decode_store_id
from pipeline.job.converter import Converter, Identity
from pipeline.job.dispatch import Dispatch
from pipeline.job.flow_limits import FlowLimits
from pipeline.job.parts import Parts
from pipeline.job.runner import Runner
from pipeline.job.timing import Lease
from schemas.log import RawRecord
from tests.support.examples import examples
from transforms.base import Kind, Skipped
from transforms.mapping import compile_mapping
from transforms.mapping.models import MappingSettings

LEASE_MS = 3_000
MAPPING = {
    "events": [
        {
            "when": {"type": ["pay", "both"]},
            "event_code": "pay",
            "event_time": "$.ts",
            "customer_id": "$.user",
            "out_biz_id": "$.no",
            "attributes": {"note": "$.note"},
        }
    ],
    "users": [
        {"when": {"type": "both"}, "customer_id": "$.user", "identities": {"open_id": "$.user"}},
        {"when": {"type": "user"}, "customer_id": "$.user", "identities": {"open_id": "$.identity"}},
    ],
}


class Clock:
    """Every look at it costs a few milliseconds, so that whatever waits comes due."""

    def __init__(self):
        self.now_ms = 1_700_000_000_000

    def __call__(self):
        self.now_ms += 7
        return self.now_ms


class Group:
    """A topic's partitions, what the group has committed, and who owns what."""

    def __init__(self, logs, times=None):
        """`times` are the times of the records, as the logs are their values; by default all are 0."""
        self.records = {
            Partition("log", number): [
                RawRecord("log", number, offset, times[number][offset] if times else 0, None, value)
                for offset, value in enumerate(values)
            ]
            for number, values in enumerate(logs)
        }
        self.topic_ids = {"log": "1" * 32}
        self.committed = {}
        self.meant = dict.fromkeys(self.records, "")  # who shall own a partition
        self.owned = dict.fromkeys(self.records, "")  # who does

    def is_done(self):
        return all(
            (commit := self.committed.get(each)) is not None and commit.offset == len(records)
            for each, records in self.records.items()
            if records
        )

    def lifetime(self):
        return Books.total(Books.of(decode_books(commit.metadata)[0]) for commit in self.committed.values())


class Member:
    """One member's `Source`."""

    def __init__(self, group, name, chance):
        self.group, self.name, self.chance = group, name, chance
        self.positions = {}
        self.pauses = Pauses()
        self.leaving = set()  # the group wants them back; the job has not released them yet

    def is_cooperative(self):
        """Whether the next round is: an older version may be in the group for a time."""
        return self.chance.random() > 0.5

    def poll(self, _timeout_ms, committable, most_bytes):
        group, events = self.group, []
        gone = frozenset(each for each in self.positions if group.meant[each] != self.name)
        for each in gone:
            del self.positions[each]
        if gone and self.is_cooperative():
            self.leaving |= gone
            events.append(Leaving(gone))
        elif gone or (self.leaving and self.chance.random() < 0.1):  # in an eager round, or evicted
            for each in gone | self.leaving:
                if group.owned[each] != self.name:
                    continue  # the group evicted it
                if each in committable and self.chance.random() < 0.7:  # else the commit on the way out failed
                    group.committed[each] = committable[each]
                group.owned[each] = ""
            events.append(Revoked(frozenset(gone | self.leaving)))
            self.leaving = set()
        come = [
            each for each, name in group.meant.items() if name == self.name and group.owned[each] in {"", self.name}
        ]
        self.leaving.difference_update(come)  # the group gives them back
        fresh = {each: group.committed.get(each, Commit(0, "")) for each in come if each not in self.positions}
        if fresh:
            for each, commit in fresh.items():
                group.owned[each] = self.name
                self.positions[each] = commit.offset
            self.pauses.forget(fresh)
            events.append(Assigned(fresh, group.topic_ids))
        records = {}
        for each, position in self.positions.items():
            some = group.records[each][position : position + self.chance.randint(0, 7)]
            if some and each not in self.pauses.paused() and each not in fresh:
                records[each] = some
                self.positions[each] = some[-1].offset + 1
        return Polled(events, records, {each: self.positions[each] for each in records})

    def commit(self, offsets):
        if any(self.group.owned[each] != self.name for each in offsets) or self.chance.random() < 0.1:
            return False
        self.group.committed.update(offsets)
        return True

    def seek(self, partition, offset):
        self.positions[partition] = offset

    def release(self, partitions):
        for each in partitions:
            self.leaving.discard(each)
            self.group.owned[each] = ""

    def lag(self):
        return {}

    def state(self):
        return SourceState(is_member=True, is_away=False)

    def close(self):
        """Nothing to let go of."""


class Api:
    """What the far side took, and how it answers."""

    def __init__(self, chance):
        self.chance = chance
        self.refusal = Refused("ES400", "bad content")  # the answer to poison
        self.taken = Counter()
        self.order = {}  # user -> what came first
        self.identities = {}  # user -> the identities it took, in their order
        self.refuses_identities = False  # those that begin with "poison"

    def answer(self, kind, messages):
        parsed = [json.loads(each) for each in messages]
        chance = self.chance.random()
        if chance < 0.1:
            return Retry("ServiceUnavailable", "away")
        if chance < 0.15:
            return Retry("InternalError", "inside", outage=False)
        if any(each.get("extendAttributes", {}).get("note") == "poison" for each in parsed):
            return self.refusal
        if self.refuses_identities and any(
            each["customerIdList"][0]["customerId"].startswith("poison") for each in parsed if kind is Kind.USER
        ):
            return Refused("ES400", "bad identities")
        self.take(kind, messages)
        return Delivered()

    def take(self, kind, messages):
        """Accept messages."""
        for each in map(json.loads, messages):
            self.order.setdefault((each["customerId"], kind), len(self.order))
            if kind is Kind.EVENT:
                self.taken[each["extendAttributes"]["outBizId"]] += 1
            else:
                self.identities.setdefault(each["customerId"], []).append(each["customerIdList"][0]["customerId"])


class SenderThreads:
    """Threads that answer when they like: the API sees a batch at the moment its outcome is collected."""

    def __init__(self, api, threads):
        self.api, self.threads = api, threads
        self.out = []

    @property
    def idle(self):
        return self.threads - len(self.out)

    def submit(self, batch, kind, messages, _deadline_ms):
        self.out.append((batch, kind, list(messages)))

    def wait(self, _timeout_s):
        return bool(self.out)

    def collect(self):
        done = [each for each in self.out if self.api.chance.random() < 0.5]
        self.out = [each for each in self.out if each not in done]
        return [(batch, self.api.answer(kind, messages)) for batch, kind, messages in done]


class SlowSenders:
    """Threads whose API takes a batch at once, and answers later."""

    def __init__(self, world, threads):
        self.world, self.threads = world, threads
        self.out = []

    @property
    def idle(self):
        return self.threads - len(self.out)

    def submit(self, batch, kind, messages, deadline_ms):
        now_ms = self.world.clock.now_ms
        outcome = self.world.api.answer(kind, list(messages)) if now_ms < deadline_ms else Unsent()
        self.out.append((now_ms + self.world.answer_ms(), batch, outcome))

    def wait(self, _timeout_s):
        return any(answer_ms <= self.world.clock.now_ms for answer_ms, _, _ in self.out)

    def collect(self):
        done = [each for each in self.out if each[0] <= self.world.clock.now_ms]
        self.out = [each for each in self.out if each not in done]
        return [(batch, outcome) for _, batch, outcome in done]


class DeadLetters:
    """A topic that acknowledges some calls later."""

    topic = "log-dead"

    def __init__(self, written, chance):
        self.written, self.chance = written, chance
        self.waiting = []
        self.is_away = False

    @property
    def is_writing(self):
        return bool(self.waiting) and not self.is_away

    def send(self, record, refusal):
        self.waiting.append((record, refusal))

    def durable(self):
        if self.is_away:
            raise DeadLetterUnavailable("away")
        done = [each for each in self.waiting if self.chance.random() < 0.5]
        self.waiting = [each for each in self.waiting if each not in done]
        self.written += done
        return [record for record, _ in done]

    def forget(self, partitions):
        """What the producer holds is written all the same."""
        dropped = [
            each for each in self.waiting if Partition(*each[0][:2]) in partitions and self.chance.random() < 0.5
        ]
        self.waiting = [each for each in self.waiting if each not in dropped]
        return [record for record, _ in dropped]

    def close(self):
        """Nothing to let go of."""


class World:
    """Everything around the processes, which come and go."""

    def __init__(self, logs, chance, away=0.0, times=None, *, users_once=True):
        """`away` is how often a record cannot be read yet."""
        self.away = away
        self.users_once = users_once
        self.limit = lambda: DeadLetterLimit(1.0, 1_000_000)
        self.answer_ms = None  # how long the API takes to answer: a call
        self.clock = Clock()
        self.chance = chance
        self.group = Group(logs, times)
        self.api = Api(chance)
        self.table = MemoryTable()
        self.dead = []
        self.runners = {}
        self.numbers = count(1)
        self.mapping = MAPPING

    def begin(self, slot, *, threads=3):
        """Start a process in a slot, whatever became of the last one."""
        name = f"process-{next(self.numbers)}"
        dead = getattr(self.runners.get(slot), "name", None)
        for each in self.group.meant:
            if self.group.meant[each] == dead:
                self.group.meant[each] = name
            if self.group.owned[each] == dead:
                self.group.owned[each] = ""  # the dead own nothing
        backoff = Backoff(20, 200, self.chance.random)
        dispatch = Dispatch(
            [Batcher(kind, 10, 1 << 20, 50) for kind in Kind],
            SenderThreads(self.api, threads) if self.answer_ms is None else SlowSenders(self, threads),
            backoff,
        )
        parts = Parts(
            Member(self.group, name, self.chance),
            Converter(
                self._now_and_then(build_decoder("json", {}, DecodeLimits())),
                compile_mapping(MappingSettings(**self.mapping)),
                Identity("org-1"),
                users_once=self.users_once,
            ),
            MemoryStore(self.table, name, 10**9, LEASE_MS, lambda: self.clock.now_ms),
            dispatch,
            DeadLetters(self.dead, self.chance),
            self.limit(),
            Deadline(self.clock),
        )
        runner = Runner(
            parts,
            FlowLimits(40, 40_000, ready_batches=4, commit_records=30, commit_every_ms=100, lease_ms=LEASE_MS),
            self.clock,
        )
        runner.name, runner.parts = name, parts
        self.runners[slot] = runner
        return runner

    def _now_and_then(self, decode):
        """A decoder that must ask somebody first, who is not always there."""
        return lambda value: Pending("away", 30) if self.away and self.chance.random() < self.away else decode(value)

    def replay(self, bounds):
        """Return a world of the same log, store and API, in which another group reads a range of each partition."""
        there = copy(self)
        there.runners = {}
        there.group = Group([])
        there.group.topic_ids = self.group.topic_ids
        for (partition, records), (start, end) in zip(self.group.records.items(), bounds, strict=True):
            there.group.records[partition] = records[:end]
            there.group.committed[partition] = Commit(min(start, end), "")
        there.group.meant = dict.fromkeys(there.group.records, "")
        there.group.owned = dict.fromkeys(there.group.records, "")
        return there

    def rebalance(self, *slots):
        """Give every partition to one of the processes, by chance."""
        for each in self.group.meant:
            self.group.meant[each] = self.runners[self.chance.choice(slots)].name


def value(number, kind="pay", **more):
    return json.dumps(
        {"type": kind, "ts": 1_700_000_000_000, "user": f"u{number % 5}", "no": f"n{number}", **more}
    ).encode()


SINGLES = st.one_of(
    st.integers(0, 60).map(value),
    st.integers(0, 60).map(lambda number: value(number, "both")),
    st.integers(100, 105).map(lambda number: value(number, note="poison")),
    st.sampled_from([b"{broken", b'{"type": "other"}', value(0, no=None)]),
)
RECORDS = st.one_of(SINGLES, SINGLES, st.lists(SINGLES, min_size=2, max_size=4).map(b"\n".join))
"""Most hold one entry, some several on lines."""


def entries(record):
    return [None if each == b"{broken" else json.loads(each) for each in record.split(b"\n")]


def is_good(entry):
    return entry is not None and entry["type"] != "other" and entry["no"] is not None and "note" not in entry


def is_bad(entry):
    return entry is None or (entry["type"] != "other" and not is_good(entry))


@examples(times=1.5)
@given(
    logs=st.lists(st.lists(RECORDS, max_size=60), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
    trouble=st.sampled_from([0.0, 0.05, 0.2]),
    away=st.sampled_from([0.0, 0.0, 0.1, 0.7]),
    is_proved=st.booleans(),
)
def test_whatever_happens_nothing_is_lost_and_nothing_taken_twice(logs, seed, trouble, away, is_proved):
    """Where the refusal of poison proves nothing, good records keep coming, which do: as long as what is held leaves room to read them."""
    is_proved = is_proved or sum(record.count(b"poison") for log in logs for record in log) > 3
    chance = Random(seed)
    world = World(logs, chance, away)
    if not is_proved:
        world.api.refusal = Retry("ES0999", "unknown", outage=False, limit=2, exhausted=Exhausted.ISOLATE_OR_HALT)
    for slot in (0, 1):
        world.begin(slot)
    world.rebalance(0, 1)
    for step in range(20_000):
        if world.group.is_done():
            break
        for slot in (0, 1):
            world.runners[slot].turn()
        if step < 200 and chance.random() < trouble:
            if chance.random() < 0.5:
                world.rebalance(0, 1)
            else:
                world.begin(chance.choice([0, 1]))  # killed: what it held in memory is gone
        if not is_proved and step % 50 == 49:
            for place, log in enumerate(world.group.records.values()):
                more = value(1_000 * step + place)
                logs[place] = [*logs[place], more]
                log.append(RawRecord("log", place, len(log), 0, None, more))
    records = [each for log in logs for each in log]
    parsed = [entries(each) for each in records]
    bad = [any(map(is_bad, each)) for each in parsed]
    assert world.group.is_done()
    assert world.api.taken == dict.fromkeys((each["no"] for record in parsed for each in record if is_good(each)), 1)
    assert {record.value for record, _ in world.dead} == {
        each for each, wrong in zip(records, bad, strict=True) if wrong
    }
    assert len(world.dead) == sum(bad)  # each once
    for runner in world.runners.values():
        runner.status().total.check()
        assert runner.offsets.in_flight or not runner.offsets.unfinished_bytes
    lifetime = world.group.lifetime()
    lifetime.check()
    assert (lifetime.read, lifetime.dead_lettered, lifetime.in_flight) == (len(records), sum(bad), 0)
    assert lifetime.reported + lifetime.duplicate == sum(
        any(map(is_good, each)) and not wrong for each, wrong in zip(parsed, bad, strict=True)
    )


@examples(times=0.3)
@given(numbers=st.lists(st.integers(0, 30), min_size=1, max_size=40), seed=st.integers(0, 2**32))
def test_identities_are_taken_before_the_events_of_their_record(numbers, seed):
    world = World([[value(number, "both") for number in numbers]], Random(seed))
    world.begin(0)
    world.rebalance(0)
    for _ in range(5_000):
        if world.group.is_done():
            break
        world.runners[0].turn()
    order = world.api.order
    assert all(order[(user, Kind.USER)] < place for (user, kind), place in order.items() if kind is Kind.EVENT)


@pytest.mark.parametrize("users_once", [True, False])
def test_identities_of_a_customer_are_taken_in_the_order_of_the_log(users_once):
    chance = Random(11)
    versions = [(chance.randrange(40), number) for number in range(4_000)]
    log = [
        json.dumps({"type": "user", "user": f"u{user}", "identity": f"{number:04}"}).encode()
        for user, number in versions
    ]
    world = World([log], chance, users_once=users_once)
    world.begin(0)
    world.rebalance(0)
    while not world.group.is_done():
        world.runners[0].turn()
    taken = world.api.identities
    assert sum(map(len, taken.values())) == len(log)
    inversions = sum(later < earlier for each in taken.values() for earlier, later in pairwise(each))
    assert inversions == 0


def _tells(user, identity):
    return json.dumps({"type": "user", "user": user, "identity": identity}).encode()


VERSIONS = st.sampled_from(["a", "b", "c", "poison"])
TOLD = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), VERSIONS), max_size=40)
"""Partition, customer and identities, in the order in which they are told."""


def _logs_of(told):
    """Return the values and the times of three partitions. Each telling has a time of its own."""
    logs, times = [[], [], []], [[], [], []]
    for time_ms, (partition, user, identity) in enumerate(told):
        logs[partition].append(_tells(str(user), identity))
        times[partition].append(time_ms)
    return logs, times


def _check_never_back(told, taken):
    """Check that no older version was taken after a newer one."""
    for user, identities in taken.items():
        versions = [identity for each, identity in told if each == user]
        place = 0
        for identity in identities:
            assert identity in versions[place:], (identity, versions, identities)
            place = versions.index(identity, place)


def _disturb(world, chance):
    """Move partitions, kill a process, or read a part of the log again, as after a commit that was lost."""
    match chance.choice(["rebalance", "kill", "rewind"]):
        case "rebalance":
            world.rebalance(0, 1)
        case "kill":
            world.begin(chance.choice([0, 1]))
        case _:
            for slot in (0, 1):
                world.begin(slot)
            for each, commit in world.group.committed.items():
                world.group.committed[each] = Commit(chance.randint(0, commit.offset), "")


def _report_and_replay(world, chance, trouble, *, is_replayed=True):
    """Run two processes over the log and, if wanted, a replay of a range beside them. Kill and move them now and then."""
    worlds = [world]
    for step in range(20_000):
        for each in worlds:
            for runner in each.runners.values():
                runner.turn()
        if all(each.group.is_done() for each in worlds):
            return
        if step < 200 and chance.random() < trouble:
            _disturb(chance.choice(worlds), chance)
        if step == 10 and is_replayed:
            bounds = [sorted(chance.choices(range(len(log) + 1), k=2)) for log in world.group.records.values()]
            worlds.append(_started(world.replay(bounds)))
    raise AssertionError("the log was not read to its end")


def _started(world):
    for slot in (0, 1):
        world.begin(slot)
    world.rebalance(0, 1)
    return world


@given(
    told=TOLD,
    seed=st.integers(0, 2**32),
    trouble=st.sampled_from([0.0, 0.1, 0.3]),
    users_once=st.booleans(),
    over_partitions=st.booleans(),
    is_slow=st.booleans(),
)
def test_the_last_identities_told_are_the_last_taken_and_none_goes_back(
    told, seed, trouble, users_once, over_partitions, is_slow
):
    chance = Random(seed)
    if not over_partitions:
        told = [(partition, f"{user}-{partition}", version) for partition, user, version in told]
    logs, times = _logs_of(told)
    world = World(logs, chance, times=times, users_once=users_once)
    if is_slow:
        world.answer_ms = lambda: chance.choice([0, 50, 500])
    world.api.refuses_identities = True
    _report_and_replay(_started(world), chance, trouble)
    world.api.refuses_identities = False  # the mapping was mended: the whole log is replayed
    everything = world.replay([(0, len(records)) for records in world.group.records.values()])
    _report_and_replay(_started(everything), chance, trouble)
    log = [(str(user), version) for _, user, version in told]
    assert {user: identities[-1] for user, identities in world.api.identities.items()} == dict(log)
    if not (is_slow and trouble):
        # With slow answers a kill leaves versions in doubt: taken, and not confirmed. Until such a version is sent again, another partition, or a
        # replay beside, may tell an older one.
        _check_never_back(log, world.api.identities)


@given(told=TOLD, seed=st.integers(0, 2**32))
def test_versions_in_doubt_after_a_kill_are_sent_again_in_their_order(told, seed):
    chance = Random(seed)
    told = [(partition, f"{user}-{partition}", version) for partition, user, version in told]
    logs, times = _logs_of(told)
    world = World(logs, chance, times=times)
    world.answer_ms = lambda: chance.choice([0, 50, 500])
    _report_and_replay(_started(world), chance, 0.3, is_replayed=False)
    log = [(user, version) for _, user, version in told]
    assert {user: identities[-1] for user, identities in world.api.identities.items()} == dict(log)
    _check_never_back(log, world.api.identities)


def test_every_record_is_a_version_of_its_own_where_unchanged_identities_are_reported():
    told = [(0, "u", each) for each in "aabbcaaac"]
    world = World(_logs_of(told)[0], Random(7), users_once=False)
    world.begin(0)
    world.rebalance(0)
    while not world.group.is_done():
        world.runners[0].turn()
    assert world.api.identities == {"u": list("aabbcaaac")}
    again = _started(world.replay([(0, 9), (0, 0), (0, 0)]))
    _report_and_replay(again, Random(7), 0.0)
    assert world.api.identities == {"u": list("aabbcaaac")}


def test_a_topic_that_was_created_again_tells_newer_identities():
    chance = Random(3)
    world = _started(World(*_logs_of([(0, "u", "a"), (0, "u", "b")])[:1], chance, times=[[10, 11], [], []]))
    _report_and_replay(world, chance, 0.0)
    anew = copy(world)
    anew.runners = {}
    anew.group = Group(*_logs_of([(0, "u", "c")])[:1], [[20], [], []])
    anew.group.topic_ids = {"log": "2" * 32}
    _report_and_replay(_started(anew), chance, 0.0)
    assert world.api.identities == {"u": ["a", "b", "c"]}


def test_a_stop_finishes_what_is_in_flight_and_commits_it():
    world = World([[value(number) for number in range(30)]], _Even())
    runner = world.begin(0)
    world.rebalance(0)
    while not runner.status().total.in_flight:
        runner.turn()
    runner.stop()
    status = runner.run()
    total = status.total
    assert total.in_flight == 0
    assert total.read == total.reported == world.group.committed[Partition("log", 0)].offset


def _with_a_partition_that_leaves(answer_ms):
    """A process that has sent all it has read, of which a part shall be another's."""
    world = World([[value(number) for number in range(12)], [value(number) for number in range(100, 112)]], _Even())
    world.answer_ms = lambda: answer_ms
    runner = world.begin(0, threads=10)
    runner.parts.source.is_cooperative = lambda: True
    world.rebalance(0)
    while sum(world.api.taken.values()) < 24:
        runner.turn()
    assert not any(commit.offset for commit in world.group.committed.values())
    leaves, stays = Partition("log", 0), Partition("log", 1)
    world.group.meant[leaves] = "another"
    return world, runner, leaves, stays


def test_what_is_in_flight_of_a_partition_that_leaves_is_finished_and_committed_before_it_is_released():
    world, runner, leaves, stays = _with_a_partition_that_leaves(answer_ms=500)
    while world.group.owned[leaves]:
        assert leaves in runner.offsets.owned
        runner.turn()
    assert world.group.committed[leaves].offset == 12, "nothing of it is read again"
    assert list(runner.offsets.owned) == [stays]
    assert runner.status().total.read == 24


def test_a_partition_that_leaves_is_released_in_time_although_nothing_answers():
    world, runner, leaves, stays = _with_a_partition_that_leaves(answer_ms=3_600_000)
    begun_ms = world.clock.now_ms
    while world.group.owned[leaves]:
        runner.turn()
    assert world.clock.now_ms - begun_ms < FlowLimits().grace_ms
    assert list(runner.offsets.owned) == [stays]
    total = runner.status().total
    assert (total.read, total.returned) == (24, 12), "another member reads them"


def test_an_answer_that_comes_after_its_partition_has_moved_counts_as_reported():
    """Its record is read again by another process, where it is a duplicate. Before the mend no process counted it as reported."""
    world, runner, leaves, _ = _with_a_partition_that_leaves(answer_ms=30_000)
    shown = []
    while world.group.owned[leaves] or runner.status().sending:
        runner.turn()
        shown.append(runner.status().total)
    total = shown[-1]
    total.check()
    assert (total.read, total.reported, total.returned, total.in_flight) == (24, 12, 12, 0)
    assert total.events_reported == 24
    for before, after in pairwise(shown):
        assert all(getattr(after, each) >= getattr(before, each) for each in ("read", "reported", "returned"))


def test_a_partition_that_leaves_and_comes_back_begins_anew_and_is_not_released():
    world, runner, leaves, _ = _with_a_partition_that_leaves(answer_ms=500)
    epoch = runner.offsets.owned[leaves]
    runner.turn()
    world.rebalance(0)
    while not world.group.is_done():
        runner.turn()
    assert runner.offsets.owned[leaves] is not epoch
    assert world.group.owned[leaves]
    assert world.api.taken == {f"n{number}": 1 for number in [*range(12), *range(100, 112)]}


def test_a_halt_waits_for_the_answers_under_way_and_remembers_them():
    world = World([[value(number) for number in range(30)]], _Even())
    runner = world.begin(0)
    world.rebalance(0)
    answer, answers = world.api.answer, []

    def halt_at_the_second(kind, messages):
        answers.append(len(messages))
        return Halt("Forbidden", "no") if len(answers) == 2 else answer(kind, messages)

    world.api.answer = halt_at_the_second
    with pytest.raises(DestinationHalt, match="Forbidden: no"):
        runner.run()
    taken = sum(world.api.taken.values())
    assert taken == sum(answers) - answers[1]
    committed = world.group.committed.get(Partition("log", 0), Commit(0, ""))
    assert committed.offset <= taken
    world.api.answer = answer
    world.begin(0)
    while not world.group.is_done():
        world.runners[0].turn()
    assert set(world.api.taken.values()) == {1}


def _raise(error):
    raise error


def _with_answers_under_way(answer_ms):
    """A process that has sent all it has read, of which a part is another's now. It may have no dead letter."""
    world = World([[value(number) for number in range(12)], [value(number) for number in range(100, 112)]], _Even())
    world.limit = lambda: DeadLetterLimit(0.0, 10)
    world.answer_ms = lambda: answer_ms
    runner = world.begin(0, threads=10)
    world.rebalance(0)
    while sum(world.api.taken.values()) < 24:
        runner.turn()
    assert not any(commit.offset for commit in world.group.committed.values())
    world.group.meant[Partition("log", 0)] = "another"
    runner.turn()
    assert len(runner.offsets.owned) == 1
    return world, runner


def _run_the_rest(world, runner):
    """End a process as a job does, and let another finish all that is left."""
    runner.parts.store.close()
    world.limit = lambda: DeadLetterLimit(1.0, 1_000_000)
    world.answer_ms = lambda: 20
    runner = world.begin(0)
    world.rebalance(0)
    for _ in range(20_000):
        if world.group.is_done():
            break
        runner.turn()
    assert world.group.is_done()
    return runner.status().total


ENDS = {
    "stop": None,
    "dead letters": DeadLetterUnavailable,
    "halt": DestinationHalt,
    "poll": SourceUnavailable,
    "commit": SourceUnavailable,
    "claim": StoreUnavailable,
    "store": StoreUnavailable,
    "registry": RegistryUnavailable,
    "too many": TooManyDeadLetters,
    "fault": KeyError,  # in log2mq itself: exit code 70
}


def _end(how, world, runner):
    """Make a process end: it is told to, or a part of it fails, and fails again whenever it is asked."""
    parts = runner.parts
    match how:
        case "stop":
            runner.stop()
        case "dead letters":
            parts.dead_letters.is_away = True
        case "halt":
            parts.dispatch.halt = "Forbidden"
        case "too many":
            _append(world, b"{broken")
        case "store":
            parts.store.sweep = lambda: _raise(StoreUnavailable("full"))
        case "registry":
            decode = parts.convert._decode
            parts.convert._decode = lambda raw: Pending("gone", 0, is_lost=True) if b"other" in raw else decode(raw)
            _append(world, b'{"type": "other"}')
        case "fault":
            parts.source.poll = lambda *_: _raise(KeyError("fault"))
        case "poll":
            parts.source.poll = lambda *_: _raise(SourceUnavailable("away"))
        case "commit":
            parts.source.commit = lambda *_: _raise(SourceUnavailable("away"))
            runner.stop()
        case "claim":
            parts.store.claim = lambda *_: _raise(StoreUnavailable("away"))
            runner.stop()


def _append(world, content):
    log = world.group.records[Partition("log", 1)]
    log.append(RawRecord("log", 1, len(log), 0, None, content))


@pytest.mark.parametrize(
    "how", ["stop", "dead letters", "halt", "poll", "commit", "store", "too many", "registry", "fault"]
)
def test_whatever_ends_the_job_waits_for_the_answers_under_way(how):
    world, runner = _with_answers_under_way(answer_ms=10_000)  # three times as long as the lease
    _end(how, world, runner)
    if ENDS[how] is None:
        runner.run()
    else:
        with pytest.raises(ENDS[how]):
            runner.run()
    assert not runner.parts.dispatch.sending
    assert not world.table.claims
    assert len(world.table.confirmed) == 24
    assert max(world.table.leases.values()) > world.clock.now_ms  # nobody else was granted what is being sent
    if how not in {"commit", "fault"}:  # after a fault of its own the job commits nothing
        assert world.group.committed[Partition("log", 1)].offset == 12
    total = _run_the_rest(world, runner)
    assert total.reported == 0
    assert set(world.api.taken.values()) == {1}


def test_a_stop_waits_for_answers_of_partitions_that_were_taken_away():
    world, runner = _with_answers_under_way(answer_ms=1_000)
    world.group.meant[Partition("log", 1)] = "another"
    runner.turn()
    assert not runner.offsets.owned
    runner.stop()
    runner.run()
    assert len(world.table.confirmed) == 24
    assert _run_the_rest(world, runner).reported == 0


def test_what_a_failing_store_did_not_take_is_said(caplog):
    world, runner = _with_answers_under_way(answer_ms=500)
    runner.parts.store.confirm = lambda *_: _raise(StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        runner.run()
    assert "did not confirm 24 delivered messages" in caplog.text
    assert not any(commit.offset for commit in world.group.committed.values())


def test_a_job_that_ends_waits_for_the_other_answers_where_two_calls_have_a_fault():
    """A fault of log2mq itself, in two sender threads at once: exit code 70, and no event of the other calls is forgotten."""
    world, runner = _with_answers_under_way(answer_ms=500)
    collect, faults = runner.parts.dispatch.collect, [KeyError("first"), KeyError("second")]
    runner.parts.dispatch.collect = lambda now_ms: _raise(faults.pop(0)) if faults else collect(now_ms)
    with pytest.raises(KeyError):
        runner.run()
    assert not runner.parts.dispatch.sending
    assert len(world.table.confirmed) == 24


def test_dead_letters_of_partitions_that_were_taken_away_keep_their_weight():
    """Their producer holds them until the topic takes them: a partition that comes and goes must not fill the memory meanwhile."""
    most_bytes = 40_000  # of the world's limits
    world = World([[b"{%d" % number + b"x" * 990 for number in range(500)]], _Even())
    runner = world.begin(0)
    writer = runner.parts.dead_letters
    writer.durable, writer.forget = list, lambda _: []  # the topic takes nothing, and the producer holds everything
    partition = Partition("log", 0)
    for _ in range(6):
        world.rebalance(0)
        for _ in range(60):
            runner.turn()
        held = sum(len(record.value) for record, _ in writer.waiting)
        assert held <= most_bytes
        world.group.meant[partition] = "another"
        while runner.offsets.owned:
            runner.turn()
        world.group.committed[partition] = Commit(world.group.committed.get(partition, Commit(0, "")).offset + 50, "")
    del writer.durable
    for _ in range(50):
        runner.turn()
    assert not writer.waiting
    assert not runner.offsets.unfinished_bytes


def test_where_a_dead_letter_is_refused_the_others_are_remembered():
    """The topic takes them after the refusal: whoever reads them again does not write them again."""
    world = World([[b"{broken"] * 4], _Even())
    runner = world.begin(0)
    writer, looks = runner.parts.dead_letters, count()
    refused = DeadLetterUnavailable("the topic refuses records: InvalidRecordError")

    def durable():
        look = next(looks)
        if look > 50 and len(writer.waiting) > 1:
            writer.written += writer.waiting[1:]
            acknowledged, writer.waiting = writer.waiting[1:], writer.waiting[:1]
            return [record for record, _ in acknowledged]
        return _raise(refused) if look > 20 else []

    world.rebalance(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeadLetters, "is_writing", property(lambda self: len(self.waiting) > 1))
        writer.durable, writer.forget = durable, lambda _: []  # the producer holds them all
        with pytest.raises(DeadLetterUnavailable):
            runner.run()
    assert len(world.table.confirmed) == 3
    _run_the_rest(world, runner)
    assert Counter(record.offset for record, _ in world.dead) == dict.fromkeys(range(4), 1)


def test_what_the_store_takes_at_last_is_remembered():
    world, runner = _with_answers_under_way(answer_ms=500)
    confirm, fails = runner.parts.store.confirm, [True]
    runner.parts.store.confirm = lambda *about: _raise(StoreUnavailable("away")) if fails.pop() else confirm(*about)
    fails[:0] = [False] * 100
    with pytest.raises(StoreUnavailable):
        runner.run()
    assert len(world.table.confirmed) == 24


def test_a_stop_sends_nothing_that_could_not_be_answered_in_time(caplog):
    world, runner = _with_answers_under_way(answer_ms=60_000)
    runner.stop()
    begun_ms = world.clock.now_ms
    runner.run()
    assert 30_000 <= world.clock.now_ms - begun_ms < 31_000
    assert "calls were not answered within stop.grace" in caplog.text


@given(
    logs=st.lists(st.lists(SINGLES, max_size=40), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
    turns=st.integers(0, 60),
    how=st.sampled_from(sorted(set(ENDS) - {"registry", "too many"})),  # which need a record of their own
    is_revoked=st.booleans(),
)
def test_a_job_that_ends_at_any_moment_reports_nothing_twice_and_loses_nothing(logs, seed, turns, how, is_revoked):
    chance = Random(seed)
    world = World(logs, chance)
    world.answer_ms = lambda: chance.choice([0, 50, 500, 5_000])
    runner = world.begin(0)
    world.rebalance(0)
    for _ in range(turns):
        runner.turn()
    if is_revoked:
        world.group.meant[Partition("log", 0)] = "another"
        runner.turn()
    _end(how, world, runner)
    with suppress(Log2mqError, KeyError):
        runner.run()
    _run_the_rest(world, runner)
    events = {each["no"] for log in logs for record in log for each in entries(record) if is_good(each)}
    assert world.api.taken == dict.fromkeys(events, 1)
    assert Counter(record for record, _ in world.dead) == {
        record: 1
        for records in world.group.records.values()
        for record in records
        if any(map(is_bad, entries(record.value)))
    }


@given(
    logs=st.lists(st.lists(RECORDS, max_size=40), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.0, 0.1, 0.3]),
    window=st.integers(2, 20),
)
def test_too_many_dead_letters_stop_the_job_and_cost_no_record(logs, seed, share, window):
    chance = Random(seed)
    world = World(logs, chance)
    world.limit = lambda: DeadLetterLimit(share, window)
    world.answer_ms = lambda: chance.choice([0, 50, 500])
    bad = {
        each for records in world.group.records.values() for each in records if any(map(is_bad, entries(each.value)))
    }
    for _ in range(3):
        runner = world.begin(0)
        world.rebalance(0)
        runner._has_ended = world.group.is_done
        with suppress(TooManyDeadLetters):
            runner.run()
        runner.parts.store.close()
        runner.status().total.check()
    world.limit = lambda: DeadLetterLimit(1.0, 1_000_000)  # a person has looked at the dead letters
    _run_the_rest(world, runner)
    events = {each["no"] for log in logs for record in log for each in entries(record) if is_good(each)}
    assert world.api.taken == dict.fromkeys(events, 1)
    assert Counter(record for record, _ in world.dead) == dict.fromkeys(bad, 1)


def _without_dead_letters_twice(world):
    places = Counter(record for record, _ in world.dead)
    assert set(places.values()) <= {1}
    return set(places)


def test_a_replay_writes_no_dead_letter_again_and_reports_what_was_mended():
    world = World([[value(number, note="poison") for number in range(5)] + [b"{broken"]], _Even())
    world.answer_ms = lambda: 20
    first = _run_the_rest(world, world.begin(0))
    assert (first.dead_lettered, len(world.dead)) == (6, 6)
    again = world.replay([(0, 6)])
    second = _run_the_rest(again, again.begin(0))
    assert (second.dead_lettered, len(world.dead)) == (6, 6)
    world.api.answer = lambda kind, messages: world.api.take(kind, messages) or Delivered()
    mended = world.replay([(0, 6)])
    third = _run_the_rest(mended, mended.begin(0))
    assert (third.reported, third.dead_lettered, len(world.dead)) == (5, 1, 6)
    assert len(world.api.taken) == 5


UNKNOWN = Retry("ES0999", "unknown", outage=False, limit=2, exhausted=Exhausted.ISOLATE_OR_HALT)
HOLD_MS = 900_000


def _with_dead_letters_of_each_stage():
    """Return a world in which events became dead letters: by the API with a contrast (1 and 4), and without `no`, which it never saw (2 and 5)."""
    note = {1: {"note": "poison"}, 2: {"no": None}, 4: {"note": "poison"}, 5: {"no": None}}
    log = [value(number, **{"spare": f"n{number}"} | note.get(number, {})) for number in range(200)]
    world = World([log, []], _Even())
    world.answer_ms = lambda: 20
    world.api.refusal = UNKNOWN
    first = _run_the_rest(world, world.begin(0))
    assert (first.reported, first.dead_lettered) == (196, 4)
    return world


@pytest.mark.slow
def test_an_outage_ends_no_record_of_a_replay_that_was_mended_since_its_dead_letter():
    """Its dead letter says nothing of what is sent now: another code, another stage, other bytes."""
    world = _with_dead_letters_of_each_stage()
    (events,) = MAPPING["events"]
    mended = world.replay([(0, 200), (0, 0)])
    mended.mapping = MAPPING | {"events": [events | {"out_biz_id": "$.spare", "attributes": {}}]}
    answer, world.api.answer = world.api.answer, lambda *_: UNKNOWN
    runner = mended.begin(0)
    mended.rebalance(0)
    begun_ms = world.clock.now_ms
    while world.clock.now_ms - begun_ms < HOLD_MS // 2:
        runner.turn()
    world.api.answer = answer
    while not mended.group.is_done():
        runner.turn()
    total = runner.status().total
    assert (total.reported, total.dead_lettered, len(world.dead)) == (4, 0, 4)


def test_a_replay_of_what_was_refused_by_contrast_needs_no_other_contrast():
    world = _with_dead_letters_of_each_stage()
    for _ in range(2):
        again = world.replay([(0, 200), (0, 0)])
        begun_ms = world.clock.now_ms
        total = _run_the_rest(again, again.begin(0))
        assert (total.reported, total.dead_lettered, len(world.dead)) == (0, 4, 4)
        assert world.clock.now_ms - begun_ms < HOLD_MS // 10


def test_a_refusal_that_is_judged_in_a_replay_is_known_to_the_next_replay():
    """The dead letter is that of another stage, and is not written again."""
    world = _with_dead_letters_of_each_stage()
    (events,) = MAPPING["events"]
    world.mapping = MAPPING | {"events": [events | {"out_biz_id": "$.spare", "attributes": {"note": "$.ts"}}]}
    answer, late = world.api.answer, {"n2", "n5"}

    def refuse_late(kind, messages):
        numbers = {json.loads(each)["extendAttributes"]["outBizId"] for each in messages}
        return UNKNOWN if numbers & late else answer(kind, messages)

    world.api.answer = refuse_late
    world.group.records[Partition("log", 1)] = [
        RawRecord("log", 1, offset, 0, None, value(200 + offset, spare=f"n{200 + offset}")) for offset in range(200)
    ]
    again = world.replay([(0, 200), (0, 200)])
    total = _run_the_rest(again, again.begin(0))
    assert (total.reported, total.dead_lettered, len(world.dead)) == (202, 2, 4)
    third = world.replay([(0, 200), (0, 200)])
    begun_ms = world.clock.now_ms
    total = _run_the_rest(third, third.begin(0))
    assert (total.reported, total.dead_lettered, len(world.dead)) == (0, 2, 4)
    assert world.clock.now_ms - begun_ms < HOLD_MS // 10


@given(
    log=st.lists(RECORDS, min_size=1, max_size=40), seed=st.integers(0, 2**32), share=st.sampled_from([0.0, 0.1, 0.3])
)
def test_dead_letters_that_are_known_do_not_stop_a_replay(log, seed, share):
    chance = Random(seed)
    world = World([log], chance)
    _report_and_replay(_started(world), chance, 0.0, is_replayed=False)
    again = world.replay([(0, len(log))])
    again.limit = lambda: DeadLetterLimit(share, 2)
    total = _run_the_rest(again, again.begin(0))
    bad = sum(any(map(is_bad, entries(each))) for each in log)
    assert (total.dead_lettered, len(world.dead)) == (bad, bad)


def test_refusals_that_come_after_an_outage_count_where_their_records_were_read():
    """Five of thirty records are refused, and nothing is read between the refusals. Of ten records in a row, two at most are dead letters."""
    log = [value(number, note="poison") if number % 6 == 0 else value(number) for number in range(30)]
    world = World([log], _Even())
    world.limit = lambda: DeadLetterLimit(0.3, 10)
    answer, world.api.answer = world.api.answer, lambda *_: Retry("ServiceUnavailable", "away")
    runner = world.begin(0)
    world.rebalance(0)
    for _ in range(200):
        runner.turn()
    assert runner.status().total.read == len(log)
    world.api.answer = answer
    for _ in range(2_000):
        if world.group.is_done():
            break
        runner.turn()
    assert (world.group.is_done(), len(world.dead), runner.status().total.reported) == (True, 5, 25)


def test_a_dead_letter_whose_claim_lapsed_while_it_waited_for_the_topic_counts_once():
    world = World([[b"{broken"] * 3], _Even())
    world.limit = lambda: DeadLetterLimit(0.3, 10)
    runner = world.begin(0)
    world.rebalance(0)
    letters = runner.parts.dead_letters
    letters.durable = list  # the topic is away
    letters.forget = lambda _: [letters.waiting.pop()[0] for _ in list(letters.waiting)]
    for _ in range(30):
        runner.turn()
    assert len(letters.waiting) == 3
    world.clock.now_ms += 2 * LEASE_MS
    for _ in range(30):
        runner.turn()
    assert len(letters.waiting) == 3
    del letters.durable
    _run_the_rest(world, runner)
    assert len(world.dead) == 3


def test_the_dead_letter_that_is_one_too_many_is_not_written_and_those_before_it_are():
    world = World([[b"{broken"] * 10], _Even())
    world.limit = lambda: DeadLetterLimit(0.3, 10)
    runner = world.begin(0)
    world.rebalance(0)
    with pytest.raises(TooManyDeadLetters, match="4 of 10 records"):
        runner.run()
    assert [record.offset for record, _ in world.dead] == [0, 1, 2]
    assert world.group.committed[Partition("log", 0)].offset == 3
    assert runner.status().total.dead_lettered == 3
    world.limit = lambda: DeadLetterLimit(1.0, 10)
    runner.parts.store.close()
    _run_the_rest(world, world.begin(0))
    assert [record.offset for record, _ in world.dead] == list(range(10))


@examples(times=0.5)
@given(
    logs=st.lists(st.lists(RECORDS, max_size=40), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
    trouble=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_each_origin_is_dead_lettered_once_whatever_is_read_again(logs, seed, trouble):
    chance = Random(seed)
    world = World(logs, chance)
    _report_and_replay(_started(world), chance, trouble)
    bad = {
        each for records in world.group.records.values() for each in records if any(map(is_bad, entries(each.value)))
    }
    assert _without_dead_letters_twice(world) == bad


def test_a_topic_that_was_created_again_has_dead_letters_of_its_own():
    chance = Random(3)
    world = _started(World([[b"{broken"] * 3], chance))
    _report_and_replay(world, chance, 0.0)
    assert len(world.dead) == 3
    anew = copy(world)
    anew.runners = {}
    anew.group = Group([[b"{broken"] * 4])
    anew.group.topic_ids = {"log": "2" * 32}
    _report_and_replay(_started(anew), chance, 0.0)
    assert len(world.dead) == 7


def test_another_dead_letter_topic_gets_its_own():
    chance = Random(3)
    world = _started(World([[b"{broken"] * 3], chance))
    _report_and_replay(world, chance, 0.0)
    again = world.replay([(0, 3)])
    again.begin(0).parts.dead_letters.topic = "another"
    again.rebalance(0)
    while not again.group.is_done():
        again.runners[0].turn()
    assert len(world.dead) == 6


def test_a_partition_is_paused_before_its_unfinished_records_fill_the_memory():
    world = World([[value(number) for number in range(500)]], _Even())
    world.api.answer = lambda *_: Retry("ServiceUnavailable", "away")
    runner = world.begin(0)
    world.rebalance(0)
    for _ in range(400):
        runner.turn()
    assert 0 < runner.status().total.in_flight <= 40 + 10 * 4 + 7
    assert world.group.committed.get(Partition("log", 0), Commit(0, "")).offset == 0


def test_a_stuck_head_pauses_its_partition():
    """Else the records that end behind it would fill the memory, and all be read again after a crash."""
    world = World([[value(number) for number in range(500)]], _Even())
    answer, stuck = world.api.answer, [True]

    def answer_late(kind, messages):
        if stuck[0] and any(b'"n0"' in each for each in messages):
            return Retry("InternalError", "inside", outage=False)
        return answer(kind, messages)

    world.api.answer = answer_late
    runner = world.begin(0)
    world.rebalance(0)
    for _ in range(400):
        runner.turn()
    (offsets,) = runner.offsets.owned.values()
    assert offsets.uncommittable <= 40 + 7  # the limit, and what one more poll brought
    assert offsets.in_flight <= 10  # the others have ended
    assert runner.status().head_age_ms > 1_000
    stuck[0] = False
    for _ in range(2_000):
        if world.group.is_done():
            break
        runner.turn()
    assert world.group.is_done()
    assert set(world.api.taken.values()) == {1}


def test_the_store_is_named_once_while_the_first_head_is_stuck_and_another_store_is_refused():
    world = World([[value(number) for number in range(30)]], _Even())
    answers_ms = iter([3_600_000])
    world.answer_ms = lambda: next(answers_ms, 20)
    runner = world.begin(0)
    world.rebalance(0)
    source, made = runner.parts.source, []
    commit = source.commit
    source.commit = lambda offsets: made.append(offsets) or commit(offsets)
    for _ in range(600):
        runner.turn()
    assert 10 < len(world.table.confirmed) < 30
    (committed,) = world.group.committed.values()
    assert (committed.offset, decode_store_id(committed.metadata)) == (0, world.table.identity)
    assert made == [world.group.committed]
    world.table = MemoryTable(identity="an empty volume")
    other = world.begin(0)
    world.rebalance(0)
    with pytest.raises(StoreUnavailable, match="records behind the committed offsets"):
        other.run()
    assert set(world.api.taken.values()) == {1}


def test_the_records_of_one_poll_are_handed_back_where_they_fill_the_memory():
    world = World([[value(number, note="x" * 15_000) for number in range(60)]], _Even())
    runner = world.begin(0)
    world.rebalance(0)
    most = 0
    for _ in range(2_000):
        if world.group.is_done():
            break
        runner.turn()
        most = max(most, runner.offsets.unfinished_bytes)
    one = 2 * 15_300 + 1_024  # a value, and its message
    assert 40_000 < most <= 40_000 + one
    assert set(world.api.taken.values()) == {1}


@pytest.mark.parametrize("content", [b"{broken", value(100, note="poison")], ids=["unreadable", "refused by the API"])
def test_a_record_counts_against_the_bytes_in_flight_until_its_dead_letter_is_durable(content):
    chance = Random(1)
    here = Partition("log", 0)
    world = World([[content + b" " * 4_000] * 100], chance)
    runner = world.begin(0)
    world.rebalance(0)
    letters = runner.parts.dead_letters
    letters.durable = list  # the topic is away
    for _ in range(300):
        runner.turn()
    held = len(letters.waiting)
    assert runner.offsets.unfinished_bytes >= held * (len(content) + 4_000 + 1_024) > 40_000
    assert held < 20  # 40,000 bytes, and what one more poll brought
    del letters.durable  # and back
    for _ in range(3_000):
        if world.group.is_done():
            break
        runner.turn()
    assert world.group.committed[here].offset == 100
    assert runner.offsets.unfinished_bytes == 0


def test_what_waits_for_the_dead_letter_topic_goes_with_its_partition():
    world = World([[b"{broken"] * 10], Random(1))
    for slot in (0, 1):
        world.begin(slot)
    world.rebalance(0)
    first, other = world.runners[0], world.runners[1]
    first.parts.dead_letters.durable = list  # the topic is away for one of the two
    waiting = first.parts.dead_letters.waiting
    first.parts.dead_letters.forget = lambda _: [waiting.pop()[0] for _ in list(waiting)]
    for _ in range(50):
        first.turn()
    assert len(first.parts.dead_letters.waiting) == 10
    world.rebalance(1)
    for _ in range(50):
        first.turn()
        other.turn()
    assert (first._dead_lettering.is_idle, first.parts.dead_letters.waiting) == (True, [])
    assert world.group.is_done()
    assert len(world.dead) == 10


def test_a_process_that_stood_still_between_claim_and_call_does_not_send_what_another_has_sent():
    world = World([[value(number) for number in range(20)]], _Even())
    world.answer_ms = lambda: 20
    stopped, other = world.begin(0), world.begin(1)
    world.rebalance(0)
    claim, claimed = stopped.parts.store.claim, []

    def claim_and_stand_still(claims):
        results = claim(claims)
        claimed.extend(claims)
        if len(claimed) < 10:  # less than a batch: nothing is sent yet
            return results
        stopped.parts.store.claim = claim
        world.clock.now_ms += LEASE_MS + 1
        for each in world.group.owned:  # the brokers evict it
            world.group.owned[each] = ""
        world.rebalance(1)
        for _ in range(200):
            other.turn()
        return results

    stopped.parts.store.claim = claim_and_stand_still
    for _ in range(200):
        stopped.turn()
        other.turn()
    assert world.group.is_done()
    assert set(world.api.taken.values()) == {1}


def test_a_lease_that_ended_while_the_job_waited_for_brokers_is_taken_anew(monkeypatch):
    world = World([[]], Random(1))
    opened = MemoryStore(world.table, "process-1", 10**9, LEASE_MS, lambda: world.clock.now_ms)
    monkeypatch.setitem(world.begin.__globals__, "MemoryStore", lambda *_: opened)
    world.clock.now_ms += 10 * LEASE_MS
    world.begin(0)
    (until_ms,) = world.table.leases.values()
    assert until_ms > world.clock.now_ms + LEASE_MS // 2


def test_the_clock_of_the_calls_never_goes_back():
    """Before the mend the last look of a turn had the time before reading: what is limited by time was allowed twice."""
    world = World([[value(number) for number in range(100)]], _Even())
    runner = world.begin(0)
    world.rebalance(0)
    send, times = runner.parts.dispatch.send, []

    def note_and_send(now_ms, *given, **named):
        times.append(now_ms)
        send(now_ms, *given, **named)

    runner.parts.dispatch.send = note_and_send
    for _ in range(100):
        runner.turn()
    assert times == sorted(times)


def test_claims_are_kept_while_the_job_waits_for_brokers():
    """A wait for Kafka looks several times a second; see `bounded_network`."""
    world, runner = _with_answers_under_way(answer_ms=10 * LEASE_MS)
    poll = runner.parts.source.poll

    def wait_and_poll(*given):
        for _ in range(40):
            world.clock.now_ms += LEASE_MS // 8
            assert max(world.table.leases.values()) > world.clock.now_ms
            runner.parts.deadline.while_waiting()
        return poll(*given)

    runner.parts.source.poll = wait_and_poll
    runner.turn()
    assert runner.parts.dispatch.sending  # no call was given up


def test_claims_are_kept_while_the_entries_of_a_record_are_converted():
    world, runner = _with_answers_under_way(answer_ms=10 * LEASE_MS)
    convert, decode = runner.parts.convert, build_decoder("json", {}, DecodeLimits())

    def convert_slowly(entry):
        world.clock.now_ms += LEASE_MS // 8
        assert max(world.table.leases.values()) > world.clock.now_ms
        return Skipped("slow")

    convert.transform, convert._decode = convert_slowly, lambda raw: decode(b"[%s]" % b",".join([raw] * 40))
    partition = next(iter(runner.offsets.owned))
    world.group.records[partition].append(world.group.records[partition][-1]._replace(offset=12))
    while runner.offsets.owned[partition].position < 13:
        runner.turn()
    assert runner.parts.dispatch.sending


class LateStore(MemoryStore):
    """A store that was away, or that another process held: it renews the lease late."""

    def __init__(self, clock):
        self.clock, self.late_ms = clock, 0
        super().__init__(MemoryTable(), "process-1", 10**9, LEASE_MS, lambda: 0)

    def renew(self):
        self.clock.now_ms += self.late_ms
        super().renew()


def keep_later(lease, clock, after_ms):
    clock.now_ms += after_ms
    lease.keep(clock.now_ms)


def test_a_lapse_of_the_lease_is_told_once_also_where_a_wait_has_renewed_it():
    clock = Clock()
    lease = Lease(LateStore(clock), LEASE_MS, clock)
    keep_later(lease, clock, LEASE_MS)
    keep_later(lease, clock, LEASE_MS // 2)
    assert [lease.take_lapse(), lease.take_lapse()] == [True, False]
    keep_later(lease, clock, LEASE_MS // 2)
    assert not lease.take_lapse()


@pytest.mark.parametrize("share", [0, 1, 2, 3, 4])
def test_a_lease_that_ended_while_its_renewal_waited_has_lapsed(share):
    clock = Clock()
    store = LateStore(clock)
    lease = Lease(store, LEASE_MS, clock)
    store.late_ms = LEASE_MS * share // 4
    keep_later(lease, clock, LEASE_MS // 4)
    assert lease.take_lapse() == (share >= 3)
    store.late_ms = 0
    for _ in range(2):  # the late renewal may have counted from its begin
        keep_later(lease, clock, LEASE_MS // 4)
    lease.take_lapse()
    keep_later(lease, clock, LEASE_MS // 2)
    assert not lease.take_lapse()


def test_a_record_that_cannot_be_read_yet_holds_its_partition_and_no_other():
    world = World([[value(number) for number in range(20)], [value(number) for number in range(100, 120)]], _Even())
    runner = world.begin(0)
    decode, waiting = runner.parts.convert._decode, [True]
    runner.parts.convert._decode = lambda raw: Pending("away", 30) if waiting[0] and b"n5" in raw else decode(raw)
    world.rebalance(0)
    for _ in range(300):
        runner.turn()
    while not (status := runner.status()).held:  # it is asked about now and then
        runner.turn()
    status.total.check()
    assert status.held == "away"
    assert (status.total.read, status.total.reported, status.total.in_flight) == (25, 25, 0)
    assert world.group.committed[Partition("log", 0)].offset == 5
    waiting[0] = False
    while not world.group.is_done():
        runner.turn()
    assert runner.status().held == ""
    assert runner.status().total.reported == 40
    assert not world.dead
    assert set(world.api.taken.values()) == {1}


def test_what_takes_long_is_handed_back_so_that_the_member_polls_in_time():
    world = World([[value(number) for number in range(40)], [value(number) for number in range(100, 140)]], _Even())
    runner = world.begin(0)
    decode = runner.parts.convert._decode

    def slowly(raw):
        world.clock.now_ms += 700  # a plug-in at its limit
        return decode(raw)

    runner.parts.convert._decode = slowly
    world.rebalance(0)
    longest_ms = 0
    while not world.group.is_done():
        before_ms = world.clock.now_ms
        runner.turn()
        longest_ms = max(longest_ms, world.clock.now_ms - before_ms)
    assert longest_ms < 2_500  # one second, and the record that was begun in it
    status = runner.status()
    status.total.check()
    assert (status.total.read, status.total.reported, status.total.in_flight) == (80, 80, 0)
    assert set(world.api.taken.values()) == {1}


def test_what_waiting_will_not_mend_stops_the_job_with_all_before_it_committed():
    world = World([[value(number) for number in range(20)]], _Even())
    runner = world.begin(0)
    decode = runner.parts.convert._decode
    runner.parts.convert._decode = lambda raw: Pending("gone", 0, is_lost=True) if b"n12" in raw else decode(raw)
    world.rebalance(0)
    with pytest.raises(RegistryUnavailable, match="gone"):
        runner.run()
    assert not world.dead
    committed = world.group.committed.get(Partition("log", 0), Commit(0, "")).offset
    assert committed <= 12
    assert sum(world.api.taken.values()) >= committed
    runner.status().total.check()


class _Even:
    """Chance that is always in the middle: polls of three records, every answer at once, no fault."""

    def random(self):
        return 0.4

    def randint(self, low, high):
        return (low + high) // 2

    def choice(self, some):
        return some[0]


def test_a_held_message_keeps_its_offset_and_lets_others_pass_which_then_condemn_it():
    world = World([[value(100, note="poison")]], Random(3))
    unknown = Retry("ES0999", "unknown", outage=False, limit=2, exhausted=Exhausted.ISOLATE_OR_HALT)
    world.api.answer = lambda _, messages: unknown if any(b"poison" in each for each in messages) else Delivered()
    runner = world.begin(0)
    world.rebalance(0)
    for _ in range(400):
        runner.turn()
    status = runner.status()
    assert [(hold.kind, hold.messages, hold.code, hold.is_outage) for hold in status.holds] == [
        (Kind.EVENT, 1, "ES0999", False)
    ]
    assert (status.total.in_flight, world.group.committed, world.dead) == (1, {}, [])
    log = world.group.records[Partition("log", 0)]
    log.extend(RawRecord("log", 0, offset, 0, None, value(offset)) for offset in range(1, 30))
    for _ in range(400):
        runner.turn()
    assert world.group.is_done()
    assert [record.offset for record, _ in world.dead] == [0]
    status = runner.status()
    assert (status.total.reported, status.total.dead_lettered, status.holds) == (29, 1, ())
    status.total.check()
