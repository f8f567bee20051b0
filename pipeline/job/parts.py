"""The parts that the loop drives. The composition root builds them; tests build others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.contracts.deadline import Deadline
from pipeline.contracts.interfaces import DeadLetters, DedupStore, Source
from pipeline.dead_letters.limit import DeadLetterLimit
from pipeline.job.converter import Converter
from pipeline.job.counts import Counts
from pipeline.job.dispatch import Dispatch


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that the loop drives."""

    source: Source
    convert: Converter
    store: DedupStore
    dispatch: Dispatch
    dead_letters: DeadLetters
    dead_letter_limit: DeadLetterLimit
    deadline: Deadline | None = None
    """By when each of them returns, once the job ends. None for parts that do not wait."""
    counts: Counts = field(default_factory=Counts)
    """What is counted for the metrics."""
    unix_clock: Callable[[], int] = lambda: 0
    """Returns Unix ms. Kafka's times of records are compared with it, for the metrics alone."""
