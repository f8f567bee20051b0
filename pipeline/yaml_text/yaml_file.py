"""A YAML file as plain values, with the line of every key.

Only a safe part of YAML is accepted: no tags that make objects, no duplicate keys, one document, and a bounded number of values after aliases are expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scalarbool import ScalarBoolean

from pipeline.yaml_text.diagnostics import Diagnostic, Finding, dotted, line_of
from pipeline.yaml_text.yaml_errors import explain_syntax_error
from transforms.fault import KeyPath

MOST_DEPTH = 60

_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_LEADING_ZERO = re.compile(r"[-+]?0\d")
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Constructor(RoundTripConstructor):
    """Reads some scalars as text where a typed value would lose a part of the text.

    Every key: `010` and `1.10` are keys of a table, not the numbers 10 and 1.1. Numbers with leading zeros: `007` is a code. Times: YAML 1.2 has no type for
    them, and ruamel.yaml's value has lost the zone.
    """

    def construct_mapping(self, node: MappingNode, maptyp: Any, deep: bool = False) -> Any:  # type: ignore[override]  # noqa: FBT001, FBT002 - the signature of the parent class
        for key, _ in node.value:
            if isinstance(key, ScalarNode) and key.tag != _MERGE:
                key.tag = _TEXT
        return super().construct_mapping(node, maptyp, deep)

    def construct_yaml_int(self, node: ScalarNode) -> Any:
        return self.construct_scalar(node) if _LEADING_ZERO.match(node.value) else super().construct_yaml_int(node)

    def construct_yaml_float(self, node: ScalarNode) -> Any:
        return self.construct_scalar(node) if _LEADING_ZERO.match(node.value) else super().construct_yaml_float(node)


_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.construct_yaml_int)
_Constructor.add_constructor("tag:yaml.org,2002:float", _Constructor.construct_yaml_float)
_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_scalar)


class FileKind(NamedTuple):
    """A kind of file: its name and content for error messages, and its limits."""

    name: str
    content: str
    most_bytes: int
    most_values: int


SOURCE_FILE = FileKind("a source file", "one mapping that begins with `source:`", 1 << 20, 50_000)


class UnreadableYaml(Exception):
    """The file is not valid YAML of its kind. `fault` says where and why."""

    def __init__(self, fault: Diagnostic) -> None:
        self.fault = fault
        super().__init__(str(fault))


@dataclass(slots=True)
class YamlFile:
    """Plain values (dict, list, str, int, float, bool, None), the text they come from, and the line of each key or element by its location."""

    path: Path
    content: Any = None
    text: str = ""
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line_of(self, location: KeyPath) -> int:
        """Return the line of a location, from 1. If it has none, return that of the nearest key around it."""
        return line_of(location, self.lines)

    def placed(self, found: Iterable[Finding]) -> list[Diagnostic]:
        """Return the findings as diagnostics with their lines, in the order of the file and without repetitions."""
        faults = {
            Diagnostic(str(self.path), self.line_of(location), dotted(location), what, expected)
            for location, what, expected in found
        }
        return sorted(faults, key=lambda fault: (fault.line, fault.key, fault.found))


def read_yaml(path: Path, kind: FileKind = SOURCE_FILE) -> YamlFile:
    """Read a file.

    Raises:
        UnreadableYaml: the file is missing, too large, not UTF-8, or no YAML mapping.
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
        line, found, expected = explain_syntax_error(error)
        raise _unreadable(path, line, "", f"YAML that cannot be read ({found})", expected) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _unreadable(path, line, "", f"the character U+{error.character:04X}", "text without it") from None
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
    """Return a file's text. Raises `UnreadableYaml` if the file is missing, too large or not UTF-8."""
    try:
        with path.open("rb") as stream:
            content = stream.read(kind.most_bytes + 1)
    except IsADirectoryError:
        raise _unreadable(path, 0, "", "a folder", kind.name) from None
    except (OSError, ValueError) as error:  # ValueError: the file name has a NUL
        raise _unreadable(path, 0, "", f"a file that cannot be opened ({reason(error)})", kind.name) from None
    if len(content) > kind.most_bytes:
        raise _unreadable(path, 0, "", f"more than {kind.most_bytes >> 20} MiB", f"{kind.name} of a few kilobytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(
            path, content[: error.start].count(b"\n") + 1, "", "bytes that are not UTF-8", "UTF-8 text"
        ) from None


def reason(error: OSError | ValueError) -> str:
    """Return the reason why a file cannot be opened, in the words of the operating system."""
    return str(error.strerror if isinstance(error, OSError) else error)


def _plain(value: Any, location: KeyPath, read: YamlFile, left: list[int]) -> Any:
    """Return a copy in plain types, and note the line of each key.

    Aliases are expanded. `left` counts down the values that are still allowed, so it bounds the size of the expansion.
    """
    left[0] -= 1
    if left[0] < 0 or len(location) > MOST_DEPTH:
        raise _unreadable(
            read.path, read.line_of(location), "", "more values than such a file can need", "fewer aliases or keys"
        )
    if isinstance(value, CommentedMap):
        plain = {}
        for key in value:
            line = value.lc.data.get(key) if value.lc.data else None
            at = line[0] + 1 if line else read.line_of(location)
            if not isinstance(key, str):
                expected = 'a text; a template stands in quotes: "{{ $.order.no }}"'
                raise _unreadable(read.path, at, dotted(location), "a key that is no text", expected)
            here = (*location, str(key))
            read.lines[here] = at
            plain[_text(key, here, location, read)] = _plain(value[key], here, read, left)
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
        return _text(value.value, location, location, read)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, ScalarBoolean):  # a boolean with an anchor: ruamel.yaml makes it a subclass of int
        return bool(value)
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, str):
        return _text(value, location, location, read)
    expected = "a text, a number, true, false, a list or a mapping"
    raise _unreadable(
        read.path, read.line_of(location), dotted(location), "a value of a kind that is none here", expected
    )


def _text(value: str, location: KeyPath, named: KeyPath, read: YamlFile) -> str:
    """Return a plain text. `named` is its location for a fault. An escape can write half a surrogate pair, which no encoding can send; it is refused."""
    text = _joined_surrogates(str(value))
    if _SURROGATE.search(text):
        raise _unreadable(read.path, read.line_of(location), dotted(named), "half of a surrogate pair", "text")
    return text


def _joined_surrogates(text: str) -> str:
    """Return the text with surrogate pairs joined. JSON writes such a character as two escapes, and ruamel.yaml does not join them."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _unreadable(path: Path, line: int, key: str, found: str, expected: str) -> UnreadableYaml:
    return UnreadableYaml(Diagnostic(str(path), line, key, f"found {found}", f"expected {expected}"))
