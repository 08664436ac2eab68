"""The chosen backbone in pick: the features of all images, and the probe of the whole training part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Final

import numpy as np

from automl.nets.blocks import join_blocks
from automl.nets.logistic import log_losses
from automl.nets.probe import Probe, read_probe
from automl.nets.views import as_they_are
from automl.nets.weights import Weighted
from automl.runs.atomic import write_json, write_with
from automl.runtime.context import StageContext
from automl.stages.judged import SAMPLE, item_name, sample_order, write_features
from automl.stages.pick_data import Data, fit_probe_of
from automl.stages.pick_reuse import INPUTS, is_item, link, of_sample, take_over
from automl.types import BackboneScore

FEATURES: Final = "chosen/features.npy"
PROBE: Final = "chosen/probe.npz"
HELD_OUT: Final = "chosen/held_out.npy"
REST: Final = "rest"  # the blocks of the images that the sample does not hold
KEPT: Final = ("probe.npz", "held_out.npy")  # of the item, where the sample was the whole training part


def complete(
    ctx: StageContext, one: Weighted, score: BackboneScore, data: Data, inputs: dict[str, object],
    progress: Callable[[int], object],
) -> Probe:  # fmt: skip
    """Write what the stages after pick need of the chosen backbone.

    Reads: its item. Writes: chosen/features.npy, probe.npz, held_out.npy, inputs.json.
    Returns: the probe of the whole training part.
    """
    item = ctx.output(f"{item_name(one.row.name, score.size_px)}/{INPUTS}").parent
    own = of_sample(inputs, score.n_images)
    whole = ctx.output(FEATURES)
    if not is_item(whole.parent, own, INPUTS) and not take_over(ctx, whole.parent.name, own, INPUTS):
        sample = data.train[0][sample_order(data, ctx.recipe.seed)[: score.n_images]]
        rest = np.setdiff1d(np.arange(len(data.pixels)), sample)
        passes = {REST: as_they_are}
        write_features(ctx, one, data.pixels, rest, of_sample(inputs, None), item, passes, progress=progress)
        join_blocks(whole, [(item, SAMPLE, sample), (item, REST, rest)])
        write_json(whole.with_name(INPUTS), own)
    for block in item.glob(f"{REST}-*"):  # the file has them now; a sample's serve another pick
        block.unlink()
    if score.n_images == len(data.train[0]):
        for name in KEPT:
            link(item / name, whole.with_name(name))
        return read_probe(ctx.output(PROBE))
    fitted = fit_probe_of(ctx, np.load(whole, mmap_mode="r")[data.train[0]], data)
    write_with(ctx.output(PROBE), partial(np.savez, **asdict(fitted.probe)))
    write_with(ctx.output(HELD_OUT), lambda file: np.save(file, fitted.held_out))
    return fitted.probe


def on_validation(ctx: StageContext, probe: Probe, data: Data) -> tuple[float, float]:
    """The probe's accuracy and log loss (nats) on the validation part."""
    rows, labels = data.validation
    probabilities = probe.predict(np.load(ctx.output(FEATURES), mmap_mode="r")[rows])
    right = probabilities.argmax(axis=1) == labels
    return float(right.mean()), float(log_losses(probabilities, labels).mean())
