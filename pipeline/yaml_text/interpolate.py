"""Variables in a source file: `${NAME}`, `${NAME:-default}`, and `$${` for a literal `${`.

Variables are replaced after YAML was read, and in text values only. So the value of a variable cannot change the structure of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from transforms.fault import KeyPath

MOST_CHARACTERS = 4 << 20
"""The most characters that the values of all variables of a file may have, each as often as it is named."""

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]{0,100})(?::-([^}]{0,1000}))?\}|\$\{")


def interpolate(content: Any, environment: Mapping[str, str], faults: list[tuple[KeyPath, str, str]]) -> Any:
    """Return the content with its variables replaced. A variable that cannot be replaced is added to `faults` as location, found, expected."""
    return _Interpolation(environment, faults).of(content, ())


class _Interpolation:
    """Replaces the variables of one file, and counts the characters that they come to."""

    def __init__(self, environment: Mapping[str, str], faults: list[tuple[KeyPath, str, str]]) -> None:
        self._environment = environment
        self._faults = faults
        self._left = MOST_CHARACTERS

    def of(self, content: Any, location: KeyPath) -> Any:
        if isinstance(content, dict):
            return {key: self.of(value, (*location, key)) for key, value in content.items()}
        if isinstance(content, list):
            return [self.of(value, (*location, place)) for place, value in enumerate(content)]
        if not isinstance(content, str) or "${" not in content:
            return content
        return _VARIABLE.sub(lambda found: self._value(found, location), content)

    def _value(self, found: re.Match[str], location: KeyPath) -> str:
        value = self._replace(found, location)
        if len(value) <= self._left:
            self._left -= len(value)
            return value
        if self._left >= 0:  # said once
            self._left = -1
            self._faults.append(
                (location, f"found variables of more than {MOST_CHARACTERS:,} characters together", "expected fewer")
            )
        return ""

    def _replace(self, found: re.Match[str], location: KeyPath) -> str:
        if found[0] == "$${":
            return "${"
        name, default = found[1], found[2]
        if name is None:
            self._faults.append(
                (
                    location,
                    "found ${ without a name",
                    "expected ${NAME}, ${NAME:-default}, or $${ for the characters themselves",
                )
            )
            return ""
        value = self._environment.get(name)
        if value is not None and not _is_text(value):
            self._faults.append((location, f"found ${{{name}}}, whose value is no UTF-8 text", "expected text"))
            return ""
        if value is not None and (value or default is None):
            return value
        if default is None:
            self._faults.append(
                (
                    location,
                    f"found ${{{name}}}, a variable that is not set",
                    f"expected {name} in the environment, or ${{{name}:-default}}",
                )
            )
            return ""
        return default


def _is_text(value: str) -> bool:
    """Return whether a variable's value is valid Unicode. Python reads bytes of the environment that are no UTF-8 as half surrogate pairs (PEP 383)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def required_variables(content: Any, location: KeyPath = ()) -> Iterator[tuple[str, KeyPath]]:
    """Yield the variables without a default, each with its location."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from required_variables(value, (*location, key))
    elif isinstance(content, list):
        for place, value in enumerate(content):
            yield from required_variables(value, (*location, place))
    elif isinstance(content, str):
        yield from ((found[1], location) for found in _VARIABLE.finditer(content) if found[1] and found[2] is None)
