"""The report's plots. Text stays text, colours come from the page's style, the same facts give the same plot.

Drawn by hand instead of by matplotlib: names pass through the page's own escaping, dark mode works, and nothing depends
on the machine's fonts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

from markupsafe import Markup

from automl.report.svg import (
    BOTTOM,
    HEIGHT,
    TOP,
    WIDTH,
    Frame,
    Points,
    axes,
    dot,
    level,
    line,
    percent_ticks,
    pieces,
    plain_ticks,
    signed_ticks,
    spread,
    svg,
    whisker,
    whole_ticks,
)
from automl.types import CurvePoint, Epoch, Trial, Variant

LABEL_GAP: Final = 15  # between two labels, so that they do not overlap
MAX_RADIUS: Final = 13.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A named line."""

    name: str
    style: Literal["a", "b"]  # of the page's style: blue and solid, orange and dashed
    points: Points


def learning_plot(points: Sequence[CurvePoint]) -> Markup:
    """Validation accuracy with its interval over the number of training images, from none on."""
    if not points:
        return Markup("")
    ends = [end for point in points for end in (point.accuracy.low, point.accuracy.high)]
    frame = Frame(x=(0, 1.05 * max(point.images for point in points)), y=spread(ends, at_least=0, at_most=1))
    marks = [
        whisker(frame, point.images, point.accuracy.low, point.accuracy.high, "a")
        + dot(frame, point.images, point.accuracy.value, "a",
              f"{point.images:,} training images: {100 * point.accuracy.value:.1f} %", radius=4)
        for point in points
    ]  # fmt: skip
    return svg(
        "Validation accuracy by the number of training images",
        axes(frame, "training images", percent_ticks(frame.y), whole_ticks(frame.x)),
        line(frame, [(point.images, point.accuracy.value) for point in points], "a thin"),
        *marks,
    )


def trials_plot(trials: Sequence[Trial], best: int | None, probe: float) -> Markup:
    """Each trial's validation accuracy over the minutes spent, and the best so far; the probe's as a line."""
    minutes = list(accumulate(trial.seconds / 60 for trial in trials))
    scored = [
        (at, trial.accuracy, trial)
        for at, trial in zip(minutes, trials, strict=True)
        if trial.accuracy is not None and math.isfinite(trial.accuracy)
    ]
    if not scored:
        return Markup("")
    frame = Frame(x=(0, max(minutes) or 1), y=spread([probe, *(accuracy for _, accuracy, _ in scored)], at_most=1))
    records = list(accumulate((accuracy for _, accuracy, _ in scored), max))
    steps = [(scored[0][0], records[0])]
    for (at, _, _), before, after in zip(scored[1:], records, records[1:], strict=False):
        steps += [(at, before), (at, after)]
    steps.append((max(minutes), records[-1]))
    marks = [dot(frame, at, accuracy, "a best" if trial.number == best else "a", f"trial {trial.number}: "
                 f"{100 * accuracy:.1f} %", radius=6 if trial.number == best else 4)
             for at, accuracy, trial in scored]  # fmt: skip
    return svg(
        "Validation accuracy of each trial over time",
        axes(frame, "minutes of trials", percent_ticks(frame.y), plain_ticks(frame.x)),
        line(frame, steps, "a thin"),
        *marks,
        level(frame, probe, "probe"),
    )


def curves(epochs: Sequence[Epoch], probe_accuracy: float, probe_loss: float) -> tuple[Markup, Markup]:
    """Accuracy and loss by epoch: training against validation, and the probe that had to be beaten."""
    accuracy = curve(
        "Accuracy by epoch",
        [[(row.number, row.accuracy) for row in epochs], [(row.number, row.validation_accuracy) for row in epochs]],
        probe_accuracy,
        percent=True,
    )
    loss = curve(
        "Loss by epoch",
        [[(row.number, row.loss) for row in epochs], [(row.number, row.validation_loss) for row in epochs]],
        probe_loss,
        percent=False,
    )
    return accuracy, loss


def curve(title: str, lines: Sequence[Points], probe: float, *, percent: bool) -> Markup:
    """Two lines, training and validation, over the epochs. Values that are not finite leave a gap."""
    series = (
        Series(name="training", style="b", points=lines[0]),
        Series(name="validation", style="a", points=lines[1]),
    )
    values = [value for row in series for _, value in row.points if math.isfinite(value)]
    if not values:
        return Markup("")
    last = max(number for number, _ in lines[0])
    # Minus a little, so that a single epoch has a place as well.
    frame = Frame(x=(min(1, last - 1), last), y=spread([probe, *values], at_most=1 if percent else None, at_least=0))
    ticks = percent_ticks(frame.y) if percent else plain_ticks(frame.y)
    parts = [axes(frame, "epoch", ticks, whole_ticks(frame.x))]
    for row in series:
        parts += [line(frame, piece, row.style) for piece in pieces(row.points)]
        parts += [
            dot(frame, x, y, row.style, f"epoch {x:g}, {row.name}: {100 * y:.1f} %" if percent else
                f"epoch {x:g}, {row.name}: {y:.3f}", radius=2.5)
            for x, y in row.points if math.isfinite(y)
        ]  # fmt: skip
    return svg(title, *parts, level(frame, probe, "probe"))


def tradeoff_plot(variants: Sequence[Variant], chosen: str, budget: float) -> Markup:
    """Accuracy against fp32 (with its interval) over latency; the area is the file's size, the line the budget.

    Args: variants: those that were built and measured. budget: what a variant may lose, a fraction.
    """
    if not variants:
        return Markup("")
    changes = [change(end) for row in variants for end in (row.accuracy_drop.low, row.accuracy_drop.high)]
    slowest, largest = max(row.latency_ms for row in variants), max(row.size_bytes for row in variants)
    frame = Frame(x=(0, slowest * 1.15 or 1), y=spread([0, change(budget), *changes]))
    parts = [
        axes(frame, "latency, ms an image", signed_ticks(frame.y), plain_ticks(frame.x)),
        level(frame, change(budget), "budget"),
    ]
    for row in variants:
        drop = row.accuracy_drop
        style = "a best" if row.name == chosen else "a" if row.within_budget else "b"
        parts += [
            whisker(frame, row.latency_ms, change(drop.low), change(drop.high), style),
            dot(frame, row.latency_ms, change(drop.value), style,
                f"{row.name}: {row.latency_ms:.2f} ms, {change(drop.value):+.2f} points, {row.size_bytes / 1e6:.2f} MB",
                radius=max(3.0, MAX_RADIUS * math.sqrt(row.size_bytes / max(1, largest)))),
        ]  # fmt: skip
    return svg("Accuracy against latency of each variant", *parts, *variant_labels(frame, variants, chosen))


def change(drop: float) -> float:
    """A drop (a fraction, fp32 minus the variant) as points gained or, below 0, lost; never minus zero."""
    return 0.0 - 100 * drop


def variant_labels(frame: Frame, variants: Sequence[Variant], chosen: str) -> list[Markup]:
    """Names beside the circles, left of those in the right half, moved apart where they would overlap."""
    labels = []
    for right in (False, True):
        rows = [row for row in variants if (frame.at_x(row.latency_ms) > WIDTH * 0.55) == right]
        rows.sort(key=lambda row: (row.accuracy_drop.value, row.name))
        places = apart([frame.at_y(change(row.accuracy_drop.value)) + 4 for row in rows])
        offset = -MAX_RADIUS - 4 if right else MAX_RADIUS + 4
        labels += [
            Markup('<text class="name{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
                " best" if row.name == chosen else "",
                frame.at_x(row.latency_ms) + offset,
                y,
                "end" if right else "start",
                row.name,
            )
            for row, y in zip(rows, places, strict=True)
        ]
    return labels


def apart(places: Sequence[float]) -> list[float]:
    """Places (ascending, downwards) moved so that neighbours are LABEL_GAP apart and all stay in the frame."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + LABEL_GAP) if moved else max(place, TOP + 8))
    overhang = moved[-1] - (HEIGHT - BOTTOM - 4) if moved else 0
    return [place - max(0, overhang) for place in moved]
