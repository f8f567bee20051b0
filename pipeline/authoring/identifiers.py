"""The identifiers that a record holds, so that they can be masked wherever they are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipeline.job.converter import Converter
from pipeline.job.in_flight import Parcel
from schemas.log import LogEntry
from schemas.refusal import Refusal
from transforms.mapping import Mapper


def identifiers(
    converter: Converter, entries: Sequence[LogEntry | Refusal], parcels: Sequence[Parcel] = ()
) -> set[str]:
    """Return the identifiers in messages, and those that any rule would read from an entry, whether it matched or not."""
    found = {each for parcel in parcels for each in _in_message(json.loads(parcel.body))}
    if isinstance(mapper := converter.transform, Mapper):
        for entry in entries:
            found |= mapper.identifiers(entry) if isinstance(entry, LogEntry) else set()
    return found


def _in_message(message: dict[str, Any]) -> set[str]:
    """Return the customer's identifier, and every other one of the list."""
    return {message["customerId"], *(each["customerId"] for each in message.get("customerIdList", ()))}
