"""The event catalogue: the channels and events of one workspace, as Event Management of Quick Audience has them (the vendor's page, "Custom events").

This file holds only shapes. The rules between channels, events and tasks are in `pipeline.catalogue.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any
from unicodedata import category

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr
from pydantic.config import JsonDict

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
"""A name or code: one line, without white space at its ends, since a log would not repeat that white space."""


class ApplicationType(StrEnum):
    """The kind of application that an event is reported from."""

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


def _collected(*kinds: ApplicationType) -> JsonDict:
    """Return the JSON Schema of a channel that Quick Tracking collects and that has one of these application types."""
    kind: JsonDict = {"enum": [kind.value for kind in kinds]}
    return {
        "properties": {"quick_tracking": {"const": True}, "application_type": kind},
        "required": ["quick_tracking", "application_type"],
    }


_KEYS_OF_A_CHANNEL: JsonDict = {
    "allOf": [
        {"if": _collected(*ApplicationType), "else": {"required": ["app_key"]}},
        {
            "if": _collected(ApplicationType.APP, ApplicationType.MINI_PROGRAM),
            "then": {"required": ["platform_type"]},
            "else": {"not": {"required": ["platform_type"]}},
        },
        {"if": _collected(ApplicationType.THIRD_PARTY_SYSTEM), "then": {"not": {"required": ["quick_tracking"]}}},
    ]
}
"""The JSON Schema of the keys that belong together; see `pipeline.catalogue.rules`."""


class Channel(BaseModel):
    """A channel, from which events are reported. `app_key` is the `eventSourceCode` of these events."""

    model_config = ConfigDict(**_STRICT, json_schema_extra=_KEYS_OF_A_CHANNEL)

    name: Annotated[Line, Field(description="The channel's name, by which events name it. Each name stands once.")]
    application_type: Annotated[ApplicationType, Field(description="The application type, as in the console.")]
    app_key: Annotated[
        Line | None,
        Field(description="The APP_KEY, which identifies the channel. It is required, except with `quick_tracking`."),
    ] = None
    quick_tracking: Annotated[
        bool,
        Field(
            strict=True, description="Whether Quick Tracking collects its events. A third-party system cannot have it."
        ),
    ] = False
    platform_type: Annotated[
        Line | None,
        Field(
            description="The platform type that the channel has in Quick Tracking: "
            "required for an app or a mini program that Quick Tracking collects, and allowed only there."
        ),
    ] = None


class EventProperty(BaseModel):
    """One event extension property."""

    model_config = _STRICT

    id: Annotated[
        Line,
        Field(
            description="The event extension property ID: the name of an attribute of the mapping. Each ID stands once in an event."
        ),
    ]
    name: Annotated[Line, Field(description="The property's name.")]
    type: Annotated[PropertyType, Field(description="The data type of the property.")]
    scope: Annotated[
        PropertyScope,
        Field(
            description="`event`: a property of this event. `global`: "
            "a property of all events of a channel that Quick Tracking collects; each of them must have the same one."
        ),
    ] = PropertyScope.EVENT


class EventDefinition(BaseModel):
    """One event. `channel` is the name of a channel of the catalogue, or of a feature module for a system default event."""

    model_config = _STRICT

    code: Annotated[Line, Field(description="The event code, unique in the workspace.")]
    name: Annotated[Line, Field(description="The event's name.")]
    channel: Annotated[
        Line,
        Field(
            description="The name of the event's channel. A system default event has the feature module here, which is not among the channels."
        ),
    ]
    origin: Annotated[
        Origin | None,
        Field(
            description="`quick_tracking` (Collected by Quick Tracking), `custom` (Custom Event) or `system` (System Default Event). "
            "A system default event must have it.",
            json_schema_extra={"default_text": "that of the channel"},
        ),
    ] = None
    properties: Annotated[
        list[EventProperty],
        BeforeValidator(_or_empty, json_schema_input_type=list[EventProperty] | None),
        Field(description="The event extension properties of the event."),
    ] = Field(default_factory=list)

    def property_of(self, property_id: str) -> EventProperty | None:
        """Return the property of that ID."""
        return next((each for each in self.properties if each.id == property_id), None)


class MarketingTask(BaseModel):
    """An automated marketing task, and the codes of the events that it uses. These events cannot be deleted."""

    model_config = _STRICT

    name: Annotated[Line, Field(description="The task's name.")]
    events: Annotated[
        list[Line],
        BeforeValidator(_or_empty, json_schema_input_type=list[Line] | None),
        Field(description="The codes of the events that the task uses."),
    ] = Field(default_factory=list)


class Catalogue(BaseModel):
    """The channels and events of one workspace."""

    model_config = _STRICT

    channels: Annotated[
        list[Channel],
        BeforeValidator(_or_empty, json_schema_input_type=list[Channel] | None),
        Field(description="The channels, from which events are reported."),
    ] = Field(default_factory=list)
    events: Annotated[
        list[EventDefinition],
        BeforeValidator(_or_empty, json_schema_input_type=list[EventDefinition] | None),
        Field(description="The events of the workspace."),
    ] = Field(default_factory=list)
    tasks: Annotated[
        list[MarketingTask],
        BeforeValidator(_or_empty, json_schema_input_type=list[MarketingTask] | None),
        Field(description="The automated marketing tasks. An event that a task uses cannot be deleted."),
    ] = Field(default_factory=list)

    @cached_property
    def channels_by_name(self) -> Mapping[str, Channel]:
        """The channels by their name, by which events refer to them."""
        return {each.name: each for each in self.channels}

    @cached_property
    def events_by_code(self) -> Mapping[str, EventDefinition]:
        """The events by their code."""
        return {each.code: each for each in self.events}

    def channel_of(self, event: EventDefinition) -> Channel | None:
        """Return an event's channel; None for a feature module."""
        return self.channels_by_name.get(event.channel)

    def origin_of(self, event: EventDefinition) -> Origin:
        """Return an event's origin. Where the event does not state one, its channel decides."""
        return event.origin or channel_origin(self.channel_of(event))

    def events_of(self, channel_name: str) -> list[EventDefinition]:
        """Return the events under a channel."""
        return [each for each in self.events if each.channel == channel_name]

    def tasks_using(self, code: str) -> list[MarketingTask]:
        """Return the tasks that use an event."""
        return [each for each in self.tasks if code in each.events]


def channel_origin(channel: Channel | None) -> Origin:
    """Return the origin of the events of a channel. None stands for a feature module, whose events are system default events."""
    if channel is None:
        return Origin.SYSTEM
    return Origin.QUICK_TRACKING if channel.quick_tracking else Origin.CUSTOM
