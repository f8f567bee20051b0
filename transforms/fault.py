"""A fault in a mapping, as a value: where it is, what was found, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

KeyPath = tuple[str | int, ...]
"""A place in the source file, such as `("events", 0, "attributes", "title")`."""


class Fault(NamedTuple):
    """One fault."""

    location: KeyPath
    found: str
    expected: str


class Note(NamedTuple):
    """What is allowed but doubtful: where, and a sentence that says what it brings with it."""

    location: KeyPath
    text: str


class MappingFaults(Exception):
    """All faults of a mapping or a plug-in's settings at once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: Sequence[Fault] = tuple(faults)
        super().__init__(
            "; ".join(
                f"{'.'.join(map(str, fault.location))}: {fault.found}; expected {fault.expected}"
                for fault in self.faults
            )
        )


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the known name that is nearest to one that is none, in quotes; or what is said where none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return repr(near[0]) if near else otherwise


class BadExpression(ValueError):
    """An expression that cannot be compiled: `found` and `expected` for a person."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"{found}; expected {expected}")
