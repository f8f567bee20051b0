"""Reading one source file: every fault at once, each with file, line and key, before anything connects."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.catalogue.catalogue_file import read_catalogue
from pipeline.catalogue.mapping_check import mapping_findings
from pipeline.config.decode_faults import decode_faults
from pipeline.config.faults import Found, Location, from_pydantic
from pipeline.config.fragments import placed_at, put_in
from pipeline.config.interpolate import interpolate
from pipeline.config.quantity import format_duration
from pipeline.config.source_file import SourceFile, TransformSettings
from pipeline.config.table_files import TableFile, read_tables
from pipeline.config.yaml_file import UnreadableYaml, read_yaml
from pipeline.errors import UsageError
from pipeline.report.credentials import CredentialsSource
from schemas.catalogue import Catalogue
from transforms.fault import MappingFaults, Note
from transforms.mapping import MappingSettings, compile_mapping, out_biz_id_notes, personal_notes, rule_notes
from transforms.plugin_fault import OPTIONS, InvalidOptions, masked
from transforms.plugins import load_plugin

ONE_DAY_MS = 86_400_000

MAPPING_KEYS = ("events", "users", "match", "otherwise", "identities", "time_zone", "tables")


def load_source(
    path: Path, environment: Mapping[str, str], *, with_credentials: bool = False, with_catalogue: bool = True
) -> SourceFile:
    """Read, fill in and validate a source file; nothing is connected to.

    `with_credentials`: the file that `report.credentials` names is read too. Otherwise only who reports needs it.
    Without its catalogue, neither that nor what the mapping has that it lacks is looked at.

    Raises:
        UsageError: its message has a line for every fault there is.
    """
    try:
        written = read_yaml(path)
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None
    found: list[Found] = []
    content, origins = put_in(interpolate(written.content, environment, found), found)
    without_value = {location for location, _, _ in found}
    source = _validate(content, found, without_value)
    tables = _tables(content, path.parent, found)
    found += _mapping_faults(content, tables, path.parent)
    found += decode_faults(content.get("decode"), path.parent)
    found += _cross_check(content)
    catalogue, elsewhere = _catalogue(content, path.parent, found) if with_catalogue else (None, [])
    doubts: list[Found] = []
    if source is not None:
        if with_credentials:
            found += _credentials_faults(source, environment)
        if catalogue is not None and source.catalogue is not None:
            faults, doubts = mapping_findings(source.events, catalogue, source.catalogue)
            found += faults
    if found or elsewhere or source is None:
        found = [(placed_at(location, origins), what, expected) for location, what, expected in found]
        raise UsageError("\n".join([*map(str, written.placed(found)), *elsewhere]))
    source = source.model_copy(update={"tables": tables}).read_from(path, written.lines, origins)
    if catalogue is not None:
        source = source.with_catalogue(catalogue, doubts)
    return _with_defaults(source, environment)


def warnings(source: SourceFile) -> list[str]:
    """Say what is allowed but doubtful, a line each with file, line and key."""
    return [source.warning(note.location, note.text) for note in _notes(source)]


def _notes(source: SourceFile) -> list[Note]:
    notes = []
    if source.dedup.store == "memory":
        text = "is memory: what was reported is forgotten when the process ends, and other workers do not see it"
        notes.append(Note(("dedup", "store"), text))
    if source.dedup.keep < ONE_DAY_MS:
        text = f"is {format_duration(source.dedup.keep)}: a record read again after that is reported again"
        notes.append(Note(("dedup", "keep"), text))
    if source.kafka.start == "latest":
        text = "is latest: a new group passes over the records that are already there"
        notes.append(Note(("kafka", "start"), text))
    if source.transform is None:
        notes += sorted(
            [*rule_notes(source.mapping), *out_biz_id_notes(source.mapping), *personal_notes(source.mapping)],
            key=lambda note: note.location[:2],
        )
    if (file := source.plugin_file) is not None and (file.stat().st_mode | file.parent.stat().st_mode) & stat.S_IWOTH:
        text = f"is {file}, which everybody on this machine may write, it or its folder: the job runs what stands there"
        notes.append(Note(("transform", "file"), text))
    return [*notes, *(Note(location, f"{what}; {expected}") for location, what, expected in source.doubts)]


def missing_credentials(source: SourceFile, environment: Mapping[str, str]) -> list[str]:
    """Say that the environment has no AccessKey, where it is looked for there. That is no fault of the file."""
    if source.report.credentials is None:
        try:
            CredentialsSource(None, environment)
        except UsageError as error:
            return [f"`run` would not start: {str(error).removeprefix('credentials: ')}"]
    return []


def unset_keys(source: SourceFile, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that `keys` names and that are not set, each with a warning. That is no fault of the file either."""
    return {
        each.env: source.warning(
            ("keys", name),
            f"`run` would not start: {each.env} is missing or empty in the environment; what is hashed here is hashed with another key",
        )
        for name, each in source.keys.items()
        if each.env is not None and not environment.get(each.env)
    }


def _validate(content: Any, found: list[Found], without_value: set[Location]) -> SourceFile | None:
    """`without_value`: where a variable has no value, what was put in for it is wrong because of that, which is said already."""
    try:
        return SourceFile.model_validate(content)
    except ValidationError as error:
        faults = [from_pydantic(each, SourceFile, content) for each in error.errors()]
        found += [each for each in faults if each[0] not in without_value]
        return None


def _credentials_faults(source: SourceFile, environment: Mapping[str, str]) -> list[Found]:
    if source.report.credentials is None:
        return []
    try:
        CredentialsSource(source.report.credentials, environment)
    except UsageError as error:
        what, _, expected = str(error).removeprefix("credentials: ").partition("; ")
        return [(("report", "credentials", "file"), f"found {what}", expected)]
    return []


def _tables(content: dict[str, Any], folder: Path, found: list[Found]) -> dict[str, Any]:
    """Return the tables of the file and those that it names; those whose settings are wrong are left out, which is said elsewhere."""
    inline, files = content.get("tables"), content.get("table_files")
    inline = inline if isinstance(inline, dict) else {}
    named = {}
    for name, each in files.items() if isinstance(files, dict) else ():
        with suppress(ValidationError):
            named[name] = TableFile.model_validate(each)
    return {**inline, **read_tables(named, folder, inline, found)}


def _mapping_faults(content: dict[str, Any], tables: dict[str, Any], folder: Path) -> list[Found]:
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


def _of_a_file(location: Location, content: Mapping[str, Any]) -> Location:
    """Point at the file's name where what is wrong stands in the table that the file holds."""
    files = content.get("table_files")
    if location[0] == "tables" and isinstance(files, dict) and location[1] in files:
        return ("table_files", location[1], "file")
    return location


def _catalogue(content: dict[str, Any], folder: Path, found: list[Found]) -> tuple[Catalogue | None, list[str]]:
    """Read the event catalogue that the file names, and return what is wrong in it, a line each."""
    written = content.get("catalogue")
    name = written.get("file") if isinstance(written, dict) else written
    if not isinstance(name, str) or not name:
        return None, []
    if not (folder / name).exists():
        found.append(
            (("catalogue", "file"), f"found {name!r}, which is not there", f"expected a catalogue file in {folder}")
        )
        return None, []
    try:
        return read_catalogue(folder / name).catalogue, []
    except UsageError as error:
        return None, str(error).split("\n")


def _plugin_faults(written: Any, folder: Path) -> list[Found]:
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


def _option_fault(error: ErrorDetails, model: type[BaseModel], options: dict[str, Any]) -> Found:
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


MOST_REPAIRS = 5


def _cross_check(content: Mapping[str, Any]) -> list[Found]:
    """Find what does not go together, as far as the keys concerned are right by themselves."""
    kafka, letters = (each if isinstance(each := content.get(key), dict) else {} for key in ("kafka", "dead_letters"))
    dead = letters.get("topic") or f"{content.get('source')}-dead"
    topics, pattern = kafka.get("topics"), kafka.get("topic_pattern")
    if (isinstance(topics, list) and dead in topics) or _fits(pattern, dead):
        return [
            (
                ("dead_letters", "topic"),
                f"found {dead!r}, which is one of the source's own topics",
                "expected another topic: dead letters would be read again",
            )
        ]
    return []


def _fits(pattern: Any, topic: Any) -> bool:
    try:
        return isinstance(pattern, str) and isinstance(topic, str) and re.match(pattern, topic) is not None
    except re.error:
        return False


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
