"""Faults of the dead-letter topic."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.soak.cluster import LARGEST_MESSAGE
from tests.soak.faults.not_made import NotMade
from tests.soak.schedule import PlannedFault
from tests.soak.world import World

SETTLE_S = 10.0
REFUSES_ABOVE = 64


def dead_topic_deleted(world: World, fault: PlannedFault) -> Iterator[float]:
    """Delete the topic, and create it again later.

    What is in it is kept first. For that no refused record may be under way, so the writer leaves such lines out for a moment.
    """
    world.writer.is_calm = True
    try:
        until_s = time.monotonic() + SETTLE_S
        while True:
            letters = world.cluster.dead_letters()
            places = {letter.place for letter in [*world.record.dead_letters, *letters]}
            if world.writer.refused <= places:
                break
            if time.monotonic() > until_s:
                raise NotMade("dead letters are under way")
            yield 0.5
        world.record.dead_letters += letters
        world.cluster.delete_dead_topic()
        world.record.tell(f"the dead-letter topic is deleted, with {len(letters)} dead letters in it")
    finally:
        world.writer.is_calm = False
    try:
        yield fault.lasts_s
    finally:
        world.cluster.create_dead_topic()


def dead_topic_refuses(world: World, fault: PlannedFault) -> Iterator[float]:
    """Let the topic refuse every dead letter."""
    world.cluster.limit_dead_letters(REFUSES_ABOVE)
    try:
        yield fault.lasts_s
    finally:
        world.cluster.limit_dead_letters(LARGEST_MESSAGE)
