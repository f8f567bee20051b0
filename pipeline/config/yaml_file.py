"""A YAML file as plain values, with the line of every key: the only importer of ruamel.yaml.

Nothing of YAML's power reaches the job: no tags that make objects, no duplicate keys, one document, and a bounded number of values however aliases repeat them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.config.faults import ConfigFault, Location, line_of

MOST_BYTES = 1 << 20
MOST_VALUES = 50_000
MOST_DEPTH = 60


class UnreadableYaml(Exception):
    """The file is no YAML that a source file may be; `fault` says where and why."""

    def __init__(self, fault: ConfigFault) -> None:
        self.fault = fault
        super().__init__(str(fault))


@dataclass(slots=True)
class YamlFile:
    """Plain values (dict, list, str, int, float, bool, None), and the line of each key or element by its location."""

    path: Path
    content: Any = None
    lines: dict[Location, int] = field(default_factory=dict)

    def line_of(self, location: Location) -> int:
        """Return the line of the nearest key that is there, from 1."""
        return line_of(location, self.lines)


def read_yaml(path: Path) -> YamlFile:
    """Read a file.

    Raises:
        UnreadableYaml: it is missing, too large, not UTF-8, or no YAML mapping.
    """
    text = _read_text(path)
    loader = YAML(typ="rt", pure=True)
    loader.allow_duplicate_keys = False
    try:
        documents = list(loader.load_all(text))
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        key = str(error.problem).partition('"')[2].partition('"')[0]
        raise _unreadable(path, line, key, "the same key a second time", "each key once") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _unreadable(
            path,
            mark.line + 1 if mark else 1,
            "",
            f"YAML that cannot be read ({error.problem or error.context})",
            "YAML 1.2",
        ) from None
    except (YAMLError, ValueError, RecursionError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise _unreadable(path, 1, "", f"YAML that cannot be read ({type(error).__name__})", "YAML 1.2") from None
    if len(documents) != 1 or not isinstance(documents[0], CommentedMap):
        raise _unreadable(
            path,
            1,
            "",
            f"{len(documents)} documents" if len(documents) > 1 else "no mapping",
            "one mapping that begins with `source:`",
        )
    read = YamlFile(path, lines={(): 1})
    read.content = _plain(documents[0], (), read, [0])
    return read


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except IsADirectoryError:
        raise _unreadable(path, 0, "", "a folder", "a source file") from None
    except OSError as error:
        raise _unreadable(path, 0, "", f"a file that cannot be opened ({error.strerror})", "a source file") from None
    if len(content) > MOST_BYTES:
        raise _unreadable(path, 0, "", "more than 1 MiB", "a source file of a few kilobytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(
            path, content[: error.start].count(b"\n") + 1, "", "bytes that are not UTF-8", "UTF-8 text"
        ) from None


def _plain(value: Any, location: Location, read: YamlFile, count: list[int]) -> Any:
    """Copy to plain types, noting lines. Aliases are copied out, so the count bounds what they can grow to."""
    count[0] += 1
    if count[0] > MOST_VALUES or len(location) > MOST_DEPTH:
        raise _unreadable(
            read.path, read.line_of(location), "", "more values than a source file can need", "fewer aliases or keys"
        )
    if isinstance(value, CommentedMap):
        plain = {}
        for key in value:
            name = str(key) if not isinstance(key, bool) else str(key).lower()
            here = (*location, name)
            line = value.lc.data.get(key) if value.lc.data else None
            read.lines[here] = line[0] + 1 if line else read.line_of(location)
            plain[name] = _plain(value[key], here, read, count)
        return plain
    if isinstance(value, CommentedSeq):
        items = []
        for place, each in enumerate(value):
            here = (*location, place)
            line = value.lc.data.get(place) if value.lc.data else None
            read.lines[here] = line[0] + 1 if line else read.line_of(location)
            items.append(_plain(each, here, read, count))
        return items
    if isinstance(value, TaggedScalar):
        return str(value.value)
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if value.__class__.__name__ == "ScalarBoolean":
        return bool(value)
    return str(value)  # dates and the like: as they are written in ISO form


def _unreadable(path: Path, line: int, key: str, found: str, expected: str) -> UnreadableYaml:
    return UnreadableYaml(ConfigFault(str(path), line, key, f"found {found}", f"expected {expected}"))
