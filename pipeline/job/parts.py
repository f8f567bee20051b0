"""The parts that the loop drives. The composition root builds them; tests build others."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.deadline import Deadline
from pipeline.contracts.interfaces import DeadLetters, DedupStore, Source
from pipeline.dead_letters.limit import DeadLetterLimit
from pipeline.job.converter import Converter
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
