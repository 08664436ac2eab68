"""pick on the bars, with the small net and its random weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from automl.data.images import read_split, read_suspects
from automl.data.pack import read_index
from automl.data.store import open_pixels
from automl.data.weights import relative
from automl.nets.build import load_network
from automl.nets.probe import read_probe
from automl.recipe.model import Pack, Pick, Recipe, Weights
from automl.records import Checked, Packed, Picked
from automl.runs.atomic import write_bytes
from automl.runs.folder import RunFolder
from automl.runtime.context import StageContext
from automl.stages import check, chosen, first_network, judged, pack, pick, pick_data, split
from tests.conftest import QuietFront, write_bars

RECIPE = Recipe(backbones=("smallnet",), pack=Pack(size_px=24), weights=Weights(download=False))


@dataclass(frozen=True)
class Finished:
    ctx: StageContext
    front: QuietFront
    picked: Picked


def context(root: Path, stage: str, front: QuietFront) -> StageContext:
    return StageContext(
        folder=RunFolder(root / "runs" / "tiny"),
        stage=stage,
        recipe=RECIPE,
        dataset=root / "bars",
        exports=root / "exports",
        weights=None,
        deadline_at=None,
        front=front,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One run of the stage, with the records before it. Do not write into it."""
    root = tmp_path_factory.mktemp("pick")
    write_bars(root / "bars", per_class=20, size_px=24)
    for stage in (check, split, pack):
        ctx = context(root, stage.__name__.split(".")[-1], QuietFront())
        ctx.folder.write_record(stage.run(ctx))
    front = QuietFront()
    ctx = context(root, "pick", front)
    return Finished(ctx=ctx, front=front, picked=pick.run(ctx))


@pytest.fixture
def killed(finished: Finished, tmp_path: Path) -> StageContext:
    """The same run, to be damaged and started again."""
    shutil.copytree(finished.ctx.folder.root, tmp_path / "runs" / "tiny")
    return context(tmp_path, "pick", QuietFront())


def test_the_best_probe_is_saved_as_a_network_that_predicts_what_the_record_says(finished: Finished) -> None:
    ctx, picked = finished.ctx, finished.picked
    checked = ctx.record(Checked)
    assert (picked.chosen, picked.network.size_px, picked.network.classes) == ("smallnet", 24, checked.classes)
    assert picked.ranking[0].probe_accuracy.value > 0.7  # chance is 1 in 3

    rows, labels = (np.load(ctx.input("pack", f"validation-{name}.npy")) for name in ("rows", "labels"))
    pixels = open_pixels(ctx.input("check", "pixels-24"))
    model = load_network(picked.network, ctx.output("first/model.weights.h5"))
    probabilities, features = model.predict_on_batch(pixels[rows])
    assert (probabilities.argmax(axis=1) == labels).mean() == picked.probe_accuracy
    stored = np.load(ctx.output("chosen/features.npy"))
    assert stored.shape == (checked.n_images, picked.ranking[0].n_features)
    np.testing.assert_allclose(features, stored[rows], rtol=1e-3, atol=1e-4)


def test_the_baselines_are_judged_on_the_validation_part(finished: Finished) -> None:
    baselines = {one.name: one.accuracy for one in finished.picked.baselines}
    assert list(baselines) == ["majority class", "colour thumbnail", "kNN on features", "linear probe"]
    labels = np.load(finished.ctx.input("pack", "validation-labels.npy"))
    commonest = np.bincount(np.load(finished.ctx.input("pack", "train-labels.npy"))).argmax()
    assert baselines["majority class"].value == (labels == commonest).mean()
    assert baselines["linear probe"].value == finished.picked.probe_accuracy
    assert all(one.low <= one.value <= one.high for one in baselines.values())


def test_the_learning_curve_ends_with_the_chosen_probe_and_is_told_in_words(finished: Finished) -> None:
    curve = finished.picked.learning_curve
    n = len(np.load(finished.ctx.input("pack", "train-rows.npy")))
    assert [point.images for point in curve] == [round(n / 4), round(n / 2), n]
    assert curve[-1].accuracy.value == finished.picked.probe_accuracy
    assert "images" in finished.picked.more_data


def test_random_weights_are_warned_of_in_console_and_record(finished: Finished) -> None:
    assert finished.picked.weights.source == "random"
    assert finished.picked.warnings == ("smallnet starts from random weights: it learns from this dataset alone",)
    assert tuple(finished.front.warnings) == finished.picked.warnings


def test_the_table_of_suspects_holds_train_and_validation_alone_and_the_record_what_was_found(
    finished: Finished,
) -> None:
    ctx, findings = finished.ctx, finished.picked.findings
    parts = {image.path: image.part for image in read_split(ctx.input("split", "split.csv"))}
    listed = read_suspects(ctx.output("suspects.csv"))
    assert all(parts[suspect.path] != "test" for suspect in listed)
    told = {finding.kind: finding for finding in findings}
    # Random weights tell too little of two pictures.
    assert told["outliers and near duplicates not looked for"].severity == "note"
    doubted = [suspect for suspect in listed if suspect.kind == "label error"]
    assert len(doubted) == (told["likely label errors"].count if "likely label errors" in told else 0)
    held_out = np.load(ctx.output("chosen/held_out.npy"))
    labels = np.load(ctx.input("pack", "train-labels.npy"))
    assert held_out.shape == (len(labels), 3)
    right = held_out.argmax(axis=1) == labels
    assert right.mean() == pytest.approx(finished.picked.ranking[0].probe_accuracy.value)


def test_progress_names_the_backbone_and_goes_on_over_all_images(finished: Finished) -> None:
    n_train = finished.ctx.record(Packed).per_part["train"]
    assert [tick for tick in finished.front.ticks if tick[2] == "smallnet: features"][-1][:2] == (n_train, n_train)
    n_images = finished.ctx.record(Checked).n_images
    rest = [tick for tick in finished.front.ticks if tick[2] == "smallnet: features of all images"]
    assert rest[-1][:2] == (n_images - n_train, n_images)


def test_a_backbone_that_was_committed_is_not_computed_again_after_a_kill(
    finished: Finished, killed: StageContext
) -> None:
    score = killed.output("smallnet-24/score.json")
    marked = json.loads(score.read_bytes()) | {"images_s": 123.0}
    write_bytes(score, json.dumps(marked).encode())
    again = pick.run(killed)
    assert again == replace(finished.picked, ranking=(replace(finished.picked.ranking[0], images_s=123.0),))


@pytest.mark.parametrize("cut", ["score.json", "sample-0-36.npz", "blocks.json"])
def test_a_backbone_cut_before_its_score_is_computed_again_with_the_same_result(
    finished: Finished, killed: StageContext, cut: str
) -> None:
    item = killed.output("smallnet-24/score.json").parent
    blocks = sorted(path.name for path in item.glob("*.npz"))
    n_train = killed.record(Packed).per_part["train"]
    assert f"sample-0-{n_train}.npz" in blocks
    (item / "score.json").unlink()
    (item / cut.replace("36", str(n_train))).unlink(missing_ok=True)
    (item / "probe.npz").write_bytes(b"half")
    shutil.rmtree(item.with_name("chosen"))
    again = pick.run(killed)
    # Time alone may differ between two passes.
    score = again.ranking[0]
    timed = replace(finished.picked.ranking[0], images_s=score.images_s, seconds=score.seconds)
    assert again == replace(finished.picked, ranking=(timed,))


def test_a_committed_backbone_whose_weights_file_is_another_now_is_computed_again(killed: StageContext) -> None:
    score, inputs = killed.output("smallnet-24/score.json"), killed.output("smallnet-24/inputs.json")
    write_bytes(score, json.dumps(json.loads(score.read_bytes()) | {"images_s": 9e9}).encode())
    assert pick.run(killed).ranking[0].images_s == 9e9
    write_bytes(inputs, json.dumps(json.loads(inputs.read_bytes()) | {"weights": "0" * 64}).encode())
    assert pick.run(killed).ranking[0].images_s < 9e9


def test_with_a_limit_the_ranking_says_what_the_network_takes_on_this_machine(
    finished: Finished, killed: StageContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written by our writer and run in onnxruntime, here in this very process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert (finished.picked.ranking[0].latency_ms, finished.picked.ranking[0].measured) == (None, "")
    pick_section = Pick(max_latency_ms=1000, max_memory_mb=1000)
    limited = replace(killed, recipe=RECIPE.model_copy(update={"pick": pick_section}))
    score = pick.run(limited).ranking[0]
    assert 0 < score.latency_ms < 1000
    assert 0 <= score.memory_mb < 1000
    assert score.measured


def test_a_kill_before_the_blocks_of_all_images_are_joined_costs_none_of_them(
    finished: Finished, killed: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(killed.output("chosen/features.npy").parent)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(chosen, "join_blocks", stop)
        with pytest.raises(KeyboardInterrupt):
            pick.run(killed)
    monkeypatch.setattr(judged, "write_blocks", lambda *args, **named: pytest.fail("all blocks are there"))
    assert pick.run(killed) == finished.picked
    wanted = np.load(finished.ctx.output("chosen/features.npy"))
    np.testing.assert_array_equal(np.load(killed.output("chosen/features.npy")), wanted)
    assert not list(killed.output("smallnet-24/score.json").parent.glob("rest-*"))  # the file holds them


def test_more_images_than_the_sample_are_judged_by_the_sample_and_probed_in_full(
    finished: Finished, killed: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(killed.folder.stage("pick"))
    few = killed.recipe.model_copy(update={"pick": killed.recipe.pick.model_copy(update={"sample": 18})})
    found = pick.run(replace(killed, recipe=few))
    assert found.ranking[0].n_images == 18
    n_train = killed.record(Packed).per_part["train"]
    assert n_train > 18
    assert len(np.load(killed.output("smallnet-24/out_of_fold.npy"))) == 18
    assert np.load(killed.output("chosen/held_out.npy")).shape == (n_train, 3)
    wanted = np.load(finished.ctx.output("chosen/features.npy"))
    np.testing.assert_allclose(np.load(killed.output("chosen/features.npy")), wanted, rtol=1e-4, atol=1e-5)
    labels = np.load(killed.input("pack", "train-labels.npy"))
    some = np.load(killed.output("chosen/features.npy"))[np.load(killed.input("pack", "train-rows.npy"))]
    probe = read_probe(killed.output("chosen/probe.npz"))
    np.testing.assert_allclose(probe.mean, some.mean(axis=0), rtol=1e-4, atol=1e-4)
    assert (probe.predict(some).argmax(axis=1) == labels).mean() > 0.8


def test_the_weights_beside_the_labels_go_into_the_probe_and_the_shares(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def fit_probe(features: object, labels: object, n_classes: int, *, weights: object, **_: object) -> object:
        given.append(weights)
        raise RuntimeError("seen")

    monkeypatch.setattr(pick_data, "load_entry", lambda _: fit_probe)
    rows = read_index(finished.ctx.folder.stage("pack"), "train")
    weights = relative([1.0 + label for label in rows[1]])
    data = pick_data.Data(
        pixels=np.zeros((1, 24, 24, 3), np.uint8), train=rows, validation=rows, n_classes=3, weights=weights
    )
    with pytest.raises(RuntimeError, match="seen"):
        pick_data.fit_probe_of(finished.ctx, np.zeros((len(weights), 2), np.float32), data)
    assert given[0] is weights

    shares: list[np.ndarray] = []
    monkeypatch.setattr(first_network, "reset_head", lambda model, told: shares.append(told))
    monkeypatch.setattr(first_network, "save_weights", lambda *_: None)
    first_network.save_fresh(finished.ctx, finished.picked.network, data)
    counts = np.bincount(rows[1]) * np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(shares[0] / shares[0].sum(), counts / counts.sum(), rtol=1e-5)
