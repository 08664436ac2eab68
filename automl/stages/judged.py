"""One backbone's item in pick: its features and its probe, committed by its score.json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import IO, Any, Final

import keras
import numpy as np
from pydantic import TypeAdapter, ValidationError

from automl.metrics.bootstrap import accuracy_interval
from automl.nets.build import build_backbone, build_extractor, load_pretrained
from automl.nets.catalogue import Backbone
from automl.nets.features import write_features
from automl.nets.logistic import log_losses
from automl.nets.ranking import RESAMPLES, Judged
from automl.nets.weights import Weighted
from automl.runs.atomic import write_bytes, write_json, write_with
from automl.runtime.context import StageContext
from automl.stages.pick_data import Data, fit_probe_of
from automl.stages.pick_reuse import INPUTS, began_from
from automl.types import BackboneScore, WeightsFound

BATCH: Final = 32  # images a forward pass

_SCORE: Final = TypeAdapter(BackboneScore)


def judge(ctx: StageContext, one: Weighted, data: Data, inputs: dict[str, object], *, place: int, n_all: int) -> Judged:
    """Features and probe of one backbone; its score.json commits them."""
    name, seed, n = one.row.name, ctx.recipe.seed, len(data.pixels)

    def progress(images: int, _: int) -> None:
        ctx.progress(place * n + images, n_all * n, f"{name}: features")

    ctx.progress(place * n, n_all * n, f"{name}: build")
    params_m, images_s = _write_features(ctx, one, data, progress)
    features = np.load(ctx.output(f"{name}/features.npy"), mmap_mode="r")
    ctx.progress((place + 1) * n, n_all * n, f"{name}: probe")
    fitted = fit_probe_of(ctx, features[data.train[0]], data)
    rows, labels = data.validation
    probabilities = fitted.probe.predict(features[rows])
    score = BackboneScore(
        backbone=name,
        weights=one.weights,
        params_m=params_m,
        size_px=data.pixels.shape[1],
        n_features=features.shape[1],
        images_s=images_s,
        knn_accuracy=fitted.knn_accuracy,
        probe_accuracy=accuracy_interval(fitted.out_of_fold, resamples=RESAMPLES, seed=seed),
        probe_c=fitted.c,
        validation_accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
        validation_loss=float(log_losses(probabilities, labels).mean()),
    )
    write_with(ctx.output(f"{name}/probe.npz"), partial(np.savez, **asdict(fitted.probe)))
    write_with(ctx.output(f"{name}/out_of_fold.npy"), lambda file: np.save(file, fitted.out_of_fold))
    write_with(ctx.output(f"{name}/held_out.npy"), lambda file: np.save(file, fitted.held_out))
    write_json(ctx.output(f"{name}/{INPUTS}"), inputs)
    # score.json comes last: whoever sees it may trust the files beside it.
    write_bytes(ctx.output(f"{name}/score.json"), _SCORE.dump_json(score, indent=2))
    return Judged(score=score, out_of_fold=fitted.out_of_fold)


def _write_features(
    ctx: StageContext, one: Weighted, data: Data, progress: Callable[[int, int], object]
) -> tuple[float, float]:
    """Features of all images, batch by batch into the file: one network is held, and it goes before the probe comes.

    Returns: the backbone's parameters in millions, and images a second.
    """
    extractor, params_m = seeded_extractor(one.row, one.weights, data, ctx.recipe.seed)
    images_s = 0.0

    def write(file: IO[bytes]) -> None:
        nonlocal images_s
        images_s = write_features(file, extractor, data.pixels, batch_size=BATCH, progress=progress)

    write_with(ctx.output(f"{one.row.name}/features.npy"), write)
    keras.utils.clear_session()
    return params_m, images_s


def read_item(ctx: StageContext, name: str, weights: WeightsFound, inputs: dict[str, object]) -> Judged | None:
    """What was committed for this backbone, by an interrupted process or by take_over, if it began from these inputs.

    Raises: nothing; what cannot be read is computed again.
    """
    if not began_from(ctx.folder.stage(ctx.stage) / name, inputs):
        return None
    try:
        score = _SCORE.validate_json(ctx.output(f"{name}/score.json").read_bytes())
    except (OSError, ValidationError):
        return None
    out_of_fold = np.load(ctx.output(f"{name}/out_of_fold.npy"), allow_pickle=False)
    # Found elsewhere now (in the cache after the download, say), the bytes are the same.
    return Judged(score=replace(score, weights=weights), out_of_fold=out_of_fold)


def seeded_extractor(row: Backbone, weights: WeightsFound, data: Data, seed: int) -> tuple[Any, float]:
    """The backbone up to its features, and its parameters in millions.

    Seeded each time, so that a random one is the same whenever it is built.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    backbone = build_backbone(row, data.pixels.shape[1])
    if weights.source != "random":
        load_pretrained(backbone, weights)
    return build_extractor(backbone), backbone.count_params() / 1e6
