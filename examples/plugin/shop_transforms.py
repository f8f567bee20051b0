"""Plug-ins for the shop's logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Any

from pydantic import BaseModel, Field

from schemas.customer import CustomerId, CustomerMessage
from schemas.event import EventMessage
from schemas.log import LogEntry

CENT = Decimal("0.01")


class OrderLineOptions(BaseModel):
    """Options of `order_lines`: the keys under `transform.options` in the source file."""

    channel: str = Field(min_length=1, description="the channel's APP_KEY")
    event_code: str = Field("buy_item", min_length=1, description="the event's code in Quick Audience")
    with_identity: bool = Field(True, description="report the buyer's mobile number too")


def order_lines(options: OrderLineOptions) -> Callable[[LogEntry], Iterator[EventMessage | CustomerMessage]]:
    """An event for each line of an order, with the line's share of the order's discount."""

    def convert(entry: LogEntry) -> Iterator[EventMessage | CustomerMessage]:
        order: dict[str, Any] = dict(entry.fields)
        if order.get("type") != "order_paid":
            return  # no message: the entry is filtered
        if options.with_identity and order.get("mobile"):
            identity = CustomerId(customer_id=order["mobile"], id_mapping="mobile")
            yield CustomerMessage(customer_id=order["user"], customer_id_list=[identity])
        amounts = [Decimal(str(line["amount"])) for line in order["lines"]]
        discounts = shares(Decimal(str(order.get("discount", 0))), amounts)
        for place, (line, amount, discount) in enumerate(zip(order["lines"], amounts, discounts, strict=True)):
            yield EventMessage(
                customer_id=order["user"],
                event_source_code=options.channel,
                event_code=options.event_code,
                event_time=order["paid_at"],
                extend_attributes={
                    "outBizId": f"{order['no']}-{place}",  # taken from the log, so that a replay makes the same ID
                    "sku": line["sku"],
                    "paid": str(amount - discount),
                },
            )

    return convert


def shares(total: Decimal, amounts: list[Decimal]) -> list[Decimal]:
    """Return the shares of a sum in proportion to the amounts, to the cent; the last share gets the remainder of rounding."""
    whole = sum(amounts, Decimal(0))
    parts = [(total * amount / whole if whole else Decimal(0)).quantize(CENT, ROUND_DOWN) for amount in amounts]
    return [*parts[:-1], total - sum(parts[:-1], Decimal(0))] if parts else []
