"""The report: one HTML file that needs nothing beside it and no network."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from automl.report import plots
from automl.report.confusion import cells, most_confused
from automl.report.facts import Facts
from automl.report.remarks import finding_text, findings_of, remarks_of
from automl.types import PARTS, Interval

HEATMAP_CLASSES: Final = 20  # more do not fit a screen; the most confused pairs are listed then
PAIRS: Final = 15  # most confused pairs that are listed
REJECTED: Final = 50  # rejected files that are named
_HIDDEN: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of the text after them (Unicode's bidirectional controls)."""


def render(facts: Facts, pictures: bool) -> str:
    """The page as text.

    Args:
        pictures: with pictures of the data, names of its files, and what the stages said while they ran (paths and
            all): the run's own page. Without them only figures, plots and the names of classes: it may be given away.
    """
    confusion, chosen, trained = facts.test.confusion, facts.compressed.chosen, facts.trained
    pairs = most_confused(confusion, facts.checked.classes)
    built = [row for row in facts.compressed.variants if row.file]
    return (
        environment()
        .get_template("page.html")
        .render(
            facts=facts,
            pictures=pictures,
            parts=PARTS,
            remarks=remarks_of(facts, pictures),
            findings=[(finding, finding_text(finding, pictures)) for finding in findings_of(facts)],
            rejected=facts.rejected[:REJECTED],
            heatmap=cells(confusion) if len(confusion) <= HEATMAP_CLASSES else [],
            on_validation={one.name: one.accuracy for one in facts.picked.baselines},
            pairs=pairs[:PAIRS],
            more_pairs=len(pairs) > PAIRS,
            learning_plot=plots.learning_plot(facts.picked.learning_curve),
            trials_plot=plots.trials_plot(facts.tuned.trials, facts.tuned.best, trained.probe_accuracy),
            curves=plots.curves(trained.epochs, trained.probe_accuracy, trained.probe_loss),
            tradeoff_plot=plots.tradeoff_plot(built, chosen, facts.made.max_accuracy_drop),
        )
    )


@cache
def environment() -> Environment:
    """Jinja with escaping on for everything, and with this report's ways to write a figure."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    env.filters |= {
        "percent": percent,
        "between": between,
        "points": points,
        "size": size,
        "duration": duration,
        "count": count,
        "setting": setting,
        "sentence": sentence,
    }
    return env


def shown(value: object) -> object:
    """Text with control characters, half characters and turners of direction spelled out; all else as it is.

    A name from the data may hold any of them: some cannot be written as UTF-8, some would reorder the page's own text.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in {"Cc", "Cs"} or character in _HIDDEN
        else character
        for character in value
    )


def sentence(text: str, *names: str) -> str:
    """A stage's words as a sentence: a capital at its beginning (not where a name stands), a full stop at its end."""
    first = text.split(" ", 1)[0]
    begun = text if first in names or any(map(str.isdigit, first)) else text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "!", "?", "…")) else f"{begun}."


def percent(value: float, digits: int = 1) -> str:
    """A fraction as "98.3 %", with a narrow space that does not break."""
    return f"{100 * value:.{digits}f}\u202f%"


def between(interval: Interval) -> str:
    """The ends of an interval of a fraction: "96.7–99.4 %"."""
    return f"{100 * interval.low:.1f}–{100 * interval.high:.1f}\u202f%"


def points(difference: float) -> str:
    """A difference of fractions in points, with its sign: "+1.9", "0.0" or "−0.5"."""
    text = f"{100 * difference:+.1f}".replace("-", "−")
    return "0.0" if text in {"+0.0", "−0.0"} else text


def size(n_bytes: int) -> str:
    """Bytes as "1.24 MB", or "312 kB" below a tenth of that."""
    return f"{n_bytes / 1e6:.2f}\u202fMB" if n_bytes >= 100_000 else f"{n_bytes / 1e3:.0f}\u202fkB"


def duration(seconds: float) -> str:
    """ "0.4 s", "12 s", "3 min 05 s" or "2 h 07 min"."""
    if seconds < 59.5:
        return f"{seconds:.1f}\u202fs" if seconds < 9.95 else f"{seconds:.0f}\u202fs"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}\u202fmin {whole % 60:02}\u202fs"
    minutes = round(seconds / 60)
    return f"{minutes // 60}\u202fh {minutes % 60:02}\u202fmin"


def count(n: int) -> str:
    """A number of things, thousands apart."""
    return f"{n:,}"


def setting(value: float | bool | str) -> str:
    """A value of the search as short text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
