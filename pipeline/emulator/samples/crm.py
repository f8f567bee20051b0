"""A third-party CRM's log: lines of text on members and their coupons."""

from __future__ import annotations

from datetime import datetime
from random import Random

from pipeline.emulator.samples.expected import Meaning
from pipeline.emulator.samples.scene import POISON, STORES, Draft, People, Person
from schemas.refusal import ReasonCode

_EVENT_CODES = {"joined": "crm_join", "issued": "coupon_issue", "redeemed": "coupon_redeem"}
_WEIGHTS = {"joined": 15, "issued": 50, "redeemed": 35}
_FAULTS = (ReasonCode.NO_MATCH, ReasonCode.NOT_UTF8, ReasonCode.TIME_INVALID, ReasonCode.IDENTITY_INVALID)
_NONE = "-"


class CrmScene:
    """Writes the lines of `examples/crm-lines.yaml`."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._people = People(random, "m")
        self._issued: list[tuple[Person, str]] = []

    def ordinary(self, at: datetime) -> Draft:
        """A member joins, is given a coupon, or redeems one."""
        (action,) = self._random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        if action == "joined":
            person = self._people.newcomer()
            line = self._line(at, person, _NONE, "joined")
            meaning = Meaning(((_EVENT_CODES["joined"], person.customer),), (person.customer, (person.mobile,)))
            return Draft(person.customer.encode(), line.encode(), meaning)
        if action == "redeemed" and self._issued:
            person, coupon = self._issued.pop(self._random.randrange(len(self._issued)))
        else:
            action, person, coupon = "issued", self._people.anyone(), self._coupon()
            self._issued.append((person, coupon))
        line = self._line(at, person, coupon, action)
        return Draft(person.customer.encode(), line.encode(), Meaning(((_EVENT_CODES[action], coupon),)))

    def unmatched(self, at: datetime) -> Draft:
        """An action that no rule is for."""
        person = self._people.anyone()
        line = self._line(at, person, self._coupon(), self._random.choice(("reminded", "expired", "synced")))
        return Draft(person.customer.encode(), line.encode(), Meaning())

    def broken(self, at: datetime) -> Draft:
        """A line with one fault of any kind."""
        fault = self._random.choice(_FAULTS)
        person = self._people.anyone()
        key = person.customer.encode()
        if fault is ReasonCode.IDENTITY_INVALID:
            value = self._line(at, person, _NONE, "joined").replace(person.mobile, "12345").encode()
            return Draft(key, value, Meaning(refusal=fault))
        line = self._line(at, person, self._coupon(), "issued")
        if fault is ReasonCode.NO_MATCH:
            value = b"    at com.crm.coupon.IssueTask.run(IssueTask.java:87)" if at.second % 2 else line[:40].encode()
        elif fault is ReasonCode.NOT_UTF8:
            value = line.encode() + " store=春熙路店".encode("gb18030")
        else:
            value = line.replace(line[5:10], "13-45", 1).encode()
        return Draft(key, value, Meaning(refusal=fault))

    def poison(self, at: datetime) -> Draft:
        """A coupon like any other, but for its number."""
        person = self._people.anyone()
        line = self._line(at, person, f"{POISON}-crm-lines", "issued")
        return Draft(person.customer.encode(), line.encode(), Meaning(refusal=ReasonCode.API_REFUSED))

    def _coupon(self) -> str:
        return f"C{self._random.getrandbits(48):012X}"

    def _line(self, at: datetime, person: Person, coupon: str, action: str) -> str:
        line = f"{at.isoformat()} CRM [INFO] coupon={coupon} member={person.customer} action={action}"
        if action == "joined":
            return f"{line} mobile={person.mobile} store={self._random.choice(STORES)}"
        if action == "redeemed":
            amount = self._random.randrange(100, 20_000) / 100
            return f"{line} store={self._random.choice(STORES)} amount={amount:.2f}"
        return line
