"""A batch's page: one line a job, with a link to each report. It needs no network and nothing but those reports."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from automl.report.page import environment
from automl.types import JobRow


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFacts:
    """All that the page shows."""

    name: str
    state: str  # "running", "interrupted", "done" or "failed"
    created: str  # ISO time
    updated: str  # ISO time
    deadline: str  # in words; "" where there is none
    rows: tuple[JobRow, ...]
    links: Mapping[str, str]  # job -> address of its report, relative to the page
    version: str  # of automl

    @property
    def n_done(self) -> int:
        """Jobs that are done."""
        return sum(row.state == "done" for row in self.rows)

    @property
    def n_warned(self) -> int:
        """Jobs that are done with warnings."""
        return sum(bool(row.warnings) for row in self.rows)

    @property
    def told(self) -> tuple[JobRow, ...]:
        """Jobs that an error ended."""
        return tuple(row for row in self.rows if row.error)


def render_batch(facts: BatchFacts) -> str:
    """The page as text."""
    lows = [row.accuracy.low for row in facts.rows if row.accuracy]
    low = max(min(lows, default=1.0) - 0.05, 0.0)
    return environment().get_template("batch.html").render(facts=facts, low=low)


def link_to(report: Path, page: Path) -> str:
    """The address of a report, relative to the page's folder, whatever its path holds."""
    return quote(os.fsencode(os.path.relpath(report, page.parent)))
