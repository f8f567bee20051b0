"""The model's Quick Audience: its state for each operation, its answers, and a ledger of what it took."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from pipeline.contracts.values import Delivered, Exhausted, Outcome, Refused, Retry
from tests.model.records import POISON
from transforms.base import Kind


class State(StrEnum):
    """How the API answers one operation."""

    UP = "up"
    AWAY = "away"  # 503
    THROTTLING = "throttling"  # it takes fewer calls than are sent, here none
    UNKNOWN = "unknown"  # a business error that nobody knows, whatever is sent
    CUT = "cut"  # it takes the batch, and its answer is lost


def unknown() -> Retry:
    """Return the outcome of an error code that log2mq does not know."""
    return Retry("BUSINESS_9", "what", outage=False, limit=4, exhausted=Exhausted.ISOLATE_OR_HALT)


class Api:
    """Takes batches as a whole, or refuses them as a whole."""

    def __init__(self, *, refuses_with_unknown: bool) -> None:
        self.states = dict.fromkeys(Kind, State.UP)
        self.refusal: Outcome = unknown() if refuses_with_unknown else Refused("ES400", "bad content")
        self.taken: Counter[str] = Counter()  # events by outBizId
        self.identities: dict[str, list[str]] = {}  # identities by customer, in the order in which they were taken

    def answer(self, kind: Kind, messages: Sequence[bytes]) -> Outcome:
        """Answer one call."""
        match self.states[kind]:
            case State.AWAY:
                return Retry("ServiceUnavailable", "away")
            case State.THROTTLING:
                return Retry("Throttling.User", "too many calls for now", outage=False, throttled=True)
            case State.UNKNOWN:
                return unknown()
        parsed = [json.loads(each) for each in messages]
        if any(each.get("extendAttributes", {}).get("note") == POISON for each in parsed):
            return self.refusal
        for each in parsed:
            if kind is Kind.EVENT:
                self.taken[each["extendAttributes"]["outBizId"]] += 1
            else:
                self.identities.setdefault(each["customerId"], []).append(each["customerIdList"][0]["customerId"])
        return Retry("cut", "no answer", in_doubt=True) if self.states[kind] is State.CUT else Delivered()
