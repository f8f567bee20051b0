"""JSON Schemas for editors: the schemas that pydantic makes of the models, changed to the form in which a person writes the files.

They are made when log2mq is built (`make schemas`) and shipped in `schemas/json`; `log2mq schema` prints them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from pipeline.authoring.cases.models import TestCases
from pipeline.config.source_file import SourceFile
from pipeline.editor_schema.decoders import decoder_steps
from pipeline.setting_types.quantity import FORMATS
from schemas.catalogue import Catalogue
from transforms.mapping.rule_schema import RULE_DEFINITIONS, Schema, ref

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class SchemaKind(NamedTuple):
    """One kind of file: its model and its title.

    `definitions` are the schemas that types refer to by `{"definition": NAME}`. With `variables`, a variable such as ${NAME} may replace a value in the file.
    """

    model: type[BaseModel]
    title: str
    definitions: Callable[[], Mapping[str, Schema]] = dict
    variables: bool = False


SCHEMAS: Mapping[str, SchemaKind] = {
    "source": SchemaKind(
        SourceFile, "A source file of log2mq", lambda: {**RULE_DEFINITIONS, **decoder_steps()}, variables=True
    ),
    "catalogue": SchemaKind(Catalogue, "An event catalogue of log2mq"),
    "test": SchemaKind(TestCases, "Test cases of log2mq"),
}
"""The kinds of files, by name."""

_VARIABLE: Schema = {
    "type": "string",
    "pattern": r"\$\{",
    "description": "A value from the environment: ${NAME} or ${NAME:-default}.",
}
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_HOLD_SCHEMAS = ("items", "prefixItems", "anyOf", "additionalProperties", "then", "allOf")
_OF_A_NUMBER = ("quantity", "minimum", "maximum", "ge", "le", "type")


def shipped_schema(kind: str) -> str:
    """Return the shipped schema of a kind of file, as JSON text."""
    return (files("schemas") / "json" / f"{kind}.json").read_text(encoding="utf-8")


def built_schema(kind: str) -> str:
    """Return the schema of a kind of file as JSON text, made from the models."""
    return json.dumps(json_schema(SCHEMAS[kind]), indent=1, ensure_ascii=False) + "\n"


def json_schema(kind: SchemaKind) -> Schema:
    """Return the schema of a kind of file."""
    root = kind.model.model_json_schema(by_alias=True)
    definitions = {**root.pop("$defs", {}), **kind.definitions()}
    finish = _Finisher(variables=kind.variables).finished
    body = finish(root)
    used: dict[str, Schema] = {"variable": _VARIABLE} if kind.variables else {}
    unfinished = [body]
    while unfinished:
        for name in sorted(set(_references(unfinished.pop())) - used.keys()):
            used[name] = finish(definitions[name])
            unfinished.append(used[name])
    return {"$schema": DIALECT, **body, "title": kind.title, "$defs": dict(sorted(used.items()))}


def default_of(schema: Schema) -> Any:
    """Return the default of a setting as a person writes it. It is None if there is no default, or if `default_text` describes it."""
    default = schema.get("default")
    if default is None or "default_text" in schema:
        return None
    return FORMATS[schema["quantity"]](default) if "quantity" in schema else default


def limits_of(schema: Schema) -> str:
    """Return the limits of a number in words, as a person writes them; "" if it has none."""
    write = FORMATS.get(schema.get("quantity", ""), str)
    return ", ".join(
        f"{words} {write(schema[name])}"
        for words, names in (("at least", ("minimum", "ge")), ("at most", ("maximum", "le")))
        for name in names
        if schema.get(name)
    )


class _Finisher:
    """Changes pydantic's schemas to schemas of a person's file: quantities and variables as a person writes them, no links, no titles."""

    def __init__(self, *, variables: bool) -> None:
        self._variables = variables

    def finished(self, schema: Any) -> Any:
        """Return a schema with these changes, also in the schemas inside it."""
        if isinstance(schema, list):
            return [self.finished(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        if "quantity" in schema:
            finished = {name: value for name, value in schema.items() if name not in _OF_A_NUMBER}
            finished["anyOf"] = [*schema["anyOf"], *([ref("variable")] if self._variables else [])]
        else:
            finished = {name: self._inner(name, value) for name, value in schema.items()}
        result: Schema = ref(finished.pop("definition")) if "definition" in finished else {}
        result |= {name: value for name, value in finished.items() if name not in {"title", "default", "default_text"}}
        if (default := default_of(schema)) not in (None, "", []) and not isinstance(default, dict):
            result["default"] = default
        if description := _described(schema):
            result["description"] = description
        return _or_variable(result) if self._variables else result

    def _inner(self, name: str, value: Any) -> Any:
        if name == "properties":
            return {key: self.finished(each) for key, each in value.items()}
        return self.finished(value) if name in _HOLD_SCHEMAS else value


def _described(schema: Schema) -> str:
    """Return the description of a setting, without links, with the limits and the default that an editor does not show by itself."""
    limits = limits_of(schema) if "quantity" in schema else ""
    default = f"Default: {schema['default_text']}." if "default_text" in schema else ""
    parts = (_LINK.sub(r"\1", schema.get("description", "")), f"({limits})" if limits else "", default)
    return " ".join(part for part in parts if part)


def _or_variable(schema: Schema) -> Schema:
    """Return the schema, with a variable as an alternative where the value is no free text."""
    kind = schema.get("type")
    if kind not in ["integer", "number", "boolean"] and not (
        kind == "string" and ("enum" in schema or "pattern" in schema)
    ):
        return schema
    about: Schema = {name: schema[name] for name in ("description", "default", "examples") if name in schema}
    return {**about, "anyOf": [{name: value for name, value in schema.items() if name not in about}, ref("variable")]}


def _references(schema: Any) -> Iterator[str]:
    """Yield the names of the definitions that a schema refers to."""
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.rpartition("/")[2]
        for each in schema.values():
            yield from _references(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _references(each)


if __name__ == "__main__":
    for name in SCHEMAS:
        (Path(sys.argv[1]) / f"{name}.json").write_text(built_schema(name), encoding="utf-8")
