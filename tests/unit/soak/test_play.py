"""A schedule is played: each fault begins and ends in its time, and a fault that cannot go on does not end the soak."""

from __future__ import annotations

from types import SimpleNamespace

from confluent_kafka import KafkaError, KafkaException

from tests.soak.faults import ACTS
from tests.soak.faults.not_made import NotMade
from tests.soak.kinds import FaultKind
from tests.soak.play import Player
from tests.soak.record import Record
from tests.soak.schedule import PlannedFault


class Played:
    """A world in which faults only note what they do."""

    def __init__(self):
        self.done = []
        self.world = SimpleNamespace(record=Record(lambda _: None), hosts=[])

    def act(self, world, fault):
        self.done.append(f"{fault.kind} begins")
        try:
            yield fault.lasts_s
        finally:
            self.done.append(f"{fault.kind} ends")

    def player(self, *faults, act=None):
        return Player(self.world, faults, dict.fromkeys(FaultKind, act or self.act))


HANGS = PlannedFault(FaultKind.API_HANGS, 10.0, 5.0, 1)
KILLED = PlannedFault(FaultKind.WORKER_KILLED, 12.0, 1.0, 1)


def test_faults_begin_and_end_when_they_are_due_also_two_at_once():
    played = Played()
    player = played.player(HANGS, KILLED)
    seen = {}
    for second in range(20):
        player.tick(float(second))
        seen[second] = list(played.done)
        played.done.clear()
    assert {second: done for second, done in seen.items() if done} == {
        10: ["api-hangs begins"],
        12: ["worker-killed begins"],
        13: ["worker-killed ends"],
        15: ["api-hangs ends"],
    }
    assert [each.kind for each in played.world.record.faults] == [KILLED.kind, HANGS.kind]


def test_a_fault_that_kafka_does_not_let_go_on_is_ended_and_said():
    played = Played()

    def act(world, fault):
        yield 1.0
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    player = played.player(HANGS, act=act)
    for second in range(10, 14):
        player.tick(float(second))
    assert [each.kind for each in played.world.record.faults] == [HANGS.kind]
    assert any("cannot go on" in sentence for _, sentence in played.world.record.happenings)
    assert [each.kind for each in played.world.record.unmade] == [HANGS.kind]


def test_a_fault_that_cannot_be_made_is_noted_and_is_no_fault():
    played = Played()

    def act(world, fault):
        raise NotMade("no process reports")
        yield

    player = played.player(HANGS, act=act)
    for second in range(10, 14):
        player.tick(float(second))
    assert played.world.record.faults == []
    assert [(each.kind, each.reason) for each in played.world.record.unmade] == [(HANGS.kind, "no process reports")]


def test_a_fault_that_is_active_at_the_end_is_played_to_its_end(monkeypatch):
    played = Played()
    monkeypatch.setattr("tests.soak.play.OVERTIME_S", 0.0)
    played.player(PlannedFault(FaultKind.API_HANGS, 0.0, 60.0, 1)).run(0.05)
    assert played.done == ["api-hangs begins", "api-hangs ends"]  # it had no more time, and put things right


def test_every_kind_of_fault_has_an_act():
    assert set(ACTS) == set(FaultKind)
