"""How many calls were made, and what they came to."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_CODES = 50
"""The most codes that are counted each by itself. The API knows some dozens; a server that invents codes must not fill the memory, nor the summary."""

OTHER_CODES = "other codes"


@dataclass(slots=True)
class Attempts:
    """Counts for the summary: of calls, and in `resent_in_doubt` of messages."""

    calls: int = 0
    retries: int = 0
    halvings: int = 0
    resent_in_doubt: int = 0
    last_failure: str = ""
    codes: dict[str, int] = field(default_factory=dict)

    def count_code(self, code: str, calls: int = 1) -> None:
        """Count calls that failed with a code. Codes beyond the first `MOST_CODES` are counted together, as `other codes`."""
        if code not in self.codes and len(self.codes) >= MOST_CODES:
            code = OTHER_CODES
        self.codes[code] = self.codes.get(code, 0) + calls
