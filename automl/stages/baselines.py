"""The baselines: fitted by pick on the training part, judged there on validation, and by evaluate on the test part."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.metrics.bootstrap import accuracy_interval, paired_difference
from automl.nets.baselines import colours
from automl.nets.neighbours import nearest_classes
from automl.nets.probe import read_probe
from automl.nets.ranking import RESAMPLES
from automl.runs.atomic import write_with
from automl.runtime.context import StageContext
from automl.stages.chosen import FEATURES, PROBE
from automl.stages.pick_data import Data, fit_probe_of
from automl.types import Against, BaselineName, BaselineScore, PixelRows

FILE: Final = "baselines.npz"
"""The probe of the colours; what else the baselines need lies in the chosen backbone's features and probe."""

Ints = NDArray[np.int64]


def fit_baselines(ctx: StageContext, data: Data) -> tuple[BaselineScore, ...]:
    """Fit what is not fitted yet, and judge all on the validation part.

    Reads: chosen/features.npy and probe.npz. Writes: baselines.npz.
    """
    ctx.progress(0, 1, "baselines")
    fitted = fit_probe_of(ctx, colours(data.pixels, data.train[0]), data)
    write_with(ctx.output(FILE), partial(np.savez, **asdict(fitted.probe)))
    rows, labels = data.validation
    found = baseline_answers(ctx, data.pixels, data.train, rows)
    return tuple(
        BaselineScore(
            name=name, accuracy=accuracy_interval(answers == labels, resamples=RESAMPLES, seed=ctx.recipe.seed)
        )
        for name, answers in found.items()
    )


def baseline_answers(
    ctx: StageContext, pixels: PixelRows, train: tuple[Ints, Ints], rows: Ints
) -> dict[BaselineName, Ints]:
    """The class that each baseline gives to these rows of the store, int64 (n,), the plainest baseline first.

    Args: train: the training part's rows and labels, from which all of them have what they know.
    """
    known, labels = train
    features = np.load(ctx.input("pick", FEATURES), mmap_mode="r")
    probe = read_probe(ctx.input("pick", PROBE))
    nearest = nearest_classes(
        probe.standardise(features[known]),
        labels,
        probe.standardise(features[rows]),
        neighbours=ctx.recipe.pick.neighbours,
    )
    return {
        "majority class": np.full(len(rows), np.bincount(labels).argmax()),
        "colour thumbnail": read_probe(ctx.input("pick", FILE)).predict(colours(pixels, rows)).argmax(axis=1),
        "kNN on features": nearest,
        "linear probe": probe.predict(features[rows]).argmax(axis=1),
    }


def compare(
    answers: dict[BaselineName, Ints], labels: Ints, model: NDArray[np.bool_], *, resamples: int, seed: int
) -> tuple[Against, ...]:
    """The model against each baseline, paired on the same images.

    Args: answers: class of each image by baseline (n,). labels: (n,). model: whether the model was right (n,).
    """
    return tuple(
        Against(
            baseline=name,
            accuracy=accuracy_interval(found == labels, resamples=resamples, seed=seed),
            gain=paired_difference(model, found == labels, resamples=resamples, seed=seed),
        )
        for name, found in answers.items()
    )
