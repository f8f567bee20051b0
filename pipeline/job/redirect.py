"""The redrive of dead letters: a record of the dead-letter topic is converted as the record that was refused, at its own place and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.contracts.message_order import place_number
from pipeline.dead_letters.letter import DeadLetter
from pipeline.dead_letters.selection import Selection
from schemas.log import Record
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Skipped

Redirect = Callable[[Record], tuple[Record, int] | Skipped | Refusal]
"""Returns the record to convert in the place of one that was read, and the number of its place; or why there is none."""

_NOT_SELECTED = Skipped("not selected")
_CUT = Refusal(
    Stage.READ,
    ReasonCode.RECORD_TOO_LARGE,
    "the dead letter has only a part of the value: replay the range of the record instead, if its topic still has it",
)


def redirect_to_origins(selection: Selection, topic_ids: Mapping[str, str]) -> Redirect:
    """Return the function that turns the selected dead letters into the records that were refused. All other records are filtered.

    `topic_ids` are the broker's IDs of the topics of these records: with them a place has the same number as in the live job.
    """

    def redirect(record: Record) -> tuple[Record, int] | Skipped | Refusal:
        letter = DeadLetter.read(record)
        if letter is None or not selection.has(letter):
            return _NOT_SELECTED
        if letter.is_cut:
            return _CUT
        return letter.original(), place_number(letter.origin, topic_ids.get(letter.origin.topic, ""))

    return redirect
