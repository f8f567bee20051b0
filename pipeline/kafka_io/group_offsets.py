"""Sets the committed offsets of a group that has no members, and keeps what log2mq has written beside them."""

from __future__ import annotations

from collections.abc import Mapping

from kafka import OffsetAndMetadata, TopicPartition, errors

from pipeline.contracts.values import Partition
from pipeline.errors import UsageError
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.client import unavailable
from pipeline.kafka_io.commit_metadata import CommitMetadata
from pipeline.kafka_io.known_topics import topic_id
from pipeline.kafka_io.leader_epochs import UNKNOWN


class GroupOffsets(KafkaAdmin):
    """Sets offsets. The books and the identity of the dedup store stay in each commit; other tools drop them."""

    def require_no_members(self, group: str) -> None:
        """Check that nobody reads for the group: a member would go on from its own position, and commit over what is set.

        Raises:
            UsageError: the group has members.
        """
        if count := len(self.group(group).members):
            raise _has_members(group, f"{count:,} member" + ("s" if count > 1 else ""))

    def set_offsets(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Commit these offsets for the group. Where the brokers refuse some of them, the others are set.

        A commit gets the ID that its topic has now. It gets no leader epoch, because that of the record before the offset is not known.

        Raises:
            UsageError: a member has joined the group meanwhile.
            SourceUnavailable: the brokers did not take an offset.
        """
        found = self._ask_coordinator(group, lambda admin: admin.list_group_offsets({group: None}))[group]
        written = {
            Partition(*key): CommitMetadata.decode(each.metadata) for key, each in found.items() if each.offset >= 0
        }
        first_counts = {each.topic: metadata.first_count for each, metadata in written.items() if metadata.first_count}
        commits = {}
        for partition, offset in offsets.items():
            before = written.get(partition, CommitMetadata(0, ""))
            first_count = first_counts.get(partition.topic) or self._count_partitions(partition.topic)
            metadata = CommitMetadata(first_count, before.metadata, topic_id(self._consumer, partition.topic))
            commits[TopicPartition(*partition)] = OffsetAndMetadata(offset, metadata.encode(), UNKNOWN)
        answer = self._ask_coordinator(group, lambda admin: admin.alter_group_offsets(group, commits))
        for key, error in answer.items():
            if issubclass(error, errors.UnknownMemberIdError | errors.RebalanceInProgressError):
                raise _has_members(group, "a member that has just joined")
            if error is not errors.NoError:
                raise unavailable(self._settings, error(), f"setting the offset of {key.topic}:{key.partition}")

    def _count_partitions(self, topic: str) -> int:
        return len(self._consumer.partitions_for_topic(topic) or ())


def _has_members(group: str, found: str) -> UsageError:
    return UsageError(
        f"the group {group} has {found}; expected none: stop the job, on every host, before its offsets are set"
    )
