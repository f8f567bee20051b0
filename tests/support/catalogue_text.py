"""Generates catalogue files as people write them: any mixture of blocks, brackets, quotes, comments, blank lines, line ends and anchors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from schemas.catalogue import Catalogue

Location = tuple[str | int, ...]

PLAIN = re.compile(r"(?!null\b)[A-Za-z订单][A-Za-z_订单]*( [A-Za-z订单]+)*")


class CatalogueText:
    """One catalogue in a style that `chance` selects. `spans` has the offsets of each name and each element."""

    def __init__(self, catalogue: Catalogue, chance: Random, *, anchors: bool = False) -> None:
        self.chance = chance
        self.spans: dict[Location, tuple[int, int]] = {}
        self.parts: list[str] = []
        self.length = self.line_begin = 0
        self.newline = chance.choice(["\n", "\r\n"])
        self.step = chance.choice([0, 2, 4])
        self.anchors: dict[str, str] | None = {} if anchors else None
        self.comments, self.is_folded = 0, False
        self.put(chance.choice(["", "---" + self.newline, f"# 目录{self.newline}{self.newline}"]))
        lists = {
            "channels": [each.model_dump(mode="json", exclude_defaults=True) for each in catalogue.channels],
            "events": [each.model_dump(mode="json", exclude_defaults=True) for each in catalogue.events],
            "tasks": [each.model_dump(mode="json", exclude_defaults=True) for each in catalogue.tasks],
        }
        for place, key in enumerate(chance.sample(list(lists), 3)):
            if lists[key] or place == 0 or chance.random() < 0.5:
                self.comment(0)
                self.put(f"{key}:")
                self.sequence((key,), lists[key], 0)
        self.comment(0)
        if chance.random() < 0.1:
            self.put("..." + self.newline)
        self.text = "".join(self.parts)
        if chance.random() < 0.1:
            self.text = self.text.rstrip("\r\n")
        if self.newline not in self.text:  # one line: it shows no line end
            self.newline = "\n"

    def put(self, text: str) -> None:
        self.parts.append(text)
        if "\n" in text:
            self.line_begin = self.length + text.rindex("\n") + 1
        self.length += len(text)

    @contextmanager
    def span(self, location: Location) -> Iterator[None]:
        begin = self.length
        yield
        self.spans[location] = (begin, self.length)

    def comment(self, column: int) -> None:
        """Write a comment, a blank line or nothing before the next part."""
        for _ in range(self.chance.choice([0, 0, 0, 1, 2])):
            if self.chance.random() < 0.3:
                self.put(self.newline)
            else:
                self.comments += 1
                self.put(f"{' ' * column}# note {self.comments}, 说明: [it's]{self.newline}")

    def end_line(self) -> None:
        if not self.is_folded and self.chance.random() < 0.2:
            self.comments += 1
            self.put(f"{' ' * self.chance.choice([1, 3])}# of {self.comments}")
        self.is_folded = False
        self.put(self.newline)

    def scalar(self, location: Location, value: Any, *, in_brackets: bool) -> None:
        with self.span(location):
            if value is True:
                self.put("true")
                return
            if self.anchors is not None and value in self.anchors and self.chance.random() < 0.7:
                self.put(f"*{self.anchors[value]}" + (" " if in_brackets else ""))
                return
            if self.anchors is not None and value not in self.anchors and self.chance.random() < 0.3:
                self.anchors[value] = f"a{len(self.anchors)}"
                self.put(f"&{self.anchors[value]} ")
            styles = ["'" + value.replace("'", "''") + "'", json.dumps(value, ensure_ascii=self.chance.random() < 0.5)]
            if PLAIN.fullmatch(value):
                styles += [value, value]
                if not in_brackets and " " not in value:
                    styles.append(f">-{self.newline}{' ' * 24}{value}")
            style = self.chance.choice(styles)
            self.is_folded = style.startswith(">")
            self.put(style)

    def sequence(self, location: Location, items: list[Any], column: int) -> None:
        """Write a list, from the colon of its key to the end of its last line."""
        if not items:
            with self.span((*location, "empty")):
                self.put(self.chance.choice(["", " []", " [ ]", " ~", f" [{self.newline}    # none{self.newline}  ]"]))
            self.end_line()
        elif self.chance.random() < 0.4:
            self.put(" ")
            self.brackets(location, items, column)
            self.end_line()
        else:
            self.end_line()
            for place, each in enumerate(items):
                self.comment(column + self.step)
                here = (*location, place)
                with self.span((*here, "lines")):
                    self.put(" " * (column + self.step) + "-" + " " * self.chance.choice([1, 1, 3]))
                    if isinstance(each, str):
                        self.scalar(here, each, in_brackets=False)
                        self.end_line()
                    elif self.chance.random() < 0.3:
                        self.brackets_of(here, each)
                        self.end_line()
                    else:
                        self.block(here, each)

    def block(self, location: Location, mapping: dict[str, Any]) -> None:
        """Write the keys of an element, the first one after the dash."""
        column = self.length - self.line_begin
        for place, (key, value) in enumerate(self.shuffled(mapping)):
            if place:
                self.comment(column)
                self.put(" " * column)
            self.put(self.chance.choice([key, key, f'"{key}"']) + ":")
            if isinstance(value, list):
                self.sequence((*location, key), value, column)
            else:
                self.put(self.chance.choice([" ", " ", "   "]))
                self.scalar((*location, key), value, in_brackets=False)
                self.end_line()

    def brackets(self, location: Location, items: list[Any], column: int) -> None:
        """Write a list in brackets, on one line or with a line for each element."""
        lines = self.chance.random() < 0.5
        pad = self.chance.choice(["", " "])
        self.put("[" + ("" if lines else pad))
        for place, each in enumerate(items):
            if lines:
                self.end_line()
                self.comment(column + 4)
                self.put(" " * (column + 4))
            with self.span((*location, place, "element")):
                if isinstance(each, str):
                    self.scalar((*location, place), each, in_brackets=True)
                else:
                    self.brackets_of((*location, place), each)
            if place < len(items) - 1 or self.chance.random() < 0.3:
                self.put("," if lines or place == len(items) - 1 else self.chance.choice([", ", " , "]))
        if lines:
            self.end_line()
            self.put(" " * (column + 2))
        self.put(("" if lines else pad) + "]")

    def brackets_of(self, location: Location, mapping: dict[str, Any]) -> None:
        pad = self.chance.choice(["", " "])
        self.put("{" + pad)
        for place, (key, value) in enumerate(self.shuffled(mapping)):
            self.put((", " if place else "") + self.chance.choice([key, f'"{key}"']) + ": ")
            if isinstance(value, list) and value:
                self.brackets((*location, key), value, 8)
            elif isinstance(value, list):
                with self.span((*location, key, "empty")):
                    self.put("[]")
            else:
                self.scalar((*location, key), value, in_brackets=True)
        self.put(pad + "}")

    def shuffled(self, mapping: dict[str, Any]) -> list[tuple[str, Any]]:
        pairs = list(mapping.items())
        if self.chance.random() < 0.5:
            self.chance.shuffle(pairs)
        if self.chance.random() < 0.2 and "code" in mapping and "properties" not in mapping:
            pairs.append(("properties", []))
        return pairs
