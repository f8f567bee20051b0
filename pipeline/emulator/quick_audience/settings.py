"""The options of the stand-in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StandInSettings:
    """The options of `log2mq emulator`.

    With `check_messages` off, messages are not checked against the models; a benchmark uses that.
    `permitted` are the operations that the key may call; empty permits all.
    """

    host: str = "127.0.0.1"
    port: int = 0
    access_key_id: str = "testid"
    access_key_secret: str = field(default="testsecret", repr=False)
    security_token: str | None = field(default=None, repr=False)
    organization_id: str = "org-0001"
    access_id: str = "retailadvqa-cn-test"
    workspace_id: str = "ws-0001"
    workspace_name: str = "stand-in"
    permitted: tuple[str, ...] = ()
    faults: Path | None = None
    ledger: Path | None = None
    check_messages: bool = True
    most_body_bytes: int = 8 << 20
