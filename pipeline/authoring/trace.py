"""The trace of one record: its entries and its result, for `test`, `check --sample`, `tap` and `explain`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from pipeline.authoring.wait import wait_for_answer
from pipeline.job.converter import Converted, Converter, DecodedRecord
from schemas.log import LogEntry, Record
from schemas.refusal import Refusal
from transforms.base import Kind
from transforms.mapping import Mapper, RuleTrace


@dataclass(frozen=True, slots=True)
class Trace:
    """One record, its entries, and its conversion. Nothing is reported or remembered.

    `entries` are in the record's order, each decoded or refused. There are none if the whole record cannot be decoded.
    """

    record: Record
    entries: Sequence[LogEntry | Refusal]
    converted: Converted
    converter: Converter

    @property
    def decoded(self) -> list[LogEntry]:
        """The entries that could be decoded."""
        return [each for each in self.entries if isinstance(each, LogEntry)]

    def rules(self, entry: LogEntry) -> Sequence[RuleTrace]:
        """Return the trace of each rule of the mapping for an entry; nothing if a plug-in converts."""
        mapper = self.converter.transform
        return mapper.explain(entry) if isinstance(mapper, Mapper) else ()

    def event_codes(self) -> list[str]:
        """Return the codes of the record's events, in order."""
        return [orjson.loads(each.body)["eventCode"] for each in self.converted.messages if each.kind is Kind.EVENT]

    def identifiers(self) -> set[str]:
        """Return the identifiers in the record's messages, and those that any rule reads from its entries, matched or not."""
        found: set[str] = set()
        for message in self.converted.messages:
            wire = orjson.loads(message.body)
            found |= {wire["customerId"], *(each["customerId"] for each in wire.get("customerIdList", ()))}
        if isinstance(mapper := self.converter.transform, Mapper):
            for entry in self.decoded:
                found |= mapper.identifiers(entry)
        return found


def trace(converter: Converter, record: Record, sleep: Callable[[float], None] = time.sleep) -> Trace:
    """Return the trace of a record: decode it, wait for its schema if needed, and convert it. `sleep` takes seconds.

    Raises:
        RegistryUnavailable: a Schema Registry did not answer in time.
    """
    decoded: DecodedRecord = wait_for_answer(lambda: converter.decode(record), sleep)
    if isinstance(decoded, list):
        entries: Sequence[LogEntry | Refusal] = decoded
    else:
        entries = [decoded] if isinstance(decoded, LogEntry) else []
    return Trace(record, entries, converter.convert(decoded), converter)
