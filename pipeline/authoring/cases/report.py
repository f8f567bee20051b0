"""A failed case as lines for a person: the expected value, the found value, and the line of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from pipeline.authoring.cases.compare import ABSENT, Difference
from pipeline.authoring.cases.load import CaseFile
from pipeline.authoring.cases.run import CaseResult, StepResult
from pipeline.control_characters import one_line
from pipeline.yaml_text.diagnostics import dotted
from pipeline.yaml_text.yaml_writer import flow_text


class Tone(StrEnum):
    """The kind of a line, by which a terminal may colour it."""

    TITLE = "title"
    PLACE = "place"
    EXPECTED = "expected"
    FOUND = "found"
    HINT = "hint"


class ReportLine(NamedTuple):
    """One line, without a line end."""

    tone: Tone
    text: str


def failure_lines(file: CaseFile, result: CaseResult) -> Iterator[ReportLine]:
    """Yield the lines of a failed case: its name, file and line, then each difference."""
    yield ReportLine(Tone.TITLE, one_line(f"FAILED {result.case.name} ({file.path}:{result.case.line})"))
    for number, step in enumerate(result.steps):
        for each in step.differences:
            record = f"records[{number}] " if len(result.steps) > 1 else ""
            yield ReportLine(Tone.PLACE, f"  {record}{written_place(file, step, each)}")
            yield from _side(Tone.EXPECTED, "- expected", each, each.expected)
            yield from _side(Tone.FOUND, "+ found   ", each, each.found)
            for line in each.hint.splitlines():
                yield ReportLine(Tone.HINT, one_line(f"      {line}"))


def written_place(file: CaseFile, step: StepResult, difference: Difference) -> str:
    """Return the key of a difference and its line in the file."""
    line = file.written.line_of((*step.step.location, *difference.location))
    return one_line(f"{dotted(difference.location) or 'outcome'} (line {line})")


def value_lines(difference: Difference, value: Any) -> list[str]:
    """Return a value as lines. A list of messages has one line a message."""
    if value is ABSENT or difference.location == ():
        return [one_line(str(value) if value is not ABSENT else "nothing")]
    if isinstance(value, list):
        return [flow_text(each) for each in value] or ["[]"]
    return [flow_text(value) if isinstance(value, dict) else one_line(json.dumps(value, ensure_ascii=False))]


def _side(tone: Tone, mark: str, difference: Difference, value: Any) -> Iterator[ReportLine]:
    first, *rest = value_lines(difference, value)
    yield ReportLine(tone, f"    {mark} {first}")
    for line in rest:
        yield ReportLine(tone, f"    {' ' * len(mark)} {line}")
