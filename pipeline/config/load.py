"""Reading one source file: every fault at once, each with file, line and key, before anything connects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.decode_faults import decode_faults
from pipeline.config.faults import ConfigFault, Found, dotted, from_pydantic
from pipeline.config.interpolate import interpolate
from pipeline.config.quantity import format_duration
from pipeline.config.source_file import SourceFile
from pipeline.config.yaml_file import UnreadableYaml, YamlFile, read_yaml
from pipeline.errors import UsageError
from transforms.fault import MappingFaults
from transforms.mapping import MappingSettings, compile_mapping, out_biz_id_notes
from transforms.plugins import load_plugin

ONE_DAY_MS = 86_400_000

MAPPING_KEYS = ("events", "users", "match", "otherwise", "identities", "time_zone", "tables")


def load_source(path: Path, environment: Mapping[str, str]) -> SourceFile:
    """Read, fill in and validate a source file; nothing is connected to.

    Raises:
        UsageError: its message has a line for every fault there is.
    """
    try:
        written = read_yaml(path)
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None
    found: list[Found] = []
    content = interpolate(written.content, environment, found)
    source = _validate(content, found)
    found += _mapping_faults(content)
    found += decode_faults(content.get("decode"), path.parent)
    if source is not None:
        found += _cross_check(source)
    if found or source is None:
        raise UsageError("\n".join(map(str, _placed(found, written))))
    return _with_defaults(source.placed_in(path.parent), environment)


def warnings(source: SourceFile) -> list[str]:
    """Say what is allowed but doubtful, a sentence each."""
    said = []
    if source.dedup.store == "memory":
        said.append(
            "dedup.store is memory: what was reported is forgotten when the process ends, and other workers do not see it"
        )
    if source.dedup.keep < ONE_DAY_MS:
        said.append(
            f"dedup.keep is {format_duration(source.dedup.keep)}: a record read again after that is reported again"
        )
    if source.kafka.start == "latest":
        said.append("kafka.start is latest: a new group passes over the records that are already there")
    if source.transform is None:
        said += out_biz_id_notes(source.mapping)
    return said


def _validate(content: Any, found: list[Found]) -> SourceFile | None:
    try:
        return SourceFile.model_validate(content)
    except ValidationError as error:
        found += [from_pydantic(each, SourceFile, content) for each in error.errors()]
        return None


def _mapping_faults(content: dict[str, Any]) -> list[Found]:
    """Compile the mapping or load the plug-in as far as their own keys are valid, whatever else is wrong in the file."""
    plugin = content.get("transform")
    rules = [key for key in ("events", "users") if content.get(key)]
    if plugin is not None and rules:
        return [(("transform",), f"found transform and {' and '.join(rules)}", "expected one or the other")]
    try:
        if plugin is not None:
            if (
                isinstance(plugin, dict)
                and isinstance(plugin.get("plugin"), str)
                and isinstance(plugin.get("options", {}), dict)
            ):
                load_plugin(plugin["plugin"], plugin.get("options", {}))
            return []
        settings = _as_far_as_valid({key: content[key] for key in MAPPING_KEYS if key in content})
        if settings is not None:
            keys = content.get("keys")
            compile_mapping(settings, dict.fromkeys(keys, b"") if isinstance(keys, dict) else {})
    except MappingFaults as faults:
        return [(each.location, f"found {each.found}", f"expected {each.expected}") for each in faults.faults]
    return []


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
                    place[last] = "$.missing"
                else:
                    place.pop(last, None)
    return None


MOST_REPAIRS = 5


def _cross_check(source: SourceFile) -> list[Found]:
    dead = source.dead_letters.topic or f"{source.source}-dead"
    pattern = source.kafka.topic_pattern
    if dead in (source.kafka.topics or ()) or (pattern is not None and re.match(pattern, dead)):
        return [
            (
                ("dead_letters", "topic"),
                f"found {dead!r}, which is one of the source's own topics",
                "expected another topic: dead letters would be read again",
            )
        ]
    return []


def _with_defaults(source: SourceFile, environment: Mapping[str, str]) -> SourceFile:
    """Fill in what depends on the source's name or the environment."""
    state = Path(environment.get("XDG_STATE_HOME") or Path(environment.get("HOME") or Path.home()) / ".local" / "state")
    path = source.dedup.path or str(state / "log2mq" / source.source)
    return source.model_copy(
        update={
            "kafka": source.kafka.model_copy(update={"group": source.kafka.group or f"log2mq-{source.source}"}),
            "dedup": source.dedup.model_copy(update={"path": path}),
            "dead_letters": source.dead_letters.model_copy(
                update={"topic": source.dead_letters.topic or f"{source.source}-dead"}
            ),
        }
    )


def _placed(found: list[Found], written: YamlFile) -> list[ConfigFault]:
    """Give each fault its line; the same place is not named twice for the same thing."""
    faults = {
        ConfigFault(str(written.path), written.line_of(location), dotted(location), what, expected)
        for location, what, expected in found
    }
    return sorted(faults, key=lambda fault: (fault.line, fault.key, fault.found))
