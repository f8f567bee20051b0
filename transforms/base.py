"""The contract between the job and a transform, which turns one log entry into messages.

A transform is pure and deterministic: the same entry gives the same messages, after a restart, a retry or a replay. It does not
block, keeps nothing between calls, and does not change its input. It returns a `Refusal` for an entry that it cannot convert; no
content of a record makes it raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from schemas.log import LogEntry
from schemas.refusal import Refusal


class Kind(StrEnum):
    """The one of the two reporting APIs that a message is for (reference, section 1)."""

    EVENT = "event"
    USER = "user"


class Message(NamedTuple):
    """One message, in wire form (camelCase keys, absent fields left out) and already valid.

    `wire` has neither `organizationId` nor `workspaceId` nor `v`: the job adds those. For an event `wire["extendAttributes"]["outBizId"]` is
    a non-empty string. `rule` names the rule that made it, for `explain`.
    """

    kind: Kind
    wire: dict[str, Any]
    rule: str = ""


class Skipped(NamedTuple):
    """The entry is filtered on purpose: `why` says which setting did so, in a few words."""

    why: str


class Transform(Protocol):
    """Converts one log entry to one or many messages, filters it (`Skipped`), or refuses it."""

    def __call__(self, entry: LogEntry) -> Sequence[Message] | Skipped | Refusal:
        """Return at least one message, user messages before events; or a `Skipped` or a `Refusal` with the reason why there is none."""
        ...
