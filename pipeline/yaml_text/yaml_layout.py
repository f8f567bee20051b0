"""The offsets of the parts of a YAML text. They come from the marks of ruamel.yaml's nodes, corrected in two cases.

The end mark of a block is after the comments that follow the block. An alias is the node of its anchor, with that node's marks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from transforms.fault import KeyPath

_ALIAS = re.compile(r"\s*:\s*\*[^\s,\[\]{}]+")
_COLON = re.compile(r"\s*:")
_COMMA = re.compile(r"(?:\s|#[^\n]*+)*+,")
_BLANKS = re.compile(r"[ \t]*+(?!#)|")
"""Spaces and tabs, but not the spaces before a comment."""


class NotEditable(Exception):
    """A location cannot be edited alone. Mostly it is written with an anchor or an alias, so that the edit would change another location too.

    `line`, from 1, is the line of the obstacle.
    """

    def __init__(self, node: Node, obstacle: str) -> None:
        self.line = int(node.start_mark.line) + 1
        super().__init__(obstacle)


class Span(NamedTuple):
    """A part of the text: the offsets of its beginning and its end."""

    begin: int
    end: int


class YamlLayout:
    """A text and its nodes. A method raises `NotEditable` if an anchor or an alias makes the offset of a node ambiguous."""

    def __init__(self, text: str) -> None:
        """`text` is one valid document."""
        self.text = text
        self.root: Node = YAML(typ="rt", pure=True).compose(text)
        self._uses: Counter[int] = Counter()
        self._count_uses(self.root)

    @property
    def is_json(self) -> bool:
        """Whether the text is JSON: its root is in braces, and its first key is in double quotes."""
        in_brackets = isinstance(self.root, MappingNode) and self.root.flow_style
        return in_brackets and len(self.root.value) > 0 and self.root.value[0][0].style == '"'

    def at(self, location: KeyPath) -> Node:
        """Return the node at a location. It raises if the node, or one around it, is also at another location."""
        node = self.root
        for step in location:
            inner: Node | None = None
            if isinstance(node, MappingNode):
                inner = next((value for key, value in node.value if key.value == step), None)
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                inner = node.value[step]
            if inner is None or self._uses[id(inner)] > 1:
                raise NotEditable(node if inner is None else inner, "a value that an alias or << puts elsewhere too")
            node = inner
        return node

    def mapping_at(self, location: KeyPath) -> MappingNode:
        """Return the mapping at a location."""
        node = self.at(location)
        if not isinstance(node, MappingNode):
            raise NotEditable(node, "no mapping")
        return node

    def list_at(self, location: KeyPath) -> SequenceNode:
        """Return the list at a location."""
        node = self.at(location)
        if not isinstance(node, SequenceNode):
            raise NotEditable(node, "no list")
        return node

    def require_unshared(self, node: Node) -> None:
        """Raise if the node, or one inside it, is also at another location: then it cannot be removed."""
        for shared in self._shared(node):
            raise NotEditable(shared, "an anchor whose alias stands elsewhere")

    def has_comment(self, node: Node) -> bool:
        """Return whether an empty collection in brackets has a comment inside."""
        return "#" in self.text[self.opening(node) : node.end_mark.index]

    def parts(self, node: Node) -> list[Span]:
        """Return the spans of the pairs of a mapping, or of the elements of a list."""
        if isinstance(node, MappingNode):
            return [Span(key.start_mark.index, self.pair_end(key, value)) for key, value in node.value]
        if any(self._uses[id(each)] > 1 for each in node.value):
            raise NotEditable(node, "a list with an alias among its elements")
        return [Span(each.start_mark.index, self.end(each)) for each in node.value]

    def end(self, node: Node) -> int:
        """Return the offset where the text of a node ends, without the comments after it."""
        begin, end = int(node.start_mark.index), int(node.end_mark.index)
        if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
            text = self.text[begin:end]
            if (
                isinstance(node, ScalarNode)
                and node.style in {"|", ">"}
                and "+" in text.partition("\n")[0].partition("#")[0]
            ):
                return begin + len(text.removesuffix("\n").removesuffix("\r"))  # `+` keeps blank lines at the end
            return begin + len(text.rstrip(" \t\r\n"))
        last = node.value[-1]
        ended = self.pair_end(*last) if isinstance(node, MappingNode) else self.end(last)
        is_alias = isinstance(node, SequenceNode) and self._uses[id(last)] > 1
        if is_alias or not begin <= ended <= end:
            raise NotEditable(node, "a list or mapping with an alias at its end")
        return ended

    def pair_end(self, key: Node, value: Node) -> int:
        """Return the offset where the value of a key ends, or its colon if there is no value."""
        begin = int(key.end_mark.index)
        alias = _ALIAS.match(self.text, begin)
        if alias is not None:
            return alias.end()
        if value.start_mark.index < value.end_mark.index:
            return self.end(value)
        colon = _COLON.match(self.text, begin)  # the mark of a missing value is at the next token, after comments
        return begin if colon is None else colon.end()

    def opening(self, node: Node) -> int:
        """Return the offset of a flow collection's bracket, after its anchor or tag. A pair such as in `[a: 1]` has no bracket: return its beginning."""
        begin = int(node.start_mark.index)
        if self.text[begin] in "&!":
            return self.text.index("{" if isinstance(node, MappingNode) else "[", begin)
        return begin

    def behind_comma(self, offset: int) -> int:
        """Return the offset after the comma that follows; the same offset if no comma follows."""
        found = _COMMA.match(self.text, offset)
        return offset if found is None else found.end()

    def comma_behind(self, offset: int) -> Span:
        """Return the span of the comma that follows, with the spaces after it."""
        end = self.behind_comma(offset)
        return Span(end - 1, self._behind_blanks(end))

    def element_extent(self, part: Span) -> Span:
        """Return the span to remove for an element in brackets: the element with its comma, or its whole lines if nothing else is on them."""
        end = self.behind_comma(part.end)
        begin, next_line = self.line_begin(part.begin), self.next_line(end)
        rest = self.text[end:next_line].strip()
        if not self.text[begin : part.begin].strip() and (not rest or rest.startswith("#")):
            return Span(begin, next_line)
        return Span(part.begin, end if end == part.end else self._behind_blanks(end))

    def indent_of_line_alone(self, part: Span) -> str | None:
        """Return the indent of an element in brackets that has its lines for itself; None for another element."""
        begin, end = self.line_begin(part.begin), self.behind_comma(part.end)
        before, rest = self.text[begin : part.begin], self.text[end : self.next_line(end)]
        return before if not before.strip() and not rest.strip() else None

    def _behind_blanks(self, offset: int) -> int:
        found = _BLANKS.match(self.text, offset)
        return offset if found is None else found.end()

    def column(self, node: Node) -> int:
        """Return the column of a block's keys or dashes."""
        if isinstance(node, MappingNode):
            return int(node.value[0][0].start_mark.column)
        if self.text[node.start_mark.index] != "-":
            raise NotEditable(node, "a list that begins with an anchor or a tag")
        return int(node.start_mark.column)

    def element_line(self, node: Node, place: int) -> int:
        """Return the offset where the line of an element's dash begins. The dash is the last one in the list's column before the element."""
        offset, column = self.line_begin(node.value[place].start_mark.index), self.column(node)
        while self.text[offset + column : offset + column + 1] != "-" or self.text[offset : offset + column].strip():
            if offset <= node.start_mark.index:
                raise NotEditable(node.value[place], "an element that begins on the line of another one")
            offset = self.line_begin(offset - 1)
        return offset

    def comments_end(self, offset: int, column: int) -> int:
        """Return the end of the line of an offset, or of the comments after it that are indented deeper than the column: they belong to it."""
        begin = self.next_line(offset)
        found = re.compile(rf"(?: {{{column + 1},}}#[^\n]*\n?)*").match(self.text, begin)
        return (begin if found is None else found.end()) - 1

    def line_begin(self, offset: int) -> int:
        """Return the offset where the line of an offset begins."""
        return self.text.rfind("\n", 0, max(offset, 0)) + 1

    def line_before(self, begin: int) -> str:
        """Return the text of the line before the one that begins at this offset."""
        return self.text[self.line_begin(begin - 1) : begin]

    def line_end(self, offset: int) -> int:
        """Return the offset where the line of an offset ends, before its line end."""
        found = self.text.find("\n", offset)
        end = len(self.text) if found < 0 else found
        return end - 1 if self.text[:end].endswith("\r") else end

    def next_line(self, offset: int) -> int:
        """Return the offset where the next line after an offset begins."""
        found = self.text.find("\n", offset)
        return len(self.text) if found < 0 else found + 1

    def _count_uses(self, node: Node) -> None:
        self._uses[id(node)] += 1
        if self._uses[id(node)] == 1:
            for inner in _inner(node):
                self._count_uses(inner)

    def _shared(self, node: Node) -> Iterator[Node]:
        if self._uses[id(node)] > 1:
            yield node
        for inner in _inner(node):
            yield from self._shared(inner)


def _inner(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, SequenceNode) else []
