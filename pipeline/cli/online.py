"""The questions of `log2mq check --online` to the brokers, to a Schema Registry if the file names one, and to Quick Audience. No event is sent."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import closing

from pipeline.cli.say import say
from pipeline.config.source_file import SourceFile
from pipeline.decode import DecodeContext
from pipeline.decode.avro.options import AvroOptions
from pipeline.decode.schema_registry.client import AccessDenied, RegistryClient, Unavailable
from pipeline.errors import DestinationHalt, RegistryUnavailable, UsageError
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.report.client import ReporterClient
from pipeline.report.credentials import CredentialsSource
from pipeline.report.healthcheck import check_health
from pipeline.setting_types.quantity import format_duration
from transforms.fault import KeyPath

MOST_WORKSPACES_SHOWN = 10
MOST_NAME_CHARACTERS = 40

ANY_SCHEMA = 1
"""The first ID that a registry assigns. The answer does not matter, only that there is one."""

_WORKSPACE: KeyPath = ("report", "workspace_id")


def kafka_warnings(source: SourceFile) -> list[str]:
    """Return warnings about topics, retention and the dead-letter topic, which only the brokers know.

    Raises:
        SourceUnavailable: no broker answers, or a topic does not exist.
    """
    warnings = []
    with KafkaAdmin(source.kafka, os.environ) as topics:
        partitions = topics.partitions()
        names = sorted({partition.topic for partition in partitions})
        for topic in names:
            warnings += retention_warning(source, topic, topics.retention_ms(topic))
        if not topics.exists(source.dead_letters.topic):
            warnings.append(
                f"the dead-letter topic {source.dead_letters.topic} does not exist: `run` will not start without it"
            )
    say(f"Kafka: {_count(len(names), 'topic')} with {_count(len(partitions), 'partition')}: {', '.join(names)}")
    return warnings


def ask_registries(source: SourceFile) -> None:
    """Ask each Schema Registry of the file for a schema.

    Raises:
        RegistryUnavailable: a registry does not answer, or denies access.
        UsageError: the password of a registry is missing.
    """
    for step in source.decode:
        if step.format != "avro":
            continue
        options = AvroOptions.model_validate(step.options, context=DecodeContext(source.folder))
        if options.registry is None:
            continue
        with closing(RegistryClient(options.registry, os.environ)) as client:
            answer = client.look_up(ANY_SCHEMA)
        if isinstance(answer, Unavailable | AccessDenied):
            raise RegistryUnavailable(answer.reason)
        say(f"Schema Registry at {', '.join(options.registry.url)}: answers")


def retention_warning(source: SourceFile, topic: str, retention_ms: int | None) -> list[str]:
    """Return a warning if a topic keeps records longer than the store remembers reports: a replay can report such records twice."""
    if retention_ms is not None and retention_ms <= source.dedup.keep:
        return []
    kept = "for ever" if retention_ms is None else format_duration(retention_ms)
    return [
        f"{topic} keeps records {kept}, dedup.keep is {format_duration(source.dedup.keep)}: a replay of older records reports them again"
    ]


def api_warnings(source: SourceFile) -> list[str]:
    """Check endpoint, credentials, organisation, instance and workspace with a call that lists workspaces. Return warnings.

    Raises:
        DestinationHalt: a job could not report; the message says why.
        UsageError: Quick Audience does not list the workspace of the file.
    """
    report = source.report
    client = ReporterClient(report, CredentialsSource(report.credentials, os.environ))
    try:
        found = check_health(client, time.sleep)
    except DestinationHalt as halt:
        raise DestinationHalt(f"Quick Audience at {report.url}: {halt}") from None
    finally:
        client.close()
    if found.doubt:
        return [
            f"Quick Audience at {report.url} answers, but {found.doubt}. Whether it takes events shows when the job runs"
        ]
    known = _names(found.workspaces)
    if report.workspace_id and report.workspace_id not in found.workspaces:
        if found.workspaces:
            raise UsageError(source.warning(_WORKSPACE, f"found {report.workspace_id!r}; expected one of {known}"))
        return [source.warning(_WORKSPACE, "is not proved: Quick Audience lists no workspace")]
    say(
        f"Quick Audience at {report.url}: takes the AccessKey, organisation and instance; workspaces: {known or 'none'}"
    )
    return []


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("s" if number != 1 else "")


def _names(workspaces: Mapping[str, str]) -> str:
    shown = [
        f"{each} ({_plain(name)})" if name else each for each, name in list(workspaces.items())[:MOST_WORKSPACES_SHOWN]
    ]
    more = len(workspaces) - len(shown)
    return ", ".join(_plain(each, 2 * MOST_NAME_CHARACTERS) for each in shown) + (f" and {more} more" if more else "")


def _plain(text: str, most: int = MOST_NAME_CHARACTERS) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)[:most]
