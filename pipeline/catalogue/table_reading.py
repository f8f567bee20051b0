"""Reading a catalogue from a table: every fault at once, with file, line and column, as in a catalogue file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.catalogue.catalogue_file import catalogue_faults
from pipeline.catalogue.rules import did_you_mean
from pipeline.catalogue.table import CHANNEL_COLUMNS, COLUMNS, EVENT_COLUMNS, PROPERTY_COLUMNS
from pipeline.config.faults import ConfigFault, Location, shown
from pipeline.config.yaml_file import YamlFile
from pipeline.errors import UsageError
from schemas.catalogue import Catalogue, Channel, Origin

MOST_BYTES = 16 << 20

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_table(path: Path, charset: str, known: Sequence[Channel] = ()) -> Catalogue:
    """Read a CSV. Rows may leave out what an earlier row of the same channel or event has; of `known` channels they need the name only.

    Raises:
        UsageError: its message has a line for every fault there is.
    """
    reading = _Reading(path)
    reader = csv.reader(io.StringIO(_read_text(path, charset), newline=""), strict=True)
    try:
        names = [each.strip() for each in next(reader, [])]
        reading.header(names)
        for cells in reader:
            reading.row(names, cells, reader.line_num)
    except csv.Error as error:
        reading.fault(reader.line_num, "", f"found text that is no CSV ({error})", "expected cells with commas between")
    own = len(reading.channels)
    content = {"channels": reading.channels, "events": reading.events}
    content["channels"] += [each.model_dump(mode="json") for each in known if each.name not in reading.channel_places]
    faults = reading.faults or catalogue_faults(YamlFile(path, content, lines=reading.lines))
    if faults:
        raise UsageError("\n".join(map(str, faults)))
    read = Catalogue.model_validate(content)
    return Catalogue(channels=read.channels[:own], events=read.events)


def _read_text(path: Path, charset: str) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UsageError(f"{path}: found more than {MOST_BYTES >> 20} MiB; expected a table of events")
        return content.decode(charset)
    except OSError as error:
        raise UsageError(f"{path}: found a file that cannot be opened ({error.strerror}); expected a CSV") from None
    except UnicodeDecodeError:
        raise UsageError(
            f"{path}: found bytes that are not {charset}; expected that, or another --charset, such as gb18030 for what Excel saves in China"
        ) from None


class _Reading:
    """Turns rows into what a catalogue file would hold, and notes the line of each value."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._event_places: dict[str, Location] = {}
        self.channel_places: dict[str, Location] = {}
        self.channels: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.lines: dict[Location, int] = {(): 1}
        self.faults: list[ConfigFault] = []

    def fault(self, line: int, key: str, found: str, expected: str) -> None:
        """Note a fault of the table itself."""
        self.faults.append(ConfigFault(str(self._path), line, key, found, expected))

    def header(self, names: Sequence[str]) -> None:
        """Take the names of the columns in."""
        for name in names:
            if name not in COLUMNS:
                expected = did_you_mean(name, COLUMNS).strip(" ()") or f"expected some of {', '.join(COLUMNS)}"
                self.fault(1, name, "found an unknown column", expected)
            elif names.count(name) > 1:
                self.fault(1, name, "found a column a second time", "expected each once")
        if "channel" not in names:
            self.fault(1, "", "found no column `channel`", "expected the channel of each event")

    def row(self, names: Sequence[str], written: Sequence[str], line: int) -> None:
        """Take a row in; one without any text counts for nothing."""
        cells = {name: each.strip() for name, each in zip(names, written, strict=False) if each.strip()}
        if len(written) > len(names):
            self.fault(line, "", f"found {len(written)} cells", f"expected {len(names)}, as many as there are columns")
        elif cells:
            if cells.get("origin") != Origin.SYSTEM:
                self._channel(cells, line)
            self._event(cells, line)

    def _channel(self, cells: Mapping[str, str], line: int) -> None:
        said, name = _values(cells, CHANNEL_COLUMNS), cells.get("channel", "")
        here = self.channel_places.get(name)
        if here is not None:
            self._must_agree(self.channels[int(here[1])], said, line)
        elif said.keys() > {"name"} or "event_code" not in cells:
            here = self.channel_places[name] = ("channels", len(self.channels))
            self.channels.append(said)
            self._note(here, said, line)

    def _event(self, cells: Mapping[str, str], line: int) -> None:
        said, one = _values(cells, EVENT_COLUMNS), _values(cells, PROPERTY_COLUMNS)
        if not said and not one:
            return
        if "channel" in cells:
            said["channel"] = cells["channel"]
        here = self._event_places.get(cells.get("event_code", ""))
        if here is None:
            here = self._event_places[cells.get("event_code", "")] = ("events", len(self.events))
            self.events.append({**said, "properties": []})
            self._note(here, said, line)
        else:
            self._must_agree(self.events[int(here[1])], said, line)
        if one:
            properties = self.events[int(here[1])]["properties"]
            properties.append(one)
            self._note((*here, "properties", len(properties) - 1), one, line)

    def _must_agree(self, before: Mapping[str, Any], said: Mapping[str, Any], line: int) -> None:
        for key, value in said.items():
            if before.get(key) != value:
                found = f"found {shown((key,), value)}"
                self.fault(
                    line, key, found, f"expected {shown((key,), before.get(key))}, as in an earlier row of the same"
                )

    def _note(self, here: Location, said: Mapping[str, Any], line: int) -> None:
        self.lines |= {here: line, **{(*here, key): line for key in said}}


def _values(cells: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {key: cells[column] for column, key in columns.items() if column in cells}
    if "quick_tracking" in values:
        values["quick_tracking"] = _BOOLEANS.get(values["quick_tracking"].lower(), values["quick_tracking"])
    return values
