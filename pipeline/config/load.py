"""Reads one source file. It reports every fault at once, each with file, line and key, before any connection is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.catalogue.file import read_catalogue
from pipeline.catalogue.mapping_check import mapping_findings
from pipeline.config.decode_check import decode_faults
from pipeline.config.fragments import expand_fragments, location_in_file
from pipeline.config.source_file import SourceFile
from pipeline.config.table_files import tables_of
from pipeline.config.transform_check import transform_faults
from pipeline.errors import UsageError
from pipeline.report.credentials import CredentialsSource
from pipeline.yaml_text.diagnostics import Diagnostic, Finding, errors_in, from_pydantic
from pipeline.yaml_text.interpolate import interpolate
from pipeline.yaml_text.yaml_file import UnreadableYaml, read_yaml
from schemas.catalogue import Catalogue
from transforms.fault import KeyPath


def load_source(
    path: Path, environment: Mapping[str, str], *, with_credentials: bool = False, with_catalogue: bool = True
) -> SourceFile:
    """Read a source file, replace its variables and validate it. No connection is opened.

    `with_credentials`: the file of `report.credentials` is read too; only a command that reports needs it.
    `with_catalogue`: the event catalogue is read, and the mapping is checked against it.

    Raises:
        UsageError: its message has a line for every fault.
    """
    try:
        written = read_yaml(path)
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None
    if (other := _another_kind(written.content)) is not None:
        raise UsageError(str(Diagnostic(str(path), 1, "", *other)))
    found: list[Finding] = []
    content, origins = expand_fragments(interpolate(written.content, environment, found), found)
    without_value = {location for location, _, _ in found}
    source = _validate(content, found, without_value)
    tables = tables_of(content, path.parent, found)
    found += transform_faults(content, tables, path.parent)
    found += decode_faults(content.get("decode"), path.parent)
    found += _cross_check(content)
    catalogue, elsewhere = _catalogue(content, path.parent, found) if with_catalogue else (None, [])
    warnings: list[Finding] = []
    if source is not None:
        if with_credentials:
            found += _credentials_faults(source, environment)
        if catalogue is not None and source.catalogue is not None:
            faults, warnings = mapping_findings(source.events, tables, catalogue, source.catalogue)
            found += faults
    if found or elsewhere or source is None:
        found = [(location_in_file(location, origins), what, expected) for location, what, expected in found]
        raise UsageError(*map(str, written.placed(found)), *elsewhere)
    source = source.model_copy(update={"tables": tables}).read_from(path, written.lines, origins)
    if catalogue is not None:
        source = source.with_catalogue(catalogue, warnings)
    return _with_defaults(source, environment)


def _another_kind(content: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what was found and expected if this is another kind of file of log2mq; None if it is a source file."""
    if "kafka" in content or "source" in content:
        return None
    if "channels" in content:
        return "found an event catalogue", "expected a source file; `log2mq events check` looks at a catalogue"
    if "cases" in content:
        return "found test cases", "expected a source file; `log2mq test NAME.yaml` runs the cases of NAME.test.yaml"
    return None


def _validate(content: Any, found: list[Finding], without_value: set[KeyPath]) -> SourceFile | None:
    """Return the validated file; None if it has faults. A fault at a location in `without_value` is left out: the missing variable there is already a fault."""
    try:
        return SourceFile.model_validate(content)
    except ValidationError as error:
        faults = [from_pydantic(each, SourceFile, content) for each in errors_in(error)]
        found += [each for each in faults if each[0] not in without_value]
        return None


def _credentials_faults(source: SourceFile, environment: Mapping[str, str]) -> list[Finding]:
    if source.report.credentials is None:
        return []
    try:
        CredentialsSource(source.report.credentials, environment)
    except UsageError as error:
        what, _, expected = str(error).removeprefix("credentials: ").partition("; ")
        return [(("report", "credentials", "file"), f"found {what}", expected)]
    return []


def _catalogue(content: dict[str, Any], folder: Path, found: list[Finding]) -> tuple[Catalogue | None, list[str]]:
    """Return the event catalogue that the file names, and the faults in the catalogue, a line for each."""
    written = content.get("catalogue")
    name = written.get("file") if isinstance(written, dict) else written
    if not isinstance(name, str) or not name:
        return None, []
    if not os.path.lexists(folder / name):
        found.append(
            (("catalogue", "file"), f"found {name!r}, which is not there", f"expected a catalogue file in {folder}")
        )
        return None, []
    try:
        return read_catalogue(folder / name).catalogue, []
    except UsageError as error:
        return None, list(error.lines)


def _cross_check(content: Mapping[str, Any]) -> list[Finding]:
    """Return faults between several keys. A key that is wrong by itself is not considered."""
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
    """Return the file with the defaults that depend on the source's name or the environment."""
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
