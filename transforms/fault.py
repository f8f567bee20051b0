"""Faults of a mapping, as values: the place, what was found, what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

KeyPath = tuple[str | int, ...]
"""A place in the source file, such as `("events", 0, "attributes", "title")`."""


class MappingFault(NamedTuple):
    """One fault: its place, what was found, and what was expected."""

    location: KeyPath
    found: str
    expected: str


class Note(NamedTuple):
    """A part of a mapping that is allowed but doubtful: its place, and a sentence that states the consequence."""

    location: KeyPath
    text: str


class MappingFaults(Exception):
    """All faults of a mapping or a plug-in's settings at once."""

    def __init__(self, faults: Iterable[MappingFault]) -> None:
        self.faults: Sequence[MappingFault] = tuple(faults)
        super().__init__(
            "; ".join(
                f"{'.'.join(map(str, fault.location))}: {fault.found}; expected {fault.expected}"
                for fault in self.faults
            )
        )


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the known name that is nearest to an unknown one, in quotes; `otherwise` where no name is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return repr(near[0]) if near else otherwise


class BadExpression(ValueError):
    """An expression that cannot be compiled: `found` and `expected` for a person."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"{found}; expected {expected}")
