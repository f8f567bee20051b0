"""Editing a YAML text in place: what is not edited stays as it is, byte for byte, with its comments, order and quotes.

ruamel.yaml finds where things are. Its own round trip would write the whole file anew: other indents and spaces, and comments that stand before a
deleted element lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipeline.yaml_text.yaml_layout import NotEditable, Span, YamlLayout
from pipeline.yaml_text.yaml_writer import block_lines, element_lines, flow_text, json_text, scalar_text
from transforms.fault import KeyPath


class _Edit(NamedTuple):
    """What is put in place of a part of the text. At one place what is inserted comes first, of that what is nested deeper."""

    begin: int
    end: int
    outwards: int
    new: str


@dataclass(slots=True)
class _FlowChange:
    """What is taken out of a collection in brackets, and what is put at its end."""

    node: Node
    parts: Sequence[Span]
    depth: int
    removed: set[int] = field(default_factory=set)
    added: list[str] = field(default_factory=list)


class YamlEditor:
    """Gathers edits of one text, each by the location in the text as it was given; `text` applies them all.

    Every method raises `NotEditable` where the location is not there, where it is written with an anchor or an alias, so that an edit would
    change another place too.
    """

    def __init__(self, text: str) -> None:
        """`text` is one document that can be read, whose root is a mapping."""
        self._layout = YamlLayout(text)
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._flow_text = json_text if self._layout.is_json else flow_text
        self._edits: list[_Edit] = []
        self._flow_changes: dict[int, _FlowChange] = {}

    @property
    def text(self) -> str:
        """The text with all edits. Raises `ValueError` where two of them meet, which is the caller's mistake."""
        edits = [*self._edits, *(edit for each in self._flow_changes.values() for edit in self._flow_edits(each))]
        pieces, place = [], 0
        for edit in sorted(edits, key=lambda edit: edit[:3]):
            if edit.begin < place:
                raise ValueError("two edits meet")
            pieces += [self._layout.text[place : edit.begin], edit.new]
            place = edit.end
        return "".join([*pieces, self._layout.text[place:]])

    def replace(self, location: KeyPath, value: Any) -> None:
        """Put a scalar in the place of one; a text in quotes stays in such."""
        node = self._layout.at(location)
        begin, end = node.start_mark.index, self._layout.end(node)
        if end == begin:
            raise NotEditable(node, "nothing")
        quote = node.style if isinstance(node, ScalarNode) else None
        self._edit(begin, end, json_text(value) if self._layout.is_json else scalar_text(value, quote), location)

    def rewrite(self, location: KeyPath, removed: Collection[str], added: Mapping[str, Any]) -> None:
        """Take keys out of a mapping, and put others, at least one, where the first of them was; at its end if none is taken out, or in brackets."""
        node = self._layout.mapping_at(location)
        places = [place for place, (key, _) in enumerate(node.value) if key.value in removed]
        for place in places:
            self._layout.must_be_alone(node.value[place][1])
        if node.flow_style:
            change = self._flow_change(node, location)
            change.removed.update(places)
            change.added.append(self._flow_text(added)[1:-1])
        elif places:
            self._exchange_lines(node, places, added, location)
        else:
            lines = block_lines(added)
            self._insert(self._layout.end(node), lines, self._layout.column(node), location)

    def append(self, location: KeyPath, items: Sequence[Any]) -> None:
        """Put elements behind the last one of a list, once; the list's key is added where it is not there."""
        if not items:
            return
        *way, name = location
        parent = self._layout.mapping_at(tuple(way))
        pair = next((pair for pair in parent.value if pair[0].value == name), None)
        if pair is None:
            self._add_list(parent, str(name), items, location)
            return
        within = self._layout.at(location)
        in_brackets = isinstance(within, SequenceNode) and within.flow_style
        if in_brackets and (within.value or parent.flow_style or self._layout.has_comment(within)):
            self._flow_change(within, location).added += map(self._flow_text, items)
        elif isinstance(within, SequenceNode) and within.value:
            self._append_lines(within, items, location)
        else:
            self._fill(parent, pair, items, location)

    def remove(self, location: KeyPath) -> None:
        """Take an element out of a list, with the comments in it and on its lines; those before and behind it stay."""
        *way, place = location
        layout, element = self._layout, self._layout.at(location)
        layout.must_be_alone(element)
        within = layout.list_at(tuple(way))
        if within.flow_style:
            self._flow_change(within, location[:-1]).removed.add(int(place))
            return
        begin, end = layout.element_line(within, int(place)), layout.next_line(layout.end(element))
        before, behind = layout.line_before(begin), layout.text[end : layout.next_line(end)]
        if end < len(layout.text) and not before.strip() and not behind.strip():
            begin -= len(before)  # of two blank lines one stays
        self._edit(begin, end, "", location)

    def _edit(self, begin: int, end: int, new: str, location: KeyPath) -> None:
        self._edits.append(_Edit(begin, end, -len(location), new))

    def _insert(self, offset: int, lines: Sequence[str], column: int, location: KeyPath) -> None:
        """Insert whole lines behind the line of an offset."""
        at = self._layout.next_line(offset)
        missing = "" if self._layout.text[:at].endswith("\n") else self._newline
        written = [f"{' ' * column}{line}{self._newline}" if line else self._newline for line in lines]
        self._edit(at, at, missing + "".join(written), location)

    def _exchange_lines(
        self, node: MappingNode, places: Sequence[int], added: Mapping[str, Any], location: KeyPath
    ) -> None:
        layout, parts = self._layout, self._layout.parts(node)
        text = f"{self._newline}{' ' * layout.column(node)}".join(block_lines(added))
        first, *others = (parts[place] for place in places)
        self._edit(first.begin, layout.line_end(first.end), text, location)
        for each in others:
            self._edit(layout.line_begin(each.begin), layout.next_line(each.end), "", location)

    def _add_list(self, parent: MappingNode, name: str, items: Sequence[Any], location: KeyPath) -> None:
        if parent.flow_style:
            change = self._flow_change(parent, location[:-1])
            change.added.append(self._flow_text({name: list(items)})[1:-1])
            return
        lines = [f"{scalar_text(name)}:", *(f"  {line}" for line in _list_lines(items, location))]
        apart = [""] if parent is self._layout.root else []
        self._insert(self._layout.end(parent), [*apart, *lines], self._layout.column(parent), location)

    def _fill(self, parent: MappingNode, pair: tuple[Node, Node], items: Sequence[Any], location: KeyPath) -> None:
        """Put elements where there is an empty list or nothing."""
        key, value = pair
        begin, end = key.end_mark.index, self._layout.pair_end(key, value)
        if parent.flow_style:
            self._edit(begin, end, f": {self._flow_text(list(items))}", location)
            return
        if value.start_mark.index < value.end_mark.index:
            self._edit(len(self._layout.text[: value.start_mark.index].rstrip(" ")), end, "", location)
        self._insert(end, _list_lines(items, location), self._layout.column(parent) + 2, location)

    def _append_lines(self, within: SequenceNode, items: Sequence[Any], location: KeyPath) -> None:
        """Put elements behind the last, with a blank line between where the last one has one above it and its comments."""
        layout = self._layout
        line = layout.element_line(within, len(within.value) - 1)
        while (above := layout.line_before(line)).lstrip().startswith("#"):
            line -= len(above)
        apart = [""] if len(within.value) > 1 and not above.strip() else []
        lines = [line for each in items for line in [*apart, *_list_lines([each], location)]]
        column = layout.column(within)
        self._insert(layout.comments_end(layout.end(within), column), lines, column, location)

    def _flow_change(self, node: Node, location: KeyPath) -> _FlowChange:
        if id(node) not in self._flow_changes:
            self._flow_changes[id(node)] = _FlowChange(node, self._layout.parts(node), len(location))
        return self._flow_changes[id(node)]

    def _flow_edits(self, change: _FlowChange) -> list[_Edit]:
        """Take each part out. Those at the end leave their place to what is added; if nothing is, no comma stays that was not there."""
        layout, parts, outwards = self._layout, change.parts, -change.depth
        opening, apart = layout.opening(change.node), ", "
        if parts and (indent := layout.indent_of_line_alone(parts[-1])) is not None:
            apart = f",{self._newline}{indent}"
        added = apart.join(change.added)
        if not parts:
            return [_Edit(opening + 1, opening + 1, outwards, added)]
        last, end = max(set(range(len(parts))) - change.removed, default=-1), parts[-1].end
        edits = [
            _Edit(*layout.element_extent(parts[each]), outwards, "")
            for each in change.removed
            if each < last or not added
        ]
        if added and last < len(parts) - 1:
            edits.append(_Edit(parts[last + 1].begin, end, outwards, added))
        elif added:
            edits.append(_Edit(end, end, outwards, apart + added))
        elif 0 <= last < len(parts) - 1 and layout.behind_comma(end) == end:
            edits.append(_Edit(*layout.comma_behind(parts[last].end), outwards, ""))
        if layout.text[opening] not in "{[":
            edits += [_Edit(opening, opening, outwards, "{"), _Edit(end, end, outwards, "}")]
        return edits


def _list_lines(items: Sequence[Any], location: KeyPath) -> list[str]:
    """Write elements; those of a list of the root a key a line."""
    return [line for each in items for line in element_lines(each, spread=len(location) == 1)]
