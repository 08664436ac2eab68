"""Sets of records at the edge, and all of them with the usual one by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from automl.records import (
    Mistake,
)
from automl.report.facts import Facts, Setting
from automl.types import (
    Finding,
    Rejected,
)
from tests.report.pieces import backbone, fp32, scores, variant
from tests.report.samples import usual

HOSTILE: Final = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'single'",
    "$\\frac{1}{0}$ {{ 7*7 }} {% raw %}",
    "long " + "name" * 50,
    "ورد أحمر",
    "turned \u202eevil",
    "👩‍🌾 花 🌻",
    "control \x00\x1b[31m \udcff",
    "-->]]></style>",
    " ",
)


def digits() -> Facts:
    """Small grey pictures, a net from random weights, nothing wrong with the data."""
    facts = usual(tuple("0123456789"), per_class=36, wrong=1, size_px=32)
    found = backbone("smallnet", 0.955, 1_078, 0.31, 2_200.0, source="random")
    return replace(
        facts,
        name="demo",
        checked=replace(facts.checked, findings=(), n_rejected=0, modes={"L": 1_797}, formats={"PNG": 1_797}),
        rejected=(),
        parted=replace(facts.parted, left_out=0),
        picked=replace(
            facts.picked,
            ranking=(found,),
            chosen="smallnet",
            weights=found.weights,
            start="first/model.weights.h5",
            flip_is_safe=False,
            flip_accuracy=0.41,
            reason="the only backbone of the recipe",
            findings=(),
        ),
        suspects=(),
        made=replace(facts.made, warnings=(), recipe="demo", dataset="digits"),
    )


def two_classes() -> Facts:
    return usual(("cat", "dog"), per_class=60, wrong=9)


def sixty_classes() -> Facts:
    return usual(tuple(f"species {number:02}" for number in range(60)), per_class=12, wrong=4)


def no_trial_finished() -> Facts:
    """The search came to nothing, so did training: the probe went on."""
    facts = usual()
    failed = tuple(
        replace(trial, state="failed", accuracy=None, loss=None, epochs=(), error="out of memory")
        for trial in facts.tuned.trials
    )
    return replace(
        facts,
        tuned=replace(
            facts.tuned, trials=failed, best=None, reason="no trial succeeded, so the settings are the defaults"
        ),
        trained=replace(
            facts.trained,
            epochs=(),
            trained_accuracy=None,
            trained_loss=None,
            winner="probe",
            reason="no time was left to train",
        ),
    )


def only_fp32() -> Facts:
    facts = usual()
    broken = variant(
        "int8_minmax", 0.0, 0.0, 0, 0.0, file="", within_budget=False, note="quantisation failed: no ranges"
    )
    return replace(
        facts,
        compressed=replace(
            facts.compressed, variants=(fp32(0.929), broken), chosen="fp32", reason="nothing else was built"
        ),
        evaluated=replace(facts.evaluated, scores={"fp32": facts.test}, chosen="fp32"),
    )


def unverified_gate() -> Facts:
    """A tiny dataset: 9 test images, one class never recognised."""
    facts = usual(("ok", "scratch", "dent"), per_class=3, wrong=0)
    confusion = np.array([[3, 0, 0], [0, 3, 0], [2, 1, 0]])
    test = scores(confusion, ("ok", "scratch", "dent"), 0.71)
    gate = replace(facts.exported.gate, verdict="unverified", n_files=9, same_class=9, ties=0, accuracy=6 / 9)
    return replace(
        facts,
        evaluated=replace(
            facts.evaluated,
            scores={"fp32": test, "int8_percentile": test},
            validation=test,
            mistakes=(Mistake(path="dent/3.png", row=0, truth="dent", predicted="scratch", probability=0.61),),
        ),
        exported=replace(facts.exported, gate=gate),
    )


def no_mistakes() -> Facts:
    facts = usual(wrong=0)
    return replace(facts, samples=(), mistake_pictures={})


def hostile_names() -> Facts:
    """Names made to break the page, in every place that takes one."""
    facts = usual(HOSTILE, per_class=20, wrong=6)
    evil = HOSTILE[0]
    long = HOSTILE[3] * 3
    return replace(
        facts,
        description=evil,
        made=replace(
            facts.made,
            dataset=evil,
            warnings=(long, evil),
            settings=(Setting(key="check.drop_classes", value=long, default="[]"),),
        ),
        checked=replace(
            facts.checked,
            findings=(Finding(kind=evil, severity="warn", text=long, count=1, advice=evil, paths=(long, evil)),),
        ),
        rejected=(
            Rejected(path=long, label=evil, reason="truncated", detail=evil),
            Rejected(path="\udcff/" + evil, label=evil, reason="not an image", detail=long),
        ),
    )


CASES: Final[dict[str, Callable[[], Facts]]] = {
    case.__name__: case
    for case in (
        usual,
        digits,
        two_classes,
        sixty_classes,
        no_trial_finished,
        only_fp32,
        unverified_gate,
        no_mistakes,
        hostile_names,
    )
}
