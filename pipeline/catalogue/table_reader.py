"""Reading a catalogue from a table: every fault at once, with file, line and column, as in a catalogue file."""

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
"""What may stand between cells: the first line shows which. No column's name has one of them."""

_WORDS_OF: Mapping[str, type[StrEnum]] = {
    "application_type": ApplicationType,
    "origin": Origin,
    "property_type": PropertyType,
    "property_scope": PropertyScope,
}
_OF_CONSOLE = {
    "collected_by_quick_tracking": "quick_tracking",
    "custom_event": "custom",
    "system_default_event": "system",
    "event_property": "event",
    "global_property": "global",
}
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_table(path: Path, charset: str, known: Sequence[Channel] = ()) -> Catalogue:
    """Read a CSV, or cells with tabs or semicolons between.

    Rows may leave out what another row of the same channel or event has, and of `known` channels all but the name.

    Raises:
        UsageError: its message has a line for every fault there is.
    """
    reading = _Reading(path, known)
    text = _read_text(path, charset)
    first_line = text.partition("\n")[0]
    delimiter = next((each for each in DELIMITERS if each in first_line), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = _without_empty_end(next(reader, []))
        reading.header(names)
        for cells in reader if not reading.faults else ():
            reading.row(names, _without_empty_end(cells), reader.line_num)
    except csv.Error as error:
        expected = "expected cells with commas, tabs or semicolons between"
        reading.fault(reader.line_num, "", f"found text that is no CSV ({error})", expected)
    listed = {each["name"] for each in reading.channels if "name" in each}
    others = [each.model_dump(mode="json") for each in known if each.name not in listed]
    content = {"channels": [*reading.channels, *others], "events": reading.events}
    _spread(content)
    if faults := reading.all_faults(content):
        raise UsageError("\n".join(map(str, faults)))
    read = Catalogue.model_validate(content)
    # An origin that the channel says is not written into the file.
    events = [each if each.origin is Origin.SYSTEM else with_fields(each, origin=None) for each in read.events]
    return Catalogue(channels=read.channels[: len(reading.channels)], events=events)


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
    """Give a global property that one event has to all of its channel, as the console does by itself."""
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


def _without_empty_end(cells: Sequence[str]) -> list[str]:
    """Drop the empty cells at the end, which spreadsheets write."""
    texts = [each.strip() for each in cells]
    while texts and not texts[-1]:
        texts.pop()
    return texts


class _Reading:
    """Turns rows into what a catalogue file would hold, and notes the line of each value."""

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
        """Return the faults of the table, and of the catalogue that it makes, each with the line and column that it comes from."""
        faults = {
            Diagnostic(str(self._path), line_of(location, self._lines), _column(location), what, expected)
            for location, what, expected in content_faults(content)
        }
        return sorted(faults.union(self.faults), key=lambda fault: (fault.line, fault.key, fault.found))

    def header(self, names: Sequence[str]) -> None:
        """Take the names of the columns in."""
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
        """Take a row in; one without any text counts for nothing."""
        cells = {name: _meant(name, each) for name, each in zip(names, written, strict=False) if each}
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


def _meant(column: str, written: str) -> str:
    """Return the word of a catalogue file that a word of the console stands for; other texts as they are."""
    if column not in _WORDS_OF:
        return written
    word = re.sub(r"[ _-]+", "_", written.lower())
    word = _OF_CONSOLE.get(word, word)
    return word if word in set(_WORDS_OF[column]) else written


def _column(location: KeyPath) -> str:
    """Return the column of a key of a catalogue file."""
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
