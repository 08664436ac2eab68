from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from automl.data.pack import read_index
from automl.data.store import open_pixels
from automl.data.weights import relative, write_weights
from automl.recipe.model import Recipe, Train
from automl.records import Trained, Tuned
from automl.runtime.context import StageContext
from automl.stages import train
from automl.stages.train import _feed
from tests.conftest import MakeContext, QuietFront
from tests.stages.trained_bars import SETTINGS, up_to_training


class Killed(BaseException):
    """Stands for SIGKILL."""


class DyingFront(QuietFront):
    """Its stage is killed at the eighth batch."""

    def progress(self, done: int, total: int, text: str) -> None:
        if done == 8:
            raise Killed


@pytest.fixture
def training(make_context: MakeContext, bars_dataset: Path) -> StageContext:
    return up_to_training(make_context, bars_dataset)


def test_a_killed_training_goes_on_where_it_was_and_then_a_rate_that_wrecks_it_is_halved(
    training: StageContext,
) -> None:
    with pytest.raises(Killed):
        train.run(replace(training, front=DyingFront()))
    front = QuietFront()
    good = train.run(replace(training, front=front))

    assert front.ticks[0][:2] == (7, 12)  # 42 images: 2 whole batches of 16 in each of 6 epochs; 3 had ended
    assert front.ticks[-1][:2] == (12, 12)
    assert [epoch.number for epoch in good.epochs] == [1, 2, 3, 4, 5, 6]
    assert good.winner == "trained"
    assert good.trained_accuracy is not None
    assert good.trained_accuracy >= 0.8
    assert good.probe_accuracy <= 0.75
    assert good.reason.startswith("the trained model is better on validation")
    assert good.validation_accuracy.value == pytest.approx(good.trained_accuracy)
    assert good.validation_accuracy.low < good.validation_accuracy.value
    assert good.network.dropout == SETTINGS.dropout

    # What it learned is the probe of another training, whose rate is far too high (one test: learning takes a while).
    weights, first = training.output(good.weights), training.input("pick", "first/model.weights.h5")
    shutil.copy(weights, first)
    shutil.rmtree(training.folder.stage("train"))
    wild = replace(SETTINGS, learning_rate=1e4, warmup=0.0)
    training.folder.write_record(replace(training.record(Tuned), settings=wild))
    wrecked = train.run(replace(training, recipe=Recipe(train=Train(epochs=1))))

    assert wrecked.winner == "probe"
    assert wrecked.settings.learning_rate == pytest.approx(2.5e3)
    assert "halved 2 times because the first epoch fell far below the probe" in wrecked.reason
    assert wrecked.probe_accuracy == good.trained_accuracy
    assert training.output(wrecked.weights).read_bytes() == first.read_bytes()
    assert wrecked.network.dropout == 0


def test_without_time_for_an_epoch_the_probe_goes_on_at_once(training: StageContext) -> None:
    late = replace(training, deadline_at=training.now() + 30)  # less than the later stages need

    trained = train.run(late)

    assert trained.winner == "probe"
    assert trained.trained_accuracy is None
    assert trained.epochs == ()
    assert trained.probe_accuracy == 0.3  # as pick measured it
    assert trained.reason == "the probe goes on: no time was left for one epoch of training"
    first = training.input("pick", "first/model.weights.h5")
    assert (training.folder.stage("train") / trained.weights).read_bytes() == first.read_bytes()
    late.folder.write_record(trained)
    assert asdict(late.record(Trained)) == asdict(trained)


def test_the_weights_beside_the_labels_go_into_the_training(training: StageContext) -> None:
    pack = training.folder.stage("pack")
    pixels = open_pixels(training.input("check", "pixels-16"))
    assert {len(batch) for batch in _feed(training, pixels, 8).training(1)} == {3}
    _, labels = read_index(pack, "train")
    write_weights(pack, relative([1.0 + label for label in labels]))
    for _, classes, _, own in _feed(training, pixels, 8).training(1).as_numpy_iterator():
        np.testing.assert_allclose(own, (1 + classes) / (1 + labels).mean(), rtol=1e-6)
