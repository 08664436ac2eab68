"""The page of `automl check`: what the dataset holds and what was found, each finding with pictures of its examples."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from automl.finding_table import NOT_SPLIT
from automl.records import Checked, Parted
from automl.report.page import REJECTED, environment
from automl.types import PARTS, SEVERITIES, Finding, Rejected

OF_A_FINDING: Final = 12  # pictures
OF_A_PAGE: Final = 160  # different ones; at 160 px about 8 kB each, so that the page stays below 2 MB
HEADLINES: Final = {"stop": "stops a run", "warn": "warning", "note": "note"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFacts:
    """All that the page shows."""

    dataset: str  # the dataset's own name
    created: str  # ISO time
    version: str  # of automl
    checked: Checked
    parted: Parted
    findings: tuple[Finding, ...]  # with the severities that the recipe gives them, the gravest first
    rejected: tuple[Rejected, ...]
    pictures: Mapping[str, str]  # path -> data: address
    size_px: int  # of the pictures as they were packed

    @property
    def counts(self) -> dict[str, int]:
        """How many findings of each severity there are, none left out."""
        return {severity: sum(finding.severity == severity for finding in self.findings) for severity in SEVERITIES}

    @property
    def is_split(self) -> bool:
        """Whether the parts could be cut."""
        return all(finding.kind != NOT_SPLIT for finding in self.parted.findings)


def example_paths(findings: Sequence[Finding], there: Container[str]) -> tuple[str, ...]:
    """The paths that are shown as pictures, each once: the first of each finding, as long as the page has room.

    Args: there: paths of which there are pixels; what could not be decoded is none, and some examples are no images.
    """
    chosen: dict[str, None] = {}
    for finding in findings:
        for path in shown_paths(finding, there):
            if len(chosen) < OF_A_PAGE:
                chosen[path] = None
    return tuple(chosen)


def shown_paths(finding: Finding, there: Container[str]) -> tuple[str, ...]:
    """The examples of one finding that are shown as pictures."""
    return tuple(path for path in finding.paths if path in there)[:OF_A_FINDING]


def render_check(facts: CheckFacts) -> str:
    """The page as text."""
    galleries = [(finding, shown_paths(finding, facts.pictures)) for finding in facts.findings]
    return (
        environment()
        .get_template("check.html")
        .render(facts=facts, galleries=galleries, parts=PARTS, headlines=HEADLINES, rejected=facts.rejected[:REJECTED])
    )
