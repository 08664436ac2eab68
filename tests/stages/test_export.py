"""export: a bundle that passes its gate is left whole under its name; one that does not leaves nothing there."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

from automl.bundle.predict import Predictor, selftest
from automl.errors import GateRefused, StageFailed
from automl.recipe.model import Export, Recipe
from automl.records import Exported, Picked
from automl.stages import evaluate, export
from automl.types import WeightsFound
from tests.stages.trained_run import CLASSES, RealChildFront, choose_variant, lay_run


@pytest.fixture
def make_run(make_context, bars_dataset):
    """A run whose evaluate is done, with a front that really starts processes."""

    def make(**how):
        recipe = Recipe(export=Export(gate_files=20, description="Bars."))
        context = replace(make_context("export", bars_dataset, recipe), front=RealChildFront())
        lay_run(context.folder, bars_dataset, **how)
        context.folder.write_record(evaluate.run(replace(context, stage="evaluate")))
        return context

    return make


def test_a_good_bundle_passes_and_says_so_itself(make_run):
    context = make_run()
    found = export.run(context)
    bundle = context.output("bundle")
    assert (found.gate.verdict, found.gate.n_files, found.gate.part) == ("passed", 20, "validation")
    assert found.gate.same_class + found.gate.ties == 20
    assert found.gate.max_difference <= 1e-3
    facts = json.loads((bundle / "bundle.json").read_text())
    assert facts["gate"]["verdict"] == "passed"
    assert (facts["name"], facts["chosen"], facts["classes"]) == ("tiny", "fp32", list(CLASSES))
    assert facts["metrics"]["test"]["n"] == 18
    assert "**passed.**" in (bundle / "MODEL_CARD.md").read_text()
    assert set(found.files) == {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()}
    assert found.size_bytes == sum((bundle / name).stat().st_size for name in found.files)
    assert not list(bundle.parent.glob(".tmp-*"))
    assert not selftest(Predictor(bundle)).faults
    context.folder.write_record(found)
    assert context.folder.record(Exported) == found


def test_the_card_names_the_licence_of_the_very_file_that_training_began_from(make_run):
    context = make_run()
    picked = context.record(Picked)
    weights = WeightsFound(backbone="smallnet", source="folder", path="/x/w.h5", sha256="a" * 64, licence="AGPL-3.0")
    context.folder.write_record(replace(picked, weights=weights))
    export.run(context)
    assert r"licence of these weights: AGPL\-3\.0" in (context.output("bundle") / "MODEL_CARD.md").read_text()


def test_a_bundle_left_by_a_killed_export_is_replaced(make_run):
    context = make_run()
    context.output("bundle/half").touch()
    context.output(".tmp-bundle/half").touch()
    found = export.run(context)
    assert "half" not in found.files
    assert not context.output("bundle/half").exists()


def test_few_files_are_enough_for_a_bundle_but_not_for_a_verdict(make_run):
    context = make_run(n_validation=12)
    assert export.run(context).gate.verdict == "unverified"
    assert context.front.warnings == ["the bundle is unverified: 12 held-out file(s) are too few to judge it by"]


def test_a_model_that_learned_nothing_is_refused_though_all_answers_agree(make_run):
    context = make_run(learned=False)
    with pytest.raises(GateRefused, match="chance level"):
        export.run(context)
    assert not (context.folder.stage("export") / "bundle").exists()


def test_a_file_that_is_not_the_trained_network_is_refused(make_run):
    context = make_run()
    path = context.input("compress", "fp32.onnx")
    model = onnx.load_model(path)
    bias = next(tensor for tensor in model.graph.initializer if tuple(tensor.dims) == (3,))
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32([0.2, 0, 0]), bias.name))
    onnx.save_model(model, path)
    with pytest.raises(GateRefused, match="predict.py against the trained network"):
        export.run(context)


def test_a_compressed_variant_may_differ_from_the_network_within_the_budget(make_run):
    context = make_run()
    model = onnx.load_model(context.input("compress", "fp32.onnx"))
    bias = next(tensor for tensor in model.graph.initializer if tuple(tensor.dims) == (3,))
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32([0.02, 0, 0]), bias.name))
    onnx.save_model(model, context.folder.root / "rough.onnx")
    choose_variant(context.folder, "int8_minmax", context.folder.root / "rough.onnx")
    context.folder.write_record(evaluate.run(replace(context, stage="evaluate")))
    gate = export.run(context).gate
    assert gate.verdict == "passed"
    assert gate.max_difference > 1e-3


def test_an_original_that_has_changed_since_check_is_named(make_run, bars_dataset):
    context = make_run()
    for path in (bars_dataset / "across").iterdir():
        path.write_bytes((bars_dataset / "down" / "000.png").read_bytes())
    with pytest.raises(GateRefused, match=r"'across/\d+\.png'"):
        export.run(context)


def test_a_dataset_that_is_gone_is_said(make_run, bars_dataset):
    context = make_run()
    bars_dataset.rename(bars_dataset.with_name("moved"))
    with pytest.raises(StageFailed, match="Put it back"):
        export.run(context)


def test_the_gates_files_are_drawn_by_the_seed_without_repeats():
    taken = export.some_of(500, 100, seed=1)
    assert len(set(taken.tolist())) == 100
    assert taken.tolist() == sorted(taken.tolist()) == export.some_of(500, 100, seed=1).tolist()
    assert taken.tolist() != export.some_of(500, 100, seed=2).tolist()
    assert export.some_of(7, 100, seed=1).tolist() == list(range(7))
