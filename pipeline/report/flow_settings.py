"""Everything under `report.flow:` in a source file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class FlowSettings(BaseModel):
    """How fast the operations are called. Each limit holds for all processes that share the dedup store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_senders: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="The number of calls at the same time of one operation (events, or users) below which slow answers do not lead. "
            "With the value of `senders`, slow answers change nothing.",
        ),
    ] = 1
    calls: Annotated[
        float | None,
        Field(
            ge=0.1,
            le=100_000,
            description="The largest number of calls in a second, of each operation.",
            json_schema_extra={"default_text": "as many as the API takes"},
        ),
    ] = None
    events: Annotated[
        float | None,
        Field(
            ge=0.1,
            le=10_000_000,
            description="The largest number of events in a second.",
            json_schema_extra={"default_text": "as many as the API takes"},
        ),
    ] = None
    users: Annotated[
        float | None,
        Field(
            ge=0.1,
            le=10_000_000,
            description="The largest number of user messages in a second.",
            json_schema_extra={"default_text": "as many as the API takes"},
        ),
    ] = None
