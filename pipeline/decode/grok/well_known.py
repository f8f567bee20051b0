"""The named patterns that every grok expression may use: files beside this module, in the format of Logstash's pattern files.

A line of a file is a name, a space and a pattern, which may name other patterns. A line that begins with `#` is a comment.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

FILES = ("core.grok", "programs.grok")


@cache
def well_known_patterns() -> Mapping[str, str]:
    """Return the patterns of all files by name. The files are read at the first call."""
    return MappingProxyType({name: pattern for file in FILES for name, pattern in patterns_of(file).items()})


def patterns_of(file: str) -> dict[str, str]:
    """Return the patterns of one of `FILES` by name."""
    text = (files("pipeline.decode.grok") / "patterns" / file).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: pattern for name, _, pattern in (line.partition(" ") for line in lines)}
