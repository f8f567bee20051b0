"""Everything under `kafka:` in a source file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.setting_types.pem_file import PemFile
from pipeline.setting_types.quantity import ByteSize, Duration
from pipeline.setting_types.secret import SecretSource

_STRICT = ConfigDict(frozen=True, extra="forbid")
_SERVER = re.compile(r"(\[[0-9a-fA-F:]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")
_VERSION = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3}){1,2}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


class SecuritySettings(BaseModel):
    """How to reach the brokers: in clear, under TLS, with SASL."""

    model_config = _STRICT

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = None
    password: SecretSource | None = None
    ca_file: PemFile | None = None
    certificate_file: PemFile | None = None
    key_file: PemFile | None = None
    key_password: SecretSource | None = None
    check_hostname: bool = True

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> Self:
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
            raise ValueError("files of certificates without TLS; expected protocol SSL or SASL_SSL")
        if self.key_file and not self.certificate_file:
            raise ValueError("key_file without certificate_file; expected both")
        if self.key_password and not self.certificate_file:
            raise ValueError("key_password without a key; expected certificate_file and key_file")
        return self


class KafkaSettings(BaseModel):
    """Where raw records come from."""

    model_config = _STRICT

    bootstrap_servers: tuple[str, ...]
    topics: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    topic_pattern: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    group: Annotated[str, Field(min_length=1, max_length=255)] = ""
    start: Literal["earliest", "latest"] = "earliest"
    isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed"
    on_lost_offsets: Literal["halt", "continue"] = "halt"
    without_value: Literal["filter", "dead_letter"] = "filter"
    give_up_after: Annotated[Duration, Field(ge=1_000)] = 300_000
    max_poll_records: Annotated[int, Field(ge=1, le=100_000)] = 500
    max_poll_interval: Annotated[Duration, Field(ge=10_000)] = 300_000
    session_timeout: Annotated[Duration, Field(ge=6_000, le=1_800_000)] = 45_000
    metadata_max_age: Annotated[Duration, Field(ge=500, le=3_600_000)] = 30_000
    fetch_max_bytes: Annotated[ByteSize, Field(ge=1 << 16, le=512 << 20)] = 16 << 20
    api_version: str | None = None
    security: SecuritySettings = SecuritySettings()

    @field_validator("bootstrap_servers", mode="before")
    @classmethod
    def _split(cls, servers: Any) -> Any:
        return [each.strip() for each in servers.split(",") if each.strip()] if isinstance(servers, str) else servers

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
