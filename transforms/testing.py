"""Tools for the tests of a transform: entries made by hand or read from a file, a check of the contract, and a comparison with a golden file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

from schemas.customer import CustomerMessage
from schemas.event import EventMessage
from schemas.log import LogEntry, RawRecord
from schemas.refusal import Refusal
from transforms.base import Kind, Message, Skipped, Transform
from transforms.plugins.plugin import load_plugin
from transforms.values.numbers import float_or_exact

__all__ = ["Answer", "check_golden", "check_transform", "entry", "json_entries", "load_plugin"]

Answer = Sequence[Message] | Skipped | Refusal


def entry(  # noqa: PLR0913 - the fields of a record
    fields: Mapping[str, Any],
    *,
    topic: str = "test",
    partition: int = 0,
    offset: int = 0,
    timestamp: int = -1,
    key: bytes | None = None,
    value: bytes | None = b"",
    headers: Sequence[tuple[str, bytes | None]] = (),
    place: int = 0,
) -> LogEntry:
    """Return an entry as a decoder makes it from a record at this position; `place` is the number of the entry in its record, from 0."""
    return LogEntry(fields, RawRecord(topic, partition, offset, timestamp, key, value, headers), place)


def check_transform(transform: Transform, entries: Iterable[LogEntry]) -> list[Answer]:
    """Run a transform over all entries, twice, and return its answers.

    The second run is over copies of the entries. It finds a transform that keeps state from one entry to the next.

    Raises:
        AssertionError: the transform changed its input, answered differently the second time, or made a message that breaks the
            contract of `transforms.base` or the model of the API.
    """
    originals = list(entries)
    answers = []
    for number, each in enumerate(originals):
        before = deepcopy(each.fields)
        answer = transform(each)
        which = f"entry {number}, counted from 0: "
        _require(each.fields == before, f"{which}the transform changed its input{_difference(before, each.fields)}")
        _check_answer(answer, which)
        answers.append(answer)
    for number, (each, answer) in enumerate(zip(originals, answers, strict=True)):
        again = transform(LogEntry(deepcopy(each.fields), each.record, each.place))
        if again != answer:
            difference = _difference(_plain(answer), _plain(again))
            raise AssertionError(
                f"entry {number}, counted from 0: the transform answered differently the second time{difference}"
            )
    return answers


def json_entries(path: Path) -> list[LogEntry]:
    """Return the entries of a file with one JSON object a line, as `decode: json` reads them.

    Blank lines are left out. The offset of an entry is the number of its line among the others, from 0.

    Raises:
        AssertionError: a line is no JSON object.
    """
    entries = []
    for number, line in enumerate(filter(str.strip, path.read_text(encoding="utf-8").splitlines())):
        try:
            fields = json.loads(line, parse_float=lambda text: float_or_exact(Decimal(text)))  # as the decoder reads it
        except ValueError:
            fields = None
        _require(
            isinstance(fields, dict), f"{path}: found no JSON object in line {number + 1}, blank lines not counted"
        )
        entries.append(entry(fields, offset=number, value=line.encode()))
    return entries


def check_golden(transform: Transform, entries: Iterable[LogEntry], path: Path, *, update: bool = False) -> None:
    """Check the contract as `check_transform` does, and that the answers are those in the JSON file at `path`.

    With `update` the answers are written to the file instead. Look at the difference before you commit the file.

    Raises:
        AssertionError: the contract is broken, the file does not exist, or an answer is different; the message shows the difference.
    """
    found = [_plain(answer) for answer in check_transform(transform, entries)]
    if update:
        path.write_text(_text(found) + "\n", encoding="utf-8")
        return
    _require(path.exists(), f"{path} is not there; check_golden(..., update=True) writes it")
    expected = json.loads(path.read_text(encoding="utf-8"))
    if found != expected:
        raise AssertionError(f"the answers differ from {path}{_difference(expected, found)}")


def _plain(answer: Answer) -> Any:
    """Return an answer as JSON. Of a refusal only the code is kept: its sentence may name a line of the plug-in."""
    if isinstance(answer, Skipped):
        return {"filtered": answer.why}
    if isinstance(answer, Refusal):
        return {"refused": answer.code.value}
    return {"messages": [{message.kind.value: message.wire} for message in answer]}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, default=str)


def _difference(before: Any, after: Any) -> str:
    lines = difflib.unified_diff(
        _text(before).split("\n"), _text(after).split("\n"), "before", "after", lineterm="", n=2
    )
    return "".join(f"\n{line}" for line in lines)


def _check_answer(answer: Answer, which: str) -> None:
    if isinstance(answer, Skipped | Refusal):
        return
    _require(len(answer) > 0, f"{which}the transform made no message; expected Skipped")
    kinds = [message.kind for message in answer]
    _require(Kind.USER not in kinds[kinds.count(Kind.USER) :], f"{which}an event came before a user message")
    for message in answer:
        model = EventMessage if message.kind is Kind.EVENT else CustomerMessage
        kept = {"organizationId", "workspaceId", "v"} & message.wire.keys()
        _require(not kept, f"{which}the message has {', '.join(sorted(kept))}, which the job adds")
        _require(
            None not in message.wire.values(), f"{which}the message has a null; expected absent fields to be left out"
        )
        try:
            model.model_validate({**message.wire, "organizationId": "organization"})
        except ValueError as error:
            raise AssertionError(f"{which}the message breaks the model: {error}") from None


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - the condition that is required
    if not holds:
        raise AssertionError(otherwise)
