"""The bounds of flow that the source file sets: calls at the same time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FlowBounds:
    """The bounds of one process: how many calls may be under way at the same time."""

    most: int = 16  # of both operations together: the number of sender threads
    least: int = 1  # to which slow answers lower one operation

    def share(self, *, is_shared: bool) -> int:
        """Return how many sender threads one operation may use. `is_shared`: the other operation has sent something, too.

        A quarter of the threads is left to the other operation, so that calls which take long never hold it up.
        """
        return self.most - max(1, self.most // 4) if is_shared and self.most > 1 else self.most


DEFAULT_BOUNDS = FlowBounds()
