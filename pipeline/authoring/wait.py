"""Waiting for an answer that is not there yet, where a person waits and nothing else goes on meanwhile: `explain` and the like, never the job."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pipeline.contracts.values import Pending
from pipeline.errors import RegistryUnavailable

MOST_MS = 15_000
"""A person has less patience than a job."""


def wait_for_answer(ask: Callable[[], Any], sleep: Callable[[float], None] = time.sleep, most_ms: int = MOST_MS) -> Any:
    """Ask until the answer is another than `Pending`, and return it. `sleep` takes seconds.

    Raises:
        RegistryUnavailable: there is none within `most_ms`, or waiting will not mend it.
    """
    waited_ms = 0
    while isinstance(answer := ask(), Pending):
        if answer.is_lost or waited_ms >= most_ms:
            raise RegistryUnavailable(answer.reason)
        pause_ms = max(1, min(answer.after_ms, most_ms - waited_ms))
        sleep(pause_ms / 1000)
        waited_ms += pause_ms
    return answer
