"""The records that a source file is proposed from: of a file or of a topic, and not more of them than can be held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from pipeline.authoring.dry_run.records import MOST_WHOLE_BYTES, lines_of
from pipeline.authoring.infer.avro import CONTAINER_MARK
from pipeline.errors import UsageError
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.settings import KafkaSettings

MOST_SAMPLE_BYTES = 16 << 20
"""Of all records: decoded, they take some ten times as much."""

MOST_RECORD_BYTES = 1 << 20
"""Of a longer line no more is read than shows that it is."""

WHOLE = (CONTAINER_MARK, b"\x00")
"""How a file begins that is one record, since no line of text does so: Avro as a container, or with a schema ID."""

_NO_LINES = {
    b"\xff\xfe": "text in UTF-16; expected UTF-8 or GB18030: Excel has `CSV UTF-8`",
    b"\xfe\xff": "text in UTF-16; expected UTF-8 or GB18030: Excel has `CSV UTF-8`",
    b"PK\x03\x04": "an Excel or ZIP file; expected text: Excel has `CSV UTF-8`",
    b"\x1f\x8b": "a gzip file; expected what is in it (gunzip), or --whole where each record is packed so",
    b"\x28\xb5\x2f\xfd": "a zstd file; expected what is in it (unzstd), or --whole where each record is packed so",
}
"""How files begin that cannot be taken for lines, and what to do."""

_LONGEST_MARK = 4


def sample_of_file(path: Path, most: int, *, whole: bool) -> list[bytes]:
    """Return the lines that are not blank, each as a record; or the whole file, where that is asked for or it is no text.

    Raises:
        UsageError: it cannot be read, or is neither.
    """
    try:
        with path.open("rb") as stream:
            begun = stream.read(_LONGEST_MARK)
            whole = whole or begun.startswith(WHOLE)
            stream.seek(0)
            if whole:
                content = stream.read(MOST_WHOLE_BYTES)
                return [content] if content.strip() else []
            for mark, what in _NO_LINES.items():
                if begun.startswith(mark):
                    raise UsageError(f"--file: found {str(path)!r}, which is {what}")
            return _up_to(most, (value for _, value in lines_of(stream, MOST_RECORD_BYTES)))
    except OSError as error:
        raise UsageError(
            f"--file: found {str(path)!r}, which cannot be read ({error.strerror}); expected a file of records"
        ) from None


def sample_of_topic(kafka: KafkaSettings, environment: Mapping[str, str], most: int) -> list[bytes]:
    """Return the values of a topic's latest records.

    Raises:
        SourceUnavailable: no broker answers, or the topic is not there.
    """
    with KafkaAdmin(kafka, environment) as topics:
        return _up_to(most, (record.value for record in topics.latest_records(most) if record.value is not None))


def _up_to(most: int, values: Iterable[bytes]) -> list[bytes]:
    """Take so many records, and not more than `MOST_SAMPLE_BYTES` of them."""
    taken: list[bytes] = []
    size = 0
    for value in islice(values, most):
        size += len(value)
        if size > MOST_SAMPLE_BYTES:
            break
        taken.append(value)
    return taken
