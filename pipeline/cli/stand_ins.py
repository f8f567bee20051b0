"""`log2mq emulator`, `registry`, `broker` and `sample`: the parts of a trial, each by itself."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import click

from pipeline.cli.options import created_folder, kafka_settings
from pipeline.cli.say import say
from pipeline.emulator.samples.generate import SampleKind, SampleSettings, generate
from pipeline.errors import ComponentMissing, UsageError
from pipeline.kafka_io.settings import KafkaSettings

_TOPIC = re.compile(r"([A-Za-z0-9._-]{1,249})(?::([1-9][0-9]{0,3}))?")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only: it speaks plain HTTP.")
@click.option("--port", default=8099, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--access-key-id", default="testid", show_default=True, help="The AccessKey it knows.")
@click.option(
    "--access-key-secret",
    default="testsecret",
    show_default=True,
    help="Its secret: for trials only, never a real one.",
)
@click.option("--security-token", default=None, help="The STS token that goes with it.")
@click.option("--organization-id", default="org-0001", show_default=True, help="The organisation it knows.")
@click.option("--access-id", default="retailadvqa-cn-test", show_default=True, help="The instance it knows.")
@click.option("--workspace-id", default="ws-0001", show_default=True, help="The workspace it knows.")
@click.option(
    "--permit",
    multiple=True,
    metavar="OPERATION",
    help="An operation that the AccessKey may call, such as RecieveEventMessage. May be given several times; without it all.",
)
@click.option("--faults", type=click.Path(path_type=Path), help="A fault script (docs/stand-in.md).")
@click.option(
    "--ledger", type=click.Path(path_type=Path), help="Keep the ledger of accepted messages in this file too."
)
def emulator(  # noqa: PLR0913 - one parameter an option
    *,
    host: str,
    port: int,
    access_key_id: str,
    access_key_secret: str,
    security_token: str | None,
    organization_id: str,
    access_id: str,
    workspace_id: str,
    permit: tuple[str, ...],
    faults: Path | None,
    ledger: Path | None,
) -> None:
    """Serve a stand-in for Quick Audience on loopback: checks signatures, limits and models, keeps a ledger, plays faults."""
    try:
        from pipeline.emulator.quick_audience.server import StandIn
        from pipeline.emulator.quick_audience.settings import StandInSettings
    except ModuleNotFoundError as error:
        raise ComponentMissing(f"{error.name} is not installed; pip install 'log2mq[demo]'") from None
    settings = StandInSettings(
        host=host,
        port=port,
        access_key_id=access_key_id,
        access_key_secret=access_key_secret,
        security_token=security_token,
        organization_id=organization_id,
        access_id=access_id,
        workspace_id=workspace_id,
        permitted=permit,
        faults=faults,
        ledger=ledger,
    )
    stand_in = StandIn(settings)
    for line in stand_in.instructions():
        say(line)
    stand_in.serve()


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only: it speaks plain HTTP.")
@click.option("--port", default=8081, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--schemas",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Register each .avsc file of this folder, in the order of their names, under its own name. Default: none.",
)
@click.option("--username", default=None, help="Let only this user in, by basic authentication.")
@click.option("--password", default="", help="The user's password: for trials only, never a real one.")
def registry(*, host: str, port: int, schemas: Path | None, username: str | None, password: str) -> None:
    """Serve a stand-in for a Schema Registry on loopback: schemas of a folder by ID, and those that a producer registers."""
    try:
        from pipeline.emulator.schema_registry.schemas import registry_of
        from pipeline.emulator.schema_registry.server import StandInRegistry
    except ModuleNotFoundError as error:
        raise ComponentMissing(f"{error.name} is not installed; pip install 'log2mq[demo]'") from None
    known = registry_of(schemas) if schemas is not None else None
    stand_in = StandInRegistry(host=host, port=port, username=username, password=password, registry=known)
    for subject, numbers in stand_in.registry.subjects.items():
        say(f"schema ID {numbers[-1]}: {subject}")
    say(f"stand-in for a Schema Registry at {stand_in.url}; Ctrl-C stops it")
    stand_in.server.serve()


@click.command()
@click.option("--port", default=9092, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the topics in this folder. Default: a new one, removed at the end.",
)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="NAME[:PARTITIONS]",
    help="Create this topic if it does not exist. May be given several times.",
)
def broker(port: int, folder: Path | None, topics: tuple[str, ...]) -> None:
    """Run an embedded Apache Kafka on loopback until stopped: one real broker, fetched on first use."""
    from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
    from pipeline.kafka_io.admin import KafkaAdmin

    asked = [_name_and_partitions(each) for each in topics]
    embedded = EmbeddedBroker(port=port, data=folder and created_folder("--folder", folder))

    def stop(_number: int, _frame: FrameType | None) -> None:
        embedded.ask_to_stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with embedded:
        settings = KafkaSettings(bootstrap_servers=(embedded.bootstrap_servers,), topics=("none",))
        with KafkaAdmin(settings, os.environ) as admin:
            for name, partitions in asked:
                admin.create(name, partitions)
        say(f"Kafka at {embedded.bootstrap_servers}, log {embedded.log_file}; Ctrl-C stops it")
        embedded.wait()


def _name_and_partitions(text: str) -> tuple[str, int]:
    if (found := _TOPIC.fullmatch(text)) is None:
        raise UsageError(f"--topic: found {text!r}; expected a topic's name, or name:partitions such as raw-log:3")
    return found[1], int(found[2] or 1)


@click.command()
@click.argument("kind", type=click.Choice([each.value for each in SampleKind]))
@click.option("--count", default=1000, show_default=True, type=click.IntRange(1), help="How many lines.")
@click.option("--seed", default=1, show_default=True, type=int, help="The same seed gives the same lines.")
@click.option("--no-poison", is_flag=True, help="Leave out the event that the stand-in of the demo refuses.")
@click.option("--to", "topic", metavar="TOPIC", help="Write them to this topic. Default: standard output, a line each.")
@click.option("--create", is_flag=True, help="Create the topic and its dead-letter topic if they do not exist.")
@click.option(
    "--bootstrap-servers",
    default="localhost:9092",
    show_default=True,
    envvar="KAFKA_BOOTSTRAP",
    help="The brokers that have the topic.",
)
def sample(
    kind: str, count: int, seed: int, topic: str | None, bootstrap_servers: str, *, no_poison: bool, create: bool
) -> None:
    """Write realistic raw logs of KIND, with repeated, late and broken lines at known rates, and print the books that a run over them must have."""
    lines = generate(SampleKind(kind), count, seed, SampleSettings(poison=not no_poison))
    if topic is None:
        for line in lines:
            sys.stdout.buffer.write(line.value.replace(b"\n", b" ") + b"\n")
        sys.stdout.buffer.flush()
    else:
        from pipeline.kafka_io.admin import KafkaAdmin
        from pipeline.kafka_io.producer import KafkaWriter

        settings = kafka_settings(bootstrap_servers, topic, "--to")
        if create:
            with KafkaAdmin(settings, os.environ) as topics:
                topics.create(topic, 4)
                topics.create(f"{kind}-dead")
        with KafkaWriter(settings, client_id="log2mq-sample", environment=os.environ) as writer:
            writer.write(topic, ((line.key, line.value) for line in lines))
    books = lines.books
    dead = Counter({code.value: number for code, number in books.dead_lettered.items()})
    say(
        f"{kind}: read {books.read:,}, of which reported {books.reported:,}, duplicate {books.duplicate:,}, filtered {books.filtered:,}, dead-lettered "
        f"{books.dead_letters:,} ({', '.join(f'{code} {number}' for code, number in dead.most_common())})",
        err=True,
    )
