"""The clock of a pruning: measures its own steps, and cuts the epochs that do not fit the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import tf_keras

from automl.bridge.schedule import Schedule
from automl.errors import VariantFailed

MEASURED: Final = 8
"""Steps that are timed, after the first one, before it is decided how many epochs there are."""


def fitting_epochs(wanted: int, *, steps: int, done: int, step_s: float, left_s: float) -> int:
    """Whole epochs that are done by the time that is left.

    Args: steps: batches of an epoch; done: batches so far; step_s: seconds of one; left_s: may be below 0.
    Returns: 0 .. wanted.
    """
    return max(0, int(min(wanted, (done + left_s / max(step_s, 1e-9)) / steps)))


class Pace(tf_keras.callbacks.Callback):  # type: ignore[misc]  # tf_keras has no types
    """Cuts the schedule where measured speed says that it does not fit; never makes it longer.

    Asked after the first steps, and after each epoch, for a machine may slow down. Where the time is over although
    this had seen to it, the training ends at once if all masks are final.
    """

    def __init__(
        self,
        schedule: Schedule,
        *,
        steps: int,
        stop_at: float,
        clock: Callable[[], float],
        progress: Callable[[int, int], object],
    ) -> None:
        """Args: steps: batches of an epoch; stop_at: on the clock; progress: told (batches done, all)."""
        super().__init__()
        self.done = 0
        self._schedule = schedule
        self._steps = steps
        self._stop_at = stop_at
        self._clock = clock
        self._progress = progress
        self._first_at = 0.0  # when the first step was done

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Raises: VariantFailed: not one epoch fits."""
        self.done += 1
        self._progress(self.done, self._schedule.epochs * self._steps)
        if self.done == 1:
            self._first_at = self._clock()  # the first step is the tracing of the graph for the most part
        elif self.done == 1 + min(MEASURED, self._steps - 1):
            self._plan()
        if self._clock() >= self._stop_at and self.done >= self._schedule.last_update:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if self.done > 1 and epoch + 1 < self._schedule.epochs:
            self._plan()
        if epoch + 1 >= self._schedule.epochs:
            self.model.stop_training = True

    def _plan(self) -> None:
        """Cut what does not fit. Raises: VariantFailed: not one epoch fits, and none is done."""
        now = self._clock()
        step_s, left_s = (now - self._first_at) / (self.done - 1), self._stop_at - now
        wanted = self._schedule.epochs
        fitting = fitting_epochs(wanted, steps=self._steps, done=self.done, step_s=step_s, left_s=left_s)
        if fitting < 1 and self.done < self._steps:
            raise VariantFailed(
                f"there is no time to prune: {self.done} of an epoch's {self._steps} steps are done, the others take "
                f"{(self._steps - self.done) * step_s:.0f} s at {step_s:.2g} s each, as measured, and "
                f"{max(left_s, 0):.0f} s are left for them"
            )
        epochs = max(fitting, self.done // self._steps + 1)
        if epochs < wanted:
            self._schedule.cut(epochs, done=self.done)
