"""CSV and TSV (RFC 4180): rows of columns. The source file names the columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from io import StringIO
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.contracts.interfaces import Decoded, Decoder, Fields
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import no_match, text_decoder
from schemas.refusal import Refusal
from transforms.base import Skipped

_BYTE_ORDER_MARK = "\ufeff"  # spreadsheets write it before the header

_HEADER = Skipped("no entry: the columns' names")

_Mark = Annotated[str, Field(min_length=1, max_length=1)]


class CsvOptions(BaseModel):
    """Options of `format: csv`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Annotated[tuple[str | None, ...], Field(min_length=1, max_length=2_000)] = Field(
        description="The names of the columns in their order. `null` (or `~`) leaves a column out."
    )
    delimiter: _Mark = Field(default=",", description="The character between columns.")
    quote: _Mark | None = Field(
        default='"',
        description="The character around values that contain a delimiter or a line end; within such a value it is doubled. `null` means that there is none.",
    )
    escape: _Mark | None = Field(
        default=None, description="The character before a quote within quotes, where the quote is not doubled."
    )
    null_text: str | None = Field(
        default=None, description="The text that means that there is no value, such as `\\N`."
    )
    ragged: bool = Field(
        default=False,
        description="Whether a row may have fewer columns, which are absent, or more columns, which are left out.",
    )

    @model_validator(mode="after")
    def _names_and_marks_differ(self) -> Self:
        names = [name for name in self.columns if name is not None]
        if len(set(names)) != len(names) or not all(names):
            raise ValueError(
                "columns whose names are empty or stand twice; expected each name once, null for one that is left out"
            )
        marks = [mark for mark in (self.delimiter, self.quote, self.escape) if mark is not None]
        if len(set(marks)) != len(marks) or any(mark in "\r\n" for mark in marks):
            raise ValueError(
                "delimiter, quote and escape that are the same or a line end; expected different characters"
            )
        return self


class TsvOptions(CsvOptions):
    """Options of `format: tsv`."""

    delimiter: _Mark = Field(default="\t", description="The character between columns.")
    quote: _Mark | None = Field(
        default=None,
        description="The character around values that contain a delimiter or a line end; within such a value it is doubled. `null` means that there is none.",
    )


def build_csv(options: CsvOptions, limits: DecodeLimits) -> Decoder:
    """Make the decoder. Each row is an entry, except a row that repeats the columns' names. Values are text; a field without text is absent."""
    read_row, with_nulls = _row_reader(options), _null_keeper(options)
    header = ["" if name is None else name for name in options.columns]
    named = [place for place, name in enumerate(header) if name]
    most, too_many = limits.entries, limits.too_many_entries
    broken = no_match(
        "a row cannot be split into columns: a quote is not closed or in a wrong place, or a value is above 128 KiB"
    )
    dialect: dict[str, Any] = {
        "delimiter": options.delimiter,
        "quotechar": options.quote,
        "quoting": csv.QUOTE_MINIMAL if options.quote else csv.QUOTE_NONE,
        "escapechar": options.escape,
        "doublequote": options.escape is None,
        "strict": True,
    }

    def read(text: str) -> Decoded:
        entries: list[Fields | Refusal] = []
        header_seen = False
        try:
            for row in csv.reader(StringIO(with_nulls(text.removeprefix(_BYTE_ORDER_MARK)), newline=""), **dialect):
                if not row:
                    continue
                if len(row) == len(header) and all(row[place] == header[place] for place in named):
                    header_seen = True  # a log shipper sends the file's header too
                    continue
                if len(entries) == most:
                    return too_many
                entries.append(read_row(row))
        except csv.Error:
            entries.append(broken)
        if len(entries) == 1:
            return entries[0]
        return _HEADER if header_seen and not entries else entries

    return text_decoder(read)


def _null_keeper(options: CsvOptions) -> Callable[[str], str]:
    r"""Return the function that escapes a null text such as MySQL's `\N` where it begins with the escape character. Otherwise the reader would return `N`."""
    null, escape = options.null_text, options.escape
    if null is None or escape is None or not null.startswith(escape):
        return lambda text: text
    alone = re.compile(
        rf"(?:\A|(?<=[\r\n{re.escape(options.delimiter)}])){re.escape(null)}(?=[\r\n{re.escape(options.delimiter)}]|\Z)"
    )
    return lambda text: alone.sub(lambda found: escape + found[0], text)


def _row_reader(options: CsvOptions) -> Any:
    count, ragged, null = len(options.columns), options.ragged, options.null_text
    names = tuple((place, name) for place, name in enumerate(options.columns) if name is not None)
    wrong = no_match(f"a row does not have the {count} columns that decode.columns names")

    def read_row(row: list[str]) -> Fields | Refusal:
        if len(row) != count:
            if not ragged:
                return wrong
            row = row + [""] * (count - len(row))
        return {name: text for place, name in names if (text := row[place]) and text != null}

    return read_row
