"""evaluate: the test part is scored for both models on the same images, and the answers are written down."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import datetime

import numpy as np
import onnx
import pytest

from automl.records import Evaluated, Trained
from automl.runs.folder import RunFolder
from automl.stages import evaluate
from tests.stages.trained_run import CLASSES, choose_variant, lay_run


@pytest.fixture
def context(make_context, bars_dataset):
    ctx = make_context("evaluate", bars_dataset)
    lay_run(ctx.folder, bars_dataset)
    return ctx


def spoil(folder: RunFolder) -> None:
    """Choose a variant "other" whose outputs are turned by one class: it is wrong wherever fp32 is right."""
    model = onnx.load_model(folder.stage("compress") / "fp32.onnx")
    last = next(node for node in model.graph.node if "probabilities" in node.output)
    last.output[0] = "straight"
    turn = onnx.numpy_helper.from_array(np.array([1, 2, 0]), "turn")
    model.graph.initializer.append(turn)
    model.graph.node.append(onnx.helper.make_node("Gather", ["straight", "turn"], ["probabilities"], axis=1))
    onnx.save_model(model, folder.root / "other.onnx")
    choose_variant(folder, "other", folder.root / "other.onnx")


def predictions(ctx) -> list[dict[str, str]]:
    with ctx.output("predictions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_test_part_is_scored_and_each_answer_written(context):
    found = evaluate.run(context)
    rows = predictions(context)
    assert (found.chosen, list(found.scores)) == ("fp32", ["fp32"])
    assert found.scores["fp32"].n == len(rows) == 18
    assert found.validation.n == 24
    right = [row["truth"] == row["predicted"] for row in rows]
    assert found.scores["fp32"].accuracy.value == pytest.approx(np.mean(right))
    assert found.scores["fp32"].accuracy.value > 0.6
    for row in rows:
        assert row["path"].startswith(f"{row['truth']}/")
        assert float(row["probability"]) == max(float(row[f"p({name})"]) for name in CLASSES)
        assert float(row[f"p({row['predicted']})"]) == float(row["probability"])


def test_the_chosen_variant_is_scored_beside_the_float_one_and_its_answers_are_those_written(context):
    spoil(context.folder)
    found = evaluate.run(context)
    assert list(found.scores) == ["fp32", "other"]
    good, bad = found.scores["fp32"], found.scores["other"]
    assert bad.accuracy.value < good.accuracy.value
    assert bad.accuracy.value == pytest.approx(
        np.mean([row["truth"] == row["predicted"] for row in predictions(context)])
    )
    assert found.validation.accuracy.value < 0.5


def test_mistakes_are_the_wrong_answers_the_surest_first(context):
    spoil(context.folder)
    mistakes = evaluate.run(context).mistakes
    wrong = {row["path"]: row for row in predictions(context) if row["truth"] != row["predicted"]}
    assert {mistake.path for mistake in mistakes} == set(wrong)
    assert [mistake.probability for mistake in mistakes] == sorted((m.probability for m in mistakes), reverse=True)
    for mistake in mistakes:
        assert (mistake.truth, mistake.predicted) == (wrong[mistake.path]["truth"], wrong[mistake.path]["predicted"])
        assert 24 <= mistake.row < 42


def test_at_most_24_mistakes_are_kept():
    probabilities = np.tile(np.float32([0.2, 0.8]), (40, 1))
    found = evaluate.surest_mistakes(
        [str(n) for n in range(40)], np.arange(40), np.zeros(40, dtype=np.int64), probabilities, ("a", "b")
    )
    assert [mistake.path for mistake in found] == [str(n) for n in range(24)]


def test_the_record_says_when_the_test_part_was_read_and_survives_its_file(context):
    found = evaluate.run(context)
    assert datetime.fromisoformat(found.read_at).tzinfo is not None
    context.folder.write_record(found)
    assert context.folder.record(Evaluated) == found


def test_each_baseline_answers_for_the_same_test_images_and_the_gain_is_paired(context):
    found = evaluate.run(context)
    assert [one.baseline for one in found.against] == [
        "majority class", "colour thumbnail", "kNN on features", "linear probe",
    ]  # fmt: skip
    majority = found.against[0]
    assert majority.accuracy.value == pytest.approx(6 / 18)  # three classes by turns
    model = found.scores["fp32"].accuracy.value
    for one in found.against:
        assert one.gain.value == pytest.approx(model - one.accuracy.value)
        assert one.gain.low <= one.gain.value <= one.gain.high
    assert majority.gain.low > 0
    assert "majority class" not in found.unbeaten


def test_a_model_that_does_not_beat_the_majority_class_is_warned_of(context):
    spoil(context.folder)
    found = evaluate.run(context)
    assert found.unbeaten.startswith("on 18 test images other is not better beyond noise than majority class (")
    assert context.front.warnings == [found.unbeaten]


def test_a_probe_that_was_kept_need_not_beat_itself(context):
    assert "linear probe" not in evaluate.run(context).unbeaten
    context.folder.write_record(replace(context.record(Trained), winner="trained"))
    spoil(context.folder)
    assert "linear probe" in evaluate.run(context).unbeaten
