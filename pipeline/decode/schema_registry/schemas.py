"""The schemas of a registry, for the job's owner thread: known, being fetched, unknown, or the registry is unavailable.

Look-ups run in threads of their own, since a name server alone may take longer than Kafka waits for the next poll. The owner thread reads
their answers, and never waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Pending
from pipeline.decode.schema_registry.client import AccessDenied, Registered, RegistryAnswer, Unavailable, Unknown
from pipeline.decode.schema_registry.settings import RegistrySettings
from schemas.refusal import ReasonCode, Refusal, Stage

MOST_AT_A_TIME = 4
"""Most look-ups at the same time."""

LOOK_AGAIN_MS = 20
"""The time until the owner checks again whether an answer has arrived."""

FIRST_WAIT_MS = 200
LONGEST_WAIT_MS = 10_000

PreparedSchema = TypeVar("PreparedSchema")

_log = logging.getLogger("log2mq.registry")


class RegistrySchemas(Generic[PreparedSchema]):
    """Looks up schemas by ID and keeps a prepared form of each: the schema of an ID never changes. Owned by one thread."""

    def __init__(
        self,
        settings: RegistrySettings,
        look_up: Callable[[int], RegistryAnswer],
        make: Callable[[Registered], PreparedSchema],
        *,
        monotonic: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """`look_up` runs in other threads and may block. `make` prepares a schema, in the owner thread.

        `monotonic` gives seconds, `random` numbers from 0 to 1.
        """
        self._settings = settings
        self._look_up = look_up
        self._make = make
        self._monotonic = monotonic
        self._backoff = Backoff(FIRST_WAIT_MS, LONGEST_WAIT_MS, random)
        self._known: dict[int, PreparedSchema] = {}
        self._unknown: dict[int, _UnknownId] = {}
        self._being_fetched: set[int] = set()
        self._answers: SimpleQueue[tuple[int, RegistryAnswer]] = SimpleQueue()
        self._failures = 0
        self._unavailable_since_ms: int | None = None
        self._next_attempt_ms = 0
        self._reason = ""
        self._is_access_denied = False

    def find(self, number: int) -> PreparedSchema | Refusal | Pending:
        """Return the prepared schema, or why there is none. It is a refusal only where the registry answered that it does not know the schema."""
        prepared = self._known.get(number)
        if prepared is not None:
            return prepared
        now_ms = self._now_ms()
        self._read_answers(now_ms)
        prepared = self._known.get(number)
        if prepared is not None:
            return prepared
        if self._is_access_denied:
            return Pending(self._reason, LONGEST_WAIT_MS, is_lost=True)
        unknown = self._unknown.get(number)
        if unknown is not None and unknown.is_refused:
            if now_ms < unknown.until_ms:
                return unknown.refusal
            del self._unknown[number]
        return self._ask(number, now_ms)

    def _ask(self, number: int, now_ms: int) -> Pending:
        if self._unavailable_since_ms is not None:
            unavailable_ms = now_ms - self._unavailable_since_ms
            if unavailable_ms > self._settings.give_up_after:
                reason = f"{self._reason}, for {unavailable_ms // 1000} s now"
                return Pending(reason, LONGEST_WAIT_MS, is_lost=True, may_pass=True)
            if now_ms < self._next_attempt_ms:
                return Pending(self._reason, self._next_attempt_ms - now_ms)
        unknown = self._unknown.get(number)
        if unknown is not None and now_ms < unknown.ask_at_ms:
            return Pending(unknown.refusal.reason, unknown.ask_at_ms - now_ms)
        # While the registry is unavailable, one look-up at a time finds out whether it answers again.
        most = MOST_AT_A_TIME if self._unavailable_since_ms is None else 1
        if number not in self._being_fetched and len(self._being_fetched) < most:
            self._being_fetched.add(number)
            threading.Thread(target=self._run, args=(number,), name=f"registry-{number}", daemon=True).start()
        return Pending(self._reason or f"waiting for the registry's answer on the schema ID {number}", LOOK_AGAIN_MS)

    def _run(self, number: int) -> None:
        """Look up in a thread. Whatever happens, it puts an answer into the queue."""
        answer: RegistryAnswer = Unavailable("a look-up at the registry failed")
        try:
            answer = self._look_up(number)
        finally:
            self._answers.put((number, answer))

    def _read_answers(self, now_ms: int) -> None:
        while True:
            try:
                number, answer = self._answers.get_nowait()
            except Empty:
                return
            self._being_fetched.discard(number)
            match answer:
                case Unavailable(reason):
                    self._failed(reason, now_ms)
                    continue
                case AccessDenied(reason):
                    self._reason, self._is_access_denied = reason, True
                    continue
                case Unknown(reason):
                    self._note_unknown(number, reason, now_ms)
                case Registered():
                    self._unknown.pop(number, None)
                    self._keep(number, self._make(answer))
            if self._unavailable_since_ms is not None:
                log_event(_log, logging.WARNING, LogEvent.REGISTRY_BACK, "the registry answers again")
            self._failures, self._unavailable_since_ms, self._reason = 0, None, ""

    def _failed(self, reason: str, now_ms: int) -> None:
        if self._unavailable_since_ms is None:
            self._unavailable_since_ms = now_ms
            text = f"{reason}; trying for {self._settings.give_up_after // 1000} s"
            log_event(_log, logging.WARNING, LogEvent.REGISTRY_AWAY, text, reason=reason)
        self._failures += 1
        self._reason = reason
        self._next_attempt_ms = now_ms + self._backoff.delay_ms(self._failures)

    def _note_unknown(self, number: int, reason: str, now_ms: int) -> None:
        """Record an unknown ID. It is asked again for `unknown_after`: a new schema may not have reached the registry's other nodes yet."""
        unknown = self._unknown.get(number)
        if unknown is None:
            while len(self._unknown) >= self._settings.cache:
                del self._unknown[next(iter(self._unknown))]
            refusal = Refusal(Stage.DECODE, ReasonCode.SCHEMA_UNKNOWN, reason)
            unknown = self._unknown[number] = _UnknownId(refusal, now_ms)
        unknown.times += 1
        if now_ms - unknown.since_ms >= self._settings.unknown_after:
            unknown.is_refused = True
            unknown.until_ms = now_ms + self._settings.ask_again_after
        else:
            left_ms = unknown.since_ms + self._settings.unknown_after - now_ms
            unknown.ask_at_ms = now_ms + min(left_ms, self._backoff.delay_ms(unknown.times))

    def _keep(self, number: int, prepared: PreparedSchema) -> None:
        while len(self._known) >= self._settings.cache:
            del self._known[next(iter(self._known))]
        self._known[number] = prepared

    def _now_ms(self) -> int:
        return int(self._monotonic() * 1000)


class _UnknownId:
    """An ID that the registry does not know. `is_refused`: the time for asking again is over, so its records are refused until `until_ms`."""

    __slots__ = ("ask_at_ms", "is_refused", "refusal", "since_ms", "times", "until_ms")

    def __init__(self, refusal: Refusal, since_ms: int) -> None:
        self.refusal = refusal
        self.since_ms = since_ms
        self.times = 0
        self.ask_at_ms = since_ms
        self.is_refused = False
        self.until_ms = 0
