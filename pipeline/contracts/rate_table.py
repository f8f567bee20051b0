"""The protocol of the rates that processes share: what `report.flow` allows holds for all of them together."""

from __future__ import annotations

from typing import Protocol


class RateTable(Protocol):
    """Counts what all processes that share a dedup store send in a second. May block as the store does; raises `StoreUnavailable`.

    What it counts is lost with the boot of the machine, or with the server's memory; then counting begins anew.
    """

    def spend(self, bucket: bytes, units: float, per_second: float) -> float:
        """Count units as sent, and return the time in ms until everything that was counted so far may have been sent.

        `bucket` (at most 64 bytes) names what is counted. The returned time is at most some seconds longer than what 64 processes can send
        at once, even if a clock was set back.
        """
        ...
