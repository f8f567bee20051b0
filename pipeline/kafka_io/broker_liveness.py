"""The wait for brokers that do not answer: ask them, wait, make a new client, give up."""

from __future__ import annotations

import logging
import time

from kafka import errors

from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.client import LASTING_ERRORS, unavailable
from pipeline.kafka_io.outage import Outage
from pipeline.kafka_io.source_client import SourceClient

REBUILD_LIMIT_MS = 3_000
RETRY_PAUSE_S = 0.2

_log = logging.getLogger("log2mq.kafka")


class BrokerLiveness:
    """Finds outages of the brokers behind one source's client, and waits them out."""

    def __init__(self, client: SourceClient) -> None:
        """Begin without an outage."""
        self._client = client
        self._limit_s = client.settings.give_up_after / 1000
        self._outage = Outage(self._limit_s, time.monotonic())

    @property
    def is_outage(self) -> bool:
        """Whether an outage of the brokers lasts."""
        return self._outage.is_on

    def note_poll(self, *, with_records: bool) -> None:
        """Note a poll that raised nothing. After some seconds without records, ask the brokers.

        kafka-python's `poll` returns no records and raises nothing while no broker answers.

        Raises:
            SourceUnavailable: see `wait_out`.
        """
        now_s = time.monotonic()
        if with_records or not self._outage.ask_due(now_s):
            if with_records and self._outage.answered(now_s, with_records=True):
                log_event(_log, logging.WARNING, LogEvent.BROKERS_BACK, "the brokers answer again")
            return
        try:
            self._client.ask()
        except errors.KafkaError as error:
            self.wait_out(error)
            return
        if self._outage.answered(time.monotonic()):
            log_event(_log, logging.WARNING, LogEvent.BROKERS_BACK, "the brokers answer again")
        self._client.learn_ends(self._client.owned)

    def wait_out(self, error: Exception) -> None:
        """Wait a little after an error that may pass. Make a new client where errors last.

        Raises:
            SourceUnavailable: the error does not pass, or errors have lasted for `kafka.give_up_after`.
        """
        settings = self._client.settings
        if isinstance(error, LASTING_ERRORS):
            raise unavailable(settings, error, "reading") from None
        now_s = time.monotonic()
        if self._outage.failed(now_s):
            text = f"reading fails ({type(error).__name__}); trying for {self._limit_s:.0f} s"
            log_event(_log, logging.WARNING, LogEvent.BROKERS_AWAY, text, reason=type(error).__name__)
        if self._outage.is_over_limit(now_s):
            raise unavailable(settings, error, f"reading for {settings.give_up_after // 1000} s") from None
        if self._outage.rebuild_due(now_s):
            try:
                self._client.rebuild(REBUILD_LIMIT_MS)
            except SourceUnavailable:
                return  # no broker answers yet; the old client tries on
        time.sleep(RETRY_PAUSE_S)
