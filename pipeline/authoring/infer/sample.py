"""The sample for a proposed source file: records of a file or of a topic, no more than fit in memory."""

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
"""The most bytes of all records together. Decoded records take about ten times as much memory."""

MOST_RECORD_BYTES = 1 << 20
"""The most bytes of a line. A longer line is cut, but stays longer than this."""

ONE_RECORD_MARKS = (CONTAINER_MARK, b"\x00")
"""The first bytes of a file that is one record: an Avro container, or Avro with a schema ID. No line of text begins like this."""

_NOT_LINES = {
    b"\xff\xfe": "text in UTF-16; expected UTF-8 or GB18030: Excel has `CSV UTF-8`",
    b"\xfe\xff": "text in UTF-16; expected UTF-8 or GB18030: Excel has `CSV UTF-8`",
    b"PK\x03\x04": "an Excel or ZIP file; expected text: Excel has `CSV UTF-8`",
    b"\x1f\x8b": "a gzip file; expected its content (gunzip), or --whole if each record is compressed",
    b"\x28\xb5\x2f\xfd": "a zstd file; expected its content (unzstd), or --whole if each record is compressed",
}
"""The first bytes of files that have no lines of text, with the message for each."""

_LONGEST_MARK = 4


def sample_of_file(path: Path, most: int, *, whole: bool) -> list[bytes]:
    """Return the lines that are not blank, each as a record. The whole file is one record if `whole` is true or the file is not text.

    Raises:
        UsageError: the file cannot be read, or is neither lines of text nor one record.
    """
    try:
        with path.open("rb") as stream:
            first_bytes = stream.read(_LONGEST_MARK)
            whole = whole or first_bytes.startswith(ONE_RECORD_MARKS)
            stream.seek(0)
            if whole:
                content = stream.read(MOST_WHOLE_BYTES)
                return [content] if content.strip() else []
            for mark, description in _NOT_LINES.items():
                if first_bytes.startswith(mark):
                    raise UsageError(f"--file: found {str(path)!r}, which is {description}")
            return _up_to(most, (value for _, value in lines_of(stream, MOST_RECORD_BYTES)))
    except OSError as error:
        raise UsageError(
            f"--file: found {str(path)!r}, which cannot be read ({error.strerror}); expected a file of records"
        ) from None


def sample_of_topic(kafka: KafkaSettings, environment: Mapping[str, str], most: int) -> list[bytes]:
    """Return the values of a topic's latest records, without tombstones.

    Raises:
        SourceUnavailable: no broker answers, or the topic does not exist.
    """
    with KafkaAdmin(kafka, environment) as admin:
        return _up_to(most, (record.value for record in admin.latest_records(most) if record.value is not None))


def _up_to(most: int, values: Iterable[bytes]) -> list[bytes]:
    """Return the first records: at most `most`, and at most `MOST_SAMPLE_BYTES` together."""
    taken: list[bytes] = []
    size = 0
    for value in islice(values, most):
        size += len(value)
        if size > MOST_SAMPLE_BYTES:
            break
        taken.append(value)
    return taken
