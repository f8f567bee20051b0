"""The parts of the JSON Schema of an event catalogue that no model says: what a channel must have, and that a list may be empty."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.editor_schema.source import Schema, ref
from schemas.catalogue import ApplicationType

_LISTS: Mapping[str, Schema] = {
    "channels": ref("Channel"),
    "events": ref("EventDefinition"),
    "events.properties": ref("EventProperty"),
    "tasks": ref("MarketingTask"),
    "tasks.events": {"type": "string", "minLength": 1},
}

CATALOGUE_INSTEAD: Mapping[str, Schema] = {
    key: {"type": ["array", "null"], "items": items} for key, items in _LISTS.items()
}
"""By dotted key, what stands in place of what the models say: a key with nothing below it is an empty list."""


def _collected(*kinds: ApplicationType) -> Schema:
    """Say that Quick Tracking collects a channel, of one of these application types."""
    properties = {"quick_tracking": {"const": True}, "application_type": {"enum": [kind.value for kind in kinds]}}
    return {"properties": properties, "required": list(properties)}


CATALOGUE_BESIDE: Mapping[str, Schema] = {
    "channels": {
        "allOf": [
            {"if": _collected(*ApplicationType), "else": {"required": ["app_key"]}},
            {
                "if": _collected(ApplicationType.APP, ApplicationType.MINI_PROGRAM),
                "then": {"required": ["platform_type"]},
                "else": {"not": {"required": ["platform_type"]}},
            },
            {
                "if": _collected(ApplicationType.THIRD_PARTY_SYSTEM),
                "then": {"not": {"required": ["quick_tracking"]}},
            },
        ]
    }
}
"""By dotted key, what the keys there have to do with each other; see `pipeline.catalogue.rules`."""
