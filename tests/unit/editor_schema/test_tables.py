"""The tables of settings: a row for each key, with its default, the values that it accepts, and its meaning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from pipeline.editor_schema.tables import EventRule, SourceFile, TestRecord, rows, table
from pipeline.setting_types.quantity import ByteSize, Duration, Share
from pipeline.setting_types.secret import SecretSource


class Inner(BaseModel):
    """A section."""

    size: Annotated[ByteSize, Field(ge=1 << 10, description="How large.")] = 1 << 20
    share: Annotated[Share, Field(description="How much.")] = 0.05


class Outer(BaseModel):
    """A file."""

    name: Annotated[str, Field(alias="as", description="A name.")]
    wait: Annotated[Duration, Field(ge=1, le=60_000, description="How long.")] = 1_500
    mark: Annotated[str, Field(description="`a | b` stands here.")] = " "
    kind: Annotated[
        Literal["a", "b"] | None, Field(json_schema_extra={"default_text": "as `as`"}, description="Which.")
    ] = None
    fields: Annotated[tuple[Literal["x", "y"], ...], Field(description="What.")] = ("x",)
    secret: Annotated[SecretSource | str | None, Field(description="A secret.")] = None
    plain: Inner = Inner()
    told: Annotated[Inner | None, Field(description="A section.")] = None
    on: Annotated[bool, Field(description="Whether.")] = False
    count: Annotated[int, Field(ge=2, description="How many.")] = 3


def test_each_key_has_a_row():
    assert table(rows(Outer)).splitlines() == [
        "| key | default | values | meaning |",
        "| --- | --- | --- | --- |",
        "| `as` | required | text | A name. |",
        "| `wait` | `1s500ms` | duration, at least 1ms, at most 1m | How long. |",
        r"| `mark` | a space | text | `a \| b` stands here. |",
        "| `kind` | as `as` | `a`, `b` | Which. |",
        "| `fields` | `[x]` | list of `x`, `y` | What. |",
        "| `secret` | none | `{env: NAME}` or `{file: PATH}` or text | A secret. |",
        "| `plain.size` | `1MiB` | size, at least 1KiB | How large. |",
        "| `plain.share` | `5%` | share, at most 100% | How much. |",
        "| `told` | none | mapping | A section. |",
        "| `told.size` | `1MiB` | size, at least 1KiB | How large. |",
        "| `told.share` | `5%` | share, at most 100% | How much. |",
        "| `on` | `false` | `true` or `false` | Whether. |",
        "| `count` | `3` | whole number, at least 2 | How many. |",
    ]


def test_keys_are_chosen_and_placed():
    assert [row.split("`")[1] for row in rows(Outer, "x.", only=["plain", "on"])] == [
        "x.plain.size",
        "x.plain.share",
        "x.on",
    ]
    assert [row.split("`")[1] for row in rows(Outer, but=["as", "wait", "mark", "kind", "fields", "secret", "plain"], sections=False)] == ["told", "on", "count"]  # fmt: skip


def test_values_of_the_real_files():
    of = {row.split("`")[1]: row.split(" | ")[2] for row in rows(SourceFile)}
    assert of["kafka.bootstrap_servers"] == "text or list"
    assert of["decode"] == "decoder steps"
    assert of["catalogue.not_numeric"] == "`refuse`, `warn`, `ignore`"
    of = {row.split("`")[1]: row.split(" | ")[2] for row in (*rows(EventRule), *rows(TestRecord, sections=False))}
    assert of["event_time"] == "path or template"
    assert of["json"] == "any value"
    assert of["refused"] == "reason code"
