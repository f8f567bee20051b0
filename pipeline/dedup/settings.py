"""Everything under `dedup:` in a source file."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.config.quantity import ByteSize, Duration

ScopeField = Literal["organization", "workspace", "event_code", "event_source", "customer"]


class DedupSettings(BaseModel):
    """What is remembered of reported messages, where, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: Literal["memory", "lmdb"] = "lmdb"
    keep: Annotated[Duration, Field(ge=1_000)] = 7 * 86_400_000
    lease: Annotated[Duration, Field(ge=2_000, le=600_000)] = 15_000
    path: Annotated[str, Field(min_length=1)] | None = None
    max_size: Annotated[ByteSize, Field(ge=1 << 20)] = 16 << 30
    scope: Annotated[tuple[ScopeField, ...], Field(min_length=1)] = ("organization", "event_code")
    unchanged_users: Literal["drop", "report"] = "drop"

    @model_validator(mode="after")
    def _claims_end_before_memory_does(self) -> Self:
        if self.lease > self.keep:
            raise ValueError("lease is longer than keep; expected a claim to end before what was reported is forgotten")
        return self
