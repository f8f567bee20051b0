"""Which decoder reads a sample of records: tried one after the other, the strictest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pipeline.decode import DecodeContext, DecodeLimits, DecodeStep, build_chain
from pipeline.decode.debezium import ENVELOPE
from pipeline.decode.unpack import unpacked
from pipeline.interfaces import Fields
from pipeline.patience import answered
from pipeline.proposal.avro_guess import avro_step
from pipeline.proposal.delimited_guess import delimited_step
from schemas.refusal import Refusal
from transforms.base import Skipped

LIMITS = DecodeLimits()

ENOUGH = 0.8
"""Share of the sample that a format must read."""

_CRI = r"(?P<time>\d{4}-\d\d-\d\dT\S+) (?P<stream>stdout|stderr) (?P<tag>[FP]\S*) (?P<message>.*)"
"""What container runtimes of Kubernetes put before a line."""

_CHANGES: dict[str, Any] = {"format": "debezium", "operations": ["c", "u", "d", "r"]}
_STRICT: tuple[dict[str, Any], ...] = (
    _CHANGES,
    {"format": "json"},
    {"format": "regex", "pattern": _CRI},
    {"format": "xml"},
    {"format": "nginx"},
    {"format": "apache", "log_format": "common"},
    {"format": "java", "layout": "spring_boot"},
    {"format": "java", "layout": "spring_boot_2"},
    {"format": "java", "layout": "logback"},
    {"format": "java", "layout": "log4j"},
    {"format": "syslog"},
)
_LEAST_PAIRS = 2
_WRAPPED_IN = ("message", "msg", "log", "line", "payload", "content", "body", "event", "value", "text")
_INNER = tuple(step for step in _STRICT if step["format"] not in {"debezium", "regex", "syslog"})
_OUTER = ("debezium", "json", "regex")
_MAGIC = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")

Step = Mapping[str, Any]


class Guess(NamedTuple):
    """Steps as they are written under `decode:`, the entries they made, the share of the sample that they read, and the first refusal of the rest."""

    steps: tuple[Step, ...]
    entries: tuple[Fields, ...]
    share: float
    refusal: Refusal | None = None


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
    before = _before(values)
    for step in _STRICT:
        found = decoded(values, ({**step, **before},), lenient=step["format"] == "java")
        if found.share >= ENOUGH:
            if step["format"] not in _OUTER:
                return _with_message(values, found)
            return _of_the_row(_with_inner(values, _of_connect(values, found)))
    texts = [
        each["text"]
        for each in decoded(values, ({"format": "regex", "pattern": r"(?P<text>(?s:.*))", **before},)).entries
    ]
    if _are_logfmt(texts):
        return decoded(values, ({"format": "logfmt", **before},))
    if (columns := delimited_step(texts)) is not None:
        return decoded(values, ({**columns, **before},))
    return decoded(values, ({"format": "regex", "pattern": "(?P<line>.*)", **before},))


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
    """Decode a sample. `lenient`: lines that continue another one, as stack traces do, are not counted."""
    decode = build_chain([DecodeStep.model_validate(step) for step in steps], LIMITS, context)
    entries: list[Fields] = []
    refused: list[Refusal] = []
    for value in values:
        answer = answered(partial(decode, value))
        for each in answer if isinstance(answer, list) else [answer]:
            if isinstance(each, Refusal):
                if not (lenient and entries and value[:1].isspace()):
                    refused.append(each)
            elif not isinstance(each, Skipped):
                entries.append(each)
    share = len(entries) / max(len(entries) + len(refused), 1)
    return Guess(tuple(steps), tuple(entries), share, refused[0] if refused else None)


def _before(values: Sequence[bytes]) -> dict[str, str]:
    """What stands around the text: compression, a character set."""
    before: dict[str, str] = {}
    if sum(value.startswith(_MAGIC) for value in values) > len(values) / 2:
        before["compression"] = "auto"
    plain = unpacked(lambda value: {"value": value}, DecodeStep.model_validate({"format": "json", **before}), LIMITS)
    texts = [answer["value"] for value in values if isinstance(answer := plain(value), dict)]
    if sum(map(_is_utf8, texts)) < len(texts) * ENOUGH and all(_is(text, "gb18030") for text in texts):
        before["charset"] = "gb18030"
    return before


def _is_utf8(text: bytes) -> bool:
    return _is(text, "utf-8")


def _is(text: bytes, charset: str) -> bool:
    try:
        text.decode(charset)
    except UnicodeDecodeError:
        return False
    return True


def _are_logfmt(texts: Sequence[str]) -> bool:
    found = decoded([text.encode() for text in texts], ({"format": "logfmt"},))
    whole = [entry for entry in found.entries if _is_whole_logfmt(entry)]
    return len(whole) >= ENOUGH * len(texts) and bool(texts)


def _is_whole_logfmt(entry: Fields) -> bool:
    """Nearly all of the line is pairs: a sentence with one `a=b` in it is none."""
    pairs = sum(isinstance(value, str) for value in entry.values())
    return pairs >= _LEAST_PAIRS and pairs * 2 > len(entry)


def _with_inner(values: Sequence[bytes], outer: Guess, context: DecodeContext = _NOWHERE) -> Guess:
    """Add a step for a field whose text is a format of its own: JSON within JSON, or the line that a shipper wrapped."""
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
                return decoded(values, (*outer.steps, further), context=context)
        if name.lower() in _WRAPPED_IN and _are_logfmt(texts):
            further = {"format": "logfmt", "from": name, "into": name, "required": False}
            return decoded(values, (*outer.steps, further), context=context)
    return outer


def _with_message(values: Sequence[bytes], outer: Guess) -> Guess:
    """Add a step for a log's message that is JSON or logfmt."""
    texts = [text for entry in outer.entries if isinstance(text := entry.get("message"), str) and text]
    if len(texts) * 2 < len(outer.entries):
        return outer
    for step in ("json", "logfmt"):
        fits = (
            _are_logfmt(texts)
            if step == "logfmt"
            else decoded([text.encode() for text in texts], ({"format": step},)).share >= ENOUGH
        )
        if fits:
            return decoded(
                values, (*outer.steps, {"format": step, "from": "message", "into": "message", "required": False})
            )
    return outer
