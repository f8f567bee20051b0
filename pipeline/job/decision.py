"""What becomes of a batch that the API refused."""

from __future__ import annotations

from enum import Enum, auto


class Decision(Enum):
    """The decision of `Contrast` about a refused batch."""

    HOLD = auto()
    """It waits for a contrast."""
    DIVIDE = auto()
    """Its parts are sent."""
    DOUBT = auto()
    """Its only message has its contrast, but the code says nothing of the content now: it is sent again after a while."""
    REFUSE = auto()
    """Its only message is at fault."""
    GIVE_UP = auto()
    """Its only message is refused without a contrast, at the end of its hold."""
    HALT = auto()
    """A person must look: more is refused than bad content explains, for as long as a hold."""
