"""What is wrong with the mapping of a source file, or with its plug-in, whatever else is wrong in the file."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.sections import TransformSettings
from pipeline.yaml_text.diagnostics import Finding, from_pydantic
from transforms.fault import KeyPath, MappingFaults
from transforms.mapping import MappingSettings, compile_mapping
from transforms.plugins.faults import OPTIONS, InvalidOptions, masked
from transforms.plugins.plugin import load_plugin

MAPPING_KEYS = ("events", "users", "match", "otherwise", "identities", "time_zone", "tables")
MOST_REPAIRS = 5


def transform_faults(content: dict[str, Any], tables: dict[str, Any], folder: Path) -> list[Finding]:
    """Compile the mapping or load the plug-in as far as their own keys are valid, whatever else is wrong in the file."""
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
        return [
            (_of_a_file(each.location, content), f"found {each.found}", f"expected {each.expected}")
            for each in faults.faults
        ]
    return []


def _of_a_file(location: KeyPath, content: Mapping[str, Any]) -> KeyPath:
    """Point at the file's name where what is wrong stands in the table that the file holds."""
    files = content.get("table_files")
    if location[0] == "tables" and isinstance(files, dict) and location[1] in files:
        return ("table_files", location[1], "file")
    return location


def _plugin_faults(written: Any, folder: Path) -> list[Finding]:
    """Import the plug-in and give it its options, as far as the keys that say which one have their shape."""
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
    """Say what is wrong with an option of a plug-in; not its value where the plug-in's model takes it for a secret."""
    location, found, expected = from_pydantic(error, model, options)
    if error["type"] in {"value_error", "assertion_error"}:  # the author's own words may hold the value
        found, expected = masked(found, options), masked(expected, options)
    field = model.model_fields.get(str(error["loc"][0])) if error["loc"] else None
    if field is not None and "Secret" in repr(field.annotation):
        found = "found a value"
    return (*OPTIONS, *location), found, expected


def _as_far_as_valid(written: dict[str, Any]) -> MappingSettings | None:
    """Leave out, or fill in, what breaks the models, so that the rest can be compiled and its faults said too."""
    written = deepcopy(written)
    for _ in range(MOST_REPAIRS):
        try:
            return MappingSettings.model_validate(written)
        except ValidationError as error:
            for each in error.errors():
                place: Any = written
                *way, last = [step for step in each["loc"] if step != "[key]"]
                for step in way:
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
