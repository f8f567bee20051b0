"""Finds out that the loop of this process stands still, and says where: in a disk, in a name server, in a plug-in."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.contracts.log_events import LogEvent, log_event

STUCK_MS = 30_000
"""The time after which a loop that has told nothing is named. It tells its status twice a second, also while it waits for brokers or a store."""

AGAIN_MS = 60_000
LOOK_S = 5.0
MOST_FRAMES = 4

_PACKAGES = ("pipeline", "transforms", "schemas")

_log = logging.getLogger("log2mq.job")


class LoopWatch:
    """A context manager: inside it, a thread looks at the time of the loop's last status. The loop runs on the thread that enters."""

    def __init__(self, told_ms: Callable[[], int | None], clock: Callable[[], int], *, look_s: float = LOOK_S) -> None:
        """`told_ms` returns the time of the last status, in ms of `clock`; None while nothing is expected: before the first one, and in the end of the job."""
        self._told_ms = told_ms
        self._clock = clock
        self._look_s = look_s
        self._said_ms: int | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-watch", daemon=True)

    def __enter__(self) -> Self:
        self._loop = threading.get_ident()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        looked_ms = self._clock()
        while not self._is_over.wait(self._look_s):
            now_ms, told_ms = self._clock(), self._told_ms()
            has_slept = now_ms - looked_ms > STUCK_MS // 2  # the whole process stood still, or the machine
            looked_ms = now_ms
            is_said = self._said_ms is not None and now_ms - self._said_ms < AGAIN_MS
            if told_ms is None or has_slept or is_said or now_ms - told_ms < STUCK_MS:
                continue
            self._said_ms = now_ms
            place, lasted_ms = self._place(), now_ms - told_ms
            text = f"the loop has stood still for {lasted_ms // 1000} s, in {place}"
            log_event(_log, logging.ERROR, LogEvent.LOOP_STUCK, text, lasted_ms=lasted_ms, place=place)

    def _place(self) -> str:
        """Return the innermost calls of the loop's thread, the last one first: file, line and function, without any value."""
        frame = sys._current_frames().get(self._loop)  # noqa: SLF001 - its name, although it is documented
        if frame is None:
            return "a thread that has ended"
        calls = [each for each, _ in traceback.walk_stack(frame)]
        own = [each for each in calls if each.f_globals.get("__name__", "").partition(".")[0] in _PACKAGES]
        shown = [calls[0], *[each for each in own if each is not calls[0]]][:MOST_FRAMES]
        return " < ".join(
            f"{Path(each.f_code.co_filename).name}:{each.f_lineno} {each.f_code.co_name}" for each in shown
        )
