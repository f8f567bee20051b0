"""Everything under `kafka:` in a source file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from pipeline.setting_types.pem_file import PemFile
from pipeline.setting_types.quantity import ByteSize, Duration
from pipeline.setting_types.secret import SecretSource

_STRICT = ConfigDict(frozen=True, extra="forbid")
_SERVER = re.compile(r"(\[[0-9a-fA-F:]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")
_VERSION = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3}){1,2}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_INSTANCE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


def _split(servers: Any) -> Any:
    return [each.strip() for each in servers.split(",") if each.strip()] if isinstance(servers, str) else servers


class SecuritySettings(BaseModel):
    """How the brokers are reached: with or without TLS, with or without SASL."""

    model_config = _STRICT

    protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Field(description="How the brokers are reached: with or without TLS, with or without SASL."),
    ] = "PLAINTEXT"
    mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None, Field(description="The SASL mechanism.")
    ] = None
    username: Annotated[str | None, Field(description="The user name for SASL.")] = None
    password: Annotated[SecretSource | None, Field(description="The password for SASL.")] = None
    ca_file: Annotated[
        PemFile | None,
        Field(
            description="A PEM file with the certificates to trust.",
            json_schema_extra={"default_text": "the certificates of the machine"},
        ),
    ] = None
    certificate_file: Annotated[PemFile | None, Field(description="A PEM file with the client's own certificate.")] = (
        None
    )
    key_file: Annotated[
        PemFile | None,
        Field(
            description="A PEM file with the client's private key.",
            json_schema_extra={"default_text": "the key in `certificate_file`"},
        ),
    ] = None
    key_password: Annotated[SecretSource | None, Field(description="The password of the private key.")] = None
    check_hostname: Annotated[
        bool, Field(description="Whether the broker's certificate must contain its host name.")
    ] = True

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> Self:
        if self.protocol.startswith("SASL") and not (self.mechanism and self.username and self.password):
            raise ValueError("SASL without mechanism, username and password; expected all three")
        if not self.protocol.startswith("SASL") and (self.mechanism or self.username or self.password):
            raise ValueError(
                "mechanism, username or password without SASL; expected protocol SASL_SSL or SASL_PLAINTEXT"
            )
        return self

    @model_validator(mode="after")
    def _files_are_for_tls(self) -> Self:
        if not self.protocol.endswith("SSL") and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError("certificate files without TLS; expected protocol SSL or SASL_SSL")
        if self.key_file and not self.certificate_file:
            raise ValueError("key_file without certificate_file; expected both")
        if self.key_password and not self.certificate_file:
            raise ValueError("key_password without a key; expected certificate_file and key_file")
        return self


class KafkaSettings(BaseModel):
    """Where raw records come from."""

    model_config = ConfigDict(
        **_STRICT, json_schema_extra={"oneOf": [{"required": ["topics"]}, {"required": ["topic_pattern"]}]}
    )

    bootstrap_servers: Annotated[
        tuple[str, ...],
        BeforeValidator(_split, json_schema_input_type=str | Annotated[list[str], Field(min_length=1)]),
        Field(description="The brokers as `host:port`: a list, or one text with commas between them."),
    ]
    topics: Annotated[
        Annotated[tuple[str, ...], Field(min_length=1)] | None,
        Field(description="The topics. A source file has either this key or `topic_pattern`."),
    ] = None
    topic_pattern: Annotated[
        Annotated[str, Field(min_length=1, max_length=500)] | None,
        Field(description="A regular expression for the names of the topics."),
    ] = None
    group: Annotated[
        str,
        Field(
            min_length=1,
            max_length=255,
            description="The consumer group.",
            json_schema_extra={"default_text": "`log2mq-<source>`"},
        ),
    ] = ""
    instance_id: Annotated[
        str | None,
        Field(
            description="The name of this job among the members of its group, for static membership. A job that starts again with the same "
            "name takes its partitions back at once, also after a crash. No two running jobs of a group may have the same name. "
            "With `--workers` each worker appends its number.",
            json_schema_extra={
                "default_text": "none; with `--workers`, a name that is new with each start of the supervisor"
            },
        ),
    ] = None
    start: Annotated[
        Literal["earliest", "latest"],
        Field(
            description="Where a new group begins. A partition that is added to a topic later is always read from its beginning."
        ),
    ] = "earliest"
    isolation_level: Annotated[
        Literal["read_committed", "read_uncommitted"],
        Field(description="Whether records of transactions that are not committed are read."),
    ] = "read_committed"
    on_lost_offsets: Annotated[
        Literal["halt", "continue"],
        Field(
            description="What happens when retention has removed the committed offsets, the topic was truncated, or it was deleted and created again: "
            "`halt` and name the range, or `continue` and count it."
        ),
    ] = "halt"
    without_value: Annotated[
        Literal["filter", "dead_letter"],
        Field(description="What happens to records without a value: `filter` them, or write them to the dead letters."),
    ] = "filter"
    connect_timeout: Annotated[
        Duration, Field(ge=1_000, description="The longest time that one attempt to connect may take.")
    ] = 15_000
    give_up_after: Annotated[
        Duration,
        Field(
            ge=1_000,
            description="How long no broker may answer, or reading may fail, before the job stops with exit code 3. "
            "A job that starts while no broker answers waits as long. "
            "How long the dead-letter topic may take no record before the job stops with exit code 6.",
        ),
    ] = 300_000
    max_poll_records: Annotated[
        int, Field(ge=1, le=100_000, description="The largest number of records that one poll returns.")
    ] = 500
    max_poll_interval: Annotated[
        Duration,
        Field(
            ge=10_000,
            le=7 * 86_400_000,  # Kafka's protocol has 31 bits of milliseconds for it
            description="The longest time between two polls before the group evicts the member.",
        ),
    ] = 300_000
    session_timeout: Annotated[
        Duration,
        Field(
            ge=6_000,
            le=1_800_000,
            description="The time after which the group takes a member without heartbeats for dead.",
        ),
    ] = 45_000
    metadata_max_age: Annotated[
        Duration,
        Field(
            ge=500,
            le=3_600_000,
            description="The longest time until new partitions, new topics of a pattern, and topics created again are noticed.",
        ),
    ] = 30_000
    fetch_max_bytes: Annotated[
        ByteSize,
        Field(ge=1 << 16, le=512 << 20, description="The largest size of one fetch, which is read ahead of the job."),
    ] = 16 << 20
    api_version: Annotated[
        str | None,
        Field(
            description='The version of Kafka that the brokers are taken for, such as `"2.3"`. '
            "Some proxies and mock clusters report a wrong version when they are asked.",
            json_schema_extra={"default_text": "the brokers are asked"},
        ),
    ] = None
    security: SecuritySettings = SecuritySettings()

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        if not servers or any(
            (found := _SERVER.fullmatch(each)) is None or not 0 < int(found[2]) < 1 << 16 for each in servers
        ):
            raise ValueError("expected host:port, or several with commas between")
        return servers

    @field_validator("topics")
    @classmethod
    def _names(cls, topics: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if topics and any(not _TOPIC.fullmatch(each) or each in {".", ".."} for each in topics):
            raise ValueError("expected names of letters, digits, dots, dashes and underscores, at most 249 characters")
        return topics

    @field_validator("instance_id")
    @classmethod
    def _instance(cls, name: str | None) -> str | None:
        if name is not None and not _INSTANCE.fullmatch(name):
            raise ValueError(
                "expected a name of letters, digits, dots, dashes and underscores, not a dot first, at most 200 characters"
            )
        return name

    @field_validator("api_version", mode="before")
    @classmethod
    def _version(cls, version: Any) -> Any:
        if version is not None and (not isinstance(version, str) or not _VERSION.fullmatch(version)):
            raise ValueError('expected a version of Kafka in quotes, such as "2.3"')
        return version

    @field_validator("topic_pattern")
    @classmethod
    def _pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error:
            raise ValueError("expected a regular expression such as ^shop-.*-log$") from None
        return pattern

    @model_validator(mode="after")
    def _topics_or_pattern(self) -> Self:
        if (self.topics is None) == (self.topic_pattern is None):
            raise ValueError("expected exactly one of topics and topic_pattern")
        return self
