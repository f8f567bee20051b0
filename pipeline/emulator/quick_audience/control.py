"""The control pages of a stand-in that runs in another process, asked over HTTP."""

from __future__ import annotations

import urllib.request
from typing import Any

import orjson

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Loopback is never asked for by way of a proxy, whatever the environment says."""

_LIMIT_S = 30.0


class StandInControl:
    """Reads the ledger of one stand-in, and switches its faults. Raises `OSError` where the stand-in does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url

    def counts(self) -> dict[str, Any]:
        """Return the counts of the ledger by name."""
        return self._read("ledger")

    def events(self) -> list[tuple[str, str, str, int]]:
        """Return each event of the ledger: organisation, event code, `outBizId`, and how often it was accepted."""
        return [tuple(row) for row in self._read("ledger/events")["events"]]

    def switch(self, fault: str, *, on: bool) -> None:
        """Switch a fault of the stand-in's configuration on or off."""
        path = f"{self._url}/_stand-in/faults/{fault}/{'on' if on else 'off'}"
        request = urllib.request.Request(path, method="POST")  # noqa: S310 - our own stand-in
        _DIRECT.open(request, timeout=_LIMIT_S).close()

    def _read(self, page: str) -> dict[str, Any]:
        with _DIRECT.open(f"{self._url}/_stand-in/{page}", timeout=_LIMIT_S) as answer:
            return dict(orjson.loads(answer.read()))
