"""The context of a decoder: the values that a few decoders need beside a record's value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from time import monotonic


@dataclass(frozen=True, slots=True)
class DecodeContext:
    """The source file's folder, and the environment that secrets are read from. Paths in a source file are relative to its folder.

    Without an environment a decoder connects to nothing: the options are only checked, as `log2mq check` does. `schemas` holds the texts of Avro
    schemas by ID, and the registry is not asked. `give_up_after_ms` is a shorter time limit for a registry that does not answer, for commands that a
    person waits for; a time limit in the settings that is shorter still holds. `monotonic` gives seconds, `random` numbers from 0 to 1.
    """

    folder: Path = Path()
    environment: Mapping[str, str] | None = None
    schemas: Mapping[int, str] | None = None
    give_up_after_ms: int | None = None
    monotonic: Callable[[], float] = monotonic
    random: Callable[[], float] = SystemRandom().random
