"""The model card: it says what it must, and no name from the data can become markup."""

import html
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from automl.bundle.model_card import escape, model_card
from automl.records import Gate
from automl.types import Interval, Weighting, WeightsFound
from tests.bundle.tiny_bundles import facts_of, scores_of, variant_of

PASSED = Gate(
    verdict="passed", n_files=100, part="validation", same_class=99, ties=1, max_difference=2e-5, accuracy=0.91,
    selftest_max_difference=0.0,
)  # fmt: skip


def test_it_says_use_figures_data_gate_limits_and_licence():
    weights = WeightsFound(backbone="mobilenetv2", source="folder", path="/x/w.h5", sha256="a" * 64)
    card = model_card(facts_of(gate=PASSED, weights=weights, backbone="mobilenetv2", description="Sorts lamps."))
    titles = [line for line in card.splitlines() if line.startswith("#")]
    assert titles == [
        "# tiny", "## How to run", "## Results", "## Variants", "## Data", "## The gate", "## Limits", "## Weights",
    ]  # fmt: skip
    for words in (
        "Sorts lamps", "python predict.py --selftest", "0.900 [0.810, 0.970]", "| 0.321 |", "| red | 20 | 10 | 10 |",
        "**passed.**", "99 get the class", "Apache\\-2\\.0", "a" * 64, "The test part has 30 images",
    ):  # fmt: skip
        assert words in card


def test_a_preset_is_called_one_and_its_sum_is_not_called_a_files():
    weights = WeightsFound(backbone="hub:vgg", source="own", path="/x/w.h5", sha256="a" * 64)
    card = model_card(facts_of(weights=weights, backbone="hub:vgg", weights_licence="unknown: see https://x.example/v"))
    assert "Backbone hub:vgg, a KerasHub preset; licence of these weights: unknown\\: see https\\:" in card
    assert f"; sha256 over the checksums of its files `{'a' * 64}`" in card
    assert "ImageNet" not in card


def test_every_table_has_as_many_cells_in_each_row():
    failed = variant_of("int8_minmax", file="", accuracy=0.0, note="onnxruntime | refused it")
    card = model_card(facts_of(variants=(variant_of("fp32"), failed), classes=("a|b", "c", "d")))
    assert r"left out\: onnxruntime \| refused it" in card
    tables = re.findall(r"(?:^\|.*\n?)+", card, flags=re.M)
    assert len(tables) == 4
    for table in tables:
        rows = [re.split(r"(?<!\\)\|", line) for line in table.splitlines()]
        assert len({len(row) for row in rows}) == 1


def test_a_compressed_model_is_shown_beside_the_float_one():
    worse = scores_of(("red", "green", "blue"))
    card = model_card(
        facts_of(chosen="int8_minmax", variants=(variant_of("fp32"), variant_of("int8_minmax")), test_fp32=worse)
    )
    assert "| test | fp32 | 30 |" in card
    assert "**int8_minmax** (this one)" in card
    assert "from one processor to another" in card


def test_random_weights_and_an_unverified_bundle_are_said():
    few = Gate(
        verdict="unverified", n_files=9, part="validation", same_class=9, ties=0, max_difference=0.0, accuracy=1.0,
        selftest_max_difference=0.0,
    )  # fmt: skip
    card = model_card(facts_of(gate=few))
    assert "too few to verify it by" in card
    assert "Training began from random weights" in card


@settings(deadline=None, max_examples=100)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
@example(name="<script>alert(1)</script>")
@example(name="](javascript:alert(1)) ![x](http://x) | `code` **bold**\n\n# title")
@example(name="&lt;b&gt;")
def test_a_name_is_shown_as_it_is_on_one_line_and_never_as_markup(name):
    escaped = escape(name)
    assert "\n" not in escaped
    assert "<" not in escaped
    assert ">" not in escaped
    # Reading it as Markdown does (an escaped character, or else an entity) gives the printable name back.
    shown = re.sub(r"\\([!-/:-@\[-`{-~])|&(?:amp|lt|gt);", lambda m: m[1] or html.unescape(m[0]), escaped)
    plain = " ".join(name.split())
    assert shown == "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)
    # No ASCII punctuation stands bare, besides that of the entities.
    assert not re.search(r"(?<!\\)[`*_\[\]|#!]", re.sub(r"\\.", "", escaped))


@pytest.mark.parametrize("field", ["name", "description"])
def test_the_owners_words_are_escaped_too(field):
    assert "<img" not in model_card(facts_of(**{field: "<img src=x>"}))


def test_classes_are_escaped_wherever_they_stand():
    card = model_card(facts_of(classes=("<i>", "b", "c")))
    assert "<i>" not in card
    assert card.count("&lt;i&gt;") == 2


def test_bounds_are_printed_beside_their_value():
    scores = scores_of(("red", "green", "blue"))
    assert scores.accuracy == Interval(value=0.9, low=0.81, high=0.97)
    assert model_card(facts_of()).count("0.900 [0.810, 0.970]") == 2


def test_weights_of_the_training_images_are_told_and_what_they_do_not_touch():
    weighting = Weighting(n=90, zero=3, total=120.5, smallest=0.25, largest=4.0, effective={})
    card = model_card(facts_of(weighting=weighting))
    assert "90 images had weights from 0.25 to 4 and 3 taught nothing (weight 0); the figures count every image" in card
    assert "weights from" not in model_card(facts_of())
