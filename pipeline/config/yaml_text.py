"""A YAML text changed at single places: what is not named stays as it was written, to the letter, comments and quotes included."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from pipeline.config.faults import Location

FLOW_COLUMNS = 100
"""A mapping of plain values that fits within is written on one line."""

_PLAIN = re.compile(r"[^\W\d_][\w.\-]{0,80}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?[+\-]\d\d:\d\d")
"""What YAML 1.2 reads as a text without quotes: a word, or a time."""
_MEANT_OTHERWISE = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_ALIAS = re.compile(r"\s*:\s*\*[^\s,\[\]{}]+")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


class NotEditable(Exception):
    """The place is written with an anchor or an alias: changing it there would change it elsewhere too."""


class YamlText:
    """Gathers changes to one text, each by its location, and applies them all at once."""

    def __init__(self, text: str) -> None:
        """`text` is one document that can be read."""
        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._root = YAML(typ="rt", pure=True).compose(text)
        self._edits: list[tuple[int, int, str]] = []
        self._uses: Counter[int] = Counter()
        self._count_uses(self._root)

    def put(self, location: Location, value: Any) -> None:
        """Write a single value in place of the one that is there.

        Raises:
            NotEditable: what stands there, or on the way, stands elsewhere too, or is not there at all.
        """
        node = self._at(location)
        self._edits.append((node.start_mark.index, self._end(node), scalar_text(value)))

    def rewrite(self, location: Location, removed: Collection[str], added: Mapping[str, Any]) -> None:
        """Take keys out of the mapping at a location, and put others where the first of them was, or else at its end.

        Raises:
            NotEditable: likewise of the mapping, the way to it, and what is taken out.
        """
        node = self._at(location)
        if not isinstance(node, MappingNode):
            raise NotEditable(f"{location} is no mapping")
        pairs = [(key, value) for key, value in node.value if key.value in removed]
        if any(self._is_shared(value) for _, value in pairs):
            raise NotEditable(f"{location} has a part that is not written there alone")
        if node.flow_style:
            self._rewrite_flow(node, pairs, added)
        else:
            self._rewrite_block(node, pairs, added)

    def __str__(self) -> str:
        """Return the text with all changes."""
        text = self._text
        for _, (start, end, new) in sorted(
            enumerate(self._edits), key=lambda each: (each[1][0], each[0]), reverse=True
        ):
            text = text[:start] + new + text[end:]
        return text

    def _rewrite_flow(self, node: MappingNode, removed: Sequence[Any], added: Mapping[str, Any]) -> None:
        kept = [
            self._text[key.start_mark.index : self._pair_end(key, value)]
            for key, value in node.value
            if (key, value) not in removed
        ]
        new = [f"{scalar_text(key)}: {flow_text(value)}" for key, value in added.items()]
        place = int(node.start_mark.index)
        if self._text[place] in "&!":
            place = self._text.index("{", place)  # else it is `{`, or the one pair of a list that needs none
        self._edits.append((place, self._end(node), "{" + ", ".join(kept + new) + "}"))

    def _rewrite_block(self, node: MappingNode, removed: Sequence[Any], added: Mapping[str, Any]) -> None:
        column = node.value[0][0].start_mark.column
        lines = block_lines(added)
        text = (self._newline + " " * column).join(lines)
        if not removed:
            at = self._line_end(self._pair_end(*node.value[-1]))
            self._edits.append((at, at, self._newline + " " * column + text))
            return
        (key, value), *others = removed
        self._edits.append((key.start_mark.index, self._line_end(self._pair_end(key, value)), text))
        for key, value in others:
            begun = self._text.rfind("\n", 0, key.start_mark.index) + 1
            ended = self._text.find("\n", self._pair_end(key, value))
            self._edits.append((begun, len(self._text) if ended < 0 else ended + 1, ""))

    def _at(self, location: Location) -> Node:
        node: Node = self._root
        for step in location:
            inner: Node | None = None
            if isinstance(node, MappingNode):
                inner = next((value for key, value in node.value if key.value == step), None)
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                inner = node.value[step]
            if inner is None or self._uses[id(inner)] > 1:
                raise NotEditable(f"{location} is not written there alone")
            node = inner
        return node

    def _count_uses(self, node: Node) -> None:
        self._uses[id(node)] += 1
        if self._uses[id(node)] == 1:
            for inner in _inner(node):
                self._count_uses(inner)

    def _is_shared(self, node: Node) -> bool:
        return self._uses[id(node)] > 1 or any(map(self._is_shared, _inner(node)))

    def _pair_end(self, key: Node, value: Node) -> int:
        alias = _ALIAS.match(self._text, key.end_mark.index)
        return alias.end() if alias is not None else self._end(value)

    def _end(self, node: Node) -> int:
        """Return where a node's own text ends: a block goes on to the next key, over comments that are not its own."""
        start, end = int(node.start_mark.index), int(node.end_mark.index)
        if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
            return start + len(self._text[start:end].rstrip(" \t\r\n"))
        last = node.value[-1]
        ended = self._pair_end(*last) if isinstance(node, MappingNode) else self._end(last)
        if not start <= ended <= end:
            raise NotEditable("it ends with an alias")
        return ended

    def _line_end(self, place: int) -> int:
        found = self._text.find("\n", place)
        end = len(self._text) if found < 0 else found
        return end - 1 if self._text[:end].endswith("\r") else end


def _inner(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, SequenceNode) else []


def scalar_text(value: Any) -> str:
    """Write a text, a number, true, false or null so that YAML reads the same: plain where it cannot be mistaken, else as JSON."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _MEANT_OTHERWISE:
        return value
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def flow_text(value: Any) -> str:
    """Write a value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar_text(key)}: {flow_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow_text, value)) + "]"
    return scalar_text(value)


def block_lines(value: Mapping[str, Any]) -> list[str]:
    """Write a mapping's lines, a key each; what is short and holds no mapping of its own on one line."""
    lines = []
    for key, each in value.items():
        name = scalar_text(key)
        if not _is_short(each):
            lines.append(f"{name}:")
            if isinstance(each, list):
                for item in each:
                    first, *rest = block_lines(item) if isinstance(item, Mapping) and item else [flow_text(item)]
                    lines += [f"  - {first}", *(f"    {line}" for line in rest)]
            else:
                lines += [f"  {line}" for line in block_lines(each)]
        else:
            lines.append(f"{name}: {flow_text(each)}")
    return lines


def _is_short(value: Any) -> bool:
    if not isinstance(value, Mapping | list) or not value:
        return True
    inner = list(value.values()) if isinstance(value, Mapping) else value
    return len(flow_text(value)) <= FLOW_COLUMNS and not any(isinstance(each, Mapping | list) for each in inner)
