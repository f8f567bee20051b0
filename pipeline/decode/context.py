"""Where a decoder stands: what the few that look beyond a record's value need to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from time import monotonic


@dataclass(frozen=True, slots=True)
class DecodeContext:
    """The source file's folder, which paths in it are relative to, and the environment that secrets are read from.

    Without an environment nothing is connected to: options are only looked at, as by `log2mq check`. `schemas` are the texts of Avro schemas by
    their ID, in place of a registry that would be asked for them. With `patience_ms` a registry that is away is given up after that, where its settings
    say longer: a person waits, not a job. `monotonic` gives seconds, `random` numbers from 0 to 1.
    """

    folder: Path = Path()
    environment: Mapping[str, str] | None = None
    schemas: Mapping[int, str] | None = None
    patience_ms: int | None = None
    monotonic: Callable[[], float] = monotonic
    random: Callable[[], float] = SystemRandom().random
