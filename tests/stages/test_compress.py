"""compress: files that say what Keras says, measured variants, one choice; and what a kill or a failure costs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from automl.data.store import open_pixels, store_name
from automl.errors import StageFailed
from automl.graph.session import open_session, predict
from automl.recipe.model import Compress, Recipe
from automl.records import Compressed
from automl.runtime.context import ChildEnded, StageContext
from automl.stages import compress
from tests.conftest import MakeContext, QuietFront
from tests.stages.trained_run import CLASSES, SIZE_PX, RealChildFront, lay_run

RECIPE = Recipe(compress=Compress(calibration_images=8, latency_repeats=10))
NAMES = ("fp32", "int8_minmax", "int8_percentile")


@dataclass
class CountingFront(QuietFront):
    """Remembers which variants were built, and fails or stops at one."""

    built: list[str] = field(default_factory=list)
    fails: str = ""
    kills: str = ""

    def run_child(
        self, kind: str, entry: str, arguments: Mapping[str, object], log: Path, limit_s: float | None
    ) -> ChildEnded:
        name = str(arguments["name"])
        self.built.append(name)
        if name == self.kills:
            raise KeyboardInterrupt
        if name == self.fails:
            return ChildEnded(
                ok=False, result={}, error="ValueError: no such node", exit_code=1, timed_out=False, seconds=1
            )
        return super().run_child(kind, entry, arguments, log, limit_s)


@pytest.fixture
def ctx(make_context: MakeContext, bars_dataset: Path) -> StageContext:
    """The stage's context in a run that was trained."""
    made = make_context("compress", bars_dataset, RECIPE)
    lay_run(made.folder, bars_dataset)
    for path in made.folder.stage("compress").iterdir():  # lay_run goes further than here
        path.unlink()
    return replace(made, front=CountingFront())


def test_the_variants_are_written_measured_and_one_is_chosen(ctx):
    record = compress.run(replace(ctx, front=RealChildFront()))
    assert tuple(variant.name for variant in record.variants) == NAMES
    folder = ctx.folder.stage("compress")
    labels = np.load(ctx.input("pack", "validation-labels.npy"))
    pixels = open_pixels(ctx.input("check", store_name(SIZE_PX)))
    answers = {}
    for variant in record.variants:
        path = folder / variant.file
        answers[variant.name] = predict(open_session(path), pixels[: len(labels)])[0].argmax(axis=1)
        assert variant.accuracy == np.mean(answers[variant.name] == labels)
        assert variant.flips == np.sum(answers[variant.name] != answers["fp32"])
        assert variant.accuracy_drop.value == pytest.approx(record.variants[0].accuracy - variant.accuracy)
        assert variant.size_bytes == path.stat().st_size > variant.gzip_bytes > 0
        assert variant.latency_ms > 0
        assert variant.latency_spread_ms <= record.noise_ms
    fp32, *int8 = record.variants
    assert fp32.accuracy > 0.8
    assert all(variant.size_bytes < 0.5 * fp32.size_bytes for variant in int8)
    assert record.writer_max_difference < 1e-4
    assert record.chosen in NAMES
    assert record.chosen in record.reason
    assert record.cpu
    names = {entry.key: entry.value for entry in onnx.load(folder / "int8_minmax.onnx").metadata_props}["class_names"]
    assert json.loads(names) == list(CLASSES)


def test_the_same_run_twice_gives_the_same_files_and_accuracies(ctx):
    records, files = [], []
    for _ in range(2):
        records.append(compress.run(ctx))
        folder = ctx.folder.stage("compress")
        files.append({path.name: path.read_bytes() for path in folder.glob("*.onnx")})
        for path in folder.iterdir():
            path.unlink()
    assert files[0] == files[1]
    assert set(files[0]) == {f"{name}.onnx" for name in NAMES}
    one, other = ([(each.accuracy, each.accuracy_drop, each.flips) for each in record.variants] for record in records)
    assert one == other


def test_a_stage_killed_in_mid_work_keeps_what_was_finished(ctx):
    with pytest.raises(KeyboardInterrupt):
        compress.run(replace(ctx, front=CountingFront(kills="int8_percentile")))
    folder = ctx.folder.stage("compress")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix in {".json", ".onnx"}}
    assert set(before) == {"fp32.onnx", "fp32.json", "int8_minmax.onnx", "int8_minmax.json"}
    record = compress.run(ctx)
    assert ctx.front.built == ["int8_percentile"]
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert [variant.file for variant in record.variants] == [f"{name}.onnx" for name in NAMES]
    assert record.writer_max_difference == json.loads((folder / "fp32.json").read_text())["writer_max_difference"] > 0


def test_a_file_without_its_item_is_made_again(ctx):
    compress.run(ctx)
    cut = ctx.folder.stage("compress") / "int8_minmax.onnx"
    whole = cut.read_bytes()
    cut.write_bytes(whole[:100])
    cut.with_suffix(".json").unlink()
    ctx.front.built.clear()
    compress.run(ctx)
    assert ctx.front.built == ["int8_minmax"]
    assert cut.read_bytes() == whole


def test_a_compressor_that_fails_costs_its_variant_alone(ctx):
    front = CountingFront(fails="int8_minmax")
    record = compress.run(replace(ctx, front=front))
    failed = record.variants[1]
    assert (failed.name, failed.file, failed.within_budget) == ("int8_minmax", "", False)
    assert failed.note == "it could not be built: ValueError: no such node"
    assert front.warnings == [f"the variant int8_minmax is left out: {failed.note}"]
    assert front.built.count("int8_minmax") == 1  # it would raise again
    assert record.variants[2].file == "int8_percentile.onnx"
    ctx.folder.write_record(record)
    assert ctx.folder.record(Compressed) == record


def test_a_compressor_whose_model_gives_no_numbers_costs_its_variant_alone(ctx, monkeypatch):
    def poison(source: Path, target: Path, calibration: object, **_: object) -> None:
        model = onnx.load(source)
        bias = next(one for one in model.graph.initializer if tuple(one.dims) == (len(CLASSES),))
        bias.CopyFrom(numpy_helper.from_array(np.full(len(CLASSES), np.nan, np.float32), bias.name))
        onnx.save(model, target)

    monkeypatch.setattr("automl.compressors.int8.compress", poison)
    record = compress.run(ctx)
    assert [variant.note for variant in record.variants[1:]] == ["its probabilities are not finite"] * 2
    assert record.chosen == "fp32"


def test_a_collapsed_variant_is_seen_by_the_labels(ctx, monkeypatch):
    def collapse(source: Path, target: Path, calibration: object, **_: object) -> None:
        model = onnx.load(source)
        bias = next(one for one in model.graph.initializer if tuple(one.dims) == (len(CLASSES),))
        bias.CopyFrom(numpy_helper.from_array(np.float32([1e4, 0, 0]), bias.name))
        onnx.save(model, target)

    monkeypatch.setattr("automl.compressors.int8.compress", collapse)
    record = compress.run(ctx)
    assert [variant.accuracy for variant in record.variants[1:]] == [pytest.approx(1 / 3)] * 2
    assert not any(variant.within_budget for variant in record.variants[1:])
    assert record.chosen == "fp32"


def test_fp32_is_always_among_the_variants_and_comes_first(ctx):
    recipe = RECIPE.model_copy(update={"compress": Compress(variants=("int8_minmax",), latency_repeats=10)})
    record = compress.run(replace(ctx, recipe=recipe))
    assert tuple(variant.name for variant in record.variants) == NAMES[:2]


def test_near_the_deadline_fp32_alone_is_made(ctx):
    front = CountingFront()
    record = compress.run(replace(ctx, front=front, deadline_at=ctx.now() - 1))
    assert front.built == []
    assert [variant.note for variant in record.variants[1:]] == ["the deadline is too near to build it"] * 2
    assert record.chosen == "fp32"


def test_an_fp32_file_that_does_not_say_what_keras_says_is_refused(ctx, monkeypatch):
    real = compress.write_onnx

    def wrong(model, path, **words):
        kernel = model.get_layer("logits").kernel
        before = kernel.numpy()
        kernel.assign(1.2 * before)
        real(model, path, **words)
        kernel.assign(before)

    monkeypatch.setattr(compress, "write_onnx", wrong)
    with pytest.raises(StageFailed, match=re.escape("Wanted: at most 0.001. Leave smallnet out")):
        compress.run(ctx)
    assert not (ctx.folder.stage("compress") / "fp32.json").exists()


def test_calibration_takes_training_images_alone_drawn_by_the_seed(ctx):
    pictures = compress.open_pictures(ctx)
    training = set(np.load(ctx.input("pack", "train-rows.npy")).tolist())
    drawn = pictures.calibration.tolist()
    assert len(set(drawn)) == 8
    assert set(drawn) <= training
    again = compress.open_pictures(replace(ctx, recipe=RECIPE.model_copy(update={"seed": 2})))
    assert again.calibration.tolist() != drawn
