"""Editing a YAML text in place: what is not edited stays as it is, byte for byte, with its comments, order and quotes.

ruamel.yaml finds where things are and writes what is new. Its own round trip would write the whole file anew: other indents and spaces, and comments
that stand before a deleted element lost.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipeline.config.faults import Location

INDENT = 2


class YamlEditor:
    """Gathers edits of one text, each by the location in the text as it was given; `text` applies them all.

    The caller reads the result again and compares: what aliases and tags repeat cannot be edited in place.
    """

    def __init__(self, text: str) -> None:
        """`text` holds one document whose root is a mapping."""
        self._text = text
        self._root: Node = YAML(typ="rt", pure=True).compose(text)
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._edits: list[tuple[int, int, str]] = []

    @property
    def text(self) -> str:
        """The text with all edits."""
        text = self._text
        # The last first, so that offsets stay right; those at one place in the order in which they were made.
        for _, (begin, end, new) in sorted(
            enumerate(self._edits), key=lambda edit: (edit[1][0], edit[0]), reverse=True
        ):
            text = text[:begin] + new + text[end:]
        return text

    def replace(self, location: Location, value: str) -> None:
        """Put another scalar in the place of one."""
        node = self._node(location)
        self._edits.append((node.start_mark.index, self._end(node), _flow(value)))

    def append(self, location: Location, items: Sequence[Mapping[str, Any]]) -> None:
        """Put elements behind the last one of a list; the list's key is added where it is not there."""
        if not items:
            return
        *way, key = location
        parent = self._node(tuple(way))
        pair = next((pair for pair in parent.value if pair[0].value == key), None)
        if pair is None:
            self._add_key(parent, str(key), items)
        elif not isinstance(pair[1], SequenceNode) or not (pair[1].value or parent.flow_style):
            self._fill(parent, pair[0], pair[1], items)
        elif pair[1].flow_style:
            self._append_in_flow(pair[1], items)
        else:
            self._append_in_block(pair[1], items, short=parent is not self._root)

    def remove(self, location: Location) -> None:
        """Take an element out of a list, with the comments in it and on its lines; those before and behind it stay."""
        *way, place = location
        within = self._node(tuple(way))
        element = within.value[int(place)]
        if within.flow_style:
            following = within.value[int(place) + 1 :]
            end = following[0].start_mark.index if following else self._end(element)
            self._edits.append((element.start_mark.index, end, ""))
            return
        begin, end = self._element_line(within, int(place)), self._line_end(self._end(element))
        before, behind = self._line_before(begin), self._text[end : self._line_end(end)]
        if end < len(self._text) and not before.strip() and not behind.strip():
            end = self._line_end(end)  # of two blank lines one stays
        self._edits.append((begin, end, ""))

    def _node(self, location: Location) -> Any:
        """Return the node there; the caller knows which kind it is."""
        node: Any = self._root
        for step in location:
            node = (
                node.value[step]
                if isinstance(step, int)
                else next(value for key, value in node.value if key.value == step)
            )
        return node

    def _end(self, node: Node) -> int:
        """Return where a node's own text ends: a block's end mark lies behind the comments that follow it."""
        if isinstance(node, MappingNode) and not node.flow_style:
            return max(self._end(part) for pair in node.value for part in pair if self._has_text(part))
        if isinstance(node, SequenceNode) and not node.flow_style:
            return max(self._end(each) for each in node.value)
        end: int = node.end_mark.index
        if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
            return len(self._text[:end].rstrip())
        return end

    @staticmethod
    def _has_text(node: Node) -> bool:
        return bool(node.end_mark.index > node.start_mark.index)

    def _line_end(self, offset: int) -> int:
        """Return the offset behind the line's end."""
        found = self._text.find("\n", offset)
        return len(self._text) if found < 0 else found + 1

    def _line_before(self, begin: int) -> str:
        return self._text[self._text.rfind("\n", 0, max(0, begin - 1)) + 1 : begin] if begin else ""

    def _element_line(self, within: Node, place: int) -> int:
        """Return where the line of an element's dash begins: the last dash in the list's column before the element."""
        offset = self._text.rfind("\n", 0, within.value[place].start_mark.index) + 1
        column = within.start_mark.column
        while offset and (
            self._text[offset + column : offset + column + 1] != "-" or self._text[offset : offset + column].strip()
        ):
            offset = self._text.rfind("\n", 0, offset - 1) + 1
        return offset

    def _insert(self, offset: int, lines: str) -> None:
        """Insert whole lines behind the line of an offset."""
        at = self._line_end(offset)
        missing = "" if self._text[:at].endswith("\n") else self._newline
        self._edits.append((at, at, missing + lines.replace("\n", self._newline)))

    def _add_key(self, parent: MappingNode, key: str, items: Sequence[Mapping[str, Any]]) -> None:
        if parent.flow_style:
            at = self._end(parent.value[-1][1]) if parent.value else parent.start_mark.index + 1
            self._edits.append((at, at, f"{', ' if parent.value else ''}{key}: {_flow_list(items)}"))
            return
        column = parent.start_mark.column
        blank = "\n" if parent is self._root else ""
        lines = _block(items, column + INDENT, short=parent is not self._root)
        self._insert(self._end(parent), f"{blank}{' ' * column}{key}:\n{lines}")

    def _fill(self, parent: MappingNode, key: Node, value: Node, items: Sequence[Mapping[str, Any]]) -> None:
        """Put elements where there is an empty list or nothing."""
        if parent.flow_style:
            end = self._end(value) if self._has_text(value) else self._end(key)
            colon = "" if self._has_text(value) else ": "
            self._edits.append((value.start_mark.index if not colon else end, end, colon + _flow_list(items)))
            return
        if self._has_text(value):
            begin = len(self._text[: value.start_mark.index].rstrip(" "))
            self._edits.append((begin, self._end(value), ""))
        self._insert(self._end(key), _block(items, parent.start_mark.column + INDENT, short=parent is not self._root))

    def _append_in_flow(self, within: Node, items: Sequence[Mapping[str, Any]]) -> None:
        at = self._end(within.value[-1]) if within.value else within.start_mark.index + 1
        self._edits.append((at, at, (", " if within.value else "") + _flow_list(items)[1:-1]))

    def _append_in_block(self, within: Node, items: Sequence[Mapping[str, Any]], *, short: bool) -> None:
        first = self._element_line(within, len(within.value) - 1)
        apart = len(within.value) > 1 and not self._above_comments(first).strip()
        blocks = [_block([each], within.start_mark.column, short=short) for each in items]
        self._insert(self._end(within), "".join(("\n" if apart else "") + block for block in blocks))

    def _above_comments(self, begin: int) -> str:
        """Return the line above those that hold only a comment."""
        line = self._line_before(begin)
        while line.lstrip().startswith("#"):
            begin -= len(line)
            line = self._line_before(begin)
        return line


def _block(items: Sequence[Mapping[str, Any]], column: int, *, short: bool) -> str:
    """Write a list, an element a line where `short`; else a key a line, and what is nested in an element an element a line."""
    lines = _dumped(CommentedSeq([_commented(each, short=short) for each in items])).splitlines()
    least = len(lines[0]) - len(lines[0].lstrip())
    return "".join(f"{' ' * column}{line[least:]}\n" for line in lines)


def _commented(item: Mapping[str, Any], *, short: bool) -> CommentedMap:
    made = CommentedMap()
    for key, value in item.items():
        is_nested = isinstance(value, list) and all(isinstance(each, Mapping) for each in value)
        made[key] = CommentedSeq([_commented(each, short=True) for each in value]) if is_nested else value
    if short:
        made.fa.set_flow_style()
    return made


def _flow(value: Any) -> str:
    """Write a value on one line, in a way that is right in a block too."""
    within = CommentedSeq([value])
    within.fa.set_flow_style()
    return _dumped(within).strip()[1:-1].strip()


def _flow_list(items: Sequence[Mapping[str, Any]]) -> str:
    return f"[{', '.join(map(_flow, items))}]"


def _dumped(value: Any) -> str:
    writer = YAML(typ="rt", pure=True)
    writer.indent(mapping=INDENT, sequence=2 * INDENT, offset=INDENT)
    writer.width = 1 << 20
    stream = io.StringIO()
    writer.dump(value, stream)
    return stream.getvalue()
