"""Lookup tables in files of their own: CSV with a header line, or a YAML mapping."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.decode.settings import Charset
from pipeline.yaml_text.diagnostics import Finding, without_quotes
from pipeline.yaml_text.yaml_file import FileKind, UnreadableYaml, read_yaml, reason
from transforms.regular_file import read_regular

MOST_BYTES = 64 << 20
MOST_ROWS = 1_000_000

_DELIMITERS: Mapping[str, str] = MappingProxyType({".csv": ",", ".tsv": "\t"})
_OTHER_DELIMITERS = ",;\t|"
_YAML = (".yaml", ".yml")
_TABLE = FileKind("a table", "one mapping of keys to values", 1 << 20, 50_000)


class TableFile(BaseModel):
    """One lookup table in a file. `key` and `value` name columns of a CSV file; the defaults are the first and the second column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Annotated[
        str,
        Field(
            min_length=1,
            description="The table's file, relative to the source file: "
            "`.csv` or `.tsv` with a header line, of at most 64 MiB and 1,000,000 rows; or `.yaml`, a mapping of at most 1 MiB.",
        ),
    ]
    key: Annotated[
        str | None,
        Field(
            min_length=1,
            description="The name of the column that is looked up.",
            json_schema_extra={"default_text": "the first column"},
        ),
    ] = None
    value: Annotated[
        str | None,
        Field(
            min_length=1,
            description="The name of the column that holds what is found.",
            json_schema_extra={"default_text": "the second column"},
        ),
    ] = None
    charset: Annotated[
        Charset, Field(description="The character set of a CSV file; [decoders](decoders.md) has the same ones.")
    ] = "utf-8"


class _TableFault(Exception):
    """A fault of a table file: its line (0 for the whole file), what was found, and what was expected.

    It quotes nothing of the file. A table may hold identifiers of people, and a wrong path may name any file.
    """

    def __init__(self, line: int, found: str, expected: str) -> None:
        self.line = line
        self.found = found
        self.expected = expected
        super().__init__(found)


def tables_of(content: dict[str, Any], folder: Path, found: list[Finding]) -> dict[str, Any]:
    """Return the tables in the source file and in its table files. A table file with wrong settings is left out; the models report its fault."""
    inline, files = content.get("tables"), content.get("table_files")
    inline = inline if isinstance(inline, dict) else {}
    named = {}
    for name, each in files.items() if isinstance(files, dict) else ():
        with suppress(ValidationError):
            named[name] = TableFile.model_validate(each)
    return {**inline, **read_tables(named, folder, inline, found)}


def read_tables(
    written: Mapping[str, TableFile], folder: Path, inline: Mapping[str, Any], faults: list[Finding]
) -> dict[str, dict[str, Any]]:
    """Return the tables of the table files. Paths are relative to `folder`; `inline` are the tables in the source file. Faults are added to `faults`."""
    tables = {}
    for name, each in written.items():
        if name in inline:
            faults.append(
                (("table_files", name), f"found a second table {name!r}", "expected another name: `tables:` has it too")
            )
        try:
            tables[name] = _read(each, folder / each.file)
        except _TableFault as fault:
            place = f"{each.file}:{fault.line}" if fault.line else each.file
            faults.append(
                (("table_files", name, "file"), f"found {place}: {fault.found}", f"expected {fault.expected}")
            )
    return tables


def _read(table: TableFile, path: Path) -> dict[str, Any]:
    if path.suffix.lower() in _YAML:
        if table.key is not None or table.value is not None:
            raise _TableFault(0, "a YAML file with key or value", "a mapping, whose keys are the table's")
        try:
            return dict(read_yaml(path, _TABLE).content)
        except UnreadableYaml as unreadable:
            _, line, _, found, expected = unreadable.fault
            found = without_quotes(found.removeprefix("found "))
            raise _TableFault(line, found, expected.removeprefix("expected ")) from None
    delimiter = _DELIMITERS.get(path.suffix.lower())
    if delimiter is None:
        raise _TableFault(0, "a file of another kind", "its name to end in .csv, .tsv, .yaml or .yml")
    rows = csv.reader(io.StringIO(_text(path, table.charset), newline=""), delimiter=delimiter, strict=True)
    try:
        return _table_from_rows(table, rows)
    except csv.Error as error:
        raise _TableFault(rows.line_num, f"a row that cannot be read ({error})", "CSV as RFC 4180 has it") from None


def _text(path: Path, charset: str) -> str:
    try:
        content = read_regular(path, MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: the file name has a NUL
        raise _TableFault(0, f"a file that cannot be read ({reason(error)})", "a CSV or YAML file") from None
    if len(content) > MOST_BYTES:
        raise _TableFault(0, f"more than {MOST_BYTES >> 20} MiB", "a smaller table")
    try:
        return content.decode("utf-8-sig" if charset == "utf-8" else charset)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _TableFault(line, f"bytes that are no {charset}", "the charset that the file is written in") from None


def _table_from_rows(table: TableFile, rows: Any) -> dict[str, Any]:
    header: Sequence[str] = next(rows, [])
    key_column, value_column = _column(table.key, 0, header), _column(table.value, 1, header)
    found: dict[str, Any] = {}
    for line, row in _nonempty_rows(rows):
        if len(row) <= max(key_column, value_column) or any(map(str.strip, row[len(header) :])):
            expected = (
                f"as many as the header has, {len(header)}; a text with a delimiter in it stands in double quotes"
            )
            raise _TableFault(line, f"a row of {len(row)} columns", expected)
        key, value = row[key_column].strip(), row[value_column].strip()
        if found.get(key, value) != value:
            raise _TableFault(line, "the key of an earlier line, with another value", "each key once")
        found[key] = value
        if len(found) > MOST_ROWS:
            raise _TableFault(line, f"more than {MOST_ROWS:,} rows", "a smaller table")
    return found


def _nonempty_rows(rows: Any) -> Iterator[tuple[int, list[str]]]:
    for row in rows:
        if row:
            yield rows.line_num, row


def _column(name: str | None, default_column: int, header: Sequence[str]) -> int:
    names = [each.strip() for each in header]
    if len(names) == 1 and any(mark in names[0] for mark in _OTHER_DELIMITERS):
        raise _TableFault(1, "one column", "columns parted by commas in a .csv file, by tabs in a .tsv file")
    if name is None:
        if len(names) <= default_column:
            raise _TableFault(1, f"{len(names)} columns", "a header line with at least two")
        return default_column
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        known = f"the name of one of its {len(names)} columns" if names else "a header line"
        raise _TableFault(1, f"no column {name!r}", f"{near[0]!r}, or {known}" if near else known)
    if names.count(name) > 1:
        raise _TableFault(1, f"{names.count(name)} columns {name!r}", "each name once")
    return names.index(name)
