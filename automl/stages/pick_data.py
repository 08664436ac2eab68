"""The images as pick sees them, and the task's quick fit on what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from automl.code import load_entry
from automl.data.pack import read_index
from automl.data.store import open_pixels, store_name
from automl.data.weights import read_weights
from automl.nets.probe import ProbeFit
from automl.records import Checked
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


def load_data(ctx: StageContext, size_px: int) -> Data:
    """What check packed at that size, and pack's parts."""
    folder = ctx.folder.stage("pack")
    return Data(
        pixels=open_pixels(ctx.input("check", store_name(size_px))),
        train=read_index(folder, "train"),
        validation=read_index(folder, "validation"),
        n_classes=len(ctx.record(Checked).classes),
        weights=read_weights(folder),
    )


def fit_probe_of(
    ctx: StageContext,
    features: NDArray[np.float32],
    data: Data,
    some: NDArray[np.int64] | None = None,
    views: NDArray[np.float32] | None = None,
) -> ProbeFit:
    """The task's quick fit on features (m, d) of the training part, or of some of its images.

    Args: views: (v, m, d), of further views of them, where images are few; None: they are many.
    """
    task = task_named(ctx.recipe.task)
    fit = cast("Callable[..., ProbeFit]", load_entry(task.probe if views is None else task.few_probe))
    settings, labels, weights = ctx.recipe.pick, data.train[1], data.weights
    if some is not None:
        labels, weights = labels[some], None if weights is None else weights[some]
    return fit(
        features,
        labels,
        data.n_classes,
        **({} if views is None else {"views": views}),
        weights=weights,
        folds=settings.folds,
        neighbours=settings.neighbours,
        seed=ctx.recipe.seed,
    )
