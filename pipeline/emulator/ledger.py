"""The stand-in's ledger: how often each message arrived and was accepted. What the job's own books are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

EventKey = tuple[str, str, str]
"""Organisation, event code, outBizId."""


class Ledger:
    """Counts accepted messages in memory, and in a file of JSON lines where one is given: read again at the start."""

    def __init__(self, path: Path | None = None) -> None:
        self.events: Counter[EventKey] = Counter()
        self.users: Counter[tuple[str, str]] = Counter()
        self.calls = 0
        self._path = path
        if path is not None and path.exists():
            with path.open("rb") as stream:
                for line in stream:
                    self._enter(orjson.loads(line))
        self._stream = path.open("ab") if path is not None else None

    def accept(self, kind: str, organization_id: str, messages: Iterable[dict[str, Any]]) -> None:
        """Enter one accepted batch; it is in the file before the call is answered."""
        keys = [
            [each["eventCode"], each["extendAttributes"]["outBizId"]] if kind == "event" else [each["customerId"]]
            for each in messages
        ]
        entry = {"kind": kind, "organization": organization_id, "keys": keys}
        self._enter(entry)
        if self._stream is not None:
            self._stream.write(orjson.dumps(entry) + b"\n")
            self._stream.flush()

    def _enter(self, entry: dict[str, Any]) -> None:
        self.calls += 1
        organization = entry["organization"]
        if entry["kind"] == "event":
            self.events.update((organization, code, biz) for code, biz in entry["keys"])
        else:
            self.users.update((organization, customer) for (customer,) in entry["keys"])

    def totals(self) -> dict[str, int]:
        """Return the sums: messages accepted, how many different ones, and how many arrived more than once."""
        return {
            "calls": self.calls,
            "events": self.events.total(),
            "distinct_events": len(self.events),
            "events_more_than_once": sum(count > 1 for count in self.events.values()),
            "users": self.users.total(),
            "distinct_users": len(self.users),
        }

    def reset(self) -> None:
        """Forget everything, in the file too."""
        self.events.clear()
        self.users.clear()
        self.calls = 0
        if self._stream is not None:
            self._stream.truncate(0)

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
