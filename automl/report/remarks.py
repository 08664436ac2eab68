"""What a reader must know before he trusts the figures: one list, the gravest first. Pure."""

from __future__ import annotations

from typing import Final

from automl.report.facts import Facts
from automl.types import ON_FEATURES, Finding, Scores, gravest_first

FEW_IMAGES: Final = 100
"""A part with fewer is called small: one image is more than a point."""
NAMED: Final = 5
"""Classes that a remark names; more are counted."""


def remarks_of(facts: Facts, own: bool) -> tuple[str, ...]:
    """Sentences, each once.

    Args:
        own: for the run's own page, which may also repeat what the stages said while they ran, paths and all.
    """
    candidates = [
        *_gate(facts),
        *_weights(facts),
        *_choice(facts),
        *_never_recognised(facts.test),
        *_few("validation", facts.evaluated.validation.n, "every choice rests on these"),
        *_few("test", facts.test.n, "mind the intervals"),
        *_search(facts),
        *_unbeaten(facts),
        *(finding_text(finding, own) for finding in findings_of(facts) if finding.severity != "note"),
    ]
    if own:
        candidates += [*facts.picked.warnings, *facts.made.warnings]
    return tuple(dict.fromkeys(candidates))


def findings_of(facts: Facts) -> tuple[Finding, ...]:
    """What check, split and pick found, the gravest first."""
    return gravest_first((*facts.checked.findings, *facts.parted.findings, *facts.picked.findings))


def finding_text(finding: Finding, own: bool) -> str:
    """The finding's sentence; outside the run's own page a file's name in it becomes "a file"."""
    text = finding.text
    if not own:
        for path in finding.paths:
            text = text.replace(repr(path), "a file")
    return text


def _gate(facts: Facts) -> list[str]:
    gate = facts.exported.gate
    if gate.verdict == "passed":
        return []
    return [
        f"The bundle is {gate.verdict}: the gate had {gate.n_files} held-out files, too few to judge the exported "
        "files by. Try it on pictures of your own before you rely on it."
    ]


def _weights(facts: Facts) -> list[str]:
    if facts.picked.weights.source != "random":
        return []
    return [
        f"{facts.picked.chosen} was trained from random weights, not from pretrained ones. Pretrained weights usually "
        "do better, above all with few images."
    ]


def _choice(facts: Facts) -> list[str]:
    """The chosen variant lost more on the test part than it was allowed to on validation."""
    lost = facts.evaluated.scores["fp32"].accuracy.value - facts.test.accuracy.value
    if lost <= facts.made.max_accuracy_drop:
        return []
    return [
        f"On the test part {facts.evaluated.chosen} loses {100 * lost:.1f} points against fp32, more than the budget "
        f"of {100 * facts.made.max_accuracy_drop:g} that it kept on validation."
    ]


def _never_recognised(test: Scores) -> list[str]:
    missed = [row.label for row in test.per_class if row.n and row.recall == 0]
    if not missed:
        return []
    named = ", ".join(f"“{label}”" for label in missed[:NAMED])
    more = f" and {len(missed) - NAMED} more" if len(missed) > NAMED else ""
    return [f"Never recognised on the test part: {named}{more}."]


def _few(part: str, n: int, so: str) -> list[str]:
    if n >= FEW_IMAGES:
        return []
    return [f"The {part} part has only {n} images, so that one image is {100 / n:.1f} points: {so}."]


def _search(facts: Facts) -> list[str]:
    if facts.tuned.best is not None:
        return []
    return ["No trial of the search finished, so the model was trained with the default settings."]


def _unbeaten(facts: Facts) -> list[str]:
    """A plain baseline that the model does not beat for sure; of those on features the table says it."""
    doubted = [one for one in facts.evaluated.against if one.gain.low <= 0 and one.baseline not in ON_FEATURES]
    return [facts.evaluated.unbeaten] if doubted else []
