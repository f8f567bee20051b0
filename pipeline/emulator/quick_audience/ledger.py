"""The stand-in's ledger: how often each message arrived and was accepted. What the job's own books are compared with."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from pipeline.errors import UsageError

EventKey = tuple[str, str, str]
"""Organisation, event code, outBizId."""

UserKey = tuple[str, str]
"""Organisation, customer."""


class Ledger:
    """Counts accepted messages in memory, and in a file of JSON lines where one is given: read again at the start.

    One thread accepts; any may ask for the totals meanwhile, which cost the same however much there is.

    Raises:
        UsageError: the file cannot be opened, or is no ledger.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.events: Counter[EventKey] = Counter()
        self.users: Counter[UserKey] = Counter()
        self.event_codes: Counter[str] = Counter()
        self._forget()
        self._file = _LedgerFile(path, self._enter) if path is not None else None

    def accept(self, kind: str, organization_id: str, messages: Iterable[dict[str, Any]]) -> None:
        """Enter one accepted batch: all of it or nothing. It is in the file before the call is answered.

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
        entry = {"kind": kind, "organization": organization_id, "keys": keys}
        if self._file is not None:
            self._file.append(entry)
        self._enter(entry)

    def _enter(self, entry: dict[str, Any]) -> None:
        organization = entry["organization"]
        if entry["kind"] == "event":
            for code, biz in entry["keys"]:
                key = (organization, code, biz)
                count = self.events[key] = self.events[key] + 1
                self.event_codes[code] += 1
                if count == 2:  # noqa: PLR2004 - from now on it is one that came more than once
                    self._repeated_events += 1
            self._event_messages += len(entry["keys"])
        else:
            for (customer,) in entry["keys"]:
                self.users[(organization, customer)] += 1
            self._user_messages += len(entry["keys"])
        self.calls += 1

    def totals(self) -> dict[str, int]:
        """Return the sums: messages accepted, how many different ones, and how many arrived more than once."""
        return {
            "calls": self.calls,
            "events": self._event_messages,
            "distinct_events": len(self.events),
            "events_more_than_once": self._repeated_events,
            "users": self._user_messages,
            "distinct_users": len(self.users),
        }

    def reset(self) -> None:
        """Forget everything, in the file too."""
        self._forget()
        if self._file is not None:
            self._file.clear()

    def _forget(self) -> None:
        self.events.clear()
        self.users.clear()
        self.event_codes.clear()
        self.calls = self._event_messages = self._repeated_events = self._user_messages = 0

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class _LedgerFile:
    """The ledger's file: whole lines only, whatever happens in between."""

    def __init__(self, path: Path, enter: Callable[[dict[str, Any]], None]) -> None:
        try:
            self._stream = path.open("ab+", buffering=0)
        except OSError as error:
            raise UsageError(
                f"--ledger: {path} cannot be opened ({error.strerror}); expected a file that can be written"
            ) from None
        try:
            self._size = self._read(path, enter)
        except UsageError:
            self._stream.close()
            raise
        self._stream.truncate(self._size)  # a line that was cut short when the last process died

    def _read(self, path: Path, enter: Callable[[dict[str, Any]], None]) -> int:
        size = 0
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    enter(orjson.loads(line))
                except (ValueError, KeyError, TypeError):
                    raise UsageError(
                        f"--ledger: {path}:{number}: found a line that no stand-in wrote; expected its ledger or a new file"
                    ) from None
                size += len(line)
        return size

    def append(self, entry: dict[str, Any]) -> None:
        """Write one line. Raises OSError, and then leaves the file as it was."""
        line = orjson.dumps(entry) + b"\n"
        try:
            written = self._stream.write(line)
        except OSError:
            self._stream.truncate(self._size)
            raise
        if written != len(line):  # no room for the rest
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
