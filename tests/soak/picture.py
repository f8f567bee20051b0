"""Draws a soak as SVG: three curves over time, with the faults as bands behind them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tests.soak.evidence import Evidence
from tests.soak.kinds import NATURES, Place
from tests.soak.timeline import curves

WIDTH, LEFT, RIGHT = 1200, 70, 20
TOP, PANEL, GAP, BOTTOM = 150, 130, 26, 40
LABEL_WIDTH = 10
COLOURS = {
    Place.PROCESSES: "#c0392b",
    Place.KAFKA: "#8e44ad",
    Place.DEAD_LETTERS: "#7f8c8d",
    Place.STORE: "#d35400",
    Place.CLOCK: "#16a085",
    Place.API: "#2980b9",
    Place.REPLAY: "#27ae60",
}


def picture(evidence: Evidence, title: str) -> str:
    """Return the SVG."""
    drawn = curves(evidence)
    panels = (
        ("messages accepted a second", drawn.throughput),
        ("lag, records", drawn.lag),
        ("in flight, records", drawn.in_flight),
    )
    height = TOP + len(panels) * (PANEL + GAP) + BOTTOM
    scale = (WIDTH - LEFT - RIGHT) / drawn.seconds
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{escape(title)}</text>',
        *_bands(evidence, scale, height - BOTTOM),
    ]
    for place, (name, curve) in enumerate(panels):
        parts += _panel(name, curve, TOP + place * (PANEL + GAP), scale)
    parts += _seconds(drawn.seconds, scale, height - BOTTOM)
    parts += [*_legend(height - 8), "</svg>"]
    return "\n".join(parts) + "\n"


def _bands(evidence: Evidence, scale: float, bottom: int) -> list[str]:
    parts = []
    label_x = 0.0
    for fault in sorted(evidence.faults, key=lambda each: each.from_ms):
        colour = COLOURS[NATURES[fault.kind].place]
        x = LEFT + (fault.from_ms - evidence.began_ms) / 1000 * scale
        width = max(1.0, (fault.to_ms - fault.from_ms) / 1000 * scale)
        label_x = max(x + 3, label_x + LABEL_WIDTH)
        parts += [
            f'<rect x="{x:.1f}" y="{TOP - 6}" width="{width:.1f}" height="{bottom - TOP + 6}" fill="{colour}" opacity="0.16"/>',
            f'<text transform="translate({label_x:.1f} {TOP - 10}) rotate(-60)" fill="{colour}" font-size="9">{fault.kind}</text>',
        ]
    return parts


def _panel(name: str, curve: Sequence[float | None], top: int, scale: float) -> list[str]:
    most = max((each for each in curve if each is not None), default=0.0) or 1.0
    bottom = top + PANEL
    points = [
        f"{LEFT + second * scale:.1f},{bottom - value / most * PANEL:.1f}"
        for second, value in enumerate(curve)
        if value is not None
    ]
    return [
        f'<line x1="{LEFT}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}" stroke="#bbb"/>',
        f'<line x1="{LEFT}" y1="{top}" x2="{LEFT}" y2="{bottom}" stroke="#bbb"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:,.0f}</text>',
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{LEFT + 6}" y="{top + 11}" fill="#333">{name}</text>',
        f'<polyline points="{" ".join(points)}" fill="none" stroke="#222" stroke-width="1.2"/>',
    ]


def _seconds(seconds: int, scale: float, y: int) -> list[str]:
    step = next(each for each in (10, 30, 60, 300, 600, 3_600) if seconds / each <= 24 or each == 3_600)
    return [
        f'<text x="{LEFT + second * scale:.1f}" y="{y + 2}" text-anchor="middle">{second // 60}:{second % 60:02}</text>'
        for second in range(0, seconds, step)
    ]


def _legend(y: int) -> list[str]:
    parts = []
    for number, (place, colour) in enumerate(COLOURS.items()):
        x = LEFT + number * 130
        parts += [
            f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}" opacity="0.4"/>',
            f'<text x="{x + 17}" y="{y}">{place}</text>',
        ]
    return parts
