"""The settings of a soak: its options, and the timers that it gives to the job so that faults outlast them in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.soak.kinds import FaultKind

SESSION_S = 6
LEASE_S = 3
READ_TIMEOUT_S = 3
GIVE_UP_S = 40
GRACE_S = 10
HOLD_S = 45
"""How long a lone refused message is held, in a replay whose other messages are all known. Longer than an outage with an unknown code."""

SENDERS = 8
KEEP_S = 3_000
"""Less than the hour by which the clock is set forward, and more than a soak lasts: nothing may be forgotten."""


@dataclass(frozen=True, slots=True)
class SoakSettings:
    """The options of a soak. `rate` is lines a second. With `stops`, so many commands are ended at random moments, and there are no other faults."""

    seconds: float
    seed: int
    out: Path
    kinds: tuple[FaultKind, ...]
    on_redis: bool = False
    rate: int = 150
    partitions: int = 4
    most_partitions: int = 8
    stops: int = 0


def source_text(kafka: str, endpoint: str, redis_url: str | None) -> str:
    """Return the source file of the soak's job."""
    dedup = f"{{store: redis, url: {redis_url}, " if redis_url else "{"
    return f"""\
source: soak
kafka:
  bootstrap_servers: {kafka}
  topics: [soak-log]
  session_timeout: {SESSION_S}s
  give_up_after: {GIVE_UP_S}s
  connect_timeout: 5s
  metadata_max_age: 2s
decode: json
events:
  - when: {{type: [paid, signup]}}
    event_code: pay_order
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes: {{note: $.note}}
users:
  - when: {{type: [register, signup]}}
    customer_id: $.user
    identities: {{open_id: $.open, union_id: $.union}}
dedup: {dedup}lease: {LEASE_S}s, keep: {KEEP_S}s}}
report:
  endpoint: {endpoint}
  organization_id: org-0001
  access_id: retailadvqa-cn-test
  senders: {SENDERS}
  read_timeout: {READ_TIMEOUT_S}s
  unknown_hold: {HOLD_S}s
  connect_timeout: 2s
  batch: {{events: 100, age: 200ms}}
  backoff: {{first: 50ms, most: 5s}}
dead_letters: {{topic: soak-dead}}
commit: {{every: 500ms}}
stop: {{grace: {GRACE_S}s}}
"""
