"""The state machine: whatever may happen, in any order. After each step the promises are judged."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.dedup.memory_store import MemoryTable
from tests.model import records
from tests.model.api import State
from tests.model.world import World
from transforms.base import Kind

STEP_MS = 500
"""The longest time between two turns of a process that does not stand still: much less than its lease."""

SLOTS = st.sampled_from([0, 1])


class JobMachine(RuleBasedStateMachine):
    """Two processes at most, over one to three partitions."""

    @initialize(
        seed=st.integers(0, 2**32),
        partitions=st.integers(1, 3),
        refuses_with_unknown=st.booleans(),
        stop_above=st.sampled_from([1.0, 1.0, 0.3]),
    )
    def begin(self, *, seed: int, partitions: int, refuses_with_unknown: bool, stop_above: float) -> None:
        self.world = World(seed, partitions, refuses_with_unknown=refuses_with_unknown, stop_above=stop_above)
        self.versions = 0
        self.world.start(0)

    # --- the log ---------------------------------------------------------------------------------------------------------------

    @rule(first=st.integers(0, 200), count=st.integers(1, 60))
    def events_are_written(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.world.append(records.event(number))

    @rule(customers=st.lists(st.integers(0, 3), min_size=1, max_size=12), is_spread=st.booleans())
    def customers_change(self, customers: list[int], *, is_spread: bool) -> None:
        for customer in customers:
            self.versions += 1
            self.world.append(records.version(customer, self.versions, is_spread=is_spread))

    @rule(
        changes=st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 0)), min_size=1, max_size=8),
        is_spread=st.booleans(),
    )
    def customers_change_back(self, changes: list[tuple[int, int]], *, is_spread: bool) -> None:
        for customer, identities in changes:
            self.world.append(records.version(customer, identities, is_spread=is_spread))

    @rule(count=st.integers(1, 3), kind=st.sampled_from(["poison", "broken", "filtered"]))
    def odd_records_are_written(self, count: int, kind: str) -> None:
        for _ in range(count):
            self.versions += 1
            told = {"poison": records.poison, "broken": records.broken}.get(kind)
            self.world.append(told(self.versions) if told else records.filtered())

    # --- the processes ---------------------------------------------------------------------------------------------------------

    @rule(turns=st.integers(1, 30))
    def processes_run(self, turns: int) -> None:
        self.world.run(turns)

    @rule(slot=SLOTS)
    def a_process_starts(self, slot: int) -> None:
        if slot not in self.world.processes:
            self.world.start(slot)

    @precondition(lambda self: self.world.is_all_named)
    @rule(slot=SLOTS)
    def a_process_starts_with_another_store(self, slot: int) -> None:
        if slot not in self.world.processes:
            self.world.start(slot, MemoryTable(identity="another store"))

    @precondition(lambda self: not self.world.is_all_named)
    @rule()
    def the_store_is_named_before_long(self) -> None:
        self.world.name_the_store()

    @rule(slot=SLOTS)
    def a_process_is_killed(self, slot: int) -> None:
        if slot in self.world.processes:
            self.world.kill(slot)

    @rule(slot=SLOTS)
    def a_process_is_stopped(self, slot: int) -> None:
        if slot in self.world.processes:
            self.world.processes[slot].end()

    @rule(slot=SLOTS, points=st.integers(1, 60))
    def a_process_will_stand_still(self, slot: int, points: int) -> None:
        if slot in self.world.processes:
            self.world.processes[slot].points_to_go = points

    @rule()
    def partitions_move(self) -> None:
        self.world.rebalance()

    # --- the surroundings ------------------------------------------------------------------------------------------------------

    @rule(kind=st.sampled_from(Kind), state=st.sampled_from(State))
    def the_api_changes(self, kind: Kind, state: State) -> None:
        self.world.api.states[kind] = state

    @precondition(lambda self: any(state is not State.UP for state in self.world.api.states.values()))
    @rule()
    def the_api_is_up_again(self) -> None:
        self.world.api.states = dict.fromkeys(Kind, State.UP)

    @rule(is_away=st.booleans())
    def the_dead_letter_topic_comes_or_goes(self, *, is_away: bool) -> None:
        self.world.dead.is_away = is_away

    @rule(is_slow=st.booleans())
    def the_brokers_are_slow_or_not(self, *, is_slow: bool) -> None:
        self.world.group.is_slow = is_slow

    @rule(is_full=st.booleans())
    def the_disk_is_full_or_has_room(self, *, is_full: bool) -> None:
        self.world.is_disk_full = is_full

    @rule(is_away=st.booleans())
    def the_schema_registry_comes_or_goes(self, *, is_away: bool) -> None:
        self.world.is_registry_away = is_away

    @rule(by_ms=st.sampled_from([-3_600_000, -10_000, 10_000, 3_600_000]))
    def somebody_sets_the_wall_clock(self, by_ms: int) -> None:
        self.world.wall_at_start_ms += by_ms

    @rule(ms=st.integers(1, 5_000))
    def time_passes(self, ms: int) -> None:
        self.world.run(1 + ms // STEP_MS, step_ms=min(ms, STEP_MS))

    # --- the promises ----------------------------------------------------------------------------------------------------------

    @invariant()
    def every_promise_holds(self) -> None:
        if hasattr(self, "world"):
            self.world.judge()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.finish()
