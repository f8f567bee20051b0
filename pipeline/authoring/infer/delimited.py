"""Recognises rows of columns: finds the delimiter and the names of the columns."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

ENOUGH = 0.8
"""The share of the rows that must have the same number of columns."""

_DELIMITERS = {"\t": "tsv", ",": "csv", ";": "csv", "|": "csv"}
_NULL_TEXTS = ("\\N", "NULL", "null")
_LEAST_COLUMNS = 2
_BYTE_ORDER_MARK = "\ufeff"
_NAME = re.compile(r"\s*[^\W\d][\w ./()\uff08\uff09#%\-]{0,60}\s*")
"""One or more words in any script: `order_no`, `金额(元)`."""


def delimited_step(texts: Sequence[str]) -> dict[str, Any] | None:
    """Return the step for the delimiter with which most rows have the same number of columns; None if there is none.

    The columns are named after the first row if that row is a header.
    """
    for delimiter, name in _DELIMITERS.items():
        rows = [row for text in texts if (row := _row(text.removeprefix(_BYTE_ORDER_MARK), delimiter))]
        if not rows:
            continue
        columns, often = Counter(map(len, rows)).most_common(1)[0]
        if columns < _LEAST_COLUMNS or often < len(rows) * ENOUGH:
            continue
        first, *others = (row for row in rows if len(row) == columns)
        named = _is_header(first, [row for row in others if row != first])
        if columns == _LEAST_COLUMNS and not (named and others and all(name.isidentifier() for name in first)):
            continue  # a sentence may have one comma
        names = [each.strip() for each in first] if named else [column_name(number) for number in range(1, columns + 1)]
        step: dict[str, Any] = {"format": name, "columns": names, **_null_text(rows)}
        return step if name == "tsv" or delimiter == "," else {**step, "delimiter": delimiter}
    return None


def column_name(number: int) -> str:
    """Return a name for a column without one. Numbers begin at 1."""
    return f"column_{number}"


def _null_text(rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the key `null_text` if the rows have a text that databases write for null."""
    written = {each for row in rows for each in row}
    return next(({"null_text": each} for each in _NULL_TEXTS if each in written), {})


def _row(text: str, delimiter: str) -> list[str]:
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=delimiter))
    except csv.Error:
        return []
    return rows[0] if len(rows) == 1 else []


def _is_header(row: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether a row is a header: it has only names, each once, and no row below repeats a name in its column."""
    if len(set(row)) < len(row) or not all(map(_NAME.fullmatch, row)):
        return False
    return not any(name in {other[place] for other in others} for place, name in enumerate(row))
