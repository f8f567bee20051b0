"""The messages and calls that a test case expects."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.authoring.cases.written_values import (
    ExpectedAttributes,
    ExpectedCall,
    ExpectedIdentities,
    Scalar,
    TimeOrNull,
)

_STRICT = ConfigDict(frozen=True, extra="forbid")


class ExpectedEvent(BaseModel):
    """An event with the keys of the source file. A key that is left out is not compared. Null means that the event has no such field."""

    model_config = _STRICT

    event_code: Annotated[Scalar, Field(description="The event code.")] = None
    event_source_code: Annotated[Scalar, Field(description="The APP_KEY of the channel.")] = None
    event_time: Annotated[
        TimeOrNull,
        Field(
            description="The event's time: Unix milliseconds, or a time, without a zone in the source's `time_zone`."
        ),
    ] = None
    customer_id: Annotated[Scalar, Field(description="The user's ID.")] = None
    identities: Annotated[ExpectedIdentities, Field(description="Further identities of the user, by type.")] = None
    out_biz_id: Annotated[Scalar, Field(description="The business ID.")] = None
    attributes: Annotated[ExpectedAttributes, Field(description="The event's attributes, property ID to value.")] = None


class ExpectedUser(BaseModel):
    """A user's identities. Keys that are left out and null mean the same as in `ExpectedEvent`."""

    model_config = _STRICT

    customer_id: Annotated[Scalar, Field(description="The user's ID.")] = None
    identities: Annotated[ExpectedIdentities, Field(description="The identities of the user, by type.")] = None


class ExpectedBody(BaseModel):
    """The calls that would be made. Each is a list of the messages as they are sent, or the exact text of the form body."""

    model_config = _STRICT

    events: Annotated[ExpectedCall, Field(description="The call that reports events.")] = None
    users: Annotated[ExpectedCall, Field(description="The call that reports identities of users.")] = None

    @model_validator(mode="after")
    def _texts_or_lists(self) -> Self:
        if not all(each is None or isinstance(each, str | list) for each in (self.events, self.users)):
            raise ValueError("expected a list of messages, or the form body as a text")
        return self
