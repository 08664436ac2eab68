"""What pick's search for suspects tells the owner of a dataset: a table of images, and findings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from automl.data.duplicates import NearCopy
from automl.data.shortcuts import ALL, Shortcut, loud
from automl.data.suspects import LEAST_ACCURACY, LabelError, Outlier, Twins
from automl.data.wording import examples
from automl.types import Finding, Image, Part, Suspect, SuspectKind, gravest_first

MANY: Final = 0.03  # share of the images; flowers without its twelve copies, dogcat and sign_digits: .003 to .013
MANY_IMAGES: Final = 5  # and at least so many
WHERE: Final = "they are listed in pick/suspects.csv and shown in the report"


def suspects_of(
    images: Sequence[Image],
    classes: Sequence[str],
    errors: Sequence[LabelError],
    twins: Sequence[Twins],
    outliers: Sequence[Outlier],
) -> tuple[Suspect, ...]:
    """The rows of suspects.csv: label errors first, each kind by its own rank.

    Args:
        images: those that rows of the others count.
    """

    def suspect(kind: SuspectKind, row: int, score: float, other: str) -> Suspect:
        return Suspect(path=images[row].path, label=images[row].label, kind=kind, score=round(score, 4), other=other)

    return (
        *(suspect("label error", one.row, 1 - one.own_probability, classes[one.suggested]) for one in errors),
        *(suspect("near duplicate", one.first, one.similarity, images[one.second].path) for one in twins),
        *(suspect("outlier", one.row, one.distance, "") for one in outliers),
    )


def not_yet_told(
    images: Sequence[Image], twins: Sequence[Twins], near: Sequence[NearCopy], content: Callable[[int], object]
) -> tuple[Twins, ...]:
    """The pairs that nothing has told of yet: not copies of the same bytes or pixels, nor near copies, mirrored or not.

    Args:
        near: what split found, each content named by its first path.
        content: an image, by its place, -> what images of the same pixels have in common.
    """
    place = {image.path: at for at, image in enumerate(images)}
    told = {
        frozenset((content(place[pair.first]), content(place[pair.second])))
        for pair in near
        if pair.first in place and pair.second in place
    }
    contents = ((pair, frozenset((content(pair.first), content(pair.second)))) for pair in twins)
    return tuple(pair for pair, both in contents if len(both) > 1 and both not in told)


def findings_of_suspects(
    images: Sequence[Image],
    parts: Sequence[Part],
    classes: Sequence[str],
    errors: Sequence[LabelError],
    twins: Sequence[Twins],
    outliers: Sequence[Outlier],
) -> tuple[Finding, ...]:
    """At most one finding a kind. `parts` are the images'."""
    found = (_label_errors(images, classes, errors), _twins(images, parts, twins), _outliers(images, outliers))
    return gravest_first(finding for finding in found if finding)


def finding_of_shortcuts(shortcuts: Sequence[Shortcut], *, chance: float, probe_accuracy: float) -> tuple[Finding, ...]:
    """A warning where facts outside the picture give its label away.

    Args:
        chance: the share of the largest class. probe_accuracy: out of fold, on the same images.
    """
    told = loud(shortcuts)
    if not told:
        return ()
    single = [one for one in told if one.facts != ALL]
    best = (single or told)[0]
    what = f"The {best.facts} alone names" if single else "Size, format, mode and mean colour together name"
    others = f" ({', '.join(one.facts for one in single[1:])} as well)" if len(single) > 1 else ""
    return (
        Finding(
            kind="shortcuts",
            severity="warn",
            text=f"{what} the label of {best.accuracy:.0%} of the images{others}: {best.way:.0%} of the way from "
            f"chance ({chance:.0%}) to the probe that sees the pictures ({probe_accuracy:.0%}), in log loss. A network "
            "can learn this instead of what is shown, and then its test results are too good.",
            count=len(single) or 1,
            advice="See whether the classes come from different sources; take them from the same ones, or bring all "
            "files to one size, mode and format before you rely on the results.",
        ),
    )


def not_judged(what: str, why: str) -> Finding:
    """A note that something was not looked for."""
    return Finding(kind=f"{what} not looked for", severity="note", text=f"{why}.", count=0)


def labels_not_judged(accuracy: float) -> Finding:
    """A note that the probe is too unsure to doubt labels."""
    return not_judged(
        "label errors",
        f"The probe is right on {accuracy:.0%} of the images alone, and below {LEAST_ACCURACY:.0%} its doubts say more "
        "of the probe than of the labels",
    )


def _label_errors(images: Sequence[Image], classes: Sequence[str], errors: Sequence[LabelError]) -> Finding | None:
    if not errors:
        return None
    first = images[errors[0].row]
    many = len(errors) >= max(MANY_IMAGES, MANY * len(images))
    return Finding(
        kind="likely label errors",
        severity="warn" if many else "note",
        text=f"{len(errors)} of {len(images)} labels are doubtful: {first.path!r} is labelled {first.label!r} and "
        f"looks like {classes[errors[0].suggested]!r}, for one; all were used as they are labelled.",
        count=len(errors),
        advice=f"Look at them ({WHERE}), and correct the labels that are wrong.",
        paths=examples(images[error.row].path for error in errors),
    )


def _twins(images: Sequence[Image], parts: Sequence[Part], twins: Sequence[Twins]) -> Finding | None:
    if not twins:
        return None
    first, second = images[twins[0].first], images[twins[0].second]
    labels = sum(images[pair.first].label != images[pair.second].label for pair in twins)
    across = sum(parts[pair.first] != parts[pair.second] for pair in twins)
    more = [f"{labels} with two labels"] * bool(labels) + [f"{across} across train and validation"] * bool(across)
    return Finding(
        kind="near duplicates by features",
        severity="note",
        text=f"{len(twins)} pair(s) of images look almost the same to the network, {first.path!r} and {second.path!r} "
        f"for one{': ' if more else ''}{', '.join(more)}.",
        count=len(twins),
        advice=f"Look at them ({WHERE}): keep one of each pair, or put them into one group.",
        paths=examples(dict.fromkeys(images[at].path for pair in twins for at in (pair.first, pair.second))),
    )


def _outliers(images: Sequence[Image], outliers: Sequence[Outlier]) -> Finding | None:
    if not outliers:
        return None
    first = images[outliers[0].row].path
    return Finding(
        kind="outliers",
        severity="note",
        text=f"{len(outliers)} image(s) are far from all others, {first!r} the farthest.",
        count=len(outliers),
        advice=f"Look whether they belong to the set ({WHERE}); most sets have some that do.",
        paths=examples(images[outlier.row].path for outlier in outliers),
    )
