"""Pruning on the smallest network there is: what becomes zero, what does not, and that it can be done again."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from automl.bridge.prune import prunable, prune, verified_sparsity
from automl.bridge.schedule import Plan
from automl.data.pack import write_index
from automl.data.weights import relative, write_weights
from automl.errors import StageFailed
from automl.stages import prune as stage
from automl.types import FitSettings
from tests.bridge.networks import CLASSES, random_images, random_network, same_weights
from tests.stores import write_store

PLAN = Plan(sparsity=0.6, learning_rate=1e-3, epochs=2, steps=3, label_smoothing=0.1, seed=3)
IMAGES = random_images(4, 16)


def batches(epoch: int) -> Any:
    rng = np.random.default_rng(epoch)
    images = rng.uniform(0, 255, (PLAN.steps, 8, 16, 16, 3)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((images, rng.integers(0, len(CLASSES), (PLAN.steps, 8))))


def test_the_wanted_share_of_each_pruned_kernel_is_zero_and_nothing_else_is():
    model = random_network("smallnet", 16)
    before = {layer.name: layer.get_weights() for layer in model.layers}
    told: list[tuple[int, int]] = []
    pruned = prune(model, batches, PLAN, images=IMAGES, progress=lambda done, total: told.append((done, total)))
    assert pruned.layers == 9
    assert pruned.sparsity == pytest.approx(0.6, abs=0.01)
    assert pruned.max_difference < 1e-5
    assert told == [(step, 6) for step in range(1, 7)]
    names = prunable(model)
    for layer in model.layers:
        for mine, old in zip(layer.get_weights(), before[layer.name], strict=True):
            if layer.name in names:
                assert np.mean(mine == 0) == pytest.approx(0.6, abs=1.5 / mine.size)
                small = np.abs(old[mine == 0]).mean()
                assert small < 0.6 * np.abs(old[mine != 0]).mean(), "the smallest weights go"
            elif layer.name not in {"standardise"}:
                assert not np.array_equal(mine, old), f"{layer.name} trains on as well"
    head = model.get_layer("standardise")
    assert same_weights(head.get_weights(), before["standardise"])
    assert np.all(model.get_layer("logits").get_weights()[0])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    results = []
    for seed in (3, 3, 4):
        model = random_network("smallnet", 16)
        prune(model, batches, replace(PLAN, seed=seed), images=IMAGES)
        results.append(model.get_weights())
    assert same_weights(results[0], results[1])
    assert not same_weights(results[0], results[2])


def test_the_first_convolution_the_depthwise_ones_and_the_head_are_left_alone():
    model = random_network("mobilenetv3small")
    names = prunable(model)
    kinds = {name: type(model.get_layer(name)) for name in names}
    assert set(kinds.values()) == {keras.layers.Conv2D}
    convolutions = [layer.name for layer in model.layers if type(layer) is keras.layers.Conv2D]
    assert set(convolutions) - names == {convolutions[0]}
    weights = sum(model.get_layer(name).kernel.shape.num_elements() for name in names)
    assert weights > 0.9 * model.count_params() - 10_000


def test_where_the_time_is_short_fewer_epochs_are_done_and_the_sparsity_is_reached_all_the_same():
    now = [0.0]
    pruned = prune(
        random_network("smallnet", 16),
        batches,
        replace(PLAN, epochs=9),
        images=IMAGES,
        stop_at=60 + 9,
        clock=lambda: now[0],
        progress=lambda done, total: now.__setitem__(0, 60.0 + done - 1),  # the first step is long, it is traced
    )
    assert (pruned.epochs, now) == (3, [60 + 8])
    assert pruned.sparsity == pytest.approx(0.6, abs=0.01)


def test_a_kernel_with_too_few_zeros_is_refused_by_name():
    model = random_network("smallnet", 16)
    name = sorted(prunable(model))[0]
    with pytest.raises(StageFailed, match=rf"pruning left 0 zeros among the \d+ weights of '{name}'\. Wanted: a share"):
        verified_sparsity(model, prunable(model), 0.5)


@pytest.mark.slow
def test_a_loss_or_weights_that_are_not_finite_are_refused_and_the_network_stays_as_it_was():
    model = random_network("smallnet", 16)
    before = [array.copy() for array in model.get_weights()]

    def broken(epoch: int) -> Any:
        return batches(epoch).map(lambda images, labels: (images * np.nan, labels))

    with pytest.raises(
        StageFailed, match=r"ended with a loss or weights that are not finite\. Lower compress\.prune\.learning_rate"
    ):
        prune(model, broken, PLAN, images=IMAGES)
    assert same_weights(model.get_weights(), before)


def test_weights_reach_the_far_side_of_the_bridge():
    """Weights of one are none; where the noise of random labels counts little, the loss is small."""

    def pruned(weight: float | None) -> float:
        def training(epoch: int) -> Any:
            plain = batches(epoch)
            return plain if weight is None else plain.map(lambda x, y: (x, y, tf.fill(tf.shape(y), weight)))

        model = random_network("smallnet", 16)
        plan = replace(PLAN, epochs=1, steps=2)
        return prune(model, training, plan, images=IMAGES).loss

    plain, ones, light = pruned(None), pruned(1.0), pruned(0.25)
    assert ones == pytest.approx(plain, rel=1e-4)  # sums of two graphs: their last bits may differ
    assert light == pytest.approx(plain / 4, rel=0.2)


def test_the_stage_hands_the_weights_beside_the_labels_to_the_pruning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.arange(12) % 3
    pixels = write_store(tmp_path, random_images(12, 16))
    write_index(tmp_path, "train", np.arange(12), labels)
    write_weights(tmp_path, relative([1.0 + label for label in labels]))
    seen: list[Any] = []

    def looks(model: Any, training: Any, plan: Plan, **_: Any) -> Any:
        seen.extend(training(1).as_numpy_iterator())
        raise StageFailed("seen")

    monkeypatch.setattr(stage, "load_network", lambda *_: random_network("smallnet", 16))
    monkeypatch.setattr(stage, "prune", looks)
    settings = FitSettings(
        learning_rate=1e-3, weight_decay=0.0, dropout=0.0, augmentation=0.2, flip=True, unfrozen=1.0,
        batchnorm="trains", epochs=1, batch_size=4, warmup=0.0, label_smoothing=0.0, patience=1,
    )  # fmt: skip
    arguments = {
        "network": {"backbone": "smallnet", "size_px": 16, "classes": list(CLASSES)}, "weights": "w", "target": "t",
        "own": "backbones",
        "pixels": str(pixels), "pack": str(tmp_path), "settings": asdict(settings),
        "sparsity": 0.5, "learning_rate": 1e-3, "epochs": 1, "stop_at": 1e12, "seed": 1, "task": "classification",
    }  # fmt: skip
    with pytest.raises(StageFailed, match="seen"):
        stage.prune_network(arguments)
    assert len(seen) == 3
    for pixels, classes, own in seen:
        assert pixels.dtype == np.float32
        np.testing.assert_allclose(own, (1 + classes) / 2, rtol=1e-6)
