"""One compiled rule of a mapping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from schemas.log import LogEntry
from transforms.base import Kind
from transforms.fields import Value
from transforms.mapping.conditions import Condition

MakeMessages = Callable[[LogEntry], dict[str, Any] | list[dict[str, Any]] | None]
"""Makes the wire form of one message, or a list of those of several; None for no message. Raises `Rejected` only."""


class Rule(NamedTuple):
    """A compiled rule. `personal` reads the values that the rule takes for identifiers of a customer.

    `elements` reads the list of its `for_each`; `of_element` is the condition on an element.
    """

    name: str
    kind: Kind
    condition: Condition
    make: MakeMessages
    personal: tuple[Value, ...] = ()
    elements: Value | None = None
    of_element: Condition = Condition(lambda _: True)
