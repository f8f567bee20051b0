"""Shared parts of rules. A fragment stands once under `fragments:`; each rule that names it with `use:` gets its keys."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pipeline.yaml_text.diagnostics import Finding
from transforms.fault import KeyPath
from transforms.mapping.models import (
    Attributes,
    CustomerIdentifier,
    EventCode,
    EventRule,
    EventSourceCode,
    EventTime,
    ForEach,
    Identities,
    OutBizId,
    UserRule,
    When,
)

USE = "use"
MOST_USED = 20
MOST_VALUES = 50_000
"""The most values that all rules of a file may take from fragments. A file itself may have as many."""


class Fragment(BaseModel):
    """A part of rules. It may have any key of a rule, and no key is required."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: When = None
    for_each: ForEach = None
    event_code: EventCode = None
    event_source_code: EventSourceCode = None
    event_time: EventTime = None
    customer_id: CustomerIdentifier = None
    identities: Identities = Field(default_factory=dict)
    out_biz_id: OutBizId = None
    attributes: Attributes = Field(default_factory=dict)


class RuleOfFragments:
    """Extends the JSON Schema of a rule by `use`. With `use`, no key is required, because a fragment may have it."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        rule = handler.resolve_ref_schema(schema)
        names: JsonSchemaValue = {"type": "array", "minItems": 1, "maxItems": MOST_USED, "items": {"type": "string"}}
        use = {
            "description": "The name of a fragment, or a list of names: the rule is put together from these [shared parts](mapping.md#shared-parts).",
            "anyOf": [{"type": "string"}, names],
        }
        rule["properties"] = {USE: use, **rule["properties"]}
        rule["anyOf"] = [{"required": [USE]}, {"required": rule.pop("required")}]
        return schema


Origins = Mapping[KeyPath, KeyPath]
"""The location in the file of each part of an expanded rule, by its location in that rule."""

_RULES: Mapping[str, type[BaseModel]] = {"events": EventRule, "users": UserRule}
_JOINED = ("identities", "attributes")
"""In these mappings, the keys of a rule and of its fragments are joined. For any other key, the value of the rule replaces that of the fragment."""


def expand_fragments(content: Mapping[str, Any], faults: list[Finding]) -> tuple[dict[str, Any], Origins]:
    """Return the file with its rules expanded, without `use`, and the origins of their parts. Faults of `use` are added to `faults`."""
    fragments = content.get("fragments")
    known = fragments if isinstance(fragments, dict) else {}
    origins: dict[KeyPath, KeyPath] = {}
    whole = dict(content)
    if known:
        whole["fragments"] = {name: _without_use(name, each, faults) for name, each in known.items()}
    sizes = {name: _count_values(each) for name, each in known.items()}
    left = MOST_VALUES
    for kind, model in _RULES.items():
        rules = content.get(kind)
        if not isinstance(rules, list):
            continue
        expanded: list[Any] = []
        whole[kind] = expanded
        for place, rule in enumerate(rules):
            if not isinstance(rule, dict) or USE not in rule:
                expanded.append(rule)
                continue
            left -= sum(sizes.get(name, 0) for name in _names_in(rule[USE]))
            if left < 0:  # the rules behind it are left out: a short file would come to gigabytes
                found = "found more values from fragments than such a file can need"
                faults.append(((kind, place, USE), found, "expected fewer rules with it, or smaller fragments"))
                break
            expanded.append(_expanded_rule(rule, (kind, place), known, frozenset(model.model_fields), origins, faults))
    return whole, origins


def _count_values(content: Any) -> int:
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return 1 + sum(map(_count_values, inner))


def _names_in(written: Any) -> list[str]:
    named = [written] if isinstance(written, str) else written
    return [each for each in named if isinstance(each, str)] if isinstance(named, list) else []


def location_in_file(location: KeyPath, origins: Origins) -> KeyPath:
    """Return the location in the file for a location in an expanded rule."""
    for length in range(len(location), 2, -1):
        if (origin := origins.get(location[:length])) is not None:
            return (*origin, *location[length:])
    return location


def _expanded_rule(
    rule: dict[str, Any],
    here: KeyPath,
    fragments: Mapping[str, Any],
    keys: frozenset[str],
    origins: dict[KeyPath, KeyPath],
    faults: list[Finding],
) -> dict[str, Any]:
    """Return a rule with the keys of its fragments, in their order, and then its own. A user rule ignores keys that only event rules have."""
    parts: list[tuple[KeyPath, dict[str, Any]]] = [
        (("fragments", name), {key: value for key, value in fragments[name].items() if key in keys})
        for name in _used_names(rule[USE], here, fragments, faults)
        if isinstance(fragments[name], dict)
    ]
    parts.append((here, {key: value for key, value in rule.items() if key != USE}))
    merged: dict[str, Any] = {}
    conditions: list[tuple[KeyPath, dict[str, Any]]] = []
    for origin, part in parts:
        for key, value in part.items():
            if key == "when" and isinstance(value, dict):
                conditions.append(((*origin, key), value))
            elif key in _JOINED and isinstance(value, dict) and isinstance(merged.get(key, {}), dict):
                merged[key] = {**merged.get(key, {}), **value}
                origins.update({(*here, key, name): (*origin, key, name) for name in value})
            else:
                merged[key] = value
                origins[*here, key] = (*origin, key)
    if conditions:
        merged["when"] = _all_of(conditions, (*here, "when"), origins)
    return merged


def _without_use(name: str, fragment: Any, faults: list[Finding]) -> Any:
    if not isinstance(fragment, dict) or USE not in fragment:
        return fragment
    faults.append(
        (
            ("fragments", name, USE),
            "found `use` in a fragment",
            "expected it in rules, which may name several: use: [a, b]",
        )
    )
    return {key: value for key, value in fragment.items() if key != USE}


def _all_of(
    conditions: list[tuple[KeyPath, dict[str, Any]]], here: KeyPath, origins: dict[KeyPath, KeyPath]
) -> dict[str, Any]:
    """Return a condition that requires all of these. It is one mapping if no key repeats, as a person would write it; otherwise it is `all`."""
    joined: dict[str, Any] = {}
    for _, condition in conditions:
        joined |= condition
    if len(joined) == sum(len(condition) for _, condition in conditions):
        for origin, condition in conditions:
            origins.update({(*here, key): (*origin, key) for key in condition})
        return joined
    origins.update({(*here, "all", place): origin for place, (origin, _) in enumerate(conditions)})
    return {"all": [condition for _, condition in conditions]}


def _used_names(written: Any, here: KeyPath, fragments: Mapping[str, Any], faults: list[Finding]) -> list[str]:
    named = [written] if isinstance(written, str) else written
    if (
        not isinstance(named, list)
        or not named
        or len(named) > MOST_USED
        or not all(isinstance(each, str) for each in named)
    ):
        faults.append(
            (
                (*here, USE),
                "found neither a name nor a list of names",
                "expected the name of a fragment, or a list of names",
            )
        )
        return []
    for name in named:
        if name not in fragments:
            near = difflib.get_close_matches(name, fragments, n=1)
            right = f"did you mean {near[0]!r}?" if near else "expected a name under `fragments:`"
            faults.append(((*here, USE), f"found unknown fragment {name!r}", right))
    return [name for name in named if name in fragments]
