"""What a person or a test asks the stand-in: its page, its ledger, its faults, its clock."""

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
    """The routes beside the two APIs. Everything says that it is a stand-in."""

    def __init__(self, desk: Service) -> None:
        self._desk = desk

    async def page(self, _request: Request) -> Response:
        """Say plainly what this is, and what it took."""
        ledger = self._desk.ledger
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
        return JSONResponse({"stand_in": True, **self._desk.ledger.totals()}, headers=MARK)

    async def ledger_events(self, request: Request) -> Response:
        """Return how often each event arrived, optionally of one event code, or only those that arrived more than once."""
        code, least_text = request.query_params.get("event_code"), request.query_params.get("at_least", "1")
        if not (least_text.isascii() and least_text.isdigit()):
            return _wrong("at_least: expected a whole number")
        least = int(least_text[:9])
        rows = [
            [*key, count]
            for key, count in self._desk.ledger.events.items()
            if count >= least and code in {None, key[1]}
        ]
        return Response(orjson.dumps({"stand_in": True, "events": rows}), headers=MARK, media_type="application/json")

    async def ledger_reset(self, _request: Request) -> Response:
        """Forget everything."""
        self._desk.ledger.reset()
        return JSONResponse({"stand_in": True}, headers=MARK)

    async def fault_list(self, _request: Request) -> Response:
        """Return the faults as they stand."""
        return JSONResponse({"stand_in": True, "faults": self._desk.faults.listed()}, headers=MARK)

    async def fault_replace(self, request: Request) -> Response:
        """Play another script, given as JSON in the shape of the YAML."""
        try:
            self._desk.faults.replace(parse_faults(await request.body()), self._desk.clock())
        except UsageError as error:
            return _wrong(str(error))
        return await self.fault_list(request)

    async def fault_switch(self, request: Request) -> Response:
        """Switch a fault on or off by its name."""
        found = self._desk.faults.switch(
            request.path_params["name"], self._desk.clock(), on=request.path_params["state"] == "on"
        )
        return JSONResponse({"stand_in": True, "found": found}, 200 if found else 404, headers=MARK)

    async def set_clock(self, request: Request) -> Response:
        """Set the clock apart from the machine's, by seconds."""
        try:
            seconds = float(request.path_params["seconds"])
        except ValueError:
            seconds = math.nan
        if not abs(seconds) <= MOST_CLOCK_OFFSET_S:
            return _wrong("expected the seconds by which the clock is to be off")
        self._desk.clock_offset_s = seconds
        return JSONResponse({"stand_in": True, "offset_s": self._desk.clock_offset_s}, headers=MARK)


def _rows(counts: dict[str, int]) -> str:
    return "".join(f"<tr><th>{html.escape(name)}<td>{value:,}" for name, value in counts.items())


async def not_here(_request: Request, error: Exception) -> Response:
    """Answer what there is no page for."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    return _wrong(f"{error.detail}; the stand-in's page is at /", error.status_code)


def _wrong(sentence: str, status: int = 400) -> Response:
    return JSONResponse({"stand_in": True, "error": sentence}, status, headers=MARK)
