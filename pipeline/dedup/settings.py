"""Everything under `dedup:` in a source file."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pipeline.setting_types.quantity import ByteSize, Duration
from pipeline.setting_types.secret import SecretSource

ScopeField = Literal["organization", "workspace", "event_code", "event_source", "customer"]


def _without_password(url: str) -> str:
    # No message repeats the URL: it may hold the password.
    try:
        parts = urlsplit(url)
        has_password = bool(parts.password) or "password=" in parts.query
    except ValueError:
        raise ValueError("expected a URL such as redis://host:6379/0 or rediss://host:6380/0") from None
    if has_password:
        raise ValueError("a password in the URL; expected the whole URL from {env: NAME} or {file: PATH}")
    if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.hostname or parts.scheme == "unix"):
        raise ValueError("expected a URL such as redis://host:6379/0 or rediss://host:6380/0")
    return url


class DedupSettings(BaseModel):
    """Where the keys of reported messages are kept, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    store: Annotated[
        Literal["memory", "lmdb", "redis"],
        Field(
            description="Where the keys of reported messages are kept: `lmdb` (on one host), `redis` (for several hosts), or `memory` (for trials)."
        ),
    ] = "lmdb"
    keep: Annotated[Duration, Field(ge=1_000, description="How long the key of a reported message is remembered.")] = (
        7 * 86_400_000
    )
    lease: Annotated[
        Duration,
        Field(
            ge=2_000,
            le=600_000,
            description="How long the claims of a dead worker are waited for.",
        ),
    ] = 15_000
    give_up_after: Annotated[
        Duration,
        Field(
            ge=1_000,
            description="How long the redis server may not answer, or a worker that stands still may keep the lmdb store locked, "
            "before the job stops with exit code 5. Until then the job waits, also at its start.",
        ),
    ] = 120_000
    path: Annotated[
        Annotated[str, Field(min_length=1)] | None,
        Field(
            description="The folder of the lmdb store. Where the variable `XDG_STATE_HOME` is not set, `~/.local/state` is taken for it.",
            json_schema_extra={"default_text": "`$XDG_STATE_HOME/log2mq/<source>`"},
        ),
    ] = None
    max_size: Annotated[ByteSize, Field(ge=1 << 20, description="The largest size of the lmdb store.")] = 16 << 30
    url: Annotated[
        SecretSource | Annotated[str, AfterValidator(_without_password)] | None,
        Field(description="The redis server: a URL without a password, or a secret that is the whole URL."),
    ] = None
    scope: Annotated[
        tuple[ScopeField, ...],
        Field(min_length=1, description="What the key of a message holds in addition to `outBizId`."),
    ] = ("organization", "event_code")
    unchanged_users: Annotated[
        Literal["drop", "report"],
        Field(
            description="What happens to a user's identities that were reported before and have not changed: `drop` them, or `report` them again."
        ),
    ] = "drop"

    @model_validator(mode="after")
    def _lease_ends_before_keep(self) -> Self:
        if self.lease > self.keep:
            raise ValueError("lease is longer than keep; expected a lease of at most keep")
        return self

    @model_validator(mode="after")
    def _url_belongs_to_redis(self) -> Self:
        if (self.store == "redis") != (self.url is not None):
            raise ValueError("expected url with store: redis, and only there")
        return self
