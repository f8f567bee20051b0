"""Pairs the channels of two catalogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.catalogue import Channel


def pair_channels(old: Sequence[Channel], new: Sequence[Channel]) -> Mapping[int, Channel]:
    """Return the channel in `new` for each channel in `old`, by its index in `old`. It has the same APP_KEY, or else the same name."""
    pairs: dict[int, Channel] = {}
    left = list(new)
    for is_same in (_same_app_key, _same_name):
        for place, one in enumerate(old):
            if place not in pairs and (found := next((each for each in left if is_same(one, each)), None)) is not None:
                pairs[place] = found
                left.remove(found)
    return pairs


def _same_app_key(one: Channel, other: Channel) -> bool:
    return one.app_key is not None and one.app_key == other.app_key


def _same_name(one: Channel, other: Channel) -> bool:
    return one.name == other.name
