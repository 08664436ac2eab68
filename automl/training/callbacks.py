"""What is watched during an epoch, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Literal

import keras

Ended = Literal["all epochs", "no better", "clock", "not finite", "fell"]


class Watch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Ends an epoch early where the clock or a broken loss asks for it; `ended` says which."""

    def __init__(self, *, stop_at: float, clock: Callable[[], float], on_batch: Callable[[int, float], object]) -> None:
        """stop_at is in the clock's seconds; on_batch is told the batches done in this epoch and their mean loss."""
        super().__init__()
        self.ended: Ended | None = None
        self.steps = 0
        self._stop_at = stop_at
        self._clock = clock
        self._on_batch = on_batch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        # The mean over the epoch so far: once a batch is NaN or infinite, it stays so.
        loss = float((logs or {})["loss"])
        self.steps = batch + 1
        self._on_batch(self.steps, loss)
        if not isfinite(loss):
            self.ended = "not finite"
        elif self._clock() >= self._stop_at:
            self.ended = "clock"
        self.model.stop_training = self.ended is not None
