"""A case's input as the record that Kafka would deliver."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import zstandard

from pipeline.authoring.cases.models import TestRecord
from pipeline.authoring.cases.written_values import bytes_of_base64, bytes_of_hex
from pipeline.config.source_file import SourceFile
from pipeline.decode import DecodeStep
from pipeline.yaml_text.yaml_file import reason
from schemas.log import RawRecord
from transforms.regular_file import read_regular

MOST_FILE_BYTES = 64 << 20


class NoRecord(Exception):
    """No record can be made from the input. `key` is the key that is wrong."""

    def __init__(self, key: str, found: str, expected: str) -> None:
        self.key, self.found, self.expected = key, found, expected
        super().__init__(f"{key}: {found}; {expected}")


def raw_record(written: TestRecord, place: int, source: SourceFile, folder: Path) -> RawRecord:
    """Return the record. `place` is its number within the case, from 0, and its default offset. Paths of files are relative to `folder`.

    Raises:
        NoRecord: a file cannot be read, or a text cannot be written in the source file's character set.
    """
    return RawRecord(
        written.topic or (source.kafka.topics or (source.source,))[0],
        written.partition,
        place if written.offset is None else written.offset,
        written_unix_ms(written.timestamp, source.time_zone),
        written.key,
        _value(written, source.decode[0], folder),
        list(written.headers.items()),
    )


def written_unix_ms(written: Any, time_zone: str) -> int:
    """Return Unix ms. A time without a zone is in `time_zone`."""
    if not isinstance(written, str):
        return int(written)
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(time_zone))
    return round(moment.timestamp() * 1000)


def _value(written: TestRecord, step: DecodeStep, folder: Path) -> bytes | None:
    match written.values[0]:
        case "text":
            return _packed("text", written.text or "", step)
        case "json":
            return _packed("json", json.dumps(written.json_value, ensure_ascii=False), step)
        case "base64":
            return bytes_of_base64(written.base64 or "")
        case "hex":
            return bytes_of_hex(written.hex or "")
        case "file":
            return _from_file(folder / (written.file or ""), written.line)
        case _:
            return None


def _packed(key: str, text: str, step: DecodeStep) -> bytes:
    """Return a text as the source's records hold it: in their character set, and compressed if `decode` says so."""
    try:
        value = text.encode(step.charset)
    except UnicodeEncodeError as error:
        raise NoRecord(
            key,
            f"found {error.object[error.start]!r}, which {step.charset} does not have",
            "expected a text in decode.charset, or its bytes under base64 or hex",
        ) from None
    if step.compression == "gzip":
        return gzip.compress(value, mtime=0)
    return zstandard.ZstdCompressor().compress(value) if step.compression == "zstd" else value


def _from_file(path: Path, line: int | None) -> bytes:
    try:
        content = read_regular(path, MOST_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise NoRecord(
            "file",
            f"found {str(path)!r}, which cannot be read ({reason(error)})",
            "expected a file, relative to the folder of the cases",
        ) from None
    if line is None:
        return content
    lines = content.split(b"\n")
    if content.endswith(b"\n"):
        lines.pop()
    if line > len(lines):
        raise NoRecord("line", f"found {line}", f"expected at most {len(lines)}, the last line of {path}")
    return lines[line - 1].removesuffix(b"\r")
