"""Warnings: valid but doubtful settings of a source file, and variables that the environment lacks."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.config.source_file import SourceFile
from pipeline.dedup.lmdb_store.ownership import doubts
from pipeline.errors import UsageError
from pipeline.report.credentials import CredentialsSource
from pipeline.setting_types.quantity import format_duration
from transforms.fault import KeyPath, Note
from transforms.mapping import mistake_notes, out_biz_id_notes, personal_notes, rule_notes

ONE_DAY_MS = 86_400_000


def warnings(source: SourceFile) -> list[str]:
    """Return the valid but doubtful settings, a text for each with file, line and key."""
    return [source.warning(note.location, note.text) for note in _notes(source)]


def _notes(source: SourceFile) -> list[Note]:
    notes = []
    if source.dedup.store == "memory":
        text = (
            "is memory: the keys of reported messages are lost when the process ends, and other workers do not see them"
        )
        notes.append(Note(("dedup", "store"), text))
    if source.dedup.keep < ONE_DAY_MS:
        text = f"is {format_duration(source.dedup.keep)}: a record read again after that is reported again"
        notes.append(Note(("dedup", "keep"), text))
    if source.dedup.store != "memory" and source.dedup.give_up_after > source.kafka.max_poll_interval:
        text = (
            f"is {format_duration(source.dedup.give_up_after)}: longer than kafka.max_poll_interval "
            f"({format_duration(source.kafka.max_poll_interval)}), after which the group evicts a job that waits for the store"
        )
        notes.append(Note(("dedup", "give_up_after"), text))
    if source.transform is not None and source.transform.timeout >= source.dedup.lease // 4:
        text = (
            f"is {format_duration(source.transform.timeout)}: the job waits twice as long for a plug-in, and after dedup.lease "
            f"({format_duration(source.dedup.lease)}) another process may report what this one reports; expected less than a quarter of it"
        )
        notes.append(Note(("transform", "timeout"), text))
    if source.kafka.start == "latest":
        text = "is latest: a new group skips the records that are already in the topic"
        notes.append(Note(("kafka", "start"), text))
    if source.transform is None:
        notes += sorted(_mapping_notes(source), key=lambda note: note.location[:2])
    notes += _permission_notes(source)
    return [*notes, *(Note(location, f"{what}; {expected}") for location, what, expected in source.catalogue_warnings)]


def _permission_notes(source: SourceFile) -> Iterator[Note]:
    """Yield a note for each place where another user of the machine decides what the job does."""
    if source.path.is_file() and _all_may_write(source.path):
        text = "is in a file that every user of this machine may write, or whose folder: the file may name code, which the job runs"
        yield Note(("source",), text)
    if (file := source.plugin_file) is not None and _all_may_write(file):
        text = f"is {file}: every user of this machine may write the file or its folder, and the job runs its code"
        yield Note(("transform", "file"), text)
    if source.dedup.store == "lmdb" and source.dedup.path is not None:
        for each in doubts(Path(source.dedup.path), os.geteuid()):
            yield Note(("dedup", "path"), f"is {source.dedup.path}: {each}")


def _all_may_write(file: Path) -> bool:
    """Whether every user may write a file, or put another one in its place: its folder is writable for all, and not sticky as `/tmp` is."""
    folder_mode = file.parent.stat().st_mode
    is_replaceable = folder_mode & stat.S_IWOTH and not folder_mode & stat.S_ISVTX
    return bool(file.stat().st_mode & stat.S_IWOTH or is_replaceable)


def _mapping_notes(source: SourceFile) -> list[Note]:
    mapping = source.mapping
    mistakes = [
        each._replace(location=("table_files", *each.location[1:])) if _is_a_table_file(each.location, source) else each
        for each in mistake_notes(mapping, source.keys)
    ]
    unused = [
        Note(
            ("fragments", name),
            "adds nothing to any rule: no rule names it under `use`, or the rules that do cannot have its keys",
        )
        for name in source.fragments
        if name not in source.used_fragments
    ]
    return [*rule_notes(mapping), *out_biz_id_notes(mapping), *personal_notes(mapping), *mistakes, *unused]


def _is_a_table_file(location: KeyPath, source: SourceFile) -> bool:
    return location[0] == "tables" and location[1] in source.table_files


def missing_credentials(source: SourceFile, environment: Mapping[str, str]) -> list[str]:
    """Return a warning if the AccessKey must come from the environment and is not there. It is no fault of the file."""
    if source.report.credentials is None:
        try:
            CredentialsSource(None, environment)
        except UsageError as error:
            return [f"`run` would not start: {str(error).removeprefix('credentials: ')}"]
    return []


def unset_keys(source: SourceFile, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that `keys` names and that are not set, each with a warning. It is no fault of the file either."""
    return {
        each.env: source.warning(
            ("keys", name),
            f"`run` would not start: {each.env} is missing or empty in the environment; values are hashed with another key here",
        )
        for name, each in source.keys.items()
        if each.env is not None and not environment.get(each.env)
    }
