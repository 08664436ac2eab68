from __future__ import annotations

from dataclasses import replace

import pytest

from automl.report.remarks import findings_of, remarks_of
from automl.types import Finding, Interval
from tests.report.cases import CASES, no_mistakes, two_classes, unverified_gate
from tests.report.samples import usual


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("digits", "smallnet was trained from random weights"),
        ("unverified_gate", "The bundle is unverified: the gate had 9 held-out files"),
        ("unverified_gate", "Never recognised on the test part: “dent”."),
        ("unverified_gate", "The validation part has only 9 images, so that one image is 11.1 points"),
        ("unverified_gate", "The test part has only 9 images"),
        ("no_trial_finished", "No trial of the search finished"),
        ("usual", "1 image(s) lie in more than one class"),
    ],
)
def test_a_doubt_is_said_where_it_is_due_and_nowhere_else(case, words):
    assert any(words in text for text in remarks_of(CASES[case](), own=False))
    clean = replace(no_mistakes(), checked=replace(no_mistakes().checked, findings=()))
    assert remarks_of(clean, own=False) == ()


def test_a_variant_that_breaks_its_budget_on_the_test_part_is_told():
    facts = two_classes()
    better = replace(facts.test, accuracy=Interval(value=facts.test.accuracy.value + 0.02, low=0.5, high=1))
    facts = replace(facts, evaluated=replace(facts.evaluated, scores={**facts.evaluated.scores, "fp32": better}))
    assert any(
        "loses 2.0 points against fp32, more than the budget of 1" in text for text in remarks_of(facts, own=False)
    )


def test_many_classes_that_were_never_recognised_are_counted():
    facts = usual()
    lost = replace(facts.test, per_class=tuple(replace(row, recall=0.0) for row in facts.test.per_class))
    facts = replace(facts, evaluated=replace(facts.evaluated, scores={"fp32": lost, "int8_percentile": lost}))
    assert any(text.endswith("“iris”, “rose” and 2 more.") for text in remarks_of(facts, own=False))


def test_what_is_said_twice_is_shown_once():
    facts = unverified_gate()
    text = facts.checked.findings[1].text
    facts = replace(facts, made=replace(facts.made, warnings=(text,)))
    assert remarks_of(facts, own=True).count(text) == 1


def test_file_names_in_findings_are_for_the_runs_own_page():
    own, given = remarks_of(usual(), own=True), remarks_of(usual(), own=False)
    assert any("'rose/9.jpg' for one" in text for text in own)
    assert any("a file for one" in text for text in given)
    assert not any("9.jpg" in text for text in given)


def test_what_pick_warns_of_is_said_once_on_top_of_the_page():
    facts = no_mistakes()
    loud = Finding(kind="shortcuts", severity="warn", text="The colour mode alone names the label of 32%.", count=1)
    facts = replace(
        facts,
        picked=replace(facts.picked, findings=(loud,)),
        made=replace(facts.made, warnings=(loud.text,)),
    )
    assert remarks_of(facts, own=True).count(loud.text) == 1
    assert loud.text in remarks_of(facts, own=False)


def test_warnings_come_before_notes():
    facts = usual()
    late = Finding(kind="late", severity="warn", text="of split", count=1)
    facts = replace(facts, parted=replace(facts.parted, findings=(late,)))
    assert [finding.kind for finding in findings_of(facts)] == [
        "conflicting labels",
        "late",
        "exact duplicates",
        "likely label errors",
    ]


def test_a_plain_baseline_that_is_not_beaten_is_remarked_on_and_one_on_features_is_not():
    facts = usual()

    def doubted(name):
        against = tuple(
            replace(one, gain=Interval(value=0.0, low=-0.1, high=0.1)) if one.baseline == name else one
            for one in facts.evaluated.against
        )
        evaluated = replace(facts.evaluated, against=against, unbeaten=f"it does not beat {name}")
        return remarks_of(replace(facts, evaluated=evaluated), own=False)

    assert "it does not beat colour thumbnail" in doubted("colour thumbnail")
    assert "it does not beat kNN on features" not in doubted("kNN on features")
