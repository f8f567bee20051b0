"""Draws the runs of flow as SVG: for each, the accepted and throttled calls of each second, and the limit of calls at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from tests.flow.scenarios import SCENARIOS, Scenario
from transforms.base import Kind

WIDTH, LEFT, RIGHT = 900, 60, 60
TOP, PANEL, GAP = 56, 120, 62
EVENTS, USERS, THROTTLED, LIMIT, BAND = "#1f6f8b", "#7b3fa0", "#c0392b", "#8a8a8a", "#f2d7a6"
LEGEND = (
    (EVENTS, "events: accepted calls a second"),
    (USERS, "users"),
    (THROTTLED, "throttled, or failed"),
    (LIMIT, "calls that may be under way at the same time (right scale)"),
)


def picture(scenarios: Sequence[Scenario]) -> str:
    """Run the scenarios and return the SVG. The same code gives the same picture."""
    height = TOP + len(scenarios) * (PANEL + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_legend(),
    ]
    for place, scenario in enumerate(scenarios):
        parts += _panel(scenario, TOP + place * (PANEL + GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(scenario: Scenario, top: int) -> Iterator[str]:
    world = scenario.world.run(scenario.to_s)
    seconds = [world.second(number) for number in range(scenario.from_s, scenario.to_s)]
    accepted = {kind: [float(each.accepted[kind]) for each in seconds] for kind in set(world.mix)}
    lost = [float(sum(each.throttled.values()) + sum(each.failed.values())) for each in seconds]
    limit = [float(each.limit[Kind.EVENT]) for each in seconds]
    most = max(*map(max, accepted.values()), *lost, scenario.allowed or 0) * 1.1
    bottom, scale = top + PANEL, (WIDTH - LEFT - RIGHT) / len(seconds)
    yield f'<text x="{LEFT}" y="{top - 8}" font-size="12" font-weight="600">{escape(scenario.title)}</text>'
    if scenario.band:
        begin, end = (min(max(each - scenario.from_s, 0), len(seconds)) for each in scenario.band)
        yield f'<rect x="{LEFT + begin * scale:.1f}" y="{top}" width="{(end - begin) * scale:.1f}" height="{PANEL}" fill="{BAND}" opacity="0.6"/>'
    yield f'<path d="M{LEFT} {top}V{bottom}H{WIDTH - RIGHT}V{top}" fill="none" stroke="#bbb"/>'
    for value in (0.0, round(most / 2.2, -1) or 1.0, round(most / 1.1, -1) or 2.0):
        yield f'<text x="{LEFT - 6}" y="{bottom - value / most * PANEL + 4:.1f}" text-anchor="end">{value:,.0f}</text>'
    if scenario.allowed:
        y = bottom - scenario.allowed / most * PANEL
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#999" stroke-dasharray="3 3"/>'
    top_limit = max(1.0, *limit) * 1.1
    yield f'<text x="{WIDTH - RIGHT + 6}" y="{bottom - max(limit) / top_limit * PANEL + 4:.1f}" fill="{LIMIT}">{max(limit):.0f}</text>'
    yield _line(limit, top_limit, bottom, scale, LIMIT, 1.0)
    for kind, curve in sorted(accepted.items()):
        yield _line(curve, most, bottom, scale, EVENTS if kind is Kind.EVENT else USERS, 1.6)
    for number, value in enumerate(lost):
        if value:
            x, y = LEFT + (number + 0.5) * scale, bottom - value / most * PANEL
            yield f'<line x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{min(y, bottom - 2):.1f}" stroke="{THROTTLED}" stroke-width="2"/>'
    step = max(5, len(seconds) // 6 // 5 * 5)
    for second in range(0, len(seconds) + 1, step):
        yield f'<text x="{LEFT + second * scale:.1f}" y="{bottom + 14}" text-anchor="middle">{scenario.from_s + second:,} s</text>'


def _line(curve: Sequence[float], most: float, bottom: int, scale: float, colour: str, width: float) -> str:
    points = " ".join(
        f"{LEFT + (number + 0.5) * scale:.1f},{bottom - value / most * PANEL:.1f}" for number, value in enumerate(curve)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _legend() -> Iterator[str]:
    x = LEFT
    for colour, name in LEGEND:
        yield f'<rect x="{x}" y="14" width="12" height="12" fill="{colour}"/><text x="{x + 17}" y="24">{name}</text>'
        x += 40 + 6 * len(name)


def drawn() -> str:
    """Return the picture of the documentation."""
    return picture([scenario() for scenario in SCENARIOS])
