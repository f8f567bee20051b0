"""`log2mq schema`: the JSON Schema of a kind of file, for editors."""

from __future__ import annotations

import click

from pipeline.cli.say import write_out
from pipeline.editor_schema.json_schema import SCHEMAS, shipped_schema


@click.command()
@click.argument("kind", type=click.Choice(list(SCHEMAS)))
def schema(kind: str) -> None:
    """Print the JSON Schema (2020-12) of a KIND of file: an editor completes keys, explains them, and marks what is wrong."""
    write_out(shipped_schema(kind))
