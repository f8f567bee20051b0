"""H5 pages' access log, in nginx's combined format with the customer and the request ID at its end."""

from __future__ import annotations

from datetime import datetime
from random import Random
from urllib.parse import quote, urlencode

from pipeline.emulator.samples.expected import Meaning
from pipeline.emulator.samples.scene import CHANNELS, GOODS, POISON, Draft, People, Person
from schemas.refusal import ReasonCode

_AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 MicroMessenger/8.0.47",
    "Mozilla/5.0 (Linux; Android 14; V2324A) AppleWebKit/537.36 Chrome/116.0.0.0 Mobile Safari/537.36 aweme/290100",
    # nginx writes bytes beyond ASCII, quotes and backslashes so:
    r"Mozilla/5.0 (Linux; Android 13; \xE5\xB0\x8F\xE7\xB1\xB3 \x22Ultra\x22) AppleWebKit/537.36 (KHTML, like Gecko)",
)
_PAGES = {
    "h5_view_item": ("GET", "/h5/item"),
    "h5_share": ("POST", "/h5/share"),
    "h5_claim_coupon": ("POST", "/h5/coupon/claim"),
}
_WEIGHTS = {"h5_view_item": 75, "h5_share": 10, "h5_claim_coupon": 15}
_FAULTS = (ReasonCode.NO_MATCH, ReasonCode.NOT_UTF8, ReasonCode.FIELD_MISSING, ReasonCode.OUT_BIZ_ID_MISSING)
_NEWCOMERS = 0.1


class H5Scene:
    """Writes the lines of `examples/h5-access.yaml`."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._people = People(random, "h")

    def ordinary(self, at: datetime) -> Draft:
        """A page view, a share or a coupon claimed, answered with 200."""
        (code,) = self._random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        person = self._visitor()
        request_id = f"{self._random.getrandbits(128):032x}"
        line = self._line(at, person.customer, request_id, self._request(code))
        return Draft(person.customer.encode(), line.encode(), Meaning(((code, request_id),)))

    def unmatched(self, at: datetime) -> Draft:
        """A static file, a health check, a page that is not there, or a port scanner's greeting."""
        person = self._visitor()
        request_id = f"{self._random.getrandbits(128):032x}"
        request, status = self._random.choice(
            (
                ("GET /static/app.4f2a.js HTTP/1.1", 200),
                ("GET /health HTTP/1.1", 200),
                ("GET /h5/item?sku=P9999 HTTP/1.1", 404),
                (r"\x16\x03\x01\x02", 400),
            )
        )
        line = self._line(at, person.customer, request_id, request, status)
        return Draft(person.customer.encode(), line.encode(), Meaning())

    def broken(self, at: datetime) -> Draft:
        """A line with one fault of any kind."""
        fault = self._random.choice(_FAULTS)
        person = self._visitor()
        customer, request_id = person.customer, f"{self._random.getrandbits(128):032x}"
        if fault is ReasonCode.FIELD_MISSING:
            customer = "-"
        if fault is ReasonCode.OUT_BIZ_ID_MISSING:
            request_id = "-"
        value = self._line(at, customer, request_id, self._request("h5_view_item")).encode()
        if fault is ReasonCode.NO_MATCH:
            value = value[: self._random.randint(10, 150)]
        if fault is ReasonCode.NOT_UTF8:
            value = value.replace(b"?", "?q=春装&".encode("gb18030"), 1)
        return Draft(person.customer.encode(), value, Meaning(refusal=fault))

    def poison(self, at: datetime) -> Draft:
        """A page view like any other, but for its request ID."""
        person = self._visitor()
        line = self._line(at, person.customer, f"{POISON}-h5-access", self._request("h5_view_item"))
        return Draft(person.customer.encode(), line.encode(), Meaning(refusal=ReasonCode.API_REFUSED))

    def _visitor(self) -> Person:
        return self._people.newcomer() if self._random.random() < _NEWCOMERS else self._people.anyone()

    def _request(self, code: str) -> str:
        method, path = _PAGES[code]
        sku, title = self._random.choice(GOODS)
        query = urlencode({"sku": sku, "title": title, "utm_source": self._random.choice(CHANNELS)}, quote_via=quote)
        return f"{method} {path}?{query} HTTP/1.1"

    def _line(self, at: datetime, customer: str, request_id: str, request: str, status: int = 200) -> str:
        address = f"203.0.113.{self._random.randrange(1, 255)}"
        size = self._random.randrange(200, 40_000)
        agent = self._random.choice(_AGENTS)
        return (
            f'{address} - - [{at:%d/%b/%Y:%H:%M:%S %z}] "{request}" {status} {size} '
            f'"https://m.shop.example/h5/" "{agent}" "{customer}" "{request_id}"'
        )
