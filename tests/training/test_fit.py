"""The training loop, on a tiny network: what it keeps, when it ends, and that a kill changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import StageFailed
from automl.training.callbacks import Ended
from automl.training.fit import Feed, Fitted, best_epoch, classification_loss, fit, validate, verdict
from automl.types import Epoch
from tests.training.conftest import SETTINGS, tiny_feed, tiny_network


def train(network: Any, feed: Feed, **more: Any) -> Fitted:
    chosen = {"loss": classification_loss(0.0), "metrics": ("accuracy",), "seed": 11, **more}
    return fit(network, feed, chosen.pop("settings", SETTINGS), **chosen)


def without_seconds(epochs: tuple[Epoch, ...]) -> list[Epoch]:
    return [replace(epoch, seconds=0.0) for epoch in epochs]


class Killed(Exception):
    """Stands for SIGKILL: nothing after it runs."""


def kill_at(step: int) -> Callable[[int, int, str], None]:
    def progress(done: int, total: int, text: str) -> None:
        if done >= step:
            raise Killed

    return progress


def test_training_learns_and_leaves_the_weights_of_its_best_epoch_in_the_model(network, feed):
    fitted = train(network, feed)
    assert fitted.ended == "all epochs"
    assert [epoch.number for epoch in fitted.epochs] == [1, 2, 3, 4, 5]
    assert fitted.start.accuracy < 0.8 < fitted.best.validation_accuracy
    left = validate(keras.Model(network.inputs, network.get_layer("logits").output), feed.validation())
    assert left.accuracy == fitted.best.validation_accuracy
    assert left.loss == pytest.approx(fitted.best.validation_loss, abs=1e-6)


@pytest.fixture(scope="module")
def undisturbed() -> tuple[list[Epoch], list[Any]]:
    """The epochs and final weights of a training that nothing interrupted."""
    network = tiny_network()
    fitted = train(network, tiny_feed())
    return without_seconds(fitted.epochs), network.get_weights()


def test_another_seed_gives_other_weights(undisturbed):
    network = tiny_network()
    train(network, tiny_feed(), seed=12)  # the batches are the same: augmentation takes their seeds, dropout the 12
    assert any(
        not np.array_equal(mine, other) for mine, other in zip(network.get_weights(), undisturbed[1], strict=True)
    )


@pytest.mark.parametrize("killed_at", [3, 16], ids=["before any checkpoint", "in the fourth epoch"])
def test_a_killed_training_goes_on_to_the_same_bits_as_an_undisturbed_one(tmp_path, undisturbed, killed_at):
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(Killed):
        train(tiny_network(), tiny_feed(), checkpoint=path, progress=kill_at(killed_at))
    resumed = tiny_network()
    fitted = train(resumed, tiny_feed(), checkpoint=path)

    assert without_seconds(fitted.epochs) == undisturbed[0]
    for mine, other in zip(resumed.get_weights(), undisturbed[1], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_finished_training_is_read_from_its_checkpoint_without_a_step(tmp_path):
    path, network = tmp_path / "checkpoint.npz", tiny_network()
    first = train(network, tiny_feed(), checkpoint=path, settings=replace(SETTINGS, epochs=2))
    again = tiny_network()
    second = train(again, tiny_feed(), checkpoint=path, settings=replace(SETTINGS, epochs=2), progress=kill_at(0))
    assert second.epochs == first.epochs
    assert second.ended == "all epochs"
    for mine, other in zip(again.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_the_clock_cuts_an_epoch_short_and_what_it_learned_still_counts(network, feed):
    ticks = count()
    fitted = train(network, feed, stop_at=12.0, clock=lambda: float(next(ticks)))
    assert fitted.ended == "clock"
    assert 1 <= len(fitted.epochs) < SETTINGS.epochs
    assert fitted.best is not None


def test_a_loss_that_is_not_finite_ends_the_training_at_once_and_the_best_so_far_counts(network, feed):
    steps = keras.Variable(0, dtype="int32")

    def breaks_in_epoch_three(labels: Any, logits: Any) -> Any:
        steps.assign_add(1)
        return classification_loss(0.0)(labels, logits) * keras.ops.where(steps > 12, float("nan"), 1.0)

    fitted = train(network, feed, loss=breaks_in_epoch_three)
    assert fitted.ended == "not finite"
    assert [epoch.number for epoch in fitted.epochs] == [1, 2]
    assert all(np.isfinite(array).all() for array in network.get_weights())


def test_weights_that_are_not_finite_end_the_training_though_the_losses_are(network, feed):
    calls = count()

    def validation() -> Any:
        yield from feed.validation()
        if next(calls) == 2:  # the start, the first epoch, the second
            layer = network.get_layer("logits")
            layer.set_weights([array * np.nan for array in layer.get_weights()])

    fitted = train(network, replace(feed, validation=validation))
    assert fitted.ended == "not finite"
    assert [epoch.number for epoch in fitted.epochs] == [1]
    assert all(np.isfinite(array).all() for array in network.get_weights())


def test_a_first_step_that_breaks_leaves_the_network_as_it_was(network, feed):
    before = network.get_weights()
    fitted = train(network, feed, settings=replace(SETTINGS, learning_rate=1e30, epochs=3))
    assert fitted.ended == "not finite"
    assert fitted.best is None
    for mine, other in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_progress_counts_batches_over_all_epochs(network, feed):
    told: list[tuple[int, int, str]] = []
    train(network, feed, settings=replace(SETTINGS, epochs=2), progress=lambda *words: told.append(words))
    assert [done for done, _, _ in told] == list(range(1, 11))
    assert {total for _, total, _ in told} == {10}
    assert told[0][2].startswith("epoch 1/2  loss ")
    assert "best validation accuracy" in told[-1][2]


def test_validation_does_not_depend_on_how_it_is_cut_into_batches(network):
    feed = tiny_feed()
    pixels = np.concatenate([batch for batch, _ in feed.validation()])
    labels = np.concatenate([truth for _, truth in feed.validation()])
    logits = keras.Model(network.inputs, network.get_layer("logits").output)
    whole = validate(logits, [(pixels, labels)])
    cut = validate(logits, feed.validation())
    assert whole.accuracy == cut.accuracy == (np.asarray(network(pixels)[0]).argmax(1) == labels).mean()
    probabilities = np.asarray(network(pixels)[0], np.float64)
    expected = -np.log(probabilities[np.arange(40), labels]).mean()
    assert cut.loss == pytest.approx(expected, abs=1e-5)
    assert whole.loss == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_cross_entropy_with_smoothed_labels(smoothing):
    logits = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]], np.float32)
    labels = np.array([0, 2])
    targets = np.eye(3)[labels] * (1 - smoothing) + smoothing / 3
    expected = -(targets * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1)
    np.testing.assert_allclose(classification_loss(smoothing)(labels, logits), expected, rtol=1e-5)


def epochs_of(*scores: tuple[float, float]) -> list[Epoch]:
    return [
        Epoch(number=number, loss=1.0, accuracy=0.5, validation_accuracy=accuracy, validation_loss=loss, seconds=1.0)
        for number, (accuracy, loss) in enumerate(scores, start=1)
    ]


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss_then_comes_first():
    assert best_epoch([]) is None
    assert best_epoch(epochs_of((0.7, 0.1), (0.8, 0.9), (0.8, 0.5), (0.8, 0.5))).number == 3


@pytest.mark.parametrize(
    ("scores", "ended"),
    [
        ([(0.5, 1.0)], None),
        ([(0.2, 1.0)], "fell"),
        ([(0.5, 1.0), (0.2, 1.0)], None),
        ([(0.9, 1.0), (0.8, 1.1), (0.8, 1.1)], "no better"),
        ([(0.9, 1.0), (0.8, 0.9), (0.8, 1.1)], None),
        ([(0.9, 0.5), (0.9, 0.4), (0.9, 0.3), (0.9, 0.2), (0.9, 0.1)], "all epochs"),
    ],
    ids=["goes on", "fell", "a later fall is no fall", "no better", "the loss still falls", "all epochs"],
)
def test_verdict(scores: list[tuple[float, float]], ended: Ended | None):
    chosen = replace(SETTINGS, epochs=5, patience=2)
    assert verdict(epochs_of(*scores), chosen, start_accuracy=0.8, may_fall=0.5) == ended


score = st.floats(0, 1)


@settings(deadline=None, max_examples=50)
@given(scores=st.lists(st.tuples(score, score), min_size=2, max_size=30))
def test_a_training_whose_loss_keeps_falling_is_never_out_of_patience(scores):
    falling = [(accuracy, 1.0 - number / 100) for number, (accuracy, _) in enumerate(scores)]
    chosen = replace(SETTINGS, epochs=100, patience=1)
    assert verdict(epochs_of(*falling), chosen, start_accuracy=0.5, may_fall=None) is None


def test_a_checkpoint_that_is_not_whole_is_refused_with_what_to_do(tmp_path: Path, network, feed):
    path = tmp_path / "checkpoint.npz"
    train(network, feed, checkpoint=path, settings=replace(SETTINGS, epochs=1))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(StageFailed, match=r"checkpoint\.npz cannot be read: .* Delete it and run again"):
        train(tiny_network(), feed, checkpoint=path)


def weighted(feed: Feed, weights: Callable[[Any], Any]) -> Feed:
    """The feed with weights (b,) beside its labels."""

    def training(epoch: int) -> Any:
        return feed.training(epoch).map(lambda pixels, labels, seed: (pixels, labels, seed, weights(labels)))

    return replace(feed, training=training)


def test_weights_of_one_train_to_the_same_bits_as_none(undisturbed):
    network = tiny_network()
    fitted = train(network, weighted(tiny_feed(), lambda labels: tf.ones_like(labels, tf.float32)))
    assert without_seconds(fitted.epochs) == undisturbed[0]
    for mine, other in zip(network.get_weights(), undisturbed[1], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_mislabelled_images_of_weight_zero_teach_nothing_and_the_metrics_count_them_as_any(network, feed):
    def lie(weights: bool) -> Feed:
        def told(pixels: Any, labels: Any, seed: Any) -> tuple[Any, ...]:
            wrong = tf.range(tf.shape(labels)[0]) % 5 < 3  # three in five: without weights the lie wins
            weight = (2.5 * tf.cast(~wrong, tf.float32),) if weights else ()
            return pixels, tf.where(wrong, 1 - labels, labels), seed, *weight

        return replace(feed, training=lambda epoch: feed.training(epoch).map(told))

    knowing = train(network, lie(weights=True)).epochs[-1]
    believing = train(tiny_network(), lie(weights=False)).epochs[-1]
    assert knowing.validation_accuracy > 0.9
    assert believing.validation_accuracy < 0.5
    assert knowing.loss < 0.3 < believing.loss
    assert knowing.accuracy < 0.5  # of what they were told, each counted as one
