"""What a soak did over time: events a second, lag, records in flight, and the faults of each moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.soak.evidence import Evidence

EVERY_S = 10


@dataclass(frozen=True, slots=True)
class Curves:
    """One value a second, from the soak's start. None where nothing was seen."""

    throughput: list[float | None]
    lag: list[float | None]
    in_flight: list[float | None]

    @property
    def seconds(self) -> int:
        """The length of the curves."""
        return len(self.throughput)


def curves(evidence: Evidence) -> Curves:
    """Return the curves: messages that the stand-in accepted, the lag of the commits, and the latest printed figures of all commands."""
    seconds = max(1, (evidence.ended_ms - evidence.began_ms) // 1000 + 1)
    accepted: Counter[int] = Counter()
    for batch in evidence.accepted:
        accepted[(batch.accepted_ms - evidence.began_ms) // 1000] += len(batch.keys)
    lag: list[float | None] = [None] * seconds
    for snapshot in evidence.snapshots:
        second = (snapshot.at_ms - evidence.began_ms) // 1000
        if 0 <= second < seconds:
            # The ends were asked for before the commits, and not of a partition whose broker was away.
            behind = (end - snapshot.offsets.get(partition, 0) for partition, end in snapshot.ends.items())
            lag[second] = float(sum(max(0, each) for each in behind))
    in_flight: list[float | None] = [None] * seconds
    latest: dict[str, int] = {}
    for printed in evidence.printed:
        second = (printed.at_ms - evidence.began_ms) // 1000
        latest[printed.command.rpartition("-")[0]] = 0 if printed.is_closing else printed.books["in_flight"]
        if 0 <= second < seconds:
            in_flight[second] = float(sum(latest.values()))
    return Curves([float(accepted[second]) for second in range(seconds)], lag, in_flight)


def timeline(evidence: Evidence) -> list[str]:
    """Return the timeline as text: what happened, and a row of figures every ten seconds."""
    drawn = curves(evidence)
    rows: list[tuple[float, str]] = [
        ((at_ms - evidence.began_ms) / 1000, f"            {sentence}") for at_ms, sentence in evidence.happenings
    ]
    for start in range(0, drawn.seconds, EVERY_S):
        part = slice(start, start + EVERY_S)
        rate = sum(each or 0.0 for each in drawn.throughput[part]) / len(drawn.throughput[part])
        lag, in_flight = (_last(curve[part]) for curve in (drawn.lag, drawn.in_flight))
        rows.append(
            (
                start + EVERY_S - 0.01,
                f"{rate:8.0f}/s  lag {lag:>8}  in flight {in_flight:>7}  {', '.join(_active(evidence, start))}",
            )
        )
    return [f"{at_s:8.1f} s  {text}" for at_s, text in sorted(rows)]


def _last(curve: list[float | None]) -> str:
    return next((f"{each:,.0f}" for each in reversed(curve) if each is not None), "-")


def _active(evidence: Evidence, start_s: int) -> list[str]:
    from_ms, to_ms = evidence.began_ms + start_s * 1000, evidence.began_ms + (start_s + EVERY_S) * 1000
    return [fault.kind.value for fault in evidence.faults if fault.from_ms < to_ms and fault.to_ms > from_ms]
