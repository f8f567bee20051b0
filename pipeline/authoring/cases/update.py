"""Writing found results as the expected ones into the text of a file of cases. Nothing else of the text changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.authoring.cases.compare import ABSENT, Difference, body_as_expected, iso
from pipeline.authoring.cases.load import CaseFile
from pipeline.authoring.cases.models import EXPECTATIONS
from pipeline.authoring.cases.run import CaseResult, StepResult
from pipeline.errors import UsageError
from pipeline.yaml_text.yaml_editor import YamlEditor
from pipeline.yaml_text.yaml_layout import NotEditable

_SINGLE = str | int | float | bool


def updated_text(file: CaseFile, results: Sequence[CaseResult]) -> str:
    """Return the file's text with the found results as the expectations of the failed cases. Comments, order and all else stay.

    Raises:
        UsageError: an expectation is written with an anchor or an alias, so that changing it would change another.
    """
    editor = YamlEditor(file.text)
    for result in results:
        for step in result.steps:
            if step.differences:
                try:
                    _update(editor, step, file.source.time_zone)
                except NotEditable:
                    raise UsageError(
                        f"{file.path}:{result.case.line}: {result.case.name}: found an expectation written with an anchor or an alias; "
                        "expected it written out, or corrected by hand"
                    ) from None
    return editor.text


def _update(editor: YamlEditor, step: StepResult, time_zone: str) -> None:
    """If only single values differ, replace these values; otherwise write the expectation anew."""
    here = step.step.location
    if all(_is_single(each) for each in step.differences):
        for each in step.differences:
            editor.replace((*here, *each.location), None if each.found is ABSENT else each.found)
        return
    if step.differences[0].location == ():
        added = _with_iso_times(step.found.as_expected(), time_zone)
        if body := body_as_expected(step.step.written, step.found):
            added["body"] = body
        editor.rewrite(here, EXPECTATIONS, added or {"events": [], "users": []})
        return
    keys = {str(each.location[0]) for each in step.differences}
    found = {**step.found.messages, "body": body_as_expected(step.step.written, step.found)}
    if step.found.refusal is not None:
        found["reason"] = step.found.refusal.reason
    for key in (key for key in EXPECTATIONS if key in keys):
        editor.rewrite(here, [key], _with_iso_times({key: found[key]}, time_zone))


def _is_single(difference: Difference) -> bool:
    """Whether the difference is one scalar value of the file."""
    return (
        len(difference.location) > 0
        and isinstance(difference.expected, _SINGLE)
        and (difference.found is ABSENT or isinstance(difference.found, _SINGLE))
        and not (difference.location[0] == "body" and difference.found is ABSENT)
    )


def _with_iso_times(expected: dict[str, Any], time_zone: str) -> dict[str, Any]:
    events = [{**each, "event_time": iso(each["event_time"], time_zone)} for each in expected.get("events", ())]
    return {**expected, "events": events} if events else expected
