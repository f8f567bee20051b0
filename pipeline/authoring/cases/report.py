"""A failed case as lines for a person: what was expected, what was found, and where it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from pipeline.authoring.cases.compare import ABSENT, Difference
from pipeline.authoring.cases.load import CaseFile
from pipeline.authoring.cases.run import CaseResult, StepResult
from pipeline.observe.masking import escaped
from pipeline.yaml_text.diagnostics import dotted
from pipeline.yaml_text.yaml_writer import flow_text


class Tone(StrEnum):
    """What a line is, so that a terminal may colour it."""

    TITLE = "title"
    PLACE = "place"
    EXPECTED = "expected"
    FOUND = "found"
    HINT = "hint"


class ReportLine(NamedTuple):
    """One line, without an end."""

    tone: Tone
    text: str


def failure_lines(file: CaseFile, result: CaseResult) -> Iterator[ReportLine]:
    """Return the lines of a failed case: its name, file and line, and each difference."""
    yield ReportLine(Tone.TITLE, escaped(f"FAILED {result.case.name} ({file.path}:{result.case.line})"))
    for number, step in enumerate(result.steps):
        for each in step.differences:
            record = f"records[{number}] " if len(result.steps) > 1 else ""
            yield ReportLine(Tone.PLACE, f"  {record}{written_place(file, step, each)}")
            yield from _side(Tone.EXPECTED, "- expected", each, each.expected)
            yield from _side(Tone.FOUND, "+ found   ", each, each.found)
            for line in each.hint.splitlines():
                yield ReportLine(Tone.HINT, escaped(f"      {line}"))


def written_place(file: CaseFile, step: StepResult, difference: Difference) -> str:
    """Name the key, and the line where it is written."""
    line = file.written.line_of((*step.step.location, *difference.location))
    return escaped(f"{dotted(difference.location) or 'outcome'} (line {line})")


def value_lines(difference: Difference, value: Any) -> list[str]:
    """Write a value: a message a line."""
    if value is ABSENT or difference.location == ():
        return [escaped(str(value) if value is not ABSENT else "nothing")]
    if isinstance(value, list):
        return [flow_text(each) for each in value] or ["[]"]
    return [flow_text(value) if isinstance(value, dict) else escaped(json.dumps(value, ensure_ascii=False))]


def _side(tone: Tone, mark: str, difference: Difference, value: Any) -> Iterator[ReportLine]:
    first, *rest = value_lines(difference, value)
    yield ReportLine(tone, f"    {mark} {first}")
    for line in rest:
        yield ReportLine(tone, f"    {' ' * len(mark)} {line}")
