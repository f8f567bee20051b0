"""The options that select dead letters, which several verbs share."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from pipeline.config.load import load_source
from pipeline.contracts.values import Partition
from pipeline.dead_letters.selection import Selection
from pipeline.errors import UsageError
from pipeline.job.replay_range import Bound
from pipeline.runtime.build import now_ms
from schemas.refusal import ReasonCode, Stage

NEWEST = 100_000
"""So many of the newest records of the dead-letter topic are looked at, unless `--newest` says another number."""


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that select dead letters; it gets a `Selection` and the number of records to look at."""

    @click.option(
        "--reason",
        "reasons",
        multiple=True,
        metavar="CODE",
        help="Only of this reason code. May be given several times.",
    )
    @click.option(
        "--stage",
        "stages",
        multiple=True,
        type=click.Choice([each.value for each in Stage]),
        help="Only of this stage.",
    )
    @click.option("--code", "api_codes", multiple=True, metavar="CODE", help="Only with this error code of the API.")
    @click.option(
        "--partition",
        "origin_text",
        metavar="TOPIC:0",
        help="Only of records of this partition of the source's topics.",
    )
    @click.option(
        "--since", "since_text", metavar="T", help="Only refused at this time or later, or so long ago (90m)."
    )
    @click.option("--until", "until_text", metavar="T", help="Only refused before this time.")
    @click.option(
        "--newest",
        default=NEWEST,
        show_default=True,
        type=click.IntRange(1),
        help="How many of the newest records of the topic are looked at.",
    )
    @wraps(command)
    def wrapped(
        source_file: Path,
        reasons: tuple[str, ...],
        stages: tuple[str, ...],
        api_codes: tuple[str, ...],
        origin_text: str | None,
        since_text: str | None,
        until_text: str | None,
        **more: Any,
    ) -> None:
        source = load_source(source_file, os.environ)
        selection = Selection(
            source.source,
            [_reason(each) for each in reasons],
            stages,
            api_codes,
            None if origin_text is None else [_origin(origin_text)],
            _time("--since", since_text),
            _time("--until", until_text),
            repr((reasons, stages, api_codes, origin_text, since_text, until_text)),
        )
        command(source, selection, **more)

    return wrapped


def _reason(text: str) -> str:
    try:
        return ReasonCode.read(text)
    except ValueError as error:
        raise UsageError(f"--reason: found {text!r}; {error}") from None


def _origin(text: str) -> Partition:
    topic, _, partition = text.rpartition(":")
    if not topic or not partition.isdecimal():
        raise UsageError(
            f"--partition: found {text!r}; expected a partition of the source's topics such as shop-app-log:0"
        )
    return Partition(topic, int(partition))


def _time(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        bound = Bound.parse(text, now_ms(), ())
    except UsageError:
        bound = Bound()
    if bound.time_ms is None:
        raise UsageError(
            f"{option}: found {text!r}; expected a time such as 2026-11-11T00:00:00+08:00, or how long ago such as 90m"
        )
    return bound.time_ms
