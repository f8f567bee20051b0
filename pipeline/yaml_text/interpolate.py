"""Variables in a source file: `${NAME}`, `${NAME:-default}`, and `$${` for a literal `${`.

Variables are replaced after YAML was read, and in text values only. So the value of a variable cannot change the structure of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from transforms.fault import KeyPath

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]{0,100})(?::-([^}]{0,1000}))?\}|\$\{")


def interpolate(
    content: Any, environment: Mapping[str, str], faults: list[tuple[KeyPath, str, str]], location: KeyPath = ()
) -> Any:
    """Return the content with its variables replaced. A variable that cannot be replaced is added to `faults` as location, found, expected."""
    if isinstance(content, dict):
        return {key: interpolate(value, environment, faults, (*location, key)) for key, value in content.items()}
    if isinstance(content, list):
        return [interpolate(value, environment, faults, (*location, place)) for place, value in enumerate(content)]
    if not isinstance(content, str) or "${" not in content:
        return content

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        name, default = found[1], found[2]
        if name is None:
            faults.append(
                (
                    location,
                    "found ${ without a name",
                    "expected ${NAME}, ${NAME:-default}, or $${ for the characters themselves",
                )
            )
            return ""
        value = environment.get(name)
        if value is not None and not _is_text(value):
            faults.append((location, f"found ${{{name}}}, whose value is no UTF-8 text", "expected text"))
            return ""
        if value is not None and (value or default is None):
            return value
        if default is None:
            faults.append(
                (
                    location,
                    f"found ${{{name}}}, a variable that is not set",
                    f"expected {name} in the environment, or ${{{name}:-default}}",
                )
            )
            return ""
        return default

    return _VARIABLE.sub(replace, content)


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
