"""Which decoder reads a sample of records. `ORDER` is the order in which formats are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from pipeline.authoring.infer.access_log import access_step
from pipeline.authoring.infer.avro import avro_step
from pipeline.authoring.infer.change_events import CHANGES, of_changes, of_connect, of_the_row
from pipeline.authoring.infer.charset import around_text
from pipeline.authoring.infer.delimited import delimited_step
from pipeline.authoring.infer.guess import ENOUGH, NOWHERE, Guess, WrittenStep, decoded
from pipeline.authoring.infer.inner_formats import pairs_step, with_inner, with_message
from pipeline.authoring.infer.line_patterns import CRI, JSON_WITHIN, LEVELS, TIMED
from pipeline.contracts.interfaces import Fields
from pipeline.decode import DecodeContext

_OUTER = ("debezium", "json", "regex")
"""Formats whose fields often hold another format."""


def guess_format(values: Sequence[bytes], registry: Any = None, context: DecodeContext = NOWHERE) -> Guess:
    """Guess how records are decoded. What nothing reads is taken for lines of text.

    `registry` is the Schema Registry, as it is written in a source file, that is asked for the schemas which records of Avro name.

    Raises:
        RegistryUnavailable: it does not answer, or lets nobody in with that login.
        UsageError: its password is not in the context's environment.
    """
    sample = SampleRecords(values, registry, context)
    for each in ORDER:
        guess = each.read_by(sample) if callable(each.read_by) else _of_step(sample, each.read_by)
        if guess is not None:
            return guess
    return sample.lines(r"(?P<line>.*)")._replace(unknown=True)


@dataclass(frozen=True)
class SampleRecords:
    """The records that are looked at, and what several formats want to know of them."""

    values: Sequence[bytes]
    registry: Any
    context: DecodeContext

    @cached_property
    def around(self) -> Mapping[str, str]:
        """The keys of a step that say how the text is packed."""
        return around_text(self.values)

    @cached_property
    def texts(self) -> Sequence[str]:
        """The records as texts, without those that are none."""
        return [each["text"] for each in self.lines(r"(?P<text>(?s:.*))").entries]

    @cached_property
    def timed(self) -> Guess:
        """The records read as lines that begin with a time."""
        return self.lines(TIMED, lenient=True)

    def read(self, step: WrittenStep, *, lenient: bool = False) -> Guess:
        """Return what becomes of the records with this step."""
        return decoded(self.values, ({**step, **self.around},), lenient=lenient)

    def lines(self, pattern: str, *, lenient: bool = False) -> Guess:
        """Return what becomes of the records by a pattern."""
        return self.read({"format": "regex", "pattern": pattern}, lenient=lenient)


class Format(NamedTuple):
    """A row of `ORDER`: how a format is recognised, and why it is tried before the next one.

    `read_by` is a step that must read nearly all of the sample, or a function for what takes more than that; the function returns None where it is
    not this format. `is_inner`: it is looked for in the fields of other formats too.
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
    return of_the_row(with_inner(sample.values, of_connect(sample.values, found), INNER))


def _avro(sample: SampleRecords) -> Guess | None:
    """Decode Avro, and see whether its rows are Debezium's events."""
    step = avro_step(sample.values, sample.registry)
    if step is None:
        return None
    found = decoded(sample.values, (step,), context=sample.context)
    if found.share < ENOUGH:
        return found
    changes = decoded(sample.values, (step, {**CHANGES, "from": "$"}), context=sample.context)
    if changes.share >= ENOUGH:
        found = of_changes(changes)
    return of_the_row(with_inner(sample.values, found, INNER, sample.context))


def _access_log(sample: SampleRecords) -> Guess | None:
    step = access_step(sample.texts)
    return None if step is None else _of_step(sample, step)


def _syslog(sample: SampleRecords) -> Guess | None:
    found = sample.read({"format": "syslog"})
    return with_message(sample.values, found) if found.share >= ENOUGH and _are_of_hosts(found.entries) else None


def _are_of_hosts(entries: Sequence[Fields]) -> bool:
    """Whether lines of syslog say more than their time, which an application's own lines begin with too."""
    of_hosts = sum("priority" in each or each.get("hostname", "INFO") not in LEVELS for each in entries)
    return of_hosts >= ENOUGH * len(entries)


def _pairs(sample: SampleRecords) -> Guess | None:
    step = pairs_step(sample.texts)
    return None if step is None else sample.read(step)


def _timed_format(sample: SampleRecords) -> Guess | None:
    return _with_more(sample.timed, lambda: with_inner(sample.values, sample.timed, INNER))


def _json_in_text(sample: SampleRecords) -> Guess | None:
    found = sample.lines(JSON_WITHIN, lenient=True)
    return _with_more(found, lambda: with_inner(sample.values, found, INNER))


def _timed_pairs(sample: SampleRecords) -> Guess | None:
    return _with_more(sample.timed, lambda: with_message(sample.values, sample.timed))


def _with_more(found: Guess, further: Callable[[], Guess]) -> Guess | None:
    """Return what is found where a further step is."""
    return guess if found.share >= ENOUGH and len((guess := further()).steps) > 1 else None


def _columns(sample: SampleRecords) -> Guess | None:
    step = delimited_step(sample.texts)
    return None if step is None else sample.read(step)


def _timed(sample: SampleRecords) -> Guess | None:
    return sample.timed if sample.timed.share >= ENOUGH else None


ORDER: tuple[Format, ...] = (
    Format("Avro", _avro, "its first bytes tell it, and no other format here may take them for text"),
    Format("access log, combined with more", _access_log, "it names the fields behind; nginx's own format has none"),
    Format("Debezium", CHANGES, "a change event is JSON too, and only this step knows its row"),
    Format("JSON", {"format": "json"}, "its whole record is one object; patterns of lines would fit parts of it", is_inner=True),
    Format("CRI", {"format": "regex", "pattern": CRI}, "its message may be of any format below"),
    Format("XML", {"format": "xml"}, "a document, never a line of a log", is_inner=True),
    Format("Apache, vhost_combined", {"format": "apache", "log_format": "vhost_combined"}, "it has a field more in front", is_inner=True),
    Format("nginx, combined", {"format": "nginx"}, "it has two fields more than common, which would lose them", is_inner=True),
    Format("Apache, common", {"format": "apache", "log_format": "common"}, "a line of it is no line of an application", is_inner=True),
    Format("Java, Spring Boot 3", {"format": "java", "layout": "spring_boot"}, "its time has a T and a zone, which those below have not", is_inner=True),
    Format("Java, Spring Boot 2", {"format": "java", "layout": "spring_boot_2"}, "it has the process ID, Logback's own has none", is_inner=True),
    Format("Java, Logback", {"format": "java", "layout": "logback"}, "the thread stands where Log4j has its level", is_inner=True),
    Format("Java, Log4j", {"format": "java", "layout": "log4j"}, "a level and a thread make it certain; syslog asks less", is_inner=True),
    Format("syslog", _syslog, "a header with host or priority; what follows has no header"),
    Format("pairs of key and value", _pairs, "the whole line is pairs, also where one of them is a time"),
    Format("time, then a format of its own", _timed_format, "it leaves nothing of the message out; the next one skips text"),
    Format("text with JSON in it", _json_in_text, "an object is surer than pairs in a sentence"),
    Format("time, then a message with pairs", _timed_pairs, "a message with commas in it would make columns"),
    Format("columns", _columns, "a table's first column may be a time"),
    Format("time, then a message", _timed, "what has not even a time is text"),
)  # fmt: skip
"""The formats, the strictest first: the first that reads the sample is the guess."""

INNER = tuple(each.read_by for each in ORDER if each.is_inner and not callable(each.read_by))
"""The steps that a field of another format is tried with, in the same order."""
