"""The event catalogue: the channels and events of one workspace, as Event Management of Quick Audience has them (the vendor's page, "Custom events").

Only shapes are here; what holds between channels, events and tasks is in `pipeline.catalogue.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any
from unicodedata import category

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

_STRICT = ConfigDict(frozen=True, extra="forbid")


def _one_line(text: str) -> str:
    if text != text.strip() or not all(each.isprintable() or category(each) == "Zs" for each in text):
        raise ValueError(
            f"{text!r}; expected a text of one line, without white space around it or characters that do not show"
        )
    return text


def _or_empty(value: Any) -> Any:
    return [] if value is None else value


Line = Annotated[StrictStr, Field(min_length=1), AfterValidator(_one_line)]
"""A name or code: one line, no white space at its ends, which no log would repeat."""


class ApplicationType(StrEnum):
    """What kind of application an event is reported from."""

    APP = "app"
    MINI_PROGRAM = "mini_program"
    WEB = "web"
    THIRD_PARTY_SYSTEM = "third_party_system"


class Origin(StrEnum):
    """The three types of events that the console's list displays."""

    QUICK_TRACKING = "quick_tracking"
    CUSTOM = "custom"
    SYSTEM = "system"


class PropertyType(StrEnum):
    """The event property data types of the console."""

    TEXT = "text"
    NUMERIC = "numeric"


class PropertyScope(StrEnum):
    """The property types of the console: of this event, or of all events of the channel."""

    EVENT = "event"
    GLOBAL = "global"


class Channel(BaseModel):
    """Where events are reported from. `app_key` is what an event's `eventSourceCode` names."""

    model_config = _STRICT

    name: Annotated[Line, Field(description="Channel Name")]
    application_type: Annotated[ApplicationType, Field(description="Application Type")]
    app_key: Annotated[Line | None, Field(description="APP_KEY, which uniquely identifies the channel")] = None
    quick_tracking: Annotated[bool, Field(strict=True, description="Whether Quick Tracking collects its events")] = (
        False
    )
    platform_type: Annotated[Line | None, Field(description="Platform Type, as it is set in Quick Tracking")] = None


class EventProperty(BaseModel):
    """One event extension property."""

    model_config = _STRICT

    id: Annotated[Line, Field(description="Event Extension Property ID")]
    name: Annotated[Line, Field(description="Event Extension Property Name")]
    type: Annotated[PropertyType, Field(description="Event Property Data Type")]
    scope: Annotated[PropertyScope, Field(description="Property Type: of this event, or of all of the channel")] = (
        PropertyScope.EVENT
    )


class EventDefinition(BaseModel):
    """One event. `channel` is the name of a channel of the catalogue, or of a feature module for a system default event."""

    model_config = _STRICT

    code: Annotated[Line, Field(description="Event Code")]
    name: Annotated[Line, Field(description="Event Name")]
    channel: Annotated[Line, Field(description="Channel Name, or the feature module of a system default event")]
    origin: Annotated[Origin | None, Field(description="Without it, what the channel says")] = None
    properties: Annotated[
        list[EventProperty], BeforeValidator(_or_empty), Field(description="Its event extension properties")
    ] = Field(default_factory=list)

    def property_of(self, property_id: str) -> EventProperty | None:
        """Return the property of that ID."""
        return next((each for each in self.properties if each.id == property_id), None)


class MarketingTask(BaseModel):
    """An automated marketing task, and the codes of the events that it uses: those cannot be deleted."""

    model_config = _STRICT

    name: Annotated[Line, Field(description="The task's name")]
    events: Annotated[
        list[Line], BeforeValidator(_or_empty), Field(description="The codes of the events that it uses")
    ] = Field(default_factory=list)


class Catalogue(BaseModel):
    """The channels and events of one workspace."""

    model_config = _STRICT

    channels: Annotated[
        list[Channel], BeforeValidator(_or_empty), Field(description="Where events are reported from")
    ] = Field(default_factory=list)
    events: Annotated[
        list[EventDefinition], BeforeValidator(_or_empty), Field(description="The events of these channels")
    ] = Field(default_factory=list)
    tasks: Annotated[
        list[MarketingTask],
        BeforeValidator(_or_empty),
        Field(description="Automated marketing tasks: an event that one of them uses cannot be deleted"),
    ] = Field(default_factory=list)

    @cached_property
    def channels_by_name(self) -> Mapping[str, Channel]:
        """The channels by the name that events give."""
        return {each.name: each for each in self.channels}

    @cached_property
    def events_by_code(self) -> Mapping[str, EventDefinition]:
        """The events by their code."""
        return {each.code: each for each in self.events}

    def channel_of(self, event: EventDefinition) -> Channel | None:
        """Return an event's channel; None for a feature module."""
        return self.channels_by_name.get(event.channel)

    def origin_of(self, event: EventDefinition) -> Origin:
        """Return an event's origin, which its channel tells where it is not written."""
        return event.origin or channel_origin(self.channel_of(event))

    def events_of(self, channel_name: str) -> list[EventDefinition]:
        """Return the events under a channel."""
        return [each for each in self.events if each.channel == channel_name]

    def tasks_using(self, code: str) -> list[MarketingTask]:
        """Return the tasks that use an event."""
        return [each for each in self.tasks if code in each.events]


def channel_origin(channel: Channel | None) -> Origin:
    """Return the origin of the events of a channel; no channel of the catalogue is a feature module."""
    if channel is None:
        return Origin.SYSTEM
    return Origin.QUICK_TRACKING if channel.quick_tracking else Origin.CUSTOM
