"""The end of a job that could not finish what was in flight: it has an exit code of its own."""

from __future__ import annotations

from pipeline.errors import WorkUnfinished
from pipeline.job.runner import Runner


def raise_if_unfinished(runner: Runner) -> None:
    """Say, after the end of the loop, that records in flight were not finished.

    Raises:
        WorkUnfinished: some were not; another member, or the next start, reads them again.
    """
    if left := runner.offsets.in_flight:
        raise WorkUnfinished(f"{left:,} records were not finished within stop.grace; they are read again")
