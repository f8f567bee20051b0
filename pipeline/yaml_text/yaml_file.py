"""A YAML file as plain values, with the line of every key.

Only a safe part of YAML is accepted: no tags that make objects, no duplicate keys, one document, and a bounded number and size of values after aliases
are expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scalarbool import ScalarBoolean

from pipeline.yaml_text.diagnostics import Diagnostic, Finding, dotted, line_of, without_quotes
from pipeline.yaml_text.yaml_constructor import BoundedConstructor
from pipeline.yaml_text.yaml_errors import explain_syntax_error
from transforms.fault import KeyPath
from transforms.regular_file import read_regular

MOST_DEPTH = 60

EXPANSION = 4
"""How many times as long as its largest file may the texts of a kind of file be, after aliases are expanded."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class FileKind(NamedTuple):
    """A kind of file: its name and content for error messages, and its limits.

    `marks` are keys that only this kind of file has at its top. A file that another file names may be of any kind, and nothing is quoted of it in a fault
    unless it has one of these keys. Without `marks`, a person named the file on the command line. `may_be_pipe`: a shell may give a pipe in its place.
    """

    name: str
    content: str
    most_bytes: int
    most_values: int
    marks: tuple[str, ...] = ()
    may_be_pipe: bool = False


SOURCE_FILE = FileKind("a source file", "one mapping that begins with `source:`", 1 << 20, 50_000, may_be_pipe=True)


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
    try:
        return _parse(path, text, kind)
    except UnreadableYaml as unreadable:
        fault = unreadable.fault
        is_quoted = bool(fault.key) or without_quotes(fault.found) != fault.found
        if not is_quoted or not kind.marks or _begins_a_line(kind.marks, text):
            raise
        raise _unreadable(
            path, fault.line, "", "another kind of file, or YAML that cannot be read", kind.content
        ) from None


def _begins_a_line(marks: Iterable[str], text: str) -> bool:
    return re.search(rf"^['\"]?(?:{'|'.join(marks)})['\"]?[ \t]*:", text, re.MULTILINE) is not None


def _parse(path: Path, text: str, kind: FileKind) -> YamlFile:
    loader = YAML(typ="rt", pure=True)
    loader.Constructor = BoundedConstructor
    loader.allow_duplicate_keys = False
    loader.composer.warn_double_anchors = False  # ruamel.yaml would print lines of the file
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
    read.content = _plain(documents[0], (), read, _Room(kind.most_values, EXPANSION * kind.most_bytes))
    return read


def read_text(path: Path, kind: FileKind) -> str:
    """Return a file's text. Raises `UnreadableYaml` if the file is missing, too large or not UTF-8."""
    try:
        content = _read_bytes(path, kind)
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


def _read_bytes(path: Path, kind: FileKind) -> bytes:
    if kind.may_be_pipe and path.is_fifo():  # such as `log2mq check <(...)` of a shell
        with path.open("rb") as stream:
            return stream.read(kind.most_bytes + 1)
    return read_regular(path, kind.most_bytes + 1)


def reason(error: OSError | ValueError) -> str:
    """Return the reason why a file cannot be opened, in the words of the operating system."""
    return str(error.strerror if isinstance(error, OSError) else error)


@dataclass(slots=True)
class _Room:
    """The values, and the characters of texts, that are still allowed. They count what aliases come to, so that a short file stays a small one."""

    values: int
    characters: int

    def take(self, value: Any) -> bool:
        """Count one value, and return whether there was room for it."""
        self.values -= 1
        self.characters -= len(value) if isinstance(value, str) else 0
        return self.values >= 0 and self.characters >= 0


def _plain(value: Any, location: KeyPath, read: YamlFile, left: _Room) -> Any:
    """Return a copy in plain types, and note the line of each key. Aliases are expanded."""
    if not left.take(value) or len(location) > MOST_DEPTH:
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
