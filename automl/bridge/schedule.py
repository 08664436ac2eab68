"""How far a network is pruned, and how fast it learns, at each step of a length that may be cut while it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import tensorflow as tf
import tf_keras

from automl.bridge.tfmot import sparsity as tfmot

RISING: Final = 0.6  # share of all steps in which the sparsity rises; the others are left to adapt
MASK_UPDATES: Final = 20  # while it rises; each sorts every kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a network is pruned."""

    sparsity: float  # share of each pruned kernel's weights that become zero, 0 < share < 1
    learning_rate: float  # of Adam at the first step; falls to zero along a cosine
    epochs: int  # at most
    steps: int  # batches of one epoch
    label_smoothing: float  # share of each label that is spread over all classes
    seed: int


class Schedule(tfmot.PruningSchedule):  # type: ignore[misc]  # tfmot has no types
    """The sparsity rises along a cubic, as tfmot's PolynomialDecay has it, while the rate falls along a cosine.

    What they depend on is kept in variables: the graph that was traced for the first step serves any length.
    """

    def __init__(self, plan: Plan) -> None:
        self.epochs = plan.epochs
        self.last_update = 0  # the step after which the masks stay as they are
        self._plan = plan
        self._total, self._end, self._every = (tf.Variable(1, dtype=tf.int64, trainable=False) for _ in range(3))
        self.learning_rate = tf_keras.optimizers.schedules.CosineDecay(plan.learning_rate, self._total)
        self.cut(plan.epochs, done=0)

    def cut(self, epochs: int, *, done: int) -> None:
        """Plan for so many epochs, of which so many steps are done; masks that are not final yet still become so."""
        rising = max(1, int(RISING * epochs * self._plan.steps))
        every = max(1, rising // MASK_UPDATES)
        if done < self.last_update or not self.last_update:
            self.last_update = max(rising // every * every, done + 1)
        self.epochs = epochs
        self._total.assign(epochs * self._plan.steps)
        self._every.assign(every)
        self._end.assign(self.last_update)

    def __call__(self, step: Any) -> tuple[Any, Any]:
        """Whether the masks are updated at this step, from 1, and to which sparsity."""
        due = tf.logical_or(tf.equal(tf.math.floormod(step, self._every), 0), tf.equal(step, self._end))
        risen = tf.clip_by_value(tf.cast(step, tf.float32) / tf.cast(self._end, tf.float32), 0.0, 1.0)
        sparsity = -self._plan.sparsity * tf.pow(1 - risen, 3) + self._plan.sparsity
        return tf.logical_and(tf.less_equal(step, self._end), due), sparsity

    def get_config(self) -> dict[str, Any]:
        """tfmot wants one; nothing here is saved by Keras."""
        return {}
