"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import ValidationError

from pipeline.errors import UsageError
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.yaml_text.diagnostics import without_password

source_argument = click.argument("source_file", metavar="SOURCE.yaml", type=click.Path(path_type=Path))

log_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Plain log lines, or one JSON object a line.",
)

log_level_option = click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The lowest level that is logged.",
)

progress_option = click.option(
    "--progress/--no-progress",
    default=None,
    help="Show a live line, or log a line every ten seconds. Default: a live line on a terminal.",
)

new_store_option = click.option(
    "--new-store",
    is_flag=True,
    help="Accept the dedup store although the group worked with another one. It does not know what was reported until now.",
)

partitions_option = click.option(
    "--partitions",
    "partitions_text",
    metavar="0,1|TOPIC:0",
    help="Only these partitions. Default: all of the source's topics.",
)


def kafka_settings(bootstrap_servers: str, topic: str, topic_option: str) -> KafkaSettings:
    """Return the settings to reach one topic of brokers that the command line names.

    Raises:
        UsageError: the value of `--bootstrap-servers` or of the topic's option is wrong.
    """
    try:
        return KafkaSettings.model_validate({"bootstrap_servers": bootstrap_servers, "topics": [topic]})
    except ValidationError as error:
        wrong = error.errors()[0]
        option, found = (
            (topic_option, topic) if wrong["loc"][0] == "topics" else ("--bootstrap-servers", bootstrap_servers)
        )
        raise UsageError(f"{option}: found {without_password(repr(found))}; {wrong['ctx']['error']}") from None


def created_folder(option: str, path: Path) -> Path:
    """Create the folder of an option if it is missing, and return it. Only this user may enter what is created: it will hold raw logs.

    Raises:
        UsageError: the folder cannot be created, or no file can be written in it.
    """
    probe = path / ".log2mq-probe"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"{option}: found {str(path)!r}, in which no file can be written ({error.strerror}); expected a folder that can be written"
        ) from None
    return path
