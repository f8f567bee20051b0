"""The identity of a new store."""

from __future__ import annotations

import secrets


def new_identity() -> str:
    """Return a text that no other store has: 16 hexadecimal digits."""
    return secrets.token_hex(8)
