"""The sections of a source file that have no room of their own: plug-in, event times, dead letters, limits, commits, stop."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from pipeline.setting_types.listen import listen_address
from pipeline.setting_types.quantity import ByteSize, Duration, Share

_STRICT = ConfigDict(frozen=True, extra="forbid")


class TransformSettings(BaseModel):
    """A Python plug-in instead of the declarative mapping."""

    model_config = _STRICT

    plugin: Annotated[str, Field(min_length=1, description="The name of the plug-in.")]
    file: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1_000,
            description="The Python file that holds the plug-in, relative to the source file's folder.",
            json_schema_extra={"default_text": "an installed plug-in"},
        ),
    ] = None
    options: Annotated[dict[str, Any], Field(description="The options of the plug-in.")] = Field(default_factory=dict)
    timeout: Annotated[Duration, Field(ge=10, le=60_000, description="The time limit for one entry.")] = 500


class FarOffSettings(BaseModel):
    """How far an event's time may be from Kafka's time of its record. An event further away is refused."""

    model_config = _STRICT

    before: Annotated[
        Duration | None,
        Field(
            description="How long before Kafka's time of its record an event may have happened. An event that is older is refused."
        ),
    ] = None
    after: Annotated[
        Duration | None,
        Field(
            description="How long after Kafka's time of its record an event may happen. `5m` accepts a clock that is a little ahead."
        ),
    ] = None


class DeadLetterSettings(BaseModel):
    """The topic of refused records, and the share of refused records at which the job stops."""

    model_config = _STRICT

    topic: Annotated[
        str,
        Field(
            max_length=249,
            description="The topic that refused records are written to: see [dead letters](dead-letters.md).",
            json_schema_extra={"default_text": "`<source>-dead`"},
        ),
    ] = ""
    stop_above: Annotated[
        Share,
        Field(
            description="The largest share of the window that may become dead letters. Above it the job stops with exit code 7. "
            "A record that has its dead letter from earlier does not count."
        ),
    ] = 0.05
    window: Annotated[
        int,
        Field(
            ge=10,
            le=10_000_000,
            description="The number of records, read one after the other, that the share is counted over.",
        ),
    ] = 1_000


class LimitSettings(BaseModel):
    """The limits of one record, of all unfinished records, and of a process."""

    model_config = _STRICT

    record: Annotated[
        ByteSize,
        Field(
            ge=1,
            le=64 << 20,
            description="The largest size of a record's value, as it is read and once it is decompressed. A larger value is refused.",
        ),
    ] = 1 << 20
    unfinished: Annotated[
        int,
        Field(
            ge=100,
            le=1_000_000,
            description="The number of records of a partition, from the lowest unfinished one on, at which the partition is paused.",
        ),
    ] = 20_000
    in_flight: Annotated[
        ByteSize,
        Field(
            ge=1 << 20,
            description="The size of all unfinished records and their messages, each message counted with 1 KiB more, at which all partitions are paused. "
            "A batch that Kafka's clients compressed and that can only be unpacked as a whole may come to as many bytes, or to 32 MiB if that is more.",
        ),
    ] = 32 << 20
    depth: Annotated[
        int, Field(ge=1, le=500, description="The largest number of levels of objects and arrays in a record.")
    ] = 64
    digits: Annotated[int, Field(ge=20, le=4_000, description="The largest number of digits of a number.")] = 1_000
    entries: Annotated[int, Field(ge=1, le=100_000, description="The largest number of log entries of a record.")] = (
        10_000
    )
    cpu: Annotated[
        Literal["one", "any"],
        Field(
            description="`one`: a process keeps its threads on one CPU at a time, which saves a tenth of the CPU time (Linux only); "
            "every 5 s the system may choose another CPU. `any`: the system decides."
        ),
    ] = "one"


class CommitSettings(BaseModel):
    """How often offsets are committed: after a number of records or a time, whichever comes first."""

    model_config = _STRICT

    records: Annotated[
        int,
        Field(
            ge=1, description="The number of records after which offsets are committed, even if `every` has not passed."
        ),
    ] = 20_000
    every: Annotated[
        Duration,
        Field(
            ge=10,
            le=600_000,
            description="The time after which offsets are committed, even if there were fewer than `records`.",
        ),
    ] = 1_000


class ObserveSettings(BaseModel):
    """The HTTP endpoint of a running job, for metrics and health checks."""

    model_config = _STRICT

    expose: Annotated[
        bool,
        Field(
            description="Whether `listen` may be an address that other machines reach, as in a container. The endpoint asks for no password."
        ),
    ] = False
    listen: Annotated[
        str | None,
        Field(
            description="The address and port of the [endpoint](metrics.md), such as `127.0.0.1:9464`. Without it there is none.",
            json_schema_extra={"default_text": "no endpoint"},
        ),
    ] = None
    away_limit: Annotated[
        Duration,
        Field(
            le=86_400_000,
            description="How long Quick Audience may be away until `/readyz` says that the job is not ready.",
        ),
    ] = 300_000

    @field_validator("listen")
    @classmethod
    def _check_listen(cls, text: str | None, checked: ValidationInfo) -> str | None:
        if text is not None:
            listen_address(text, expose=bool(checked.data.get("expose")))
        return text


class StopSettings(BaseModel):
    """How long a stop may take to finish the records in flight."""

    model_config = _STRICT

    grace: Annotated[
        Duration,
        Field(
            le=3_600_000,
            description="How long a stop may take. In the first half the job finishes what is in flight. "
            "In the second half it sends nothing more and waits for the calls under way.",
        ),
    ] = 30_000
