"""Guesses the decoder of a sample of records. `ORDER` is the order in which formats are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from pipeline.authoring.infer.access_log import access_step
from pipeline.authoring.infer.avro import avro_step
from pipeline.authoring.infer.change_events import CHANGES, with_connect_step, with_operations, without_old_row
from pipeline.authoring.infer.charset import packing_keys
from pipeline.authoring.infer.delimited import delimited_step
from pipeline.authoring.infer.guess import ENOUGH, NO_CONTEXT, Guess, WrittenStep, decoded
from pipeline.authoring.infer.inner_formats import pairs_step, with_inner, with_message
from pipeline.authoring.infer.line_patterns import CRI, JSON_WITHIN, LEVELS, TIMED
from pipeline.contracts.interfaces import Fields
from pipeline.decode import DecodeContext

_OUTER = ("debezium", "json", "regex")
"""Formats whose fields often hold another format."""


def guess_format(values: Sequence[bytes], registry: Any = None, context: DecodeContext = NO_CONTEXT) -> Guess:
    """Return a guess of the steps that decode the records. Records of no known format are lines of text.

    `registry` is the Schema Registry for records of Avro, as written in a source file.

    Raises:
        RegistryUnavailable: the registry does not answer, or does not accept the login.
        UsageError: the registry's password is not in the context's environment.
    """
    sample = SampleRecords(values, registry, context)
    for each in ORDER:
        guess = each.read_by(sample) if callable(each.read_by) else _of_step(sample, each.read_by)
        if guess is not None:
            return guess
    return sample.lines(r"(?P<line>.*)")._replace(unknown=True)


@dataclass(frozen=True)
class SampleRecords:
    """The records of the sample, with results that several formats need."""

    values: Sequence[bytes]
    registry: Any
    context: DecodeContext

    @cached_property
    def packing(self) -> Mapping[str, str]:
        """The keys of a step for compression and character set."""
        return packing_keys(self.values)

    @cached_property
    def texts(self) -> Sequence[str]:
        """The records that are text."""
        return [each["text"] for each in self.lines(r"(?P<text>(?s:.*))").entries]

    @cached_property
    def timed(self) -> Guess:
        """The records read as lines that begin with a time."""
        return self.lines(TIMED, lenient=True)

    def read(self, step: WrittenStep, *, lenient: bool = False) -> Guess:
        """Return the guess of this step."""
        return decoded(self.values, ({**step, **self.packing},), lenient=lenient)

    def lines(self, pattern: str, *, lenient: bool = False) -> Guess:
        """Return the guess of a `regex` step with this pattern."""
        return self.read({"format": "regex", "pattern": pattern}, lenient=lenient)


class Format(NamedTuple):
    """A row of `ORDER`: how a format is recognised, and why it is tried before the next one.

    `read_by` is a step that must read at least `ENOUGH` of the sample, or a function that returns the guess, or None if the sample has
    another format. `is_inner`: fields of other formats are tried with the step too.
    """

    name: str
    read_by: WrittenStep | Callable[[SampleRecords], Guess | None]
    why: str
    is_inner: bool = False


def _of_step(sample: SampleRecords, step: WrittenStep) -> Guess | None:
    found = sample.read(step, lenient=step["format"] == "java")
    if found.share < ENOUGH:
        return None
    if step["format"] not in _OUTER:
        return with_message(sample.values, found)
    return without_old_row(with_inner(sample.values, with_connect_step(sample.values, found), INNER))


def _avro(sample: SampleRecords) -> Guess | None:
    """Return the guess for Avro, with a Debezium step if the rows are change events."""
    step = avro_step(sample.values, sample.registry)
    if step is None:
        return None
    found = decoded(sample.values, (step,), context=sample.context)
    if found.share < ENOUGH:
        return found
    changes = decoded(sample.values, (step, {**CHANGES, "from": "$"}), context=sample.context)
    if changes.share >= ENOUGH:
        found = with_operations(changes)
    return without_old_row(with_inner(sample.values, found, INNER, sample.context))


def _access_log(sample: SampleRecords) -> Guess | None:
    step = access_step(sample.texts)
    return None if step is None else _of_step(sample, step)


def _syslog(sample: SampleRecords) -> Guess | None:
    found = sample.read({"format": "syslog"})
    return with_message(sample.values, found) if found.share >= ENOUGH and _are_of_hosts(found.entries) else None


def _are_of_hosts(entries: Sequence[Fields]) -> bool:
    """Whether lines of syslog have a priority or a host name. A time alone also begins an application's own lines."""
    of_hosts = sum("priority" in each or each.get("hostname", "INFO") not in LEVELS for each in entries)
    return of_hosts >= ENOUGH * len(entries)


def _pairs(sample: SampleRecords) -> Guess | None:
    step = pairs_step(sample.texts)
    return None if step is None else sample.read(step)


def _timed_format(sample: SampleRecords) -> Guess | None:
    return _with_next_step(sample.timed, lambda: with_inner(sample.values, sample.timed, INNER))


def _json_in_text(sample: SampleRecords) -> Guess | None:
    found = sample.lines(JSON_WITHIN, lenient=True)
    return _with_next_step(found, lambda: with_inner(sample.values, found, INNER))


def _timed_pairs(sample: SampleRecords) -> Guess | None:
    return _with_next_step(sample.timed, lambda: with_message(sample.values, sample.timed))


def _with_next_step(found: Guess, next_steps: Callable[[], Guess]) -> Guess | None:
    """Return the guess with its next steps; None if there is no next step."""
    return guess if found.share >= ENOUGH and len((guess := next_steps()).steps) > 1 else None


def _columns(sample: SampleRecords) -> Guess | None:
    step = delimited_step(sample.texts)
    return None if step is None else sample.read(step)


def _timed(sample: SampleRecords) -> Guess | None:
    return sample.timed if sample.timed.share >= ENOUGH else None


ORDER: tuple[Format, ...] = (
    Format("Avro", _avro, "its first bytes are certain; other formats may read them as text"),
    Format("access log, combined with more", _access_log, "it names the further fields; nginx's own format has none"),
    Format("Debezium", CHANGES, "a change event is JSON too, and only this step knows its row"),
    Format("JSON", {"format": "json"}, "the whole record is one object; a line pattern may match a part of it", is_inner=True),
    Format("CRI", {"format": "regex", "pattern": CRI}, "its message may have any format below"),
    Format("XML", {"format": "xml"}, "a document is never a line of a log", is_inner=True),
    Format("Apache, vhost_combined", {"format": "apache", "log_format": "vhost_combined"}, "it has one more field at the start", is_inner=True),
    Format("nginx, combined", {"format": "nginx"}, "it has two more fields than common, and common would lose them", is_inner=True),
    Format("Apache, common", {"format": "apache", "log_format": "common"}, "no application log has such a line", is_inner=True),
    Format("Java, Spring Boot 3", {"format": "java", "layout": "spring_boot"}, "its time has a T and a zone; the layouts below have neither", is_inner=True),
    Format("Java, Spring Boot 2", {"format": "java", "layout": "spring_boot_2"}, "it has the process ID; Logback's own layout has none", is_inner=True),
    Format("Java, Logback", {"format": "java", "layout": "logback"}, "the thread stands in the place of Log4j's level", is_inner=True),
    Format("Java, Log4j", {"format": "java", "layout": "log4j"}, "a level and a thread make it certain; syslog requires less", is_inner=True),
    Format("syslog", _syslog, "a header with host or priority; the formats below have no header"),
    Format("pairs of key and value", _pairs, "the whole line is pairs, even if one of them is a time"),
    Format("time, then a format of its own", _timed_format, "it reads the whole message; the next format skips text"),
    Format("text with JSON in it", _json_in_text, "an object is more certain than pairs in a sentence"),
    Format("time, then a message with pairs", _timed_pairs, "a message with commas would look like columns"),
    Format("columns", _columns, "a table's first column may be a time"),
    Format("time, then a message", _timed, "a record without a time is text"),
)  # fmt: skip
"""The formats, the strictest first. The first format that reads the sample is the guess."""

INNER = tuple(each.read_by for each in ORDER if each.is_inner and not callable(each.read_by))
"""The steps with which fields of other formats are tried, in the same order."""
