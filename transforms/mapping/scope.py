"""The tables and secrets that the expressions of a mapping may name, and the zone of times that name none."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from transforms.values.times import DEFAULT_ZONE

Tables = Mapping[str, Mapping[str, Any]]

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Scope(NamedTuple):
    """`tables` are looked up by `lookup`, `keys` are the secrets of `hmac`, `time_zone` is the zone of a time without one, as an IANA name."""

    tables: Tables = NOTHING
    keys: Mapping[str, bytes] = NOTHING
    time_zone: str = DEFAULT_ZONE
