"""How many calls were made, and what they came to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Attempts:
    """Counts for the summary: of calls, and in `resent_in_doubt` of messages."""

    calls: int = 0
    retries: int = 0
    halvings: int = 0
    resent_in_doubt: int = 0
    last_failure: str = ""
    codes: dict[str, int] = field(default_factory=dict)
