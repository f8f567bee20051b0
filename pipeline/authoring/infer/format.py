"""Which decoder reads a sample of records: tried one after the other, the strictest first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pipeline.authoring.infer.access_log import access_step
from pipeline.authoring.infer.avro import avro_step
from pipeline.authoring.infer.charset import around_text
from pipeline.authoring.infer.delimited import delimited_step
from pipeline.authoring.infer.embedded_pairs import steps_within
from pipeline.authoring.infer.key_value import LEAST_PAIRS, key_value_step
from pipeline.authoring.infer.line_patterns import CRI, JSON_WITHIN, LEVELS, TIMED
from pipeline.authoring.wait import answered
from pipeline.contracts.interfaces import Fields
from pipeline.decode import DecodeContext, DecodeLimits, DecodeStep, build_chain
from pipeline.decode.connect.debezium import ENVELOPE
from schemas.refusal import Refusal
from transforms.base import Skipped

LIMITS = DecodeLimits()

ENOUGH = 0.8
"""Share of the sample that a format must read."""

_CHANGES: dict[str, Any] = {"format": "debezium", "operations": ["c", "u", "d", "r"]}
_STRICT: tuple[dict[str, Any], ...] = (
    _CHANGES,
    {"format": "json"},
    {"format": "regex", "pattern": CRI},
    {"format": "xml"},
    {"format": "apache", "log_format": "vhost_combined"},
    {"format": "nginx"},
    {"format": "apache", "log_format": "common"},
    {"format": "java", "layout": "spring_boot"},
    {"format": "java", "layout": "spring_boot_2"},
    {"format": "java", "layout": "logback"},
    {"format": "java", "layout": "log4j"},
    {"format": "syslog"},
)
_WRAPPED_IN = ("message", "msg", "log", "line", "payload", "content", "body", "event", "value", "text")
_INNER = tuple(step for step in _STRICT if step["format"] not in {"debezium", "regex", "syslog"})
_OUTER = ("debezium", "json", "regex")
_CONTINUING = re.compile(
    rb"\s|Caused by: |[A-Za-z_][\w$]*(?:\.[\w$]+)+(?:Exception|Error|Throwable)\b|Traceback |\}|\]"
)
"""How lines begin that belong to the one before: stack traces, and objects printed over several lines."""
_ENDS_OF_PAIRS = (",", ";", "|")

Step = Mapping[str, Any]


class Guess(NamedTuple):
    """Steps as they are written under `decode:`, the entries they made, the share of the sample that they read, and the first refusal of the rest.

    `continued` is how many records are lines that only continue the one before; `unknown` whether no format was recognised.
    """

    steps: tuple[Step, ...]
    entries: tuple[Fields, ...]
    share: float
    refusal: Refusal | None = None
    continued: int = 0
    unknown: bool = False


_NOWHERE = DecodeContext()


def guess_format(values: Sequence[bytes], registry: Any = None, context: DecodeContext = _NOWHERE) -> Guess:
    """Guess how records are decoded. What nothing reads is taken for lines of text.

    `registry` is the Schema Registry, as it is written in a source file, that is asked for the schemas which records of Avro name.

    Raises:
        RegistryUnavailable: it does not answer, or lets nobody in with that login.
        UsageError: its password is not in the context's environment.
    """
    if (avro := avro_step(values, registry)) is not None:
        return _of_avro(values, avro, context)
    before = around_text(values)
    whole = {"format": "regex", "pattern": r"(?P<text>(?s:.*))", **before}
    texts = [each["text"] for each in decoded(values, (whole,)).entries]
    access = access_step(texts)
    for step in _STRICT if access is None else (access, *_STRICT):
        found = decoded(values, ({**step, **before},), lenient=step["format"] == "java")
        if found.share >= ENOUGH and (step["format"] != "syslog" or _are_of_hosts(found.entries)):
            if step["format"] not in _OUTER:
                return _with_message(values, found)
            return _of_the_row(_with_inner(values, _of_connect(values, found)))
    return _of_lines(values, texts, before)


def _of_lines(values: Sequence[bytes], texts: Sequence[str], before: Mapping[str, str]) -> Guess:
    """Guess what lines of text are."""
    if (pairs := _pairs_step(texts)) is not None:
        return decoded(values, ({**pairs, **before},))
    timed, within = (
        decoded(values, ({"format": "regex", "pattern": pattern, **before},), lenient=True)
        for pattern in (TIMED, JSON_WITHIN)
    )
    for found in (timed, within):
        if found.share >= ENOUGH and len((inner := _with_inner(values, found)).steps) > 1:
            return inner
    if timed.share >= ENOUGH and len((inner := _with_message(values, timed)).steps) > 1:
        return inner
    if (columns := delimited_step(texts)) is not None:
        return decoded(values, ({**columns, **before},))
    if timed.share >= ENOUGH:
        return timed
    return decoded(values, ({"format": "regex", "pattern": "(?P<line>.*)", **before},))._replace(unknown=True)


def _are_of_hosts(entries: Sequence[Fields]) -> bool:
    """Whether lines of syslog say more than their time, which an application's own lines begin with too."""
    said = sum("priority" in each or each.get("hostname", "INFO") not in LEVELS for each in entries)
    return said >= ENOUGH * len(entries)


def _of_avro(values: Sequence[bytes], step: Step, context: DecodeContext) -> Guess:
    """Decode Avro, and see whether its rows are Debezium's events."""
    found = decoded(values, (step,), context=context)
    if found.share < ENOUGH:
        return found
    changes = decoded(values, (step, {**_CHANGES, "from": "$"}), context=context)
    if changes.share >= ENOUGH:
        found = _of_changes(changes)
    return _of_the_row(_with_inner(values, found, context))


def _of_connect(values: Sequence[bytes], found: Guess) -> Guess:
    """See whether JSON is what Kafka Connect put around rows, and of Debezium's events which operations there are."""
    first = found.steps[0]
    if first["format"] == "json":
        wrapped = sum(entry.keys() == {"schema", "payload"} for entry in found.entries)
        return decoded(values, ({**first, "format": "connect"},)) if wrapped > len(found.entries) * ENOUGH else found
    return _of_changes(found) if first["format"] == "debezium" else found


def _of_changes(found: Guess) -> Guess:
    """Name the operations that there are."""
    *before, last = found.steps
    seen = {entry[ENVELOPE].get("op") for entry in found.entries}
    operations = [each for each in last["operations"] if each in seen]
    return found._replace(steps=(*before, {**last, "operations": operations or ["c", "u"]}))


def _of_the_row(found: Guess) -> Guess:
    """Leave the row as it was before out of a change event's fields, and an Avro event's own: they have the same columns, and the same customer's identifiers."""
    if all(step["format"] != "debezium" for step in found.steps):
        return found
    is_beside = found.steps[0]["format"] != "debezium"
    entries: list[Fields] = []
    for entry in found.entries:
        said = entry[ENVELOPE]
        own = {"after", *(name for name in said if entry.get(name) == said[name])} if is_beside else set()
        row = {name: each for name, each in entry.items() if name not in own}
        entries.append({**row, ENVELOPE: {name: each for name, each in said.items() if name != "before"}})
    return found._replace(entries=tuple(entries))


def decoded(
    values: Sequence[bytes], steps: Sequence[Step], *, lenient: bool = False, context: DecodeContext = _NOWHERE
) -> Guess:
    """Decode a sample. `lenient`: lines that continue another one, as stack traces do, are counted apart."""
    decode = build_chain([DecodeStep.model_validate(step) for step in steps], LIMITS, context)
    entries: list[Fields] = []
    refused: list[Refusal] = []
    continued = 0
    for value in values:
        answer = answered(partial(decode, value))
        for each in answer if isinstance(answer, list) else [answer]:
            if isinstance(each, Refusal):
                if lenient and entries and _CONTINUING.match(value):
                    continued += 1
                else:
                    refused.append(each)
            elif not isinstance(each, Skipped):
                entries.append(each)
    share = len(entries) / max(len(entries) + len(refused), 1)
    return Guess(tuple(steps), tuple(entries), share, refused[0] if refused else None, continued)


def _are_logfmt(texts: Sequence[str]) -> bool:
    found = decoded([text.encode() for text in texts], ({"format": "logfmt"},))
    whole = [entry for entry in found.entries if _is_whole_logfmt(entry)]
    return len(whole) >= ENOUGH * len(texts) and bool(texts)


def _is_whole_logfmt(entry: Fields) -> bool:
    """Nearly all of the line is pairs: a sentence with one `a=b` in it is none, and neither is `a=1, b=2`, which has other separators."""
    values = [value for value in entry.values() if isinstance(value, str)]
    torn = sum(value.endswith(_ENDS_OF_PAIRS) for value in values)
    return len(values) >= LEAST_PAIRS and len(values) * 2 > len(entry) and torn * 2 < len(values)


def _with_inner(values: Sequence[bytes], outer: Guess, context: DecodeContext = _NOWHERE) -> Guess:
    """Add a step for a field whose text is a format of its own: JSON within JSON, or the line that a shipper wrapped."""
    lenient = outer.continued > 0
    for name in sorted({name for entry in outer.entries for name in entry}):
        texts = [text for entry in outer.entries if isinstance(text := entry.get(name), str) and text]
        if len(texts) * 2 < len(outer.entries) or not name.isidentifier():
            continue
        steps = (
            _INNER
            if name.lower() in _WRAPPED_IN
            else tuple(step for step in _INNER if step["format"] in {"json", "xml"})
        )
        for step in steps:
            inner = decoded([text.encode() for text in texts], (step,))
            if inner.share >= ENOUGH and texts[0].lstrip()[:1] not in {"[", ""}:
                further = {**step, "from": name, "into": name, "required": False}
                return decoded(values, (*outer.steps, further), lenient=lenient, context=context)
        if name.lower() in _WRAPPED_IN and (pairs := _pairs_step(texts)) is not None:
            further = {**pairs, "from": name, "into": name, "required": False}
            return decoded(values, (*outer.steps, further), lenient=lenient, context=context)
    return outer


def _with_message(values: Sequence[bytes], outer: Guess) -> Guess:
    """Add steps for a log's message that is JSON or pairs, or has pairs in it."""
    texts = [text for entry in outer.entries if isinstance(text := entry.get("message"), str) and text]
    if len(texts) * 2 < len(outer.entries):
        return outer
    is_json = decoded([text.encode() for text in texts], ({"format": "json"},)).share >= ENOUGH
    step = {"format": "json"} if is_json else _pairs_step(texts)
    inner = {"from": "message", "into": "message", "required": False}
    further = list(steps_within(texts, "message")) if step is None else [{**step, **inner}]
    return decoded(values, (*outer.steps, *further), lenient=outer.continued > 0) if further else outer


def _pairs_step(texts: Sequence[str]) -> dict[str, Any] | None:
    """Find the step for texts that are pairs of key and value."""
    return {"format": "logfmt"} if _are_logfmt(texts) else key_value_step(texts)
