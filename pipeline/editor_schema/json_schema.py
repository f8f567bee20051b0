"""JSON Schemas of the files that a person writes, for editors: from the models, with descriptions from the tables of the documentation.

They are made when log2mq is built (`make schemas`) and shipped in `schemas/json`; `log2mq schema` prints them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from pipeline.authoring.cases.models import TestCases
from pipeline.config.source_file import SourceFile
from pipeline.editor_schema.cases import CASES_BESIDE, CASES_INSTEAD
from pipeline.editor_schema.catalogue import CATALOGUE_BESIDE, CATALOGUE_INSTEAD
from pipeline.editor_schema.decoders import decoder_steps
from pipeline.editor_schema.source import (
    ADJUSTED,
    BESIDE,
    DEFINITIONS,
    INSTEAD,
    Schema,
    quantity,
    ref,
)
from schemas.catalogue import Catalogue

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Description(NamedTuple):
    """A page of `docs/` whose tables describe keys: those under `heading` ("" for all), below each of `sections`."""

    page: str
    heading: str = ""
    sections: Sequence[str] = ("",)


class SchemaKind(NamedTuple):
    """One kind of file: its model, what it is, and where its keys are described. The rest is what no model says; see `schema_pieces` and `schema_decoders`.

    `variables`: a variable such as ${NAME} may stand for a value in it.
    """

    model: type[BaseModel]
    title: str
    described: Sequence[Description] = ()
    instead: Mapping[str, Schema] = {}
    beside: Mapping[str, Schema] = {}
    definitions: Callable[[], Mapping[str, Schema]] = dict
    variables: bool = False


SCHEMAS: Mapping[str, SchemaKind] = {
    "source": SchemaKind(
        SourceFile,
        "A source file of log2mq",
        (
            Description("source-file.md"),
            Description("mapping.md", "## A rule", ("events.", "users.", "fragments.")),
            Description("mapping.md", "### Tables", ("table_files.",)),
        ),
        INSTEAD,
        BESIDE,
        lambda: {**DEFINITIONS, **decoder_steps()},
        variables=True,
    ),
    "catalogue": SchemaKind(
        Catalogue,
        "An event catalogue of log2mq",
        (Description("catalogue.md"),),
        CATALOGUE_INSTEAD,
        CATALOGUE_BESIDE,
    ),
    "test": SchemaKind(
        TestCases,
        "Test cases of log2mq",
        (
            Description("testing.md", "## Variables and secrets"),
            Description("testing.md", "## The record", ("cases.", "cases.records.")),
            Description("testing.md", "## What is expected", ("cases.", "cases.records.")),
            Description("mapping.md", "## A rule", ("cases.events.", "cases.users.")),
        ),
        CASES_INSTEAD,
        CASES_BESIDE,
    ),
}
"""A row for each kind of file."""

_ROW = re.compile(r"^\| (`[^|]+`) \|(?:(?:[^|\\]|\\.)*\|)? ((?:[^|\\]|\\.)+) \|$", re.MULTILINE)
_NAME = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")

_DROPPED = ("title", "quantity", "minimum", "maximum", "ge", "le", "type")


def shipped(kind: str) -> str:
    """Return the schema of a kind of file as it was shipped."""
    return (files("schemas") / "json" / f"{kind}.json").read_text(encoding="utf-8")


def written(kind: str, docs: Path) -> str:
    """Make the schema of a kind of file, with the descriptions of the pages in `docs`."""
    return (
        json.dumps(
            json_schema(SCHEMAS[kind], _descriptions(SCHEMAS[kind].described, docs)), indent=1, ensure_ascii=False
        )
        + "\n"
    )


def json_schema(kind: SchemaKind, descriptions: Mapping[str, str]) -> Schema:
    """Return a schema. `descriptions` are by dotted key."""
    root = kind.model.model_json_schema(by_alias=True)
    definitions = {**root.pop("$defs", {}), **kind.definitions()}
    finisher = _Finisher(kind, definitions, descriptions)
    body = finisher.finished(root, "")
    return {"$schema": DIALECT, **body, "title": kind.title, "$defs": finisher.used()}


class _Finisher:
    """Makes of pydantic's schema one for a person's file: descriptions, quantities and variables as they are written, nothing that is noise."""

    def __init__(self, kind: SchemaKind, definitions: Mapping[str, Schema], descriptions: Mapping[str, str]) -> None:
        self._kind = kind
        self._definitions = definitions
        self._descriptions = descriptions
        self._done: dict[str, Schema] = {}

    def used(self) -> dict[str, Schema]:
        """Return the definitions that were met, by name."""
        variable = {"variable": DEFINITIONS["variable"]} if self._kind.variables else {}
        return {**variable, **dict(sorted(self._done.items()))}

    def finished(self, schema: Any, key: str) -> Any:
        """Return a schema that stands at a dotted key, finished, with all below it."""
        if isinstance(schema, list):
            return [self.finished(each, key) for each in schema]
        if not isinstance(schema, dict):
            return schema
        if reference := schema.get("$ref"):
            self._define(reference.rpartition("/")[2], key)
        if "quantity" in schema:
            return self._quantity(schema)
        result = {name: self._inner(name, value, key) for name, value in schema.items() if not _is_noise(name, value)}
        if isinstance(schema.get("properties"), dict) and key in self._kind.beside:
            result |= self._kind.beside[key]
        return _or_variable(result) if self._kind.variables else result

    def _inner(self, name: str, value: Any, key: str) -> Any:
        if name == "properties":
            return {each: self._property(schema, f"{key}.{each}".removeprefix(".")) for each, schema in value.items()}
        if name in {"items", "prefixItems", "anyOf", "additionalProperties", "then", "allOf"}:
            return self.finished(value, key)
        return value

    def _property(self, schema: Schema, key: str) -> Schema:
        instead = self._kind.instead.get(key)
        if instead is not None:
            schema = {**instead, **({"description": schema["description"]} if "description" in schema else {})}
        result: Schema = self.finished(schema, key)
        if meaning := self._descriptions.get(key) or schema.get("description"):
            limits = _limits(schema) if "quantity" in schema else ""
            result["description"] = f"{meaning} ({limits})" if limits else meaning
        return result

    def _define(self, name: str, key: str) -> None:
        if name in self._done or name not in self._definitions:
            return
        self._done[name] = {}  # so that one which holds itself ends
        own = name in DEFINITIONS
        step = re.match("decode_(?:first|further)", name)
        definition = self._definitions[name]
        self._done[name] = definition if own else self.finished(definition, "decode" if step else key)
        if own:
            self.finished(definition, "?")  # for what it refers to
        if name in ADJUSTED:
            self._done[name] = ADJUSTED[name](self._done[name])
            self.finished(self._done[name], "?")  # likewise

    def _quantity(self, schema: Schema) -> Schema:
        ways, write = quantity(schema["quantity"])
        result = {name: value for name, value in schema.items() if name not in _DROPPED}
        if schema.get("default") is not None:
            result["default"] = write(schema["default"])
        if limits := _limits(schema):
            result["description"] = limits
        return {**result, "anyOf": [*ways, *([ref("variable")] if self._kind.variables else [])]}


def _limits(schema: Schema) -> str:
    """Say what a quantity is at least and at most, as it is written."""
    _, write = quantity(schema["quantity"])
    return ", ".join(
        f"{word} {write(schema[name])}"
        for word, names in (("at least", ("minimum", "ge")), ("at most", ("maximum", "le")))
        for name in names
        if schema.get(name)
    )


def _is_noise(name: str, value: Any) -> bool:
    """Titles repeat the key; a default that is empty, or a whole section, says nothing to a person."""
    return name == "title" or (name == "default" and (value is None or value == "" or isinstance(value, dict)))


def _or_variable(schema: Schema) -> Schema:
    """Let a variable stand for what is no free text."""
    kind = schema.get("type")
    if kind not in ["integer", "number", "boolean"] and not (
        kind == "string" and ("enum" in schema or "pattern" in schema)
    ):
        return schema
    about: Schema = {name: schema[name] for name in ("description", "default", "examples") if name in schema}
    return {**about, "anyOf": [{name: value for name, value in schema.items() if name not in about}, ref("variable")]}


def _descriptions(described: Sequence[Description], docs: Path) -> dict[str, str]:
    """Read the tables: a row's first cell names keys (`events[].code` for one of a list's), its last one says what they mean."""
    found: dict[str, str] = {}
    for each in described:
        text = (docs / each.page).read_text(encoding="utf-8")
        if each.heading:
            text = text.partition(f"{each.heading}\n")[2].partition("\n## ")[0]
        for names, meaning in _ROW.findall(text):
            plain = _LINK.sub(r"\1", meaning).replace("\\|", "|").removeprefix("required; ").strip()
            for section in each.sections:
                for name in _NAME.findall(names):
                    found.setdefault(f"{section}{name}".replace("[]", ""), plain)
    return found


def _write_all(docs: Path, folder: Path) -> Iterator[Path]:
    for kind in SCHEMAS:
        path = folder / f"{kind}.json"
        path.write_text(written(kind, docs), encoding="utf-8")
        yield path


if __name__ == "__main__":
    for path in _write_all(Path(sys.argv[1]), Path(sys.argv[2])):
        print(path)  # noqa: T201 - the script's output
