"""What the train stage decides, without a network."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.recipe.model import Train
from automl.training.decisions import affordable_epochs, is_better, reason, wrecked
from automl.training.defaults import default_settings
from automl.training.fit import Fitted, Validated
from automl.types import Epoch, Trial
from tests.training.conftest import SETTINGS

EPOCH = Epoch(number=1, loss=0.5, accuracy=0.8, validation_loss=0.4, validation_accuracy=0.85, seconds=10.0)
TRIAL = Trial(
    number=1, values={}, state="finished", accuracy=0.85, loss=0.4, seconds=38.0,
    epochs=(replace(EPOCH, seconds=14.0), replace(EPOCH, number=2), replace(EPOCH, number=3, seconds=9.0)), error="",
)  # fmt: skip
PROBE = Validated(accuracy=0.8, loss=0.5)


def fitted(ended: str = "all epochs", best: Epoch | None = EPOCH) -> Fitted:
    return Fitted(start=PROBE, epochs=(best,) if best else (), best=best, ended=ended)


@pytest.mark.parametrize(
    ("left_s", "best", "epochs"),
    [(inf, TRIAL, 20), (105.0, TRIAL, 10), (14.0, TRIAL, 0), (-5.0, TRIAL, 0), (9.0, None, 3), (inf, None, 20)],
    ids=[
        "no limit",
        "5 s to start and 10 an epoch",
        "less than one",
        "too late",
        "guessed: 3 s to start and 2 an epoch",
        "guessed, no limit",
    ],
)
def test_as_many_epochs_as_the_best_trial_says_fit_into_the_time(left_s: float, best: Trial | None, epochs: int):
    assert affordable_epochs(20, left_s=left_s, best=best, guess=(3.0, 2.0)) == epochs


@given(wanted=st.integers(1, 100), left_s=st.floats(-100, 1e6), more_s=st.floats(0, 1e4))
def test_more_time_never_means_fewer_epochs_and_never_more_than_wanted(wanted, left_s, more_s):
    few = affordable_epochs(wanted, left_s=left_s, best=TRIAL, guess=(0.0, 1.0))
    many = affordable_epochs(wanted, left_s=left_s + more_s, best=TRIAL, guess=(0.0, 1.0))
    assert 0 <= few <= many <= wanted


def test_accuracy_decides_and_the_loss_between_equals():
    assert is_better(Validated(accuracy=0.81, loss=0.9), PROBE)
    assert is_better(Validated(accuracy=0.8, loss=0.4), PROBE)
    assert not is_better(PROBE, PROBE)
    assert not is_better(Validated(accuracy=0.79, loss=0.1), PROBE)


def test_a_training_wrecked_the_probe_when_its_first_epoch_fell_or_broke():
    assert wrecked(fitted("fell"))
    assert wrecked(fitted("not finite", best=None))
    assert not wrecked(fitted("not finite"))
    assert not wrecked(fitted("no better"))


@pytest.mark.parametrize(
    ("outcome", "halvings", "words"),
    [
        (None, 0, "the probe goes on: no time was left for one epoch of training"),
        (
            fitted(),
            0,
            "the trained model is better on validation, 0.8500 (log loss 0.4000) against 0.8000 (0.5000), "
            "at learning rate 0.01, best in epoch 1 of 5; it ended by its last epoch",
        ),
        (
            fitted("no better", replace(EPOCH, validation_accuracy=0.7)),
            1,
            "the probe goes on: training at learning rate 0.01, halved once because the first epoch fell far below the "
            "probe, did not beat it on validation, 0.7000 (log loss 0.4000) against 0.8000 (0.5000), "
            "best in epoch 1 of 5; it ended by its patience",
        ),
        (
            fitted("not finite", None),
            2,
            "the probe goes on: the training at learning rate 0.01, halved 2 times because the first epoch fell far "
            "below the probe, had no epoch with a finite loss",
        ),
    ],
    ids=["no time", "trained wins", "probe wins", "broke"],
)
def test_the_reason_names_the_winner_both_scores_and_how_training_ended(
    outcome: Fitted | None, halvings: int, words: str
):
    assert reason(PROBE, outcome, SETTINGS, halvings=halvings) == words


def test_the_defaults_follow_the_recipe_and_train_a_random_backbone_whole_and_faster():
    train = Train(epochs=7, batch_size=64, warmup=0.2, label_smoothing=0.1, patience=3)
    given_ = default_settings(train, n_images=1000, pretrained=True, flip=True)
    assert (given_.epochs, given_.batch_size, given_.warmup, given_.label_smoothing, given_.patience) == (
        7, 64, 0.2, 0.1, 3,
    )  # fmt: skip
    assert given_.flip
    random = default_settings(train, n_images=1000, pretrained=False, flip=False)
    assert (random.unfrozen, random.batchnorm) == (1.0, "trains")
    assert (given_.unfrozen, given_.batchnorm) == (0.5, "frozen")
    assert random.learning_rate > given_.learning_rate
    assert not random.flip
    assert default_settings(train, n_images=10, pretrained=True, flip=True).batch_size == 10
