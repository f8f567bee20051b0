"""The comparison of expected and found results, field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from pipeline.authoring.cases.actual import PLURAL, FoundRecord, message_counts
from pipeline.authoring.cases.models import TestRecord
from pipeline.authoring.cases.records import written_unix_ms
from schemas.attribute import attribute_string
from transforms.fault import KeyPath
from transforms.values.times import MOST_MS


class Absent:
    """The type of `ABSENT`, which marks a missing value."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = Absent()


class Difference(NamedTuple):
    """One difference. `location` is the key path within the record's mapping in the file, or () for the whole expectation. `hint` may give the cause."""

    location: KeyPath
    expected: Any
    found: Any
    hint: str = ""


def differences(written: TestRecord, found: FoundRecord, time_zone: str, *, whole: bool) -> list[Difference]:
    """Return the differences. A key that the case does not name is not compared, unless `whole` is true."""
    if not (named := written.expectations):
        return [Difference((), "nothing yet", found.outcome, "--update writes down the result")]
    expected = _expected_outcome(written, named)
    is_right = {
        "refused": found.refusal is not None and found.refusal.code == written.refused,
        "filtered": found.filtered is not None,
        "duplicate": found.duplicate,
    }
    named_outcome = next((name for name in is_right if name in named), None)
    if not is_right[named_outcome] if named_outcome else found.refusal is not None:
        return [Difference((), expected, found.outcome, _why(found))]
    if named_outcome in {"filtered", "duplicate"}:
        return []
    if (
        named_outcome is None
        and any(getattr(written, name) for name in ("events", "users"))
        and not any(found.messages.values())
    ):
        return [Difference((), expected, found.outcome, _why(found))]
    found_differences = []
    if written.reason is not None and found.refusal is not None and written.reason not in found.refusal.reason:
        found_differences.append(Difference(("reason",), written.reason, found.refusal.reason))
    comparison = _Comparison(time_zone, whole=whole)
    for kind, messages in found.messages.items():
        listed = getattr(written, kind)
        if listed is not None:
            comparison.messages((kind,), listed, messages, found_differences)
        elif whole and messages and "body" not in named:
            found_differences.append(Difference((kind,), ABSENT, messages))
    found_differences += _body_differences(written, found)
    return found_differences


def _expected_outcome(written: TestRecord, named: Sequence[str]) -> str:
    if "refused" in named:
        return f"refused {written.refused}"
    for name in ("filtered", "duplicate"):
        if name in named:
            return name
    messages = {name: getattr(written, name) or [] for name in ("events", "users")}
    return message_counts(messages) if any(messages.values()) else "messages"


def _why(found: FoundRecord) -> str:
    """Return the cause of the outcome: the reason of the refusal, or for each rule the condition that did not hold."""
    if found.refusal is not None:
        return found.refusal.reason
    if found.filtered is not None:
        return "\n".join(f"{rule}: not {failed}" for rule, failed in found.unmatched)
    return ""


class _Comparison:
    def __init__(self, time_zone: str, *, whole: bool) -> None:
        self._time_zone = time_zone
        self._whole = whole

    def messages(
        self, here: KeyPath, listed: Sequence[Any], found: Sequence[dict[str, Any]], found_differences: list[Difference]
    ) -> None:
        if len(listed) != len(found):
            expected = [_named(each) for each in listed]
            found_differences.append(
                Difference(here, expected, list(found), f"expected {len(expected)}, found {len(found)}")
            )
            return
        for place, (expected, message) in enumerate(zip(listed, found, strict=True)):
            self.fields((*here, place), _named(expected), message, found_differences)

    def fields(
        self, here: KeyPath, expected: Mapping[str, Any], found: Mapping[str, Any], found_differences: list[Difference]
    ) -> None:
        for name, value in expected.items():
            actual = found.get(name, ABSENT)
            if name in {"identities", "attributes"} and len(here) == 2:  # noqa: PLR2004 - of a message
                if value is not None or actual is not ABSENT:
                    self.fields((*here, name), value or {}, {} if actual is ABSENT else actual, found_differences)
            elif name == "event_time":
                self._time((*here, name), value, actual, found_differences)
            elif not _is_same(value, actual):
                found_differences.append(
                    Difference((*here, name), ABSENT if value is None else value, actual, _hint(value, actual))
                )
        if self._whole:
            found_differences += [
                Difference((*here, name), ABSENT, self._shown(name, value))
                for name, value in found.items()
                if name not in expected
            ]

    def _time(self, here: KeyPath, expected: Any, found: Any, found_differences: list[Difference]) -> None:
        if found is ABSENT or expected is None or written_unix_ms(expected, self._time_zone) != found:
            shown = iso(found, self._time_zone) if isinstance(expected, str) else found
            found_differences.append(Difference(here, ABSENT if expected is None else expected, shown))

    def _shown(self, name: str, value: Any) -> Any:
        return iso(value, self._time_zone) if name == "event_time" else value


def iso(unix_ms: int, time_zone: str) -> str | int:
    """Return Unix ms as an ISO 8601 time in a zone, with milliseconds unless they are 0.

    A time outside the calendar's range stays a number: a plug-in may return any number.
    """
    if unix_ms >= MOST_MS:
        return unix_ms
    moment = datetime.fromtimestamp(unix_ms // 1000, ZoneInfo(time_zone)).replace(microsecond=unix_ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds" if unix_ms % 1000 else "seconds")


def _named(written: Any) -> dict[str, Any]:
    """Return the keys that the file has. Identity types have the names that the file has."""
    named = {name: getattr(written, name) for name in type(written).model_fields if name in written.model_fields_set}
    if named.get("identities"):
        named["identities"] = {kind.value: value for kind, value in named["identities"].items()}
    return named


def _is_same(expected: Any, found: Any) -> bool:
    if expected is None or found is ABSENT:
        return expected is None and found is ABSENT
    if isinstance(found, list):  # several identities of one type
        return isinstance(expected, list) and [attribute_string(each) for each in expected] == found
    return bool(attribute_string(expected) == found)


def _hint(expected: Any, found: Any) -> str:
    """Return a hint where a number in YAML equals the text that was found: YAML does not keep how the number was written."""
    if not isinstance(expected, int | float) or isinstance(expected, bool) or not isinstance(found, str):
        return ""
    try:
        is_equal = float(found) == expected
    except ValueError:
        return ""
    return "every value is sent as a text: write it in quotes" if is_equal else ""


def _body_differences(written: TestRecord, found: FoundRecord) -> list[Difference]:
    found_differences: list[Difference] = []
    if written.body is None:
        return found_differences
    for kind, name in PLURAL.items():
        if name not in written.body.model_fields_set:
            continue
        expected, here = getattr(written.body, name), ("body", name)
        if isinstance(expected, str):
            text = found.form_body(kind)
            if expected.rstrip("\n") != text:
                found_differences.append(Difference(here, expected, text if found.bodies[name] else ABSENT))
        else:
            _json_differences(
                here, expected or [], [orjson.loads(each) for each in found.bodies[name]], found_differences
            )
    return found_differences


def _json_differences(here: KeyPath, expected: Any, found: Any, found_differences: list[Difference]) -> None:
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in [*expected, *(key for key in found if key not in expected)]:
            _json_differences((*here, key), expected.get(key, ABSENT), found.get(key, ABSENT), found_differences)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for place, (one, other) in enumerate(zip(expected, found, strict=True)):
            _json_differences((*here, place), one, other, found_differences)
    elif type(expected) is not type(found) or expected != found:
        found_differences.append(Difference(here, expected, found))


def body_as_expected(written: TestRecord, found: FoundRecord) -> dict[str, Any]:
    """Return the found calls for a case's `body`: its keys, each as form body text or as a list of messages, as the case has them."""
    if written.body is None:
        return {}
    return {
        name: found.form_body(kind)
        if isinstance(getattr(written.body, name), str)
        else [orjson.loads(each) for each in found.bodies[name]]
        for kind, name in PLURAL.items()
        if name in written.body.model_fields_set
    }
