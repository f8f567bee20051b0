"""The members of a consumer group, and the partitions that each of them owns, as the brokers tell them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.contracts.values import Partition


class GroupMember(NamedTuple):
    """A member: its client ID, the host that it talks from, its `group.instance.id` if it is a static member, and its partitions, sorted."""

    client_id: str
    host: str
    instance_id: str
    partitions: tuple[Partition, ...]


class GroupState(NamedTuple):
    """The state of a group in the brokers' words (`Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Dead`), and its members."""

    state: str
    members: tuple[GroupMember, ...]


def group_state(described: Mapping[str, Any]) -> GroupState:
    """Return the state of a group from kafka-python's description of it. In a rebalance the members have no partitions yet."""
    return GroupState(described["group_state"], tuple(sorted(map(_member, described["members"]))))


def _member(described: Mapping[str, Any]) -> GroupMember:
    assignment = described["member_assignment"] or {}
    owned = [
        Partition(each["topic"], number)
        for each in assignment.get("assigned_partitions", ())
        for number in each["partitions"]
    ]
    return GroupMember(
        described["client_id"],
        described["client_host"].removeprefix("/"),
        described["group_instance_id"] or "",
        tuple(sorted(owned)),
    )
