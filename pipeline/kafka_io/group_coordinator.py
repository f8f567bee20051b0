"""One consumer's part in its group: kafka-python's coordinator, with mends for its faults in cooperative rebalances and static membership."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kafka import KafkaConsumer, TopicPartition, errors
from kafka.coordinator.assignors.abstract import RebalanceProtocol
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.protocol.consumer import UNKNOWN_MEMBER_ID
from kafka.structs import MemberState

from pipeline.kafka_io.assignors import CooperativeSticky

JOIN_LOOK_S = 0.1
"""The longest time between two looks at a join that is under way."""

POLL_LOOK_S = 0.05
"""The shortest time until the next look at what the group asks for."""

STATIC_SINCE = (2, 3)
"""The first version of Kafka that knows static members (KIP-345)."""


class GroupCoordinator(ConsumerCoordinator):  # type: ignore[misc]  # kafka-python ships no types
    """The coordinator of one consumer. `take_over` makes it of kafka-python's own.

    It follows the protocol that the group took in each generation: members of older versions of log2mq may join the group or leave it. After an
    eager generation the member gives up everything before it joins again. After a cooperative one it keeps its partitions, and reads on.
    """

    leaves_group = True
    """Whether `close` takes this member out of its group. A static member that another consumer of this process replaces stays in it."""

    leaving: frozenset[TopicPartition] = frozenset()
    """What the group moves to other members, and this member still holds. No other member gets it before `let_go`."""

    _said_held: frozenset[TopicPartition] = frozenset()
    _is_cooperating = False
    _has_joined_twice = False
    _has_just_joined = False
    _join_task: Any
    _rebalance_protocol: RebalanceProtocol
    state: MemberState
    coordinator_id: str | int | None

    @classmethod
    def take_over(cls, consumer: KafkaConsumer) -> None:
        """Make the coordinator of a new consumer one of this class."""
        consumer._coordinator.__class__ = cls  # noqa: SLF001 - kafka-python has no other way to choose it

    @property
    def group_instance_id(self) -> str | None:
        """The static member ID, or None with brokers that do not know static members: they would refuse the requests."""
        is_known = self.config["api_version"] >= STATIC_SINCE
        return self.config["group_instance_id"] if is_known else None

    @property
    def _is_cooperative(self) -> bool:
        """Whether the group took the cooperative protocol in the last generation that this member knows."""
        return self._rebalance_protocol is RebalanceProtocol.COOPERATIVE

    # --- joining ---------------------------------------------------------------------------------------------------------------

    def need_rejoin(self) -> bool:
        """Return whether the next `poll` must join the group, or finish a join.

        kafka-python 3.0.12 forgets a join that outlasts the `poll` that began it, if the reason for it was the leader's own metadata (a partition
        or a topic of the pattern was added). The reason is gone once the leader has made the assignment, so no later `poll` reads the answer. The
        member then gets no new partitions, sends no heartbeats, and is evicted from the group, all without an error.
        """
        return not self._has_just_joined and (self.rejoining or super().need_rejoin())

    def poll(self, timeout_ms: float | None = None) -> bool:
        """Take part in the group, and return whether the consumer may read.

        kafka-python returns False while a join is under way, so that a consumer reads nothing even from partitions that it keeps. The join may
        last: the broker waits for all members, and for a dead one until its session ends.

        Raises:
            kafka.errors.FencedInstanceIdError: another process has joined with the same static member ID.
            kafka.errors.KafkaError: see `ConsumerCoordinator.poll`.
        """
        if not (self.rejoining and self._subscription.assigned_partitions()):
            return super().poll(timeout_ms)  # type: ignore[no-any-return]
        self._invoke_completed_offset_commit_callbacks()
        if self.ensure_active_group(timeout_ms=0):
            self.poll_heartbeat()
        return True

    def time_to_next_poll(self) -> float:
        """Return the seconds until `poll` should be called again.

        kafka-python returns 0 while the answer to a heartbeat is overdue. So its `poll` went round thousands of times a second while a broker
        stood still, and each time it added a callback to the fetch that was under way: some MiB a second. Its own thread sends the heartbeats.
        """
        return JOIN_LOOK_S if self.rejoining else max(POLL_LOOK_S, super().time_to_next_poll())

    def begin_poll(self) -> None:
        """Let the next `poll` join again where that is needed.

        One `poll` of kafka-python's consumer may end a join and begin the next one. The job must first find the starts of the partitions that it
        gained: while a join is under way no offset can be committed.
        """
        self._has_just_joined = False

    async def join_group_async(self, timeout_ms: float | None = None) -> bool:
        """Begin, continue or finish a join, and return whether this member is in the group.

        kafka-python 3.0.12 throws away the answer to a join that arrives between two polls, and joins again. A member that is busy between its
        polls would join for ever.
        """
        task = self._join_task
        if task is None or not task.succeeded() or self.state is not MemberState.REBALANCING:
            return await super().join_group_async(timeout_ms)  # type: ignore[no-any-return]
        self._join_task = None
        with self._lock:
            self.rejoining = self.rejoin_needed = False
            self.state = MemberState.STABLE
            self._enable_heartbeat()
        now = self._generation
        await self._on_join_complete_async(now.generation_id, now.member_id, now.protocol, task.value)
        return True

    def group_protocols(self) -> list[tuple[str, Any]]:
        """Return the strategies that this member offers, and what it says for each."""
        self._said_held = self.leaving | self._subscription.assigned_partitions()
        self._assignors[CooperativeSticky.name].held = self._said_held
        return super().group_protocols()  # type: ignore[no-any-return]

    def reset_generation(self, member_id: str = UNKNOWN_MEMBER_ID) -> None:
        """Note that the group evicted this member. The next join declares its partitions lost, as others may have them, even if a join was under way."""
        super().reset_generation(member_id)
        self.rejoining = False

    async def _on_join_prepare_async(self, generation: int, member_id: str, timeout_ms: float | None = None) -> None:
        """Give up everything if the last generation was eager. kafka-python leaves the partitions assigned, with their positions and pauses."""
        if self._generation.is_lost() and self.leaving:
            lost, self.leaving = self.leaving, frozenset()
            await self._invoke_rebalance_listener_async("on_partitions_lost", lost)
        await super()._on_join_prepare_async(generation, member_id, timeout_ms)
        if not self._is_cooperative:
            self._subscription.assign_from_subscribed([])

    async def _on_join_complete_async(self, generation: int, member_id: str, protocol: str, assignment: bytes) -> None:
        """Apply an assignment by the protocol that the group took. kafka-python knows one protocol for the life of a consumer."""
        was_cooperative, leaving = self._is_cooperative, self.leaving
        self._rebalance_protocol = _protocol(protocol)
        if was_cooperative and not self._is_cooperative:
            await self._give_up_all()
        self._is_cooperating = self._is_cooperative
        try:
            await super()._on_join_complete_async(generation, member_id, protocol, assignment)
        finally:
            self._is_cooperating = False
            self._has_just_joined = True
        assigned = self._subscription.assigned_partitions()
        self.leaving -= assigned
        if self.leaving - leaving:
            # kafka-python asks for the next round at once. It has no use before the job lets go of something.
            self.rejoin_needed = False
        if self._is_cooperative and self._said_held - assigned - self.leaving:
            self.request_rejoin()  # the job let go of something during the join, and the group does not know it yet
        self._join_again_once()

    async def _invoke_rebalance_listener_async(self, method_name: str, arg: Collection[TopicPartition]) -> None:
        """Call the listener. What a cooperative round moves is not revoked yet: the job finishes what it has read of it first, and then lets go."""
        if self._is_cooperating and method_name == "on_partitions_revoked":
            self.leaving |= frozenset(arg)
            method_name = "on_partitions_leaving"
        await super()._invoke_rebalance_listener_async(method_name, arg)

    def let_go(self, partitions: Collection[tuple[str, int]]) -> None:
        """Tell the group with the next join that this member does not hold these partitions any more."""
        self.leaving -= {TopicPartition(*each) for each in partitions}
        self.request_rejoin()

    async def _give_up_all(self) -> None:
        """Give up what was kept: the group went back to the eager protocol, which assigns partitions without regard to who holds them."""
        held, self.leaving = self._subscription.assigned_partitions() | self.leaving, frozenset()
        if held:
            await self._invoke_rebalance_listener_async("on_partitions_revoked", held)
            self._subscription.assign_from_subscribed([])

    def _join_again_once(self) -> None:
        """Let a static member join a second time after its start, if the group is cooperative.

        The broker gives a static member that comes back its former assignment, without a new round. The former process may have been the leader,
        which alone watches for new partitions, or may have died in the middle of a move. The second join is a round that settles both. No
        member stops for it.
        """
        if self._has_joined_twice or self.group_instance_id is None:
            return
        self._has_joined_twice = True
        if self._is_cooperative and not self._is_leader:
            self.request_rejoin()

    def coordinator(self) -> str | int | None:
        """Return the node to which offsets are committed, and which is asked for committed offsets.

        The broker answers the requests of one connection in their order. So while a join is under way, which may last, offsets take the
        connection for fetches to the same broker.
        """
        node: str | int | None = super().coordinator()
        return _broker(node) if self.rejoining else node

    # --- staying and leaving ---------------------------------------------------------------------------------------------------

    async def _send_heartbeat_request(self) -> Any:
        """Send a heartbeat. kafka-python 3.0.12 stops heartbeats when another member takes its static ID, and reads on without an error."""
        try:
            return await super()._send_heartbeat_request()
        except errors.FencedInstanceIdError:
            self._async_commit_fenced = True  # the next `poll` and the next commit raise it
            raise

    def is_dynamic_member(self) -> bool:
        """Return whether this member tells the broker that it leaves. kafka-python lets a static member stay until its session ends."""
        return super().is_dynamic_member() or (self._heartbeat_closed and self.leaves_group)

    async def maybe_leave_group_async(self, reason: str | None = None, timeout_ms: float | None = None) -> None:
        """Leave the group, also while a join is under way: the request takes the same way as offsets then."""
        is_closing = self._heartbeat_closed
        if is_closing and self.rejoining:
            self.coordinator_id = _broker(self.coordinator_id)
        await super().maybe_leave_group_async(reason, timeout_ms)


def _broker(node: str | int | None) -> int | None:
    """Return the broker of a node ID. kafka-python gives the coordinator a connection of its own, as the node `coordinator-<broker>`."""
    return int(str(node).rpartition("-")[2]) if node is not None else None


def _protocol(name: str) -> RebalanceProtocol:
    is_cooperative = name == CooperativeSticky.name
    return RebalanceProtocol.COOPERATIVE if is_cooperative else RebalanceProtocol.EAGER
