"""The key `catalogue` of a source file: the event catalogue that its messages are checked against, and what follows from each finding."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.refusal import ReasonCode


class Action(StrEnum):
    """What follows from a finding: the record is refused, the message is reported and counted, or nothing."""

    REFUSE = "refuse"
    WARN = "warn"
    IGNORE = "ignore"


def file_alone(written: Any) -> Any:
    """Take the name of a file for settings with that file and all defaults."""
    return {"file": written} if isinstance(written, str) else written


class CatalogueSettings(BaseModel):
    """Refused by default is what would be lost or wrong at Quick Audience; where only a property is amiss the event is worth more than it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Annotated[
        str, Field(min_length=1, description="The file of the catalogue, relative to the source file's folder.")
    ]
    unknown_event: Annotated[
        Action,
        Field(
            description="An event code that the catalogue does not have: `refuse` the record, `warn` (report the event and count it), or `ignore`."
        ),
    ] = Action.REFUSE
    unknown_channel: Annotated[
        Action,
        Field(
            description="An `event_source_code` that is the APP_KEY of no channel, or of another channel than the event's."
        ),
    ] = Action.REFUSE
    unknown_property: Annotated[Action, Field(description="An attribute that is no property of the event.")] = (
        Action.WARN
    )
    missing_property: Annotated[
        Action, Field(description="A property of the event that is not among the attributes.")
    ] = Action.WARN
    not_numeric: Annotated[Action, Field(description="A numeric property whose value is no number.")] = Action.REFUSE

    def action(self, code: ReasonCode) -> Action:
        """Return what follows from a finding. Reporting an event a second time is never allowed."""
        key = SETTING_OF.get(code)
        return Action.REFUSE if key is None else getattr(self, key)


SETTING_OF = {
    ReasonCode.EVENT_UNKNOWN: "unknown_event",
    ReasonCode.CHANNEL_UNKNOWN: "unknown_channel",
    ReasonCode.PROPERTY_UNKNOWN: "unknown_property",
    ReasonCode.PROPERTY_MISSING: "missing_property",
    ReasonCode.PROPERTY_NOT_NUMERIC: "not_numeric",
}
"""The setting of each finding, by its reason code."""
