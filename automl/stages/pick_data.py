"""The images as pick sees them, and the task's quick fit on what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from automl.code import load_entry
from automl.nets.probe import ProbeFit
from automl.runtime.context import StageContext
from automl.task_table import task_named
from automl.types import PixelRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The images as pick sees them."""

    pixels: PixelRows  # (n, size, size, 3), by row
    train: tuple[NDArray[np.int64], NDArray[np.int64]]  # map rows, labels
    validation: tuple[NDArray[np.int64], NDArray[np.int64]]
    n_classes: int
    weights: NDArray[np.float32] | None  # of the training images' losses; None: they count alike


def fit_probe_of(ctx: StageContext, features: NDArray[np.float32], data: Data) -> ProbeFit:
    """The task's quick fit on features of the training part."""
    fit_probe = cast("Callable[..., ProbeFit]", load_entry(task_named(ctx.recipe.task).probe))
    settings = ctx.recipe.pick
    return fit_probe(
        features,
        data.train[1],
        data.n_classes,
        weights=data.weights,
        folds=settings.folds,
        neighbours=settings.neighbours,
        seed=ctx.recipe.seed,
    )
