"""The chosen probe as a whole network: the first model of a run that could be deployed."""

from __future__ import annotations

from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from automl.errors import StageFailed
from automl.nets.build import attach_head, load_network, save_weights
from automl.nets.features import extract_features
from automl.nets.head import reset_head, set_head
from automl.nets.own.rows import row_named
from automl.nets.probe import Probe
from automl.nets.views import mirrored
from automl.runtime.context import StageContext
from automl.stages.chosen import FEATURES
from automl.stages.judged import BATCH, seeded_extractor
from automl.stages.pick_data import Data
from automl.types import Network, WeightsFound

FIRST: Final = "first/model.weights.h5"
FRESH: Final = "first/start.weights.h5"
SAME_PROBABILITY: Final = 1e-4  # between the probe and the network made of it


def save_first(
    ctx: StageContext, network: Network, weights: WeightsFound, data: Data, probe: Probe
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Save the chosen probe as a whole network, and see with what was saved that it predicts what the probe predicts.

    Returns: whether it was right on each validation image, and on each mirrored one, bool (n,) each.
    Raises: StageFailed: the network differs from the probe.
    """
    name = network.backbone
    ctx.progress(0, 2, f"{name}: saving the probe as a network")
    extractor = seeded_extractor(row_named(name, ctx.folder.backbones), weights, data.pixels, ctx.recipe.seed)
    model = attach_head(extractor, network, ctx.recipe.task)
    set_head(model, mean=probe.mean, scale=probe.scale, kernel=probe.kernel, bias=probe.bias)
    save_weights(model, ctx.output(FIRST))

    model = load_network(network, ctx.output(FIRST), ctx.recipe.task, ctx.folder.backbones)
    rows, labels = data.validation
    wanted = probe.predict(np.load(ctx.output(FEATURES), mmap_mode="r")[rows])
    sample = rows[:BATCH]
    worst = float(np.abs(model.predict_on_batch(data.pixels[sample])[0] - wanted[: len(sample)]).max())
    if not worst <= SAME_PROBABILITY:
        raise StageFailed(
            f"{ctx.output(FIRST)} differs from the probe of {name} by {worst:.2g} in its probabilities. Wanted: at "
            f"most {SAME_PROBABILITY:g}. Run again with --redo pick; if it stays so, report it."
        )
    ctx.progress(1, 2, f"{name}: mirrored images")
    saved = keras.Model(model.inputs[0], model.get_layer("features").output)
    answers = probe.predict(extract_features(saved, data.pixels, rows=rows, batch_size=BATCH, see=mirrored).features)
    return wanted.argmax(axis=1) == labels, answers.argmax(axis=1) == labels


def save_fresh(ctx: StageContext, network: Network, data: Data) -> None:
    """Save what a training of random weights begins with: the same backbone, without the probe's head."""
    model = load_network(network, ctx.output(FIRST), ctx.recipe.task, ctx.folder.backbones)
    shares = np.bincount(data.train[1], weights=data.weights, minlength=data.n_classes)
    reset_head(model, shares.astype(np.float64))
    save_weights(model, ctx.output(FRESH))
