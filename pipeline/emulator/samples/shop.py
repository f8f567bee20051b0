"""A shop's app log in JSON: registrations, logins, views, carts, payments, refunds, changed profiles."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any

import orjson

from pipeline.emulator.samples.expected import Meaning
from pipeline.emulator.samples.scene import CHANNELS, GOODS, POISON, Draft, People, Person
from schemas.refusal import ReasonCode

_EVENT_CODES = {
    "register": "register",
    "login": "login",
    "view_item": "view_item",
    "add_cart": "add_cart",
    "order_paid": "pay_order",
    "order_refunded": "refund_order",
}
_WEIGHTS = {
    "register": 8,
    "login": 14,
    "view_item": 44,
    "add_cart": 17,
    "order_paid": 11,
    "order_refunded": 2,
    "profile": 4,
}
_DEEP = 500  # levels, beyond limits.depth
_LONG = 2000  # digits, beyond limits.digits
_FAULTS = (
    ReasonCode.NOT_JSON,
    ReasonCode.NOT_UTF8,
    ReasonCode.NOT_AN_OBJECT,
    ReasonCode.TOO_DEEP,
    ReasonCode.NUMBER_TOO_LONG,
    ReasonCode.TIME_INVALID,
    ReasonCode.FIELD_MISSING,
    ReasonCode.FIELD_TYPE,
    ReasonCode.OUT_BIZ_ID_MISSING,
    ReasonCode.IDENTITY_INVALID,
)

LogFields = dict[str, Any]


class ShopScene:
    """Writes the lines of `examples/shop-app.yaml`."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._people = People(random, "u")
        self._paid: list[tuple[Person, LogFields]] = []

    def ordinary(self, at: datetime) -> Draft:
        """A line of any of the seven types. A profile line may tell nothing new: then it is a duplicate."""
        (kind,) = self._random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        if kind == "register":
            return self._register(at)
        if kind == "profile":
            return self._profile(at)
        if kind == "order_refunded" and self._paid:
            person, order = self._paid.pop(self._random.randrange(len(self._paid)))
            return self._event("order_refunded", at, person, order["no"], {"order": order})
        if kind in {"order_paid", "order_refunded"}:
            return self._order_paid(at)
        person = self._people.anyone()
        if kind == "login":
            # A number of 25 digits, as some session stores hand out: a double would round it.
            session = self._random.randrange(10**24, 10**25)
            return self._event("login", at, person, str(session), {"session": orjson.Fragment(str(session))})
        event_id = f"{self._random.getrandbits(64):016x}"
        sku, title = self._random.choice(GOODS)
        item = {"event_id": event_id, "item": {"sku": sku, "title": title, "price": self._price()}}
        return self._event(kind, at, person, event_id, item)

    def unmatched(self, at: datetime) -> Draft:
        """A heartbeat or a crash report."""
        person = self._people.anyone()
        kind = self._random.choice(("heartbeat", "app_crash", "push_received"))
        return Draft(person.customer.encode(), _written(self._common(kind, at, person)), Meaning())

    def broken(self, at: datetime) -> Draft:
        """A line with one fault of any kind."""
        fault = self._random.choice(_FAULTS)
        person = self._people.anyone()
        fields = self._common("order_paid", at, person) | {"order": self._order(at)}
        return Draft(person.customer.encode(), self._spoilt(fields, fault), Meaning(refusal=fault))

    def poison(self, at: datetime) -> Draft:
        """A payment like any other, but for its order number."""
        person = self._people.anyone()
        number = f"{POISON}-shop-app"
        fields = self._common("order_paid", at, person) | {"order": self._order(at) | {"no": number}}
        return Draft(person.customer.encode(), _written(fields), Meaning(refusal=ReasonCode.API_REFUSED))

    def _register(self, at: datetime) -> Draft:
        person = self._people.newcomer()
        fields = self._common("register", at, person)
        events = ((_EVENT_CODES["register"], person.customer),)
        return Draft(person.customer.encode(), _written(fields), Meaning(events, _identities(person)), person)

    def _profile(self, at: datetime) -> Draft:
        person = self._people.anyone()
        if self._random.random() < 1 / 2 and not person.is_settled:
            person.mobile = self._people.new_mobile()
        else:
            person.is_settled = True
        return Draft(
            person.customer.encode(),
            _written(self._common("profile", at, person)),
            Meaning(user=_identities(person)),
            person,
        )

    def _order_paid(self, at: datetime) -> Draft:
        person = self._people.anyone()
        order = self._order(at)
        self._paid.append((person, order))
        return self._event("order_paid", at, person, order["no"], {"order": order})

    def _event(self, kind: str, at: datetime, person: Person, out_biz_id: str, more: LogFields) -> Draft:
        value = _written(self._common(kind, at, person) | more)
        return Draft(person.customer.encode(), value, Meaning(((_EVENT_CODES[kind], out_biz_id),)))

    def _common(self, kind: str, at: datetime, person: Person) -> LogFields:
        # Apps write a mobile number as the person typed it.
        typed = self._random.choice(("{}", "+86 {}", "0086{}"))
        return {
            "type": kind,
            "ts": f"{at:%Y-%m-%d %H:%M:%S}",
            "user": {
                "id": person.customer,
                "phone": typed.format(person.mobile),
                "mail": person.email,
                "wx": person.open_id,
                "level": self._random.choice(("1", "2", "3")),
            },
            "app": {"version": "8.1.2", "os": self._random.choice(("iOS", "Android", "HarmonyOS"))},
            "channel": self._random.choice(CHANNELS),
        }

    def _order(self, at: datetime) -> LogFields:
        goods = self._random.sample(GOODS, self._random.randint(1, 3))
        items: list[LogFields] = []
        fen = 0
        for sku, title in goods:
            price, quantity = self._price(), self._random.randint(1, 3)
            items.append({"sku": sku, "title": title, "qty": quantity, "price": price})
            fen += round(price * 100) * quantity
        number = f"{at:%Y%m%d%H%M%S}{self._random.randrange(10**10):010d}"
        return {"no": number, "amount": fen / 100, "currency": "CNY", "items": items}

    def _price(self) -> float:
        return self._random.randrange(990, 99_990) / 100

    def _spoilt(self, fields: LogFields, fault: ReasonCode) -> bytes:
        value = _written(fields)
        match fault:
            case ReasonCode.NOT_JSON:
                return value[: self._random.randint(10, 50)]  # the first 50 bytes are ASCII
            case ReasonCode.NOT_UTF8:
                return value[:-1] + ',"备注":"春装"}'.encode("gb18030")
            case ReasonCode.NOT_AN_OBJECT:
                return orjson.dumps(value.decode())  # written as JSON twice
            case ReasonCode.TOO_DEEP:
                return value[:-1] + b',"trail":' + b"[" * _DEEP + b"]" * _DEEP + b"}"
            case ReasonCode.NUMBER_TOO_LONG:
                return value[:-1] + b',"nonce":' + b"7" * _LONG + b"}"
            case ReasonCode.TIME_INVALID:
                fields["ts"] = self._random.choice(("昨天下午", "0000-00-00 00:00:00", "2024-13-01 08:00:00"))
            case ReasonCode.FIELD_MISSING:
                del fields["user"]["id"]
            case ReasonCode.FIELD_TYPE:
                fields["user"]["id"] = {"uid": fields["user"]["id"]}
            case ReasonCode.OUT_BIZ_ID_MISSING:
                del fields["order"]["no"]
            case _:
                fields["user"]["phone"] = "12345"
        return _written(fields)


def _identities(person: Person) -> tuple[str, tuple[str, ...]]:
    return person.customer, (person.mobile, person.email, person.open_id)


def _written(fields: LogFields) -> bytes:
    return orjson.dumps(fields)
