"""The declarative mapping as it stands in a source file: the keys `events`, `users`, `otherwise`, `identities` and `tables`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.customer import IdMapping
from transforms.fault import KeyPath
from transforms.values.times import DEFAULT_ZONE

Expression = Any
"""A constant, an expression, a template or `first_of`; see `transforms.mapping.values`."""

_STRICT = ConfigDict(frozen=True, extra="forbid")


class EventRule(BaseModel):
    """One rule that makes an event of a log entry."""

    model_config = _STRICT

    when: dict[str, Any] | None = None
    for_each: Expression = None
    event_code: Expression
    event_source_code: Expression = None
    event_time: Expression
    customer_id: Expression
    identities: dict[IdMapping, Expression] = Field(default_factory=dict)
    out_biz_id: Expression
    attributes: dict[Annotated[str, Field(min_length=1)], Expression] = Field(default_factory=dict)


class UserRule(BaseModel):
    """One rule that makes a user's identities of a log entry."""

    model_config = _STRICT

    when: dict[str, Any] | None = None
    for_each: Expression = None
    customer_id: Expression
    identities: Annotated[dict[IdMapping, Expression], Field(min_length=1)]


def values_of(rule: EventRule | UserRule) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every value that a rule reads but its conditions, with its place in the rule; of an `out_biz_id` each part."""
    for key, written in rule:
        if key in {"identities", "attributes"}:
            yield from (((key, str(name)), each) for name, each in written.items())
        elif key != "when":
            parts = written.get("content") if isinstance(written, dict) else written
            yield from (((key,), each) for each in (parts if isinstance(parts, list) else [written]))


class IdentitySettings(BaseModel):
    """What happens to an identity that cannot be one of its type."""

    model_config = _STRICT

    impossible: Literal["refuse", "leave_out"] = "refuse"


class EventTimeSettings(BaseModel):
    """How far an event's time may lie from Kafka's time of its record, in ms."""

    model_config = _STRICT

    before: Annotated[int, Field(ge=0)] | None = None
    after: Annotated[int, Field(ge=0)] | None = None


class MappingSettings(BaseModel):
    """The whole mapping of one source."""

    model_config = _STRICT

    events: list[EventRule] = Field(default_factory=list)
    users: list[UserRule] = Field(default_factory=list)
    match: Literal["all", "first"] = "all"
    otherwise: Literal["skip", "dead_letter"] = "skip"
    identities: IdentitySettings = IdentitySettings()
    event_times: EventTimeSettings = EventTimeSettings()
    time_zone: str = DEFAULT_ZONE
    tables: dict[str, dict[str, Any]] = Field(default_factory=dict)
