"""The tables of settings in `docs/`, with a row for each key. `make schemas` writes them between the marks of cog; `make lint` compares them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from pipeline.authoring.cases.models import TestCases, TestRecord
from pipeline.config.source_file import SourceFile
from pipeline.config.table_files import TableFile
from pipeline.decode import DECODERS, DecodeStep
from pipeline.decode.schema_registry.settings import RegistrySettings
from pipeline.editor_schema.json_schema import default_of, limits_of
from pipeline.observe.metrics import METRICS
from schemas.catalogue import Channel, EventDefinition, EventProperty, MarketingTask
from transforms.mapping.models import EventRule
from transforms.mapping.rule_schema import Schema

__all__ = [
    "DECODERS",
    "METRICS",
    "Channel",
    "DecodeStep",
    "EventDefinition",
    "EventProperty",
    "EventRule",
    "MarketingTask",
    "RegistrySettings",
    "SourceFile",
    "TableFile",
    "TestCases",
    "TestRecord",
    "metric_rows",
    "rows",
    "table",
]

_HEAD = "| key | default | values | meaning |\n| --- | --- | --- | --- |"
_MOST_VALUES = 12
_MOST_TYPES = 3
_WORDS = {
    "array": "list",
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "number": "number",
    "object": "mapping",
    "string": "text",
}
_CHARACTERS = {" ": "a space", "\t": "a tab"}


def table(*parts: Iterator[str]) -> str:
    """Return a table of these rows, in Markdown."""
    return "\n".join([_HEAD, *(row for part in parts for row in part)])


def metric_rows() -> str:
    """Return a table of all metrics, in Markdown."""
    head = "| metric | kind | labels | meaning |\n| --- | --- | --- | --- |"
    found = [
        f"| `{each.shown_name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels) or 'none'} | {each.help} |"
        for each in METRICS
    ]
    return "\n".join([head, *found])


def rows(
    model: type[BaseModel],
    prefix: str = "",
    *,
    only: Sequence[str] = (),
    but: Sequence[str] = (),
    sections: bool = True,
) -> Iterator[str]:
    """Yield a row for each key of a model.

    `only` and `but` select keys. With `sections`, the keys of a section follow it; the section itself has a row if it has a description.
    """
    schema = model.model_json_schema(by_alias=True)
    chosen = [key for key in schema["properties"] if (not only or key in only) and key not in but]
    yield from _rows(schema, schema.get("$defs", {}), prefix, chosen, sections=sections)


def _rows(
    schema: Schema, definitions: dict[str, Schema], prefix: str, chosen: Sequence[str], *, sections: bool
) -> Iterator[str]:
    for key in chosen:
        setting = schema["properties"][key]
        section = _section(setting, definitions) if sections else None
        if section is None or "description" in setting:
            default = "required" if key in schema.get("required", ()) else _default(setting)
            cells = (f"`{prefix}{key}`", default, _values(setting, definitions), setting["description"])
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        if section is not None:
            yield from _rows(section, definitions, f"{prefix}{key}.", list(section["properties"]), sections=True)


def _section(setting: Schema, definitions: dict[str, Schema]) -> Schema | None:
    """Return the schema of a section; None if the setting is a value. A secret is a value, though its two forms are mappings."""
    for each in (setting, *setting.get("anyOf", ())):
        name = each.get("$ref", "").rpartition("/")[2]
        if name and name != "SecretSource" and "properties" in definitions[name]:
            return definitions[name]
    return None


def _default(setting: Schema) -> str:
    if "default_text" in setting:
        return str(setting["default_text"])
    default = default_of(setting)
    if default in (None, "", [], {}) or isinstance(default, dict):
        return "none"
    if isinstance(default, list):
        return f"`[{', '.join(map(str, default))}]`"
    text = default if isinstance(default, str) else json.dumps(default)
    return _CHARACTERS.get(text, f"`{text}`")


def _values(schema: Schema, definitions: dict[str, Schema]) -> str:
    """Return the values that a setting accepts, in words."""
    limits = limits_of(schema)
    if "quantity" in schema:
        return f"{schema['quantity']}{f', {limits}' if limits else ''}"
    if "definition" in schema:
        return str(schema["definition"]).replace("_", " ")
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return "`{env: NAME}` or `{file: PATH}`" if name == "SecretSource" else _values(definitions[name], definitions)
    if "anyOf" in schema:
        forms = [_values(each, definitions) for each in schema["anyOf"] if each != {"type": "null"}]
        return " or ".join(dict.fromkeys(forms))
    if "const" in schema or "enum" in schema:
        return _codes(schema.get("enum", [schema.get("const")]), schema.get("title", ""))
    kind = schema.get("type", "")
    if isinstance(kind, list):
        return "any value" if len(kind) > _MOST_TYPES else " or ".join(_WORDS[each] for each in kind if each != "null")
    inner = schema.get("items", {})
    if "enum" in inner:
        return f"list of {_codes(inner['enum'])}"
    return f"{_WORDS[kind]}{f', {limits}' if limits and kind in {'integer', 'number'} else ''}"


def _codes(values: Sequence[Any], title: str = "") -> str:
    """Return the values of an enumeration; if they are many, the name of the enumeration."""
    if len(values) > _MOST_VALUES:
        return "".join(f" {each.lower()}" if each.isupper() else each for each in title).strip()
    return ", ".join(f"`{each if isinstance(each, str) else json.dumps(each)}`" for each in values)
