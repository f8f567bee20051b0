"""Blocking until an answer arrives, for commands with a person in front, such as `explain`. The job never blocks like this."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pipeline.contracts.values import Pending
from pipeline.errors import RegistryUnavailable

MOST_MS = 15_000
"""The longest wait. A person waits less long than a job may."""


def wait_for_answer(ask: Callable[[], Any], sleep: Callable[[float], None] = time.sleep, most_ms: int = MOST_MS) -> Any:
    """Return the first answer that is not `Pending`. Call `ask` again until then. `sleep` takes seconds.

    Raises:
        RegistryUnavailable: no answer came within `most_ms`, or the answer cannot come any more.
    """
    waited_ms = 0
    while isinstance(answer := ask(), Pending):
        if answer.is_lost or waited_ms >= most_ms:
            raise RegistryUnavailable(answer.reason)
        pause_ms = max(1, min(answer.after_ms, most_ms - waited_ms))
        sleep(pause_ms / 1000)
        waited_ms += pause_ms
    return answer
