"""The declarative mapping as it stands in a source file: the keys `events`, `users`, `otherwise`, `identities` and `tables`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from schemas.customer import IdMapping
from transforms.fault import KeyPath
from transforms.values.times import DEFAULT_ZONE

Expression = Any
"""A constant, an expression, a template or `first_of`; see `transforms.mapping.values`."""

_STRICT = ConfigDict(frozen=True, extra="forbid")


def _named(definition: str) -> WithJsonSchema:
    """Return the JSON Schema of a type as the name of one of the definitions in `transforms.mapping.rule_schema`."""
    return WithJsonSchema({"definition": definition})


When = Annotated[
    Annotated[dict[str, Any], _named("condition")] | None,
    Field(description="The [condition](mapping.md#conditions). Without it the rule always applies."),
]
ForEach = Annotated[
    Annotated[Expression, _named("path_or_template")] | None,
    Field(
        description="A list of the entry. The rule makes one message for each [element](mapping.md#elements-of-a-list)."
    ),
]
EventCode = Annotated[
    Expression, Field(description="The event code, as it is defined in Quick Audience."), _named("text_value")
]
EventSourceCode = Annotated[
    Expression,
    Field(description="The APP_KEY of the channel. Without it the event is not limited to a channel."),
    _named("text_value"),
]
EventTime = Annotated[
    Expression,
    Field(description="The time at which the event happened: see [times](mapping.md#times)."),
    _named("path_or_template"),
]
CustomerIdentifier = Annotated[Expression, Field(description="The user's ID."), _named("path_or_template")]
Identities = Annotated[
    dict[IdMapping, Expression],
    Field(description=f"Further identities of the user, by type: {', '.join(f'`{kind}`' for kind in IdMapping)}."),
    _named("identities_by_type"),
]
OutBizId = Annotated[
    Expression, Field(description="The business ID: see [out_biz_id](mapping.md#out_biz_id)."), _named("business_id")
]
Attributes = Annotated[
    dict[Annotated[str, Field(min_length=1)], Expression],
    Field(
        description="The event's attributes, property ID to value. Every value is sent as a text; an attribute without a value is left out."
    ),
    _named("values_by_property"),
]


class EventRule(BaseModel):
    """One rule that makes an event of a log entry."""

    model_config = _STRICT

    when: When = None
    for_each: ForEach = None
    event_code: EventCode
    event_source_code: EventSourceCode = None
    event_time: EventTime
    customer_id: CustomerIdentifier
    identities: Identities = Field(default_factory=dict)
    out_biz_id: OutBizId
    attributes: Attributes = Field(default_factory=dict)


class UserRule(BaseModel):
    """One rule that makes a user's identities of a log entry."""

    model_config = _STRICT

    when: When = None
    for_each: ForEach = None
    customer_id: CustomerIdentifier
    identities: Annotated[Identities, Field(min_length=1)]


def values_of(rule: EventRule | UserRule) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every value of a rule except its conditions, with its place in the rule; of an `out_biz_id` each part."""
    for key, written in rule:
        if key in {"identities", "attributes"}:
            yield from (((key, str(name)), each) for name, each in written.items())
        elif key != "when":
            parts = written.get("content") if isinstance(written, dict) else written
            yield from (((key,), each) for each in (parts if isinstance(parts, list) else [written]))


class IdentitySettings(BaseModel):
    """What happens to an identity that cannot be one of its type."""

    model_config = _STRICT

    impossible: Annotated[
        Literal["refuse", "leave_out"],
        Field(
            description="What happens to an identity that cannot be one of its type: `refuse` the record, or `leave_out` the identity."
        ),
    ] = "refuse"


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
