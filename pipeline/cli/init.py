"""`log2mq init`: a source file proposed from a sample of a topic or a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from pipeline.authoring.infer.avro import is_confluent
from pipeline.authoring.infer.format import guess_format
from pipeline.authoring.infer.guess import ENOUGH, Guess, decoded
from pipeline.authoring.infer.roles import find_candidates
from pipeline.authoring.infer.rule_writer import Place
from pipeline.authoring.infer.sample import MOST_RECORD_BYTES, ONE_RECORD_MARKS, sample_of_file, sample_of_topic
from pipeline.authoring.infer.source_writer import percent, write_source
from pipeline.authoring.wait import MOST_MS
from pipeline.cli.options import kafka_settings
from pipeline.cli.say import say
from pipeline.config.decode_check import decode_faults
from pipeline.config.load import load_source
from pipeline.decode import DecodeContext, DecodeSettings, DecodeStep
from pipeline.decode.schema_registry.settings import RegistrySettings
from pipeline.errors import UsageError
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.yaml_text.diagnostics import errors_in, from_pydantic
from pipeline.yaml_text.yaml_file import FileKind, UnreadableYaml, parse_yaml, read_yaml

_OF_THE_BROKERS = ("bootstrap_servers", "isolation_level", "api_version", "security")
_STEPS = FileKind("steps of decoding", "a decoder such as nginx, or {format: nginx, log_format: ...}", 64 << 10, 1_000)


@click.command()
@click.argument("source_file", metavar="SOURCE.yaml", type=click.Path(path_type=Path))
@click.option(
    "--file", "sample_file", type=click.Path(path_type=Path), help="Take the sample from this file, a record a line."
)
@click.option("--whole", is_flag=True, help="The file is one record, however many lines it has.")
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
    "--decode",
    "decode_text",
    metavar="STEPS",
    default="",
    help="The decoder where it is known, as under `decode`: nginx, or '{format: nginx, log_format: ...}'. Default: it is guessed.",
)
@click.option(
    "--records", default=1_000, show_default=True, type=click.IntRange(1, 100_000), help="Most records of the sample."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(  # noqa: PLR0913 - one parameter an option
    source_file: Path,
    sample_file: Path | None,
    topic: str,
    bootstrap_servers: str,
    like: Path | None,
    *,
    registries: tuple[str, ...],
    registry_username: str,
    registry_password_env: str,
    decode_text: str,
    records: int,
    whole: bool,
    force: bool,
) -> None:
    """Propose SOURCE_FILE from a sample of a topic or a file: the decoder, the fields found, and which may be the time, the customer, the business ID."""
    if source_file.exists() and not force:
        raise UsageError(f"{source_file}: found a file that is there already; expected a new name, or --force")
    if sample_file is None and not topic:
        raise UsageError("found neither --file nor --topic; expected where the sample is")
    if whole and sample_file is None:
        raise UsageError("--whole: found no --file; expected one with it")
    name = _source_name(source_file)
    topic = topic or f"{name}-log"
    kafka = _kafka(topic, bootstrap_servers, like)
    values = (
        sample_of_file(sample_file, records, whole=whole)
        if sample_file
        else sample_of_topic(kafka, os.environ, records)
    )
    if not values:
        raise UsageError(f"{sample_file or topic}: found no record; expected a sample of some hundred")
    if decode_text and registries:
        raise UsageError("--decode: found it with --registry; expected the registry as an option of the decoder avro")
    if decode_text:
        guess = _decoded(values, decode_text, sample_file or topic)
    else:
        guess = _guess(values, _registry(registries, registry_username, registry_password_env), sample_file or topic)
    candidates = find_candidates(guess.entries)
    text = write_source(Place(name, topic, _connection(kafka, like)), guess, candidates, len(values))
    _save(source_file, text)
    load_source(source_file, os.environ)  # what was written passes `check`
    formats = " → ".join(str(step["format"]) for step in guess.steps)
    say(
        f"{source_file}: {len(values):,} records, {formats}, {percent(guess.share)} of them read, {len(candidates.rules)} event rules proposed"
    )
    if guess.unknown:
        say(
            "No format was recognised: each record is one field, line. If you know it, name it with --decode, such as "
            "--decode '{format: nginx, log_format: ...}'; docs/decoders.md has them all. A file that is one record takes --whole"
        )
    of_record = " --whole" if sample_file and (whole or values[0].startswith(ONE_RECORD_MARKS)) else ""
    of_sample = of_record
    if guess.continued:
        say(
            f"{guess.continued:,} lines continue the one before, as stack traces do: whatever ships the log must send them with it as one record"
        )
        of_sample = " --whole" if sample_file and sum(map(len, values)) < MOST_RECORD_BYTES else ""
    say(
        f"Next: read it; then log2mq check {source_file} --sample {sample_file or topic}{of_sample}"
        + (f", and log2mq explain {source_file} --record {sample_file}{of_record}" if sample_file else "")
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
    guess = guess_format(values, registry, _context())
    if guess.steps[0]["format"] == "avro" and guess.share < ENOUGH:
        raise UsageError(f"{sample}: found records of Avro of which {guess.share:.0%} can be read; {_why(guess)}")
    return guess


def _decoded(values: Sequence[bytes], written: str, sample: object) -> Guess:
    """Decode as it is written. Paths in it are relative to the folder where the command runs."""
    try:
        content = parse_yaml(Path("--decode"), f"decode: {written}", _STEPS).content["decode"]
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None
    try:
        steps = TypeAdapter(DecodeSettings).validate_python(content)
        faults = decode_faults(content)
    except ValidationError as error:
        faults = [from_pydantic(each, DecodeStep, content) for each in errors_in(error)]
    if faults:
        raise UsageError(*(f"--decode: {found}; {expected}".removesuffix("; ") for _, found, expected in faults))
    guess = decoded(
        values, [step.model_dump(by_alias=True, exclude_unset=True) for step in steps], lenient=True, context=_context()
    )
    if not guess.entries:
        raise UsageError(f"--decode: found no record in {sample} that can be read so: {_why(guess)}")
    return guess


def _context() -> DecodeContext:
    return DecodeContext(environment=os.environ, give_up_after_ms=MOST_MS)


def _why(guess: Guess) -> str:
    return guess.refusal.reason if guess.refusal else "they hold no entry"


def _source_name(path: Path) -> str:
    name = re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._")[:100]
    return name or "source"


def _kafka(topic: str, bootstrap_servers: str, like: Path | None) -> KafkaSettings:
    if like is not None:
        return load_source(like, os.environ).kafka.model_copy(update={"topics": (topic,), "topic_pattern": None})
    return kafka_settings(bootstrap_servers, topic, "--topic")


def _connection(kafka: KafkaSettings, like: Path | None) -> Mapping[str, Any]:
    """Return how the brokers are reached, as a source file says it: with the variables that another one has, and no secret."""
    if like is None:
        return {"bootstrap_servers": ",".join(kafka.bootstrap_servers)}
    written = read_yaml(like).content["kafka"]
    return {name: value for name, value in written.items() if name in _OF_THE_BROKERS}


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: found a place that cannot be written ({error.strerror}); expected one that can"
        ) from None
