"""The stand-in's ledger: how often each message was accepted. The books of the job are compared with it."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pipeline.errors import UsageError

LedgerEventKey = tuple[str, str, str]
"""Organisation, event code, outBizId."""

LedgerUserKey = tuple[str, str]
"""Organisation, customer."""


class AcceptedCall(NamedTuple):
    """The call of an accepted batch: the RequestId of its answer, and the Unix ms at which its body had arrived and at which it was accepted."""

    request_id: str = ""
    received_ms: int = 0
    accepted_ms: int = 0


NO_CALL = AcceptedCall()
"""The call of a batch that no HTTP call brought."""


def identities_digest(message: dict[str, Any]) -> str:
    """Return a digest of the identities in a user message: two messages with the same ones, in any order, have the same digest.

    It is the first 16 hexadecimal digits of the SHA-256 of the JSON array of the sorted pairs [idMapping, customerId].

    Raises:
        KeyError, TypeError: the message has no such list.
    """
    pairs = sorted([each["idMapping"], each["customerId"]] for each in message["customerIdList"])
    return hashlib.sha256(orjson.dumps(pairs)).hexdigest()[:16]


class Ledger:
    """Counts accepted messages in memory. With a path, it also appends them to a file of JSON lines, and reads that file at the start.

    One thread calls `accept`; any thread may call `totals`, whose cost does not grow with the number of messages.

    Raises:
        UsageError: the file cannot be opened, or it is no ledger.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.events: Counter[LedgerEventKey] = Counter()
        self.users: Counter[LedgerUserKey] = Counter()
        self.event_codes: Counter[str] = Counter()
        self._clear_counts()
        self._file = _LedgerFile(path, self._count) if path is not None else None

    def accept(
        self,
        kind: str,
        organization_id: str,
        messages: Sequence[dict[str, Any]],
        call: AcceptedCall = NO_CALL,
    ) -> None:
        """Count one accepted batch, all of it or nothing. The batch is in the file when this returns.

        Raises:
            ValueError: a message has no event code, outBizId or customer to count it under.
            OSError: the file cannot be written.
        """
        try:
            keys = [
                [each["eventCode"], each["extendAttributes"]["outBizId"]] if kind == "event" else [each["customerId"]]
                for each in messages
            ]
        except (KeyError, TypeError):
            raise ValueError("a message lacks the keys that it is counted under") from None
        if not all(part.__class__ is str for key in keys for part in key):
            raise ValueError("a message is counted under something that is no text")
        entry: dict[str, Any] = {"kind": kind, "organization": organization_id, "keys": keys, **call._asdict()}
        if self._file is not None:
            if kind == "user":
                entry["identities"] = [_digest_or_none(each) for each in messages]
            self._file.append(entry)
        self._count(entry)

    def _count(self, entry: dict[str, Any]) -> None:
        organization = entry["organization"]
        if entry["kind"] == "event":
            for code, biz in entry["keys"]:
                key = (organization, code, biz)
                count = self.events[key] = self.events[key] + 1
                self.event_codes[code] += 1
                if count == 2:  # noqa: PLR2004 - its second arrival: it is a repeated event now
                    self._repeated_events += 1
            self._event_messages += len(entry["keys"])
        else:
            for (customer,) in entry["keys"]:
                self.users[(organization, customer)] += 1
            self._user_messages += len(entry["keys"])
        self.calls += 1

    def totals(self) -> dict[str, int]:
        """Return the sums: accepted messages, distinct messages, and events that arrived more than once."""
        return {
            "calls": self.calls,
            "events": self._event_messages,
            "distinct_events": len(self.events),
            "events_more_than_once": self._repeated_events,
            "users": self._user_messages,
            "distinct_users": len(self.users),
        }

    def reset(self) -> None:
        """Delete all counts, and empty the file."""
        self._clear_counts()
        if self._file is not None:
            self._file.clear()

    def _clear_counts(self) -> None:
        self.events.clear()
        self.users.clear()
        self.event_codes.clear()
        self.calls = self._event_messages = self._repeated_events = self._user_messages = 0

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _digest_or_none(message: dict[str, Any]) -> str | None:
    try:
        return identities_digest(message)
    except (KeyError, TypeError):
        return None  # `check_messages` is off


class _LedgerFile:
    """The ledger's file. It holds whole lines only: an incomplete line is removed after a failed write and at the start."""

    def __init__(self, path: Path, count_entry: Callable[[dict[str, Any]], None]) -> None:
        try:
            self._stream = open(path, "ab+", buffering=0, opener=_private)  # noqa: SIM115 - `Path.open` has no opener
        except OSError as error:
            raise UsageError(
                f"--ledger: {path} cannot be opened ({error.strerror}); expected a file that can be written"
            ) from None
        try:
            self._size = self._read(path, count_entry)
        except UsageError:
            self._stream.close()
            raise
        self._stream.truncate(self._size)  # removes an incomplete line of a process that was killed

    def _read(self, path: Path, count_entry: Callable[[dict[str, Any]], None]) -> int:
        size = 0
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    count_entry(orjson.loads(line))
                except (ValueError, KeyError, TypeError):
                    raise UsageError(
                        f"--ledger: {path}:{number}: found a line that no stand-in wrote; expected its ledger or a new file"
                    ) from None
                size += len(line)
        return size

    def append(self, entry: dict[str, Any]) -> None:
        """Append one line.

        Raises:
            OSError: the line cannot be written; the file is as it was.
        """
        line = orjson.dumps(entry) + b"\n"
        try:
            written = self._stream.write(line)
        except OSError:
            self._stream.truncate(self._size)
            raise
        if written != len(line):  # the disk is full
            self._stream.truncate(self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += len(line)

    def clear(self) -> None:
        """Empty the file."""
        self._stream.truncate(0)
        self._size = 0

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _private(path: str, flags: int) -> int:
    """Open a file that only this user may read, if it is created: a ledger names customers."""
    return os.open(path, flags, 0o600)
