from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from automl.report.plots import LABEL_GAP, apart, curves, learning_plot, tradeoff_plot, trials_plot
from automl.report.svg import HEIGHT, WIDTH, spread, tick_values
from tests.report.cases import CASES
from tests.report.pieces import epochs_of, fp32, learning_curve, variant
from tests.report.samples import usual

finite = st.floats(-1e6, 1e6)


def drawn(plot: str) -> ElementTree.Element:
    return ElementTree.fromstring(plot)  # our own text


@pytest.mark.parametrize("case", [case for case in CASES if case != "no_trial_finished"])
def test_every_mark_of_every_plot_lies_within_it(case):
    facts = CASES[case]()
    tuned, trained = facts.tuned, facts.trained
    variants = [row for row in facts.compressed.variants if row.file]
    plots = [
        trials_plot(tuned.trials, tuned.best, trained.probe_accuracy),
        *curves(trained.epochs, trained.probe_accuracy, trained.probe_loss),
        tradeoff_plot(variants, facts.compressed.chosen, 0.01),
        learning_plot(facts.picked.learning_curve),
    ]
    for plot in plots:
        circles = list(drawn(plot).iter("circle"))
        assert circles
        assert all(0 <= float(mark.get("cx", "nan")) <= WIDTH for mark in circles)
        assert all(0 <= float(mark.get("cy", "nan")) <= HEIGHT for mark in circles)
        assert not re.search(r"nan|inf|-0\.0", plot)


def test_where_nothing_finished_nothing_is_drawn():
    facts = CASES["no_trial_finished"]()
    assert trials_plot(facts.tuned.trials, None, 0.9) == ""
    assert curves((), 0.9, 0.3) == ("", "")
    assert tradeoff_plot([], "fp32", 0.01) == ""


def test_one_epoch_and_one_trial_have_a_place():
    accuracy, loss = curves(epochs_of(1, 0.5, 0.5), 0.5, 0.7)
    assert len(list(drawn(accuracy).iter("circle"))) == 2
    assert len(list(drawn(loss).iter("circle"))) == 2
    assert len(list(drawn(trials_plot(usual().tuned.trials[:1], 1, 0.9)).iter("circle"))) == 1


def test_a_loss_that_is_no_number_leaves_a_gap():
    rows = list(epochs_of(6, 0.5, 0.8))
    rows[2] = replace(rows[2], loss=math.nan, validation_loss=math.inf)
    _, loss = curves(rows, 0.5, 0.7)
    assert len(list(drawn(loss).iter("polyline"))) == 4
    assert len(list(drawn(loss).iter("circle"))) == 10
    assert not re.search(r"nan|inf", loss)


def test_the_best_trial_and_the_chosen_variant_stand_out():
    facts = usual()
    plot = trials_plot(facts.tuned.trials, 5, 0.9)
    assert [mark.findtext("title") for mark in drawn(plot).iter("circle") if "best" in mark.get("class", "")] == [
        "trial 5: 92.5 %"
    ]
    plot = tradeoff_plot(facts.compressed.variants, "int8_percentile", 0.01)
    assert [mark.text for mark in drawn(plot).iter("text") if "best" in mark.get("class", "")] == ["int8_percentile"]


def test_variants_of_the_same_speed_and_accuracy_keep_readable_names():
    same = [fp32(0.9), *(variant(f"int8_{number}", 0.9, 0.003, 5_000_000, 3.0) for number in range(4))]
    names = [mark for mark in drawn(tradeoff_plot(same, "fp32", 0.01)).iter("text") if "name" in mark.get("class", "")]
    places = sorted(float(mark.get("y", "nan")) for mark in names if mark.text != "fp32")
    assert len(places) == 4
    assert all(below - above >= LABEL_GAP - 0.11 for above, below in pairwise(places))


def test_names_in_a_plot_are_escaped():
    plot = tradeoff_plot([replace(fp32(0.9), name="<b>&\"'")], "fp32", 0.01)
    assert [mark.text for mark in drawn(plot).iter("text") if "name" in mark.get("class", "")] == ["<b>&\"'"]


@given(low=finite, width=st.floats(1e-3, 1e6))
@settings(max_examples=100, deadline=None)
def test_ticks_are_round_ascending_and_within_the_range(low, width):
    high = low + width
    ticks = tick_values(low, high)
    assert 2 <= len(ticks) <= 6
    assert all(low - width * 1e-6 <= tick <= high + width * 1e-6 for tick in ticks)
    steps = [after - before for before, after in pairwise(ticks)]
    assert all(step > 0 for step in steps)
    assert f"{steps[0]:.3e}"[0] in "125"


@given(values=st.lists(st.floats(0, 1), min_size=1))
@settings(max_examples=50, deadline=None)
def test_the_range_holds_all_values_and_is_never_empty(values):
    low, high = spread([*values, math.nan, math.inf], at_least=0, at_most=1)
    assert 0 <= low < high <= 1
    assert low <= min(values)
    assert max(values) <= high


@given(places=st.lists(st.floats(0, HEIGHT), max_size=8))
@settings(max_examples=50, deadline=None)
def test_labels_are_moved_apart_and_keep_their_order(places):
    assume(places == sorted(places))
    moved = apart(places)
    assert len(moved) == len(places)
    assert all(below - above >= LABEL_GAP - 1e-6 for above, below in pairwise(moved))
    assert all(place <= HEIGHT for place in moved)


def test_the_learning_curve_has_a_dot_and_an_interval_for_each_size():
    plot = learning_plot(learning_curve(100))
    assert plot.count("<circle") == plot.count('class="whisker') == 3
    assert "657 training images: 87.0 %" in plot
    assert learning_plot(()) == ""
