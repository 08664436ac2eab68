"""What the search may spend, and what it found: pure decisions over trials and seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from automl.types import Trial

FEWEST: Final = 3  # a search that does not hold so many is not begun: one is the defaults, a second a coin's toss
FAILURES_IN_A_ROW: Final = 3  # after so many the cause is hardly the values; more would only burn time
GRACE_S: Final = 60.0  # a trial stops itself at its limit; one that has not ended so much later hangs, and is killed
FORWARDS_AN_EPOCH: Final = 3.0  # forward and backward pass of a network whose layers all train, in forward passes
# What compress, evaluate, export and report take, in three parts. Reserved against measured, seconds: the digits 12 and
# 7 (smallnet), flowers 44 and 35 (MobileNetV2), sign_digits 127 and 88 (EfficientNetV2B0).
TAIL_S: Final = 5.0  # starting processes, drawing the page
TAIL_EXPORTS: Final = 3.0  # as often as the rehearsal wrote and quantised the untrained network, on 8 small images
TAIL_PASSES: Final = 6.0  # runs of the held-out images: variants, scores, the gate's two sides
UNKNOWN_EXPORT_S: Final = 20.0  # where the rehearsal had no time to try the backbone


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The limits of one search."""

    trials: int
    search_s: float  # over all processes of the search
    trial_s: float  # a trial that takes longer is cut short


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Another trial may start, and take so many seconds."""

    limit_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """No further trial starts."""

    reason: str


def next_trial(
    budget: Budget, trials: Sequence[Trial], *, n_started: int, searched_s: float, left_s: float, guess_s: float
) -> Allowed | Over:
    """Whether another trial may start, and for how long.

    Args:
        trials: ended ones, by number.
        n_started: trials that have a number already, ended or not.
        searched_s: how long the search has run.
        left_s: seconds to the deadline, less what the stages after the search need.
        guess_s: what a whole trial takes, where none was measured: one that is cut off says little, and costs training.
    """
    if n_started >= budget.trials:
        return Over(reason=f"all {budget.trials} trials were run")
    if failures_at_the_end(trials) >= FAILURES_IN_A_ROW:
        return Over(reason=f"{FAILURES_IN_A_ROW} trials in a row failed, the last one: {trials[-1].error}")
    search_s = budget.search_s - searched_s
    allowed_s = min(search_s, left_s)
    measured = [trial.seconds for trial in trials if trial.state != "failed"]
    needed_s = median(measured) if measured else min(guess_s, budget.trial_s)
    what = "tune.minutes leave" if search_s <= left_s else "the deadline leaves"
    takes = f"{what} {max(allowed_s, 0):.0f} s, and a trial takes {needed_s:.0f} s"
    if allowed_s <= 0 or allowed_s < needed_s:
        return Over(reason=takes)
    fewest = min(FEWEST, budget.trials)
    if not trials and fewest > 1 and allowed_s < fewest * needed_s:  # the time is better spent on the training
        return Over(reason=f"{takes}: fewer than {fewest}, the first of the defaults, would decide next to nothing")
    return Allowed(limit_s=min(allowed_s, budget.trial_s))


def failures_at_the_end(trials: Sequence[Trial]) -> int:
    """How many of the last trials failed in a row."""
    count = 0
    for trial in reversed(trials):
        if trial.state != "failed":
            break
        count += 1
    return count


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The most accurate trial; of equals the one with the lower loss, then the earlier one. None: all failed."""
    scored = [
        (-trial.accuracy, trial.loss, trial.number, trial)
        for trial in trials
        if trial.accuracy is not None and trial.loss is not None
    ]
    return min(scored)[-1] if scored else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What the stages after the search are reckoned with, all measured in this run."""

    n_train: int
    n_held_out: int  # validation and test images together
    images_s: float  # the chosen backbone's forward pass, images a second
    export_s: float | None  # what the rehearsal of its export took; None: it was not tried

    @property
    def start_s(self) -> float:
        """Building and compiling a network that is to be trained: about what its rehearsal took."""
        return UNKNOWN_EXPORT_S if self.export_s is None else self.export_s

    @property
    def epoch_s(self) -> float:
        """One epoch of training, where none was measured."""
        return FORWARDS_AN_EPOCH * self.n_train / self.images_s

    @property
    def tail_s(self) -> float:
        """Compress, evaluate, export and report."""
        return TAIL_S + TAIL_EXPORTS * self.start_s + TAIL_PASSES * self.n_held_out / self.images_s

    def trial_s(self, epochs: int) -> float:
        """A trial of so many epochs, where none was measured."""
        return self.start_s + epochs * self.epoch_s

    def training_s(self, trials: Sequence[Trial], *, epochs: int, at_most_s: float) -> float:
        """The final training: as many epochs as the recipe has, each as long as the trials' were."""
        measured = [epoch.seconds for trial in trials for epoch in trial.epochs]
        return self.start_s + min(at_most_s, epochs * (median(measured) if measured else self.epoch_s))
