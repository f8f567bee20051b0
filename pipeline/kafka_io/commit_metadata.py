"""What a commit says beside its offset."""

from __future__ import annotations

import re
from typing import NamedTuple

_NOTE = re.compile(r"log2mq1;born=([0-9]{1,9});(?:topic=([0-9a-f]{32});)?")


class CommitMetadata(NamedTuple):
    """How many partitions the topic had when the group began with it, the job's own text, and which topic of that name it was.

    `topic_id` is the broker's ID of the topic (KIP-516) as 32 hexadecimal digits, or "" where the broker has none: a topic that was
    deleted and made anew has another.
    """

    born: int
    metadata: str
    topic_id: str = ""

    def encode(self) -> str:
        """Write it as commit metadata."""
        topic = f"topic={self.topic_id};" if self.topic_id else ""
        return f"log2mq1;born={self.born};{topic}{self.metadata}"

    @classmethod
    def decode(cls, text: str) -> CommitMetadata:
        """Read commit metadata; somebody else's counts as none."""
        found = _NOTE.match(text or "")
        return cls(int(found[1]), text[found.end() :], found[2] or "") if found else cls(0, "")
