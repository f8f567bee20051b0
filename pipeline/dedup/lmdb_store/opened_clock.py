"""The clock of a store that is being opened: that of this boot of the machine, or the first one of the boot."""

from __future__ import annotations

from pipeline.dedup.clocks import Clocks
from pipeline.dedup.lmdb_store.confirmed import ConfirmedTable
from pipeline.dedup.lmdb_store.environment import FixedEnvironment, GrowingEnvironment
from pipeline.dedup.lmdb_store.recent_tables import RecentTables
from pipeline.dedup.lmdb_store.store_clock import StoreClock, begin_clock, resume_clock


def open_clock(
    clocks: Clocks,
    keep_ms: int,
    confirmed: ConfirmedTable,
    durable: GrowingEnvironment,
    tables: RecentTables,
    recent: FixedEnvironment,
) -> StoreClock:
    """Return the clock of the store. `durable` holds `confirmed`, `recent` holds `tables`, and no other process opens the store meanwhile.

    The first opening of a boot notes its time in the durable table before the tables of the boot have the anchor. So the time between the boots
    counts once, whenever the opening is interrupted.
    """
    with durable.reading() as reading:
        noted = confirmed.noted_time(reading)
    with recent.reading() as reading:
        anchor_ms = tables.anchor_ms(reading)
    clock = None if anchor_ms is None else resume_clock(clocks, noted, anchor_ms)
    if clock is None:
        clock = begun = begin_clock(clocks, noted, keep_ms)
        durable.change(lambda changing: confirmed.note_time(changing, begun.note()))
        with recent.writing() as changing:
            tables.set_anchor_ms(changing, begun.anchor_ms)
    return clock
