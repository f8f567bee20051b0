"""The schemas of a registry as the job's owner thread sees them: there, asked for, or not to be had.

Look-ups run in threads of their own, since a name server alone may take longer than Kafka waits for the next poll; what they found is taken
in by the owner, which never waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Pending
from pipeline.decode.schema_registry.client import Away, Barred, Registered, RegistryAnswer, Unknown
from pipeline.decode.schema_registry.settings import RegistrySettings
from schemas.refusal import ReasonCode, Refusal, Stage

MOST_AT_A_TIME = 4
"""Look-ups under way."""

LOOK_AGAIN_MS = 20
"""How soon the owner looks whether an answer has come."""

FIRST_WAIT_MS = 200
LONGEST_WAIT_MS = 10_000

PreparedSchema = TypeVar("PreparedSchema")

_log = logging.getLogger("log2mq.registry")


class RegistrySchemas(Generic[PreparedSchema]):
    """What is made of each schema, by its ID. IDs are immutable, so what was made is kept; owned by one thread."""

    def __init__(
        self,
        settings: RegistrySettings,
        look_up: Callable[[int], RegistryAnswer],
        make: Callable[[Registered], PreparedSchema],
        *,
        monotonic: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """`look_up` is called in threads and may block; `make` in the owner's. `monotonic` gives seconds, `random` numbers from 0 to 1."""
        self._settings = settings
        self._look_up = look_up
        self._make = make
        self._monotonic = monotonic
        self._backoff = Backoff(FIRST_WAIT_MS, LONGEST_WAIT_MS, random)
        self._known: dict[int, PreparedSchema] = {}
        self._unknown: dict[int, _Doubt] = {}
        self._asked: set[int] = set()
        self._answers: SimpleQueue[tuple[int, RegistryAnswer]] = SimpleQueue()
        self._failures = 0
        self._away_since_ms: int | None = None
        self._rests_until_ms = 0
        self._reason = ""
        self._is_barred = False

    def find(self, number: int) -> PreparedSchema | Refusal | Pending:
        """Return what was made of the schema, or why there is none: its records are refused only where the registry said so."""
        prepared = self._known.get(number)
        if prepared is not None:
            return prepared
        now_ms = self._now_ms()
        self._take_in(now_ms)
        prepared = self._known.get(number)
        if prepared is not None:
            return prepared
        if self._is_barred:
            return Pending(self._reason, LONGEST_WAIT_MS, is_lost=True)
        doubt = self._unknown.get(number)
        if doubt is not None and doubt.is_settled:
            if now_ms < doubt.until_ms:
                return doubt.refusal
            del self._unknown[number]
        return self._ask(number, now_ms)

    def _ask(self, number: int, now_ms: int) -> Pending:
        if self._away_since_ms is not None:
            away_ms = now_ms - self._away_since_ms
            if away_ms > self._settings.give_up_after:
                return Pending(f"{self._reason}, for {away_ms // 1000} s now", LONGEST_WAIT_MS, is_lost=True)
            if now_ms < self._rests_until_ms:
                return Pending(self._reason, self._rests_until_ms - now_ms)
        doubt = self._unknown.get(number)
        if doubt is not None and now_ms < doubt.ask_at_ms:
            return Pending(doubt.refusal.reason, doubt.ask_at_ms - now_ms)
        # While the registry is away one look-up at a time finds out whether it is back.
        most = MOST_AT_A_TIME if self._away_since_ms is None else 1
        if number not in self._asked and len(self._asked) < most:
            self._asked.add(number)
            threading.Thread(target=self._run, args=(number,), name=f"registry-{number}", daemon=True).start()
        return Pending(self._reason or f"the registry is asked for the schema ID {number}", LOOK_AGAIN_MS)

    def _run(self, number: int) -> None:
        """Look up in a thread; an answer comes whatever happens."""
        answer: RegistryAnswer = Away("a look-up at the registry failed")
        try:
            answer = self._look_up(number)
        finally:
            self._answers.put((number, answer))

    def _take_in(self, now_ms: int) -> None:
        while True:
            try:
                number, answer = self._answers.get_nowait()
            except Empty:
                return
            self._asked.discard(number)
            match answer:
                case Away(reason):
                    self._failed(reason, now_ms)
                    continue
                case Barred(reason):
                    self._reason, self._is_barred = reason, True
                    continue
                case Unknown(reason):
                    self._doubt(number, reason, now_ms)
                case Registered():
                    self._unknown.pop(number, None)
                    self._keep(number, self._make(answer))
            if self._away_since_ms is not None:
                _log.warning("the registry answers again")
            self._failures, self._away_since_ms, self._reason = 0, None, ""

    def _failed(self, reason: str, now_ms: int) -> None:
        if self._away_since_ms is None:
            self._away_since_ms = now_ms
            _log.warning("%s; trying for %d s", reason, self._settings.give_up_after // 1000)
        self._failures += 1
        self._reason = reason
        self._rests_until_ms = now_ms + self._backoff.delay_ms(self._failures)

    def _doubt(self, number: int, reason: str, now_ms: int) -> None:
        """A schema just registered may not have reached the registry's other nodes: asked again, for a while."""
        doubt = self._unknown.get(number)
        if doubt is None:
            while len(self._unknown) >= self._settings.cache:
                del self._unknown[next(iter(self._unknown))]
            refusal = Refusal(Stage.DECODE, ReasonCode.SCHEMA_UNKNOWN, reason)
            doubt = self._unknown[number] = _Doubt(refusal, now_ms)
        doubt.times += 1
        if now_ms - doubt.since_ms >= self._settings.unknown_after:
            doubt.is_settled = True
            doubt.until_ms = now_ms + self._settings.ask_again_after
        else:
            left_ms = doubt.since_ms + self._settings.unknown_after - now_ms
            doubt.ask_at_ms = now_ms + min(left_ms, self._backoff.delay_ms(doubt.times))

    def _keep(self, number: int, prepared: PreparedSchema) -> None:
        while len(self._known) >= self._settings.cache:
            del self._known[next(iter(self._known))]
        self._known[number] = prepared

    def _now_ms(self) -> int:
        return int(self._monotonic() * 1000)


class _Doubt:
    """An ID that the registry has said it does not know."""

    __slots__ = ("ask_at_ms", "is_settled", "refusal", "since_ms", "times", "until_ms")

    def __init__(self, refusal: Refusal, since_ms: int) -> None:
        self.refusal = refusal
        self.since_ms = since_ms
        self.times = 0
        self.ask_at_ms = since_ms
        self.is_settled = False
        self.until_ms = 0
