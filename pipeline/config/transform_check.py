"""Checks the mapping of a source file, or its plug-in, even if other parts of the file are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.sections import TransformSettings
from pipeline.yaml_text.diagnostics import Finding, from_pydantic, without_quotes
from transforms.fault import MappingFault, MappingFaults
from transforms.mapping import MappingSettings, compile_mapping
from transforms.plugins.faults import OPTIONS, InvalidOptions, masked
from transforms.plugins.plugin import load_plugin

MAPPING_KEYS = ("events", "users", "match", "otherwise", "identities", "time_zone", "tables")
MOST_REPAIRS = 5


def transform_faults(content: dict[str, Any], tables: dict[str, Any], folder: Path) -> list[Finding]:
    """Return the faults found by compiling the mapping or loading the plug-in, as far as their own keys are valid."""
    plugin = content.get("transform")
    rules = [key for key in ("events", "users") if content.get(key)]
    if plugin is not None and rules:
        return [(("transform",), f"found transform and {' and '.join(rules)}", "expected one or the other")]
    try:
        if plugin is not None:
            return _plugin_faults(plugin, folder)
        written = {key: content[key] for key in MAPPING_KEYS if key in content}
        settings = _as_far_as_valid({**written, "tables": tables} if tables else written)
        if settings is not None:
            keys = content.get("keys")
            compile_mapping(settings, dict.fromkeys(keys, b"") if isinstance(keys, dict) else {})
    except MappingFaults as faults:
        return [_placed(each, content) for each in faults.faults]
    return []


def _placed(fault: MappingFault, content: Mapping[str, Any]) -> Finding:
    """Return a fault as a finding. A fault in a table file is placed at the file's name, and quotes nothing of the file."""
    location, found, expected = fault.location, f"found {fault.found}", f"expected {fault.expected}"
    files = content.get("table_files")
    if location[0] == "tables" and isinstance(files, dict) and location[1] in files:
        return ("table_files", location[1], "file"), without_quotes(found), expected
    return location, found, expected


def _plugin_faults(written: Any, folder: Path) -> list[Finding]:
    """Return the faults of the plug-in's options. The plug-in is imported; if its own keys are invalid, nothing is returned."""
    keys = ("plugin", "file", "options")
    try:
        chosen = TransformSettings.model_validate(
            {key: written[key] for key in keys if key in written} if isinstance(written, dict) else {}
        )
    except ValidationError:
        return []
    try:
        load_plugin(chosen.plugin, chosen.options, file=folder / chosen.file if chosen.file else None)
    except InvalidOptions as invalid:
        return [_option_fault(each, invalid.model, chosen.options) for each in invalid.error.errors()]
    return []


def _option_fault(error: ErrorDetails, model: type[BaseModel], options: dict[str, Any]) -> Finding:
    """Return the fault of a plug-in's option, without its value if the plug-in's model declares it a secret."""
    location, found, expected = from_pydantic(error, model, options)
    if error["type"] in {"value_error", "assertion_error"}:  # the plug-in's own message may contain the value
        found, expected = masked(found, options), masked(expected, options)
    field = model.model_fields.get(str(error["loc"][0])) if error["loc"] else None
    if field is not None and "Secret" in repr(field.annotation):
        found = "found a value"
    return (*OPTIONS, *location), found, expected


def _as_far_as_valid(written: dict[str, Any]) -> MappingSettings | None:
    """Return settings without invalid values, and with placeholders for missing ones, so that the rest can be compiled; None if that fails."""
    written = deepcopy(written)
    for _ in range(MOST_REPAIRS):
        try:
            return MappingSettings.model_validate(written)
        except ValidationError as error:
            for each in error.errors():
                place: Any = written
                *above, last = [step for step in each["loc"] if step != "[key]"]
                for step in above:
                    inside = (isinstance(place, dict) and step in place) or (
                        isinstance(place, list) and isinstance(step, int)
                    )
                    place = place[step] if inside else {}
                if not isinstance(place, dict):
                    return None
                if each["type"] == "missing":
                    place[last] = {"oneid": "$.missing"} if last == "identities" else "$.missing"
                else:
                    place.pop(last, None)
    return None
