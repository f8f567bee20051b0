"""How YAML's scalars and merges become values: texts where a typed value would lose a part, and nothing of a size that no file of log2mq needs."""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MOST_DIGITS = 1_000
"""The most characters of a number. Python itself refuses to write a number of more than 4,300 digits, and reads long ones slowly."""

MOST_MERGED = 50_000
"""The most keys that all merges (`<<`) of a file may bring. Merges that build on one another bring a square of what is written."""

_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_LEADING_ZERO = re.compile(r"[-+]?0\d")


class BoundedConstructor(RoundTripConstructor):
    """Reads some scalars as text where a typed value would lose a part of the text.

    Every key: `010` and `1.10` are keys of a table, not the numbers 10 and 1.1. Numbers with leading zeros: `007` is a code. Times: YAML 1.2 has no type for
    them, and ruamel.yaml's value has lost the zone.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._keys_of: dict[int, int] = {}  # by the ID of a node, which lives as long as the document is read
        self._merged = 0

    def construct_mapping(self, node: MappingNode, maptyp: Any, deep: bool = False) -> Any:  # type: ignore[override]  # noqa: FBT001, FBT002 - the signature of the parent class
        """Return a mapping. A merge is counted before it is done."""
        self._merged += self._count_keys(node) - len(node.value)
        if self._merged > MOST_MERGED:
            raise ConstructorError(None, None, "more merged keys than such a file can need", node.start_mark)
        for key, _ in node.value:
            if isinstance(key, ScalarNode) and key.tag != _MERGE:
                key.tag = _TEXT
        return super().construct_mapping(node, maptyp, deep)

    def construct_yaml_int(self, node: ScalarNode) -> Any:
        """Return a whole number, or the text of a code."""
        _require_short(node)
        return self.construct_scalar(node) if _LEADING_ZERO.match(node.value) else super().construct_yaml_int(node)

    def construct_yaml_float(self, node: ScalarNode) -> Any:
        """Return a number, or the text of a code."""
        _require_short(node)
        return self.construct_scalar(node) if _LEADING_ZERO.match(node.value) else super().construct_yaml_float(node)

    def _count_keys(self, node: Node) -> int:
        """Return the number of a mapping's keys with those that it merges, each as often as it is merged."""
        if isinstance(node, SequenceNode):
            return sum(map(self._count_keys, node.value))
        if not isinstance(node, MappingNode):
            return 0
        known = self._keys_of.get(id(node))
        if known is None:
            self._keys_of[id(node)] = len(node.value)  # for a mapping that merges itself
            merges = (value for key, value in node.value if key.tag == _MERGE)
            known = self._keys_of[id(node)] = len(node.value) + sum(map(self._count_keys, merges))
        return known


def _require_short(node: ScalarNode) -> None:
    if len(node.value) > MOST_DIGITS:
        raise ConstructorError(None, None, f"a number of {len(node.value):,} characters", node.start_mark)


BoundedConstructor.add_constructor("tag:yaml.org,2002:int", BoundedConstructor.construct_yaml_int)
BoundedConstructor.add_constructor("tag:yaml.org,2002:float", BoundedConstructor.construct_yaml_float)
BoundedConstructor.add_constructor("tag:yaml.org,2002:timestamp", BoundedConstructor.construct_scalar)
