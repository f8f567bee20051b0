"""The routes for a person or a test: the stand-in's page, its ledger, its faults and its clock."""

from __future__ import annotations

import html
import math

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from pipeline.emulator.quick_audience.answers import MARK
from pipeline.emulator.quick_audience.faults import parse_faults
from pipeline.emulator.quick_audience.service import Service
from pipeline.errors import UsageError

MOST_CLOCK_OFFSET_S = 10 * 366 * 86_400


class Pages:
    """Answers the routes beside the two APIs. Every answer says that it comes from a stand-in."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def page(self, _request: Request) -> Response:
        """Return a page that says that this is a stand-in, and shows the ledger's sums."""
        ledger = self._service.ledger
        totals = {name.replace("_", " "): value for name, value in ledger.totals().items()}
        codes = dict(sorted(ledger.event_codes.copy().items()))
        return HTMLResponse(
            "<!doctype html><meta charset=utf-8><title>log2mq stand-in</title><style>body{font:16px/1.5 system-ui;margin:3rem auto;max-width:40rem}"
            "th{text-align:left;padding-right:2rem;font-weight:400}td{text-align:right;font-variant-numeric:tabular-nums}"
            ".note{background:#fff3cd;padding:.6rem 1rem;border-radius:.4rem}</style>"
            "<h1>Stand-in for Quick Audience</h1><p class=note>This is <b>not</b> Quick Audience. It is log2mq's stand-in on this machine: "
            "what it accepts goes nowhere.</p>"
            f"<h2>Ledger</h2><table>{_rows(totals)}</table><h2>Events by code</h2><table>{_rows(codes)}</table>"
            "<p><a href=/_stand-in/ledger/events>each event, and how often it arrived</a>",
            headers=MARK,
        )

    async def ledger_totals(self, _request: Request) -> Response:
        """Return the ledger's sums."""
        return JSONResponse({"stand_in": True, **self._service.ledger.totals()}, headers=MARK)

    async def ledger_events(self, request: Request) -> Response:
        """Return how often each event arrived. `event_code` selects one code; `at_least` selects the events that arrived so many times."""
        code, least_text = request.query_params.get("event_code"), request.query_params.get("at_least", "1")
        if not (least_text.isascii() and least_text.isdigit()):
            return _error("at_least: expected a whole number")
        least = int(least_text[:9])
        rows = [
            [*key, count]
            for key, count in self._service.ledger.events.items()
            if count >= least and code in {None, key[1]}
        ]
        return Response(orjson.dumps({"stand_in": True, "events": rows}), headers=MARK, media_type="application/json")

    async def ledger_reset(self, _request: Request) -> Response:
        """Empty the ledger."""
        self._service.ledger.reset()
        return JSONResponse({"stand_in": True}, headers=MARK)

    async def fault_list(self, _request: Request) -> Response:
        """Return the current faults."""
        return JSONResponse({"stand_in": True, "faults": self._service.faults.listed()}, headers=MARK)

    async def fault_replace(self, request: Request) -> Response:
        """Start another script, which the body has as JSON in the shape of the YAML."""
        try:
            self._service.faults.replace(parse_faults(await request.body()), self._service.clock())
        except UsageError as error:
            return _error(str(error))
        return await self.fault_list(request)

    async def fault_switch(self, request: Request) -> Response:
        """Switch a fault on or off by its name."""
        found = self._service.faults.switch(
            request.path_params["name"], self._service.clock(), on=request.path_params["state"] == "on"
        )
        return JSONResponse({"stand_in": True, "found": found}, 200 if found else 404, headers=MARK)

    async def set_clock(self, request: Request) -> Response:
        """Set the difference of the stand-in's clock to the machine's, in seconds."""
        try:
            seconds = float(request.path_params["seconds"])
        except ValueError:
            seconds = math.nan
        if not abs(seconds) <= MOST_CLOCK_OFFSET_S:
            return _error("expected the seconds by which the clock is to be off")
        self._service.clock_offset_s = seconds
        return JSONResponse({"stand_in": True, "offset_s": self._service.clock_offset_s}, headers=MARK)


def _rows(counts: dict[str, int]) -> str:
    return "".join(f"<tr><th>{html.escape(name)}<td>{value:,}" for name, value in counts.items())


async def not_found(_request: Request, error: Exception) -> Response:
    """Answer a request that has no route."""
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for this type
    return _error(f"{error.detail}; the stand-in's page is at /", error.status_code)


def _error(sentence: str, status: int = 400) -> Response:
    return JSONResponse({"stand_in": True, "error": sentence}, status, headers=MARK)
