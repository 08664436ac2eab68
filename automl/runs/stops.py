"""Which findings end a run before any training: by the recipe's check.stop_on and check.allow. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from automl.errors import DataError
from automl.finding_table import FINAL, OF_RUN
from automl.recipe.command_line import set_option
from automl.recipe.model import Check
from automl.types import SEVERITIES, Finding, gravest_first

DECIDED_HERE: Final = frozenset(("check.stop_on", "check.allow"))
"""Settings that no stage reads: what is finished stays finished when they change."""
TOLD: Final = 10  # findings that one message tells in full


class Found(Protocol):
    """A stage's record with findings: Checked, Parted, Picked."""

    @property
    def findings(self) -> tuple[Finding, ...]: ...


def judged(findings: Iterable[Finding], check: Check) -> tuple[Finding, ...]:
    """The findings with the severity that the recipe gives them, the gravest first.

    What stops by itself is a stop, and so is what check.stop_on names: a kind, or a severity, which means the graver
    ones too. Of a kind that check.allow names it is a warning. What nothing could be trained with stops in any case.
    """
    return gravest_first(_judged(finding, check) for finding in findings)


def judged_data(findings: Iterable[Finding], check: Check) -> tuple[Finding, ...]:
    """As `judged`, of a check without a run: what speaks of a run's own disk is left out."""
    return judged((finding for finding in findings if finding.kind not in OF_RUN), check)


def _judged(finding: Finding, check: Check) -> Finding:
    words = {finding.kind, *SEVERITIES[SEVERITIES.index(finding.severity) :]}
    ends = finding.severity == "stop" or not words.isdisjoint(check.stop_on)
    if finding.kind in FINAL or (ends and finding.kind not in check.allow):
        return replace(finding, severity="stop")
    return replace(finding, severity="warn") if finding.severity == "stop" else finding


def let_pass(findings: Iterable[Finding], check: Check) -> tuple[Finding, ...]:
    """The findings that would stop by themselves, and do not by this recipe."""
    return tuple(
        finding for finding in findings if finding.severity == "stop" and _judged(finding, check).severity != "stop"
    )


def stops(findings: Iterable[Finding], check: Check) -> tuple[Finding, ...]:
    """The findings that end a run."""
    return tuple(finding for finding in judged(findings, check) if finding.severity == "stop")


def stopped(found: Sequence[Finding], check: Check) -> DataError:
    """The error that ends a run, with each finding and what to do. Args: found: at least one."""
    lines = [f"  {finding.kind}: {finding.text} {finding.advice}".rstrip() for finding in found[:TOLD]]
    lines += [f"  and {len(found) - TOLD} more"] if len(found) > TOLD else []
    return DataError(
        f"the data has {len(found)} finding(s) that stop a run:\n"
        + "\n".join(lines)
        + f"\n{how_to_go_on(found, check)} "
        "`automl check` shows all findings at once."
    )


def how_to_go_on(found: Sequence[Finding], check: Check) -> str:
    """What was wanted, and what to do. To accept the others does not help where one of them is final."""
    kinds = dict.fromkeys((*check.allow, *(finding.kind for finding in found)))  # an option replaces earlier ones
    is_final = any(finding.kind in FINAL for finding in found)
    accept = "" if is_final else f" or add {set_option('check.allow', list(kinds))} to accept them,"
    return f"Wanted: data that can be trained on. Correct them,{accept} and give the same command again."
