"""Whether lines of text are rows of columns: by which delimiter, and what the columns are called."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from typing import Any

ENOUGH = 0.8
"""Share of the rows that must have the same number of columns."""

_DELIMITERS = {"\t": "tsv", ",": "csv", ";": "csv", "|": "csv"}
_NULL_TEXTS = ("\\N", "NULL", "null")
_LEAST_COLUMNS = 3


def delimited_step(texts: Sequence[str]) -> dict[str, Any] | None:
    """Find the delimiter by which most rows have the same number of columns, and their names in the first row where it has none but names."""
    for delimiter, name in _DELIMITERS.items():
        rows = [row for text in texts if (row := _row(text, delimiter))]
        if not rows:
            continue
        columns, often = Counter(map(len, rows)).most_common(1)[0]
        if columns < _LEAST_COLUMNS or often < len(rows) * ENOUGH:
            continue
        first = rows[0]
        named = len(first) == columns and len(set(first)) == columns and all(_is_a_name(each) for each in first)
        names = [each.strip() for each in first] if named else [f"column_{number}" for number in range(1, columns + 1)]
        step: dict[str, Any] = {"format": name, "columns": names, **_null_text(rows)}
        return step if name == "tsv" or delimiter == "," else {**step, "delimiter": delimiter}
    return None


def _null_text(rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """Find what databases write where there is no value."""
    written = {each for row in rows for each in row}
    return next(({"null_text": each} for each in _NULL_TEXTS if each in written), {})


def _row(text: str, delimiter: str) -> list[str]:
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=delimiter))
    except csv.Error:
        return []
    return rows[0] if len(rows) == 1 else []


def _is_a_name(text: str) -> bool:
    return text.strip().replace("_", "a").replace("-", "a").replace(" ", "a").isidentifier()
