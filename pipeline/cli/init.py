"""`log2mq init`: a source file proposed from a sample of a topic or a file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from pipeline.cli.options import kafka_settings
from pipeline.config.kafka_settings import KafkaSettings
from pipeline.config.load import load_source
from pipeline.decode import DecodeContext
from pipeline.errors import UsageError
from pipeline.kafka_topics import Topics
from pipeline.proposal.avro_guess import CONTAINER_MARK, is_confluent
from pipeline.proposal.candidates import find_candidates
from pipeline.proposal.format_guess import ENOUGH, Guess, guess_format
from pipeline.proposal.source_text import Place, write_source
from pipeline.registry.settings import RegistrySettings

MOST_SAMPLE_BYTES = 64 << 20
WHOLE = (CONTAINER_MARK, b"\x00")
"""How a file begins that is one record, since no line of text does so: Avro as a container, or with a schema ID."""


@click.command()
@click.argument("source_file", metavar="SOURCE.yaml", type=click.Path(path_type=Path))
@click.option(
    "--file", "sample_file", type=click.Path(path_type=Path), help="Take the sample from this file, a record a line."
)
@click.option("--topic", default="", help="The topic; without --file the sample is its latest records.")
@click.option("--bootstrap-servers", default="localhost:9092", show_default=True, help="The brokers.")
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    help="Reach the brokers as this source file does, with its security settings.",
)
@click.option(
    "--registry",
    "registries",
    metavar="URL",
    multiple=True,
    help="The Schema Registry, where the records are Avro with a schema ID. Once for each of its nodes.",
)
@click.option("--registry-username", metavar="NAME", default="", help="The name, where the registry asks for a login.")
@click.option(
    "--registry-password-env",
    metavar="VARIABLE",
    default="REGISTRY_PASSWORD",
    show_default=True,
    help="The environment variable that holds its password.",
)
@click.option(
    "--records", default=1_000, show_default=True, type=click.IntRange(1, 100_000), help="Most records of the sample."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(  # noqa: PLR0913 - an option each
    source_file: Path,
    sample_file: Path | None,
    topic: str,
    bootstrap_servers: str,
    like: Path | None,
    *,
    registries: tuple[str, ...],
    registry_username: str,
    registry_password_env: str,
    records: int,
    force: bool,
) -> None:
    """Propose SOURCE_FILE from a sample of a topic or a file: the decoder, the fields found, and which may be the time, the customer, the business ID."""
    if source_file.exists() and not force:
        raise UsageError(f"{source_file}: found a file that is there already; expected a new name, or --force")
    if sample_file is None and not topic:
        raise UsageError("found neither --file nor --topic; expected where the sample is")
    name = _source_name(source_file)
    topic = topic or f"{name}-log"
    kafka = _kafka(topic, bootstrap_servers, like)
    values = _from_file(sample_file, records) if sample_file else _from_topic(kafka, records)
    if not values:
        raise UsageError(f"{sample_file or topic}: found no record; expected a sample of some hundred")
    registry = _registry(registries, registry_username, registry_password_env)
    guess = _guess(values, registry, sample_file or topic)
    candidates = find_candidates(guess.entries)
    text = write_source(Place(name, ",".join(kafka.bootstrap_servers), topic), guess, candidates, len(values))
    _save(source_file, text)
    load_source(source_file, os.environ)  # what was written passes `check`
    formats = " → ".join(str(step["format"]) for step in guess.steps)
    click.echo(
        f"{source_file}: {len(values):,} records, {formats}, {guess.share:.0%} of them read, {len(candidates.rules)} event rules proposed"
    )
    whole = " --whole" if sample_file and values[0].startswith(WHOLE) else ""
    click.echo(
        f"Next: read it; then log2mq check {source_file} --sample {sample_file or topic}{whole}"
        + (f", and log2mq explain {source_file} --record {sample_file}{whole}" if sample_file else "")
    )


def _registry(urls: Sequence[str], username: str, password_env: str) -> Any:
    """Return what stands under `registry:`, None where none is named. What was written is not shown: it may hold a password."""
    if not urls:
        if username:
            raise UsageError("--registry-username: found no --registry; expected its URL")
        return None
    login = {"username": username, "password": {"env": password_env}} if username else {}
    try:
        known = RegistrySettings.model_validate({"url": list(urls), **login}).url
    except ValidationError as error:
        fault = error.errors()[0]
        if fault["loc"][0] != "url":
            raise UsageError(f"--registry-username: found no name that can be used; {fault['msg']}") from None
        raise UsageError(
            f"--registry: found no URL that can be used; {fault.get('ctx', {}).get('error') or fault['msg']}"
        ) from None
    url = known[0] if len(known) == 1 else list(known)
    return {"url": url, **login} if login else url


def _guess(values: Sequence[bytes], registry: Any, sample: object) -> Guess:
    if is_confluent(values):
        if registry is None:
            raise UsageError(
                f"{sample}: found what looks like Avro with a Schema Registry: a zero byte and a schema ID begin the records; "
                "expected --registry URL, the registry that knows the schemas"
            )
    elif registry is not None:
        raise UsageError(
            f"--registry: found records in {sample} that do not begin with a zero byte and a schema ID; expected no --registry for them"
        )
    guess = guess_format(values, registry, DecodeContext(environment=os.environ))
    if guess.steps[0]["format"] == "avro" and guess.share < ENOUGH:
        reason = guess.refusal.reason if guess.refusal else "they hold no entry"
        raise UsageError(f"{sample}: found records of Avro of which {guess.share:.0%} can be read; {reason}")
    return guess


def _source_name(path: Path) -> str:
    name = re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._")[:100]
    return name or "source"


def _kafka(topic: str, bootstrap_servers: str, like: Path | None) -> KafkaSettings:
    if like is not None:
        return load_source(like, os.environ).kafka.model_copy(update={"topics": (topic,), "topic_pattern": None})
    return kafka_settings(bootstrap_servers, topic, "--topic")


def _from_file(path: Path, most: int) -> list[bytes]:
    """Each line that is not blank is a record; or the whole file, where it is no text."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_SAMPLE_BYTES)
    except OSError as error:
        raise UsageError(
            f"--file: found {str(path)!r}, which cannot be read ({error.strerror}); expected a file of records"
        ) from None
    if content.startswith(WHOLE):
        return [content]
    lines = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    return [line for line in lines if line.strip()][:most]


def _from_topic(kafka: KafkaSettings, most: int) -> Sequence[bytes]:
    with Topics(kafka, os.environ) as topics:
        return [record.value for record in topics.latest_records(most) if record.value is not None]


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: found a place that cannot be written ({error.strerror}); expected one that can"
        ) from None
