"""Options and arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path

import click

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
    help="The least level to log.",
)

progress_option = click.option(
    "--progress/--no-progress",
    default=None,
    help="Show a live line, or log one every ten seconds. Default: live on a terminal.",
)
