"""Edits of a YAML text in place. Text that is not edited stays the same, byte for byte, with its comments, order and quotes.

ruamel.yaml only locates the nodes. Its own round trip would write the whole file again, with other indents and spaces, and would lose comments before a
deleted element.
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
    """A replacement of a part of the text. At one offset, insertions come first, and among these the most deeply nested one: `order` is minus its depth."""

    begin: int
    end: int
    order: int
    new: str


@dataclass(slots=True)
class _FlowChange:
    """The changes of a collection in brackets: the parts to remove, and the texts to add at its end."""

    node: Node
    parts: Sequence[Span]
    depth: int
    removed: set[int] = field(default_factory=set)
    added: list[str] = field(default_factory=list)


class YamlEditor:
    """Collects edits of one text; `text` applies them all. Locations refer to the text before any edit.

    Every method raises `NotEditable` if the location does not exist, or if it is written with an anchor or an alias, so that the edit would change another
    place too.
    """

    def __init__(self, text: str) -> None:
        """`text` is one valid document whose root is a mapping."""
        self._layout = YamlLayout(text)
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._flow_text = json_text if self._layout.is_json else flow_text
        self._edits: list[_Edit] = []
        self._flow_changes: dict[int, _FlowChange] = {}

    @property
    def text(self) -> str:
        """The text with all edits. Raises `ValueError` if two edits overlap, which is a mistake of the caller."""
        edits = [*self._edits, *(edit for each in self._flow_changes.values() for edit in self._flow_edits(each))]
        pieces, place = [], 0
        for edit in sorted(edits, key=lambda edit: edit[:3]):
            if edit.begin < place:
                raise ValueError("two edits overlap")
            pieces += [self._layout.text[place : edit.begin], edit.new]
            place = edit.end
        return "".join([*pieces, self._layout.text[place:]])

    def replace(self, location: KeyPath, value: Any) -> None:
        """Replace a scalar. A text in quotes gets the same quotes."""
        node = self._layout.at(location)
        begin, end = node.start_mark.index, self._layout.end(node)
        if end == begin:
            raise NotEditable(node, "nothing")
        quote = node.style if isinstance(node, ScalarNode) else None
        self._edit(begin, end, json_text(value) if self._layout.is_json else scalar_text(value, quote), location)

    def rewrite(self, location: KeyPath, removed: Collection[str], added: Mapping[str, Any]) -> None:
        """Remove keys of a mapping, and put others, at least one, in the place of the first.

        If no key is removed, or if the mapping is in brackets, the others are put at its end.
        """
        node = self._layout.mapping_at(location)
        places = [place for place, (key, _) in enumerate(node.value) if key.value in removed]
        for place in places:
            self._layout.require_unshared(node.value[place][1])
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
        """Append elements to a list. Call it once for a list. A missing key of the list is added to its mapping."""
        if not items:
            return
        *above_location, name = location
        parent = self._layout.mapping_at(tuple(above_location))
        pair = next((pair for pair in parent.value if pair[0].value == name), None)
        if pair is None:
            self._add_list(parent, str(name), items, location)
            return
        sequence = self._layout.at(location)
        in_brackets = isinstance(sequence, SequenceNode) and sequence.flow_style
        if in_brackets and (sequence.value or parent.flow_style or self._layout.has_comment(sequence)):
            self._flow_change(sequence, location).added += map(self._flow_text, items)
        elif isinstance(sequence, SequenceNode) and sequence.value:
            self._append_lines(sequence, items, location)
        else:
            self._fill(parent, pair, items, location)

    def remove(self, location: KeyPath) -> None:
        """Remove an element of a list, with the comments inside it and on its lines. Comments before and after it stay."""
        *above_location, place = location
        layout, element = self._layout, self._layout.at(location)
        layout.require_unshared(element)
        sequence = layout.list_at(tuple(above_location))
        if sequence.flow_style:
            self._flow_change(sequence, location[:-1]).removed.add(int(place))
            return
        begin, end = layout.element_line(sequence, int(place)), layout.next_line(layout.end(element))
        before, behind = layout.line_before(begin), layout.text[end : layout.next_line(end)]
        if end < len(layout.text) and not before.strip() and not behind.strip():
            begin -= len(before)  # a blank line before and one after: keep one
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
        separator = [""] if parent is self._layout.root else []
        self._insert(self._layout.end(parent), [*separator, *lines], self._layout.column(parent), location)

    def _fill(self, parent: MappingNode, pair: tuple[Node, Node], items: Sequence[Any], location: KeyPath) -> None:
        """Put elements in the place of an empty list, or of no value."""
        key, value = pair
        begin, end = key.end_mark.index, self._layout.pair_end(key, value)
        if parent.flow_style:
            self._edit(begin, end, f": {self._flow_text(list(items))}", location)
            return
        if value.start_mark.index < value.end_mark.index:
            self._edit(len(self._layout.text[: value.start_mark.index].rstrip(" ")), end, "", location)
        self._insert(end, _list_lines(items, location), self._layout.column(parent) + 2, location)

    def _append_lines(self, sequence: SequenceNode, items: Sequence[Any], location: KeyPath) -> None:
        """Append elements after the last one. If a blank line stands before the last one and its comments, each new element gets a blank line too."""
        layout = self._layout
        line = layout.element_line(sequence, len(sequence.value) - 1)
        while (above := layout.line_before(line)).lstrip().startswith("#"):
            line -= len(above)
        separator = [""] if len(sequence.value) > 1 and not above.strip() else []
        lines = [line for each in items for line in [*separator, *_list_lines([each], location)]]
        column = layout.column(sequence)
        self._insert(layout.comments_end(layout.end(sequence), column), lines, column, location)

    def _flow_change(self, node: Node, location: KeyPath) -> _FlowChange:
        if id(node) not in self._flow_changes:
            self._flow_changes[id(node)] = _FlowChange(node, self._layout.parts(node), len(location))
        return self._flow_changes[id(node)]

    def _flow_edits(self, change: _FlowChange) -> list[_Edit]:
        """Return the edits of a collection in brackets.

        Added texts replace the removed parts at the end. If nothing is added, no trailing comma is left that was not there before.
        """
        layout, parts, order = self._layout, change.parts, -change.depth
        opening, separator = layout.opening(change.node), ", "
        if parts and (indent := layout.indent_of_line_alone(parts[-1])) is not None:
            separator = f",{self._newline}{indent}"
        added = separator.join(change.added)
        if not parts:
            return [_Edit(opening + 1, opening + 1, order, added)]
        last, end = max(set(range(len(parts))) - change.removed, default=-1), parts[-1].end
        edits = [
            _Edit(*layout.element_extent(parts[each]), order, "") for each in change.removed if each < last or not added
        ]
        if added and last < len(parts) - 1:
            edits.append(_Edit(parts[last + 1].begin, end, order, added))
        elif added:
            edits.append(_Edit(end, end, order, separator + added))
        elif 0 <= last < len(parts) - 1 and layout.behind_comma(end) == end:
            edits.append(_Edit(*layout.comma_behind(parts[last].end), order, ""))
        if layout.text[opening] not in "{[":
            edits += [_Edit(opening, opening, order, "{"), _Edit(end, end, order, "}")]
        return edits


def _list_lines(items: Sequence[Any], location: KeyPath) -> list[str]:
    """Return the lines of elements. A list of the root has one line for each key of an element."""
    return [line for each in items for line in element_lines(each, spread=len(location) == 1)]
