"""Reads a catalogue from a table. It reports every fault at once, with file, line and column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.catalogue.edits import with_fields
from pipeline.catalogue.file import content_faults
from pipeline.catalogue.rules import did_you_mean
from pipeline.catalogue.table import CHANNEL_COLUMNS, COLUMNS, EVENT_COLUMNS, PROPERTY_COLUMNS
from pipeline.errors import UsageError
from pipeline.yaml_text.diagnostics import Diagnostic, line_of, shown
from schemas.catalogue import ApplicationType, Catalogue, Channel, Origin, PropertyScope, PropertyType
from transforms.fault import KeyPath

MOST_BYTES = 16 << 20

DELIMITERS = (",", "\t", ";")
"""The possible delimiters. The first line shows which one a file has, since no column name contains one."""

_ENUM_COLUMNS: Mapping[str, type[StrEnum]] = {
    "application_type": ApplicationType,
    "origin": Origin,
    "property_type": PropertyType,
    "property_scope": PropertyScope,
}
_CONSOLE_WORDS = {
    "collected_by_quick_tracking": "quick_tracking",
    "custom_event": "custom",
    "system_default_event": "system",
    "event_property": "event",
    "global_property": "global",
}
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_table(path: Path, charset: str, known: Sequence[Channel] = ()) -> Catalogue:
    """Read a table with commas, tabs or semicolons between its cells.

    A row may leave out values that another row of the same channel or event has. A row of a `known` channel needs only its name.

    Raises:
        UsageError: its message has a line for every fault there is.
    """
    parser = _TableParser(path, known)
    text = _read_text(path, charset)
    first_line = text.partition("\n")[0]
    delimiter = next((each for each in DELIMITERS if each in first_line), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = _without_trailing_blanks(next(reader, []))
        parser.header(names)
        for cells in reader if not parser.faults else ():
            parser.row(names, _without_trailing_blanks(cells), reader.line_num)
    except csv.Error as error:
        expected = "expected cells with commas, tabs or semicolons between"
        parser.fault(reader.line_num, "", f"found text that is no CSV ({error})", expected)
    listed = {each["name"] for each in parser.channels if "name" in each}
    others = [each.model_dump(mode="json") for each in known if each.name not in listed]
    content = {"channels": [*parser.channels, *others], "events": parser.events}
    _spread(content)
    if faults := parser.all_faults(content):
        raise UsageError(*map(str, faults))
    read = Catalogue.model_validate(content)
    # An origin that follows from the channel is not written into the file.
    events = [each if each.origin is Origin.SYSTEM else with_fields(each, origin=None) for each in read.events]
    return Catalogue(channels=read.channels[: len(parser.channels)], events=events)


def _read_text(path: Path, charset: str) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UsageError(f"{path}: found more than {MOST_BYTES >> 20} MiB; expected a table of events")
        return content.decode(charset).removeprefix("\ufeff")
    except OSError as error:
        raise UsageError(f"{path}: found a file that cannot be opened ({error.strerror}); expected a CSV") from None
    except UnicodeDecodeError:
        raise UsageError(
            f"{path}: found bytes that are not {charset}; expected that, or another --charset: Excel saves gb18030 in China, and utf-16 as Unicode text"
        ) from None


def _spread(content: Mapping[str, list[dict[str, Any]]]) -> None:
    """Add the global properties of each event to all events of its channel, as the console does."""
    tracked = {each.get("name") for each in content["channels"] if each.get("quick_tracking") is True}
    events = [each for each in content["events"] if each.get("channel") in tracked]
    shared: dict[tuple[str, str], dict[str, Any]] = {}
    for event in events:
        for one in event["properties"]:
            if one.get("scope") == PropertyScope.GLOBAL and "id" in one:
                shared.setdefault((event["channel"], one["id"]), one)
    for event in events:
        there = {one.get("id") for one in event["properties"]}
        event["properties"] += [
            one for (name, key), one in shared.items() if name == event["channel"] and key not in there
        ]


def _without_trailing_blanks(cells: Sequence[str]) -> list[str]:
    """Return the cells without the empty ones at the end, which spreadsheets write."""
    texts = [each.strip() for each in cells]
    while texts and not texts[-1]:
        texts.pop()
    return texts


class _TableParser:
    """Converts rows to the content of a catalogue file, and notes the line of each value."""

    def __init__(self, path: Path, known: Sequence[Channel]) -> None:
        self._path = path
        self._known = {each.name: each.model_dump(mode="json") for each in known}
        self._event_places: dict[str, KeyPath] = {}
        self._channel_places: dict[str, KeyPath] = {}
        self._lines: dict[KeyPath, int] = {(): 1}
        self.channels: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.faults: list[Diagnostic] = []

    def fault(self, line: int, column: str, found: str, expected: str) -> None:
        """Note a fault of the table itself."""
        self.faults.append(Diagnostic(str(self._path), line, column, found, expected))

    def all_faults(self, content: Any) -> list[Diagnostic]:
        """Return the faults of the table and of the resulting catalogue, each with its line and column."""
        faults = {
            Diagnostic(str(self._path), line_of(location, self._lines), _column(location), what, expected)
            for location, what, expected in content_faults(content)
        }
        return sorted(faults.union(self.faults), key=lambda fault: (fault.line, fault.key, fault.found))

    def header(self, names: Sequence[str]) -> None:
        """Check the names of the columns."""
        for name in dict.fromkeys(names):
            if not name:
                self.fault(1, "", "found a column without a name", f"expected some of {', '.join(COLUMNS)}")
            elif name not in COLUMNS:
                expected = did_you_mean(name, COLUMNS).strip(" ()") or f"expected some of {', '.join(COLUMNS)}"
                self.fault(1, name, "found an unknown column", expected)
            elif names.count(name) > 1:
                self.fault(1, name, "found a column a second time", "expected each once")
        if "channel" not in names:
            self.fault(1, "", "found no column `channel`", "expected the channel of each event")

    def row(self, names: Sequence[str], written: Sequence[str], line: int) -> None:
        """Read a row. A row without any text is ignored."""
        cells = {name: _file_word(name, each) for name, each in zip(names, written, strict=False) if each}
        if len(written) > len(names):
            self.fault(line, "", f"found {len(written)} cells", f"expected {len(names)}, as many as there are columns")
        elif cells:
            if cells.get("origin") != Origin.SYSTEM:
                self._channel(cells, line)
            self._event(cells, line)

    def _channel(self, cells: Mapping[str, str], line: int) -> None:
        stated, name = _values(cells, CHANNEL_COLUMNS), cells.get("channel", "")
        here = self._channel_places.get(name)
        if here is not None:
            self._must_agree(self.channels[int(here[1])], stated, here, line)
        elif stated.keys() > {"name"} or "event_code" not in cells:
            here = self._channel_places[name] = ("channels", len(self.channels))
            self.channels.append({**self._known.get(name, {}), **stated})
            self._note(here, stated, line)

    def _event(self, cells: Mapping[str, str], line: int) -> None:
        stated, one = _values(cells, EVENT_COLUMNS), _values(cells, PROPERTY_COLUMNS)
        if not stated and not one:
            return
        if "channel" in cells:
            stated["channel"] = cells["channel"]
        here = self._event_places.get(cells.get("event_code", ""))
        if here is None:
            here = self._event_places[cells.get("event_code", "")] = ("events", len(self.events))
            self.events.append({**stated, "properties": []})
            self._note(here, stated, line)
        else:
            self._must_agree(self.events[int(here[1])], stated, here, line)
        if one:
            properties = self.events[int(here[1])]["properties"]
            properties.append(one)
            self._note((*here, "properties", len(properties) - 1), one, line)

    def _must_agree(self, before: dict[str, Any], stated: Mapping[str, Any], here: KeyPath, line: int) -> None:
        for key, value in stated.items():
            if before.get(key) is None:
                before[key] = value
                self._note(here, {key: value}, line)
            elif before[key] != value:
                expected = f"expected {shown((), before[key])}, as an earlier row of the same {'channel' if here[0] == 'channels' else 'event'} has"
                self.fault(line, _column((*here, key)), f"found {shown((), value)}", expected)

    def _note(self, here: KeyPath, stated: Mapping[str, Any], line: int) -> None:
        self._lines.setdefault(here, line)
        self._lines |= {(*here, key): line for key in stated}


def _values(cells: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {key: cells[column] for column, key in columns.items() if column in cells}
    if "quick_tracking" in values:
        values["quick_tracking"] = _BOOLEANS.get(values["quick_tracking"].lower(), values["quick_tracking"])
    return values


def _file_word(column: str, written: str) -> str:
    """Return the catalogue file's word for a word of the console. Another text is returned as it is."""
    if column not in _ENUM_COLUMNS:
        return written
    word = re.sub(r"[ _-]+", "_", written.lower())
    word = _CONSOLE_WORDS.get(word, word)
    return word if word in set(_ENUM_COLUMNS[column]) else written


def _column(location: KeyPath) -> str:
    """Return the column of a catalogue file's key; "" if no column has it."""
    match location:
        case ("channels", _, key):
            columns = CHANNEL_COLUMNS
        case ("events", _, "channel"):
            return "channel"
        case ("events", _, "properties", _, key):
            columns = PROPERTY_COLUMNS
        case ("events", _, "properties", *_):
            return "property_id"
        case ("events", _, key):
            columns = EVENT_COLUMNS
        case _:
            return ""
    return next(column for column, each in columns.items() if each == key)
