"""How long the embedded dedup store lasts: the keys that its size holds, and what a sample says of the rate of new ones."""

from __future__ import annotations

from pipeline.authoring.dry_run.tally import SampleTally
from pipeline.dedup import DedupSettings
from pipeline.dedup.lmdb_store.capacity import bytes_needed, keys_held, keys_made, steady_rate
from pipeline.setting_types.quantity import format_bytes, format_duration
from transforms.fault import Note

GIBIBYTE = 1 << 30
MILLION = 1_000_000


def room_without_rate(dedup: DedupSettings) -> str:
    """Return a sentence that says how many keys the store holds, and what rate it bears."""
    rate = steady_rate(dedup.max_size, dedup.keep)
    return (
        f"the dedup store holds about {_count(keys_held(dedup.max_size))} keys (dedup.max_size {format_bytes(dedup.max_size)}): "
        f"it never fills at up to {_count(rate)} new messages a second (dedup.keep {format_duration(dedup.keep)})"
    )


def room_at_rate(dedup: DedupSettings, tally: SampleTally) -> str | Note | None:
    """Return how far the store fills at the rate of a sample, a note if it becomes full, or None where the sample tells no rate."""
    records = tally.records_a_second()
    if not records or not (rate := records * tally.keys_a_record()):
        return None
    held, made = keys_held(dedup.max_size), keys_made(rate, dedup.keep)
    found = f"at the rate of the sample, {_count(rate)} new messages a second,"
    if made <= held:
        return (
            f"the dedup store lasts: {found} it comes to hold {_count(made)} keys (dedup.keep {format_duration(dedup.keep)}), "
            f"and has room for about {_count(held)} (dedup.max_size {format_bytes(dedup.max_size)})"
        )
    needed = -(-bytes_needed(rate, dedup.keep) // GIBIBYTE) * GIBIBYTE
    full_after_ms = min(round(held / rate), dedup.keep // 1_000) * 1_000
    return Note(
        ("dedup", "max_size"),
        f"is {format_bytes(dedup.max_size)}, which holds about {_count(held)} keys: {found} the store is full after about "
        f"{_rough(full_after_ms)}, and the job stops with exit code 5; expected at least {format_bytes(needed)}, or a shorter dedup.keep",
    )


def _count(number: float) -> str:
    """Return a number with two digits that count."""
    if number >= MILLION:
        return f"{float(f'{number / MILLION:.2g}'):,.9g} million"
    return f"{float(f'{number:.2g}'):,.9g}"


def _rough(milliseconds: int) -> str:
    """Return a duration with its largest two units at most: nobody needs the seconds of a day."""
    for unit_ms in (3_600_000, 60_000):
        if milliseconds >= 24 * unit_ms:
            return format_duration(milliseconds // unit_ms * unit_ms)
    return format_duration(milliseconds)
