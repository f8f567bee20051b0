"""The key `catalogue` of a source file: the event catalogue that messages are checked against, and the action for each finding."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.refusal import ReasonCode


class Action(StrEnum):
    """The action for a finding: refuse the record, report the message and count a warning, or ignore the finding."""

    REFUSE = "refuse"
    WARN = "warn"
    IGNORE = "ignore"


def as_catalogue_settings(written: Any) -> Any:
    """Return settings with this file and all defaults, if only the name of a file is given."""
    return {"file": written} if isinstance(written, str) else written


class CatalogueSettings(BaseModel):
    """By default a record is refused if Quick Audience would lose the event or store it wrongly. An event with only a missing or unknown property is reported."""

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
        """Return the action for a finding. A finding without a setting is refused: an event must never be reported a second time."""
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
