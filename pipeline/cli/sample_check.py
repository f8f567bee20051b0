"""`log2mq check --sample`: the results of sample records."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.authoring.dry_run.records import Sampled, file_records, whole_record
from pipeline.authoring.dry_run.run import try_out
from pipeline.authoring.dry_run.store_room import room_at_rate, room_without_rate
from pipeline.authoring.dry_run.tables import result_tables
from pipeline.cli.say import say
from pipeline.config.source_file import SourceFile
from pipeline.errors import SourceUnavailable, UsageError
from pipeline.observe.console import output

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


def sample_warnings(
    source: SourceFile, sample: str, most: int, environment: Mapping[str, str], *, whole: bool
) -> list[str]:
    """Convert a sample with the source file, print the results, and return warnings on the file.

    Raises:
        UsageError: the file does not exist, or holds no record.
        SourceUnavailable: no broker answers, or the topic does not exist.
    """
    try:
        tally, notes = try_out(source, _sampled(source, sample, most, whole=whole), environment)
    except SourceUnavailable as error:
        raise SourceUnavailable(f"--sample: there is no file {sample}, so it was taken for a topic: {error}") from None
    if not tally.records:
        raise UsageError(f"--sample: found no record in {sample}; expected some")
    output().print(result_tables(sample, tally))
    if source.dedup.store == "lmdb":
        match room_at_rate(source.dedup, tally) or room_without_rate(source.dedup):
            case str(text):
                say(text)
            case note:
                notes.append(note)
    return [source.warning(note.location, note.text) for note in notes]


def _sampled(source: SourceFile, sample: str, most: int, *, whole: bool) -> Iterator[Sampled]:
    path = Path(sample)
    if whole:
        return whole_record(source, path)
    if (path.exists() and not path.is_dir()) or sample in {".", ".."} or not _TOPIC.fullmatch(sample):
        return file_records(source, path, most)
    from pipeline.authoring.dry_run.topic_records import topic_records

    return topic_records(source, sample, most, os.environ)
