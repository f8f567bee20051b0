"""The records of the model's log, each with what must become of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from transforms.mapping.models import MappingSettings

MAPPING = MappingSettings(
    events=[
        {
            "when": {"type": "pay"},
            "event_code": "pay",
            "event_time": "$.ts",
            "customer_id": "$.user",
            "out_biz_id": "$.no",
            "attributes": {"note": "$.note"},
        }
    ],
    users=[{"when": {"type": "user"}, "customer_id": "$.user", "identities": {"open_id": "$.version"}}],
)

POISON = "poison"


@dataclass(frozen=True)
class Told:
    """One record: its value, and what must become of it: an event reported, a version of a customer reported, a dead letter, or nothing."""

    value: bytes
    event: str = ""
    customer: str = ""
    identities: str = ""
    is_spread: bool = False
    """Whether the records of its customer are in all partitions."""
    is_bad: bool = False
    time_ms: int = 0
    """When it was written. No two records have the same time."""


def event(number: int) -> Told:
    """Return the record of an event."""
    return Told(_json(type="pay", user=f"u{number % 5}", no=f"n{number}"), event=f"n{number}")


def poison(number: int) -> Told:
    """Return the record of an event that the API refuses."""
    return Told(_json(type="pay", user="u", no=f"p{number}", note=POISON), is_bad=True)


def version(customer: int, identities: int, *, is_spread: bool) -> Told:
    """Return the record of a customer's identities."""
    name = f"{'s' if is_spread else 'c'}{customer}"
    value = _json(type="user", user=name, version=str(identities))
    return Told(value, customer=name, identities=str(identities), is_spread=is_spread)


def broken(number: int) -> Told:
    """Return a record that cannot be decoded."""
    return Told(f"{{broken {number}".encode(), is_bad=True)


def filtered() -> Told:
    """Return a record that no rule matches."""
    return Told(_json(type="other"))


def _json(**fields: str) -> bytes:
    return json.dumps({"ts": 1_700_000_000_000, **fields}).encode()
