"""One compiled rule of a mapping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from schemas.log import LogEntry
from transforms.base import Kind
from transforms.fields import Value
from transforms.mapping.conditions import Condition

Make = Callable[[LogEntry], dict[str, Any] | list[dict[str, Any]] | None]
"""Makes one message's wire form, or those of several, None for none. Raises `Rejected` only."""


class Rule(NamedTuple):
    """`personal` reads the values that it takes for identifiers of a customer.

    `elements` is the list of its `for_each`, `of_element` what must hold for an element.
    """

    name: str
    kind: Kind
    condition: Condition
    make: Make
    personal: tuple[Value, ...] = ()
    elements: Value | None = None
    of_element: Condition = Condition(lambda _: True)
