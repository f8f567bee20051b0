"""Writes the catalogue as a CSV table for spreadsheets, with a row for each property. Tasks are not in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from schemas.catalogue import Catalogue, EventDefinition

CHANNEL_COLUMNS = {
    "channel": "name",
    "application_type": "application_type",
    "app_key": "app_key",
    "quick_tracking": "quick_tracking",
    "platform_type": "platform_type",
}
EVENT_COLUMNS = {"event_code": "code", "event_name": "name", "origin": "origin"}
PROPERTY_COLUMNS = {
    "property_id": "id",
    "property_name": "name",
    "property_type": "type",
    "property_scope": "scope",
}
COLUMNS = (*CHANNEL_COLUMNS, *EVENT_COLUMNS, *PROPERTY_COLUMNS)
"""All columns of the table."""


def table_text(catalogue: Catalogue) -> str:
    """Return the channels and events as CSV with a header line. Channels without events have a row too."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for channel in catalogue.channels:
        if not catalogue.events_of(channel.name):
            writer.writerow(_cells(channel, CHANNEL_COLUMNS))
    for event in catalogue.events:
        writer.writerows(_event_rows(catalogue, event))
    return stream.getvalue()


def _event_rows(catalogue: Catalogue, event: EventDefinition) -> Iterator[dict[str, str]]:
    channel = catalogue.channel_of(event)
    row = _cells(channel, CHANNEL_COLUMNS) if channel else {"channel": event.channel}
    row |= {**_cells(event, EVENT_COLUMNS), "origin": catalogue.origin_of(event).value}
    for each in event.properties:
        yield row | _cells(each, PROPERTY_COLUMNS)
    if not event.properties:
        yield row


def _cells(model: Any, columns: Mapping[str, str]) -> dict[str, str]:
    values = {column: getattr(model, key) for column, key in columns.items()}
    return {
        name: str(each).lower() if isinstance(each, bool) else str(each)
        for name, each in values.items()
        if each is not None
    }
