"""What the train stage decides: how many epochs the time allows, and whether the trained model or the probe goes on."""

from __future__ import annotations

from statistics import median

from automl.training.fit import Fitted, Validated
from automl.types import FitSettings, Trial


def affordable_epochs(wanted: int, *, left_s: float, best: Trial | None, guess: tuple[float, float]) -> int:
    """As many epochs as the time allows, so that the learning rate comes down to zero before the clock stops it.

    Args:
        wanted: the recipe's epochs.
        left_s: seconds for training; infinity without a limit.
        best: the best trial: its epochs took as long as the training's will, and it paid the start of a process too.
        guess: seconds of the start and of an epoch, where no trial was measured.
    Returns: 0 .. wanted.
    """
    start_s, epoch_s = guess
    if best and best.epochs:
        seconds = [epoch.seconds for epoch in best.epochs]
        start_s, epoch_s = max(0.0, best.seconds - sum(seconds)), median(seconds)
    return max(0, int(min(wanted, (left_s - start_s) / max(epoch_s, 1e-6))))


def is_better(trained: Validated, probe: Validated) -> bool:
    """Whether the trained model goes on: the higher accuracy, and where it is equal the lower log loss."""
    return (trained.accuracy, -trained.loss) > (probe.accuracy, -probe.loss)


def best_of(fitted: Fitted | None) -> Validated | None:
    """What the best epoch reached; None where nothing was trained, or no epoch ended with a finite loss."""
    if fitted is None or fitted.best is None:
        return None
    return Validated(accuracy=fitted.best.validation_accuracy, loss=fitted.best.validation_loss)


def wrecked(fitted: Fitted) -> bool:
    """Whether the first epoch destroyed what the probe knew: the learning rate was too high."""
    return fitted.ended == "fell" or (fitted.ended == "not finite" and fitted.best is None)


def reason(probe: Validated, fitted: Fitted | None, settings: FitSettings, *, halvings: int) -> str:
    """Which model won and why, in words for the report."""
    trained = best_of(fitted)
    if fitted is None:
        return "the probe goes on: no time was left for one epoch of training"
    rate = f"learning rate {settings.learning_rate:.2g}"
    if halvings:
        times = "once" if halvings == 1 else f"{halvings} times"
        rate += f", halved {times} because the first epoch fell far below the probe,"
    if fitted.best is None or trained is None:
        return f"the probe goes on: the training at {rate} had no epoch with a finite loss"
    epoch = f"epoch {fitted.best.number} of {settings.epochs}"
    ended = f"; it ended by {_ENDED[fitted.ended]}"
    scores = f"{trained.accuracy:.4f} (log loss {trained.loss:.4f}) against {probe.accuracy:.4f} ({probe.loss:.4f})"
    if is_better(trained, probe):
        return (
            f"the trained model is better on validation, {scores}, at {rate.removesuffix(',')}, best in {epoch}{ended}"
        )
    return f"the probe goes on: training at {rate} did not beat it on validation, {scores}, best in {epoch}{ended}"


_ENDED = {
    "all epochs": "its last epoch",
    "no better": "its patience",
    "clock": "the clock",
    "not finite": "a loss that was not finite",
    "fell": "a first epoch far below the probe",
}
