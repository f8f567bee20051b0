"""A YAML file as plain values, with the line of every key.

Nothing of YAML's power reaches the job: no tags that make objects, no duplicate keys, one document, and a bounded number of values however aliases repeat them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.config.faults import ConfigFault, Found, Location, dotted, line_of

MOST_DEPTH = 60


class _Constructor(RoundTripConstructor):
    """Times stay the text they are written as: YAML 1.2 knows no times, and what ruamel.yaml makes of one has lost its zone."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_scalar)


class FileKind(NamedTuple):
    """What a file is to be, for its errors, and how much it may hold."""

    name: str
    content: str
    most_bytes: int
    most_values: int


SOURCE_FILE = FileKind("a source file", "one mapping that begins with `source:`", 1 << 20, 50_000)


class UnreadableYaml(Exception):
    """The file is no YAML that a source file may be; `fault` says where and why."""

    def __init__(self, fault: ConfigFault) -> None:
        self.fault = fault
        super().__init__(str(fault))


@dataclass(slots=True)
class YamlFile:
    """Plain values (dict, list, str, int, float, bool, None), the text they come from, and the line of each key or element by its location."""

    path: Path
    content: Any = None
    text: str = ""
    lines: dict[Location, int] = field(default_factory=dict)

    def line_of(self, location: Location) -> int:
        """Return the line of the nearest key that is there, from 1."""
        return line_of(location, self.lines)

    def placed(self, found: Iterable[Found]) -> list[ConfigFault]:
        """Give each fault its line, in the file's order; the same place is not named twice for the same thing."""
        faults = {
            ConfigFault(str(self.path), self.line_of(location), dotted(location), what, expected)
            for location, what, expected in found
        }
        return sorted(faults, key=lambda fault: (fault.line, fault.key, fault.found))


def read_yaml(path: Path, kind: FileKind = SOURCE_FILE) -> YamlFile:
    """Read a file.

    Raises:
        UnreadableYaml: it is missing, too large, not UTF-8, or no YAML mapping.
    """
    return parse_yaml(path, read_text(path, kind), kind)


def parse_yaml(path: Path, text: str, kind: FileKind = SOURCE_FILE) -> YamlFile:
    """Read the text of a file. Raises as `read_yaml` does."""
    loader = YAML(typ="rt", pure=True)
    loader.Constructor = _Constructor
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
            kind.content,
        )
    read = YamlFile(path, text=text, lines={(): 1})
    read.content = _plain(documents[0], (), read, [kind.most_values])
    return read


def read_text(path: Path, kind: FileKind) -> str:
    """Return a file's text. Raises `UnreadableYaml` where it is missing, too large or not UTF-8."""
    try:
        with path.open("rb") as stream:
            content = stream.read(kind.most_bytes + 1)
    except IsADirectoryError:
        raise _unreadable(path, 0, "", "a folder", kind.name) from None
    except OSError as error:
        raise _unreadable(path, 0, "", f"a file that cannot be opened ({error.strerror})", kind.name) from None
    if len(content) > kind.most_bytes:
        raise _unreadable(path, 0, "", f"more than {kind.most_bytes >> 20} MiB", f"{kind.name} of a few kilobytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(
            path, content[: error.start].count(b"\n") + 1, "", "bytes that are not UTF-8", "UTF-8 text"
        ) from None


def _plain(value: Any, location: Location, read: YamlFile, left: list[int]) -> Any:
    """Copy to plain types, noting lines. Aliases are copied out, so what is `left` of the values allowed bounds what they can grow to."""
    left[0] -= 1
    if left[0] < 0 or len(location) > MOST_DEPTH:
        raise _unreadable(
            read.path, read.line_of(location), "", "more values than such a file can need", "fewer aliases or keys"
        )
    if isinstance(value, CommentedMap):
        plain = {}
        for key in value:
            name = str(key) if not isinstance(key, bool) else str(key).lower()
            here = (*location, name)
            line = value.lc.data.get(key) if value.lc.data else None
            read.lines[here] = line[0] + 1 if line else read.line_of(location)
            plain[name] = _plain(value[key], here, read, left)
        return plain
    if isinstance(value, CommentedSeq):
        items = []
        for place, each in enumerate(value):
            here = (*location, place)
            line = value.lc.data.get(place) if value.lc.data else None
            read.lines[here] = line[0] + 1 if line else read.line_of(location)
            items.append(_plain(each, here, read, left))
        return items
    if isinstance(value, TaggedScalar):
        return str(value.value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _whole(str(value))
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    if value.__class__.__name__ == "ScalarBoolean":
        return bool(value)
    return str(value)  # dates and the like: as they are written in ISO form


def _whole(text: str) -> str:
    """Put the halves of a character together, which JSON writes as two escapes; ruamel.yaml leaves them apart."""
    if text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _unreadable(path: Path, line: int, key: str, found: str, expected: str) -> UnreadableYaml:
    return UnreadableYaml(ConfigFault(str(path), line, key, f"found {found}", f"expected {expected}"))
