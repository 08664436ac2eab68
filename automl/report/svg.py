"""The marks and axes that the report's plots are drawn with, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

WIDTH: Final = 420  # the viewBox; the page shows it between 0.8 and 1.3 times as large
HEIGHT: Final = 250
LEFT: Final = 46
RIGHT: Final = 14
TOP: Final = 12
BOTTOM: Final = 38

Points = Sequence[tuple[float, float]]
Ticks = Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Maps values to places in the viewBox."""

    x: tuple[float, float]  # the range shown
    y: tuple[float, float]

    def at_x(self, value: float) -> float:
        low, high = self.x
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def at_y(self, value: float) -> float:
        low, high = self.y
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def spread(
    values: Iterable[float], *, at_least: float | None = None, at_most: float | None = None
) -> tuple[float, float]:
    """The range of the finite values with a margin, never empty, cut at the limits that such values have."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    margin = max((high - low) * 0.12, abs(high) * 0.01, 1e-3)
    low, high = low - margin, high + margin
    return (low if at_least is None else max(low, at_least), high if at_most is None else min(high, at_most))


def tick_values(low: float, high: float, about: int = 5) -> list[float]:
    """Round values in the range, two to about + 1 of them: steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [step * n for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def plain_ticks(limits: tuple[float, float]) -> Ticks:
    return [(value, f"{value:.6g}") for value in tick_values(*limits)]


def whole_ticks(limits: tuple[float, float]) -> Ticks:
    return [(value, f"{value:.0f}") for value in tick_values(*limits, about=6) if value == round(value) and value > 0]


def percent_ticks(limits: tuple[float, float]) -> Ticks:
    return [(value, f"{100 * value:.4g}%") for value in tick_values(*limits)]


def signed_ticks(limits: tuple[float, float]) -> Ticks:
    return [(value, "0" if value == 0 else f"{value:+.3g}".replace("-", "−")) for value in tick_values(*limits)]


def axes(frame: Frame, x_title: str, y_ticks: Ticks, x_ticks: Ticks) -> Markup:
    """Faint lines across at each y tick, numbers at both axes, and what the x axis is."""
    bottom = HEIGHT - BOTTOM
    parts = [
        Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text x="{}" y="{:.1f}" '
               'text-anchor="end">{}</text>').format(
            LEFT, WIDTH - RIGHT, frame.at_y(value), frame.at_y(value), LEFT - 7, frame.at_y(value) + 4, text)
        for value, text in y_ticks
    ]  # fmt: skip
    parts += [
        Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(frame.at_x(value), bottom + 16, text)
        for value, text in x_ticks
    ]
    parts.append(Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        LEFT, WIDTH - RIGHT, bottom, bottom))  # fmt: skip
    parts.append(Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
        (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 5, x_title))  # fmt: skip
    return Markup("").join(parts)


def line(frame: Frame, points: Points, style: str) -> Markup:
    path = " ".join(f"{frame.at_x(x):.1f},{frame.at_y(y):.1f}" for x, y in points)
    return Markup('<polyline class="line {}" points="{}"/>').format(style, path)


def dot(frame: Frame, x: float, y: float, style: str, says: str, *, radius: float) -> Markup:
    """A circle that says its value when pointed at."""
    return Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>').format(
        style, frame.at_x(x), frame.at_y(y), radius, says
    )


def whisker(frame: Frame, x: float, low: float, high: float, style: str) -> Markup:
    """An interval as an upright line."""
    return Markup('<line class="whisker {}" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
        style, frame.at_x(x), frame.at_x(x), frame.at_y(low), frame.at_y(high)
    )


def level(frame: Frame, value: float, name: str) -> Markup:
    """A dashed line across with its name."""
    y, right = frame.at_y(value), WIDTH - RIGHT
    return Markup(
        '<line class="level" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
        '<text class="level" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
    ).format(LEFT, right, y, y, right, y - 5, name)


def pieces(points: Points) -> list[Points]:
    """The line cut where a value is not finite; pieces of one point draw nothing and are left out."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        else:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def svg(title: str, *parts: Markup) -> Markup:
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, title, Markup("").join(parts)
    )
