"""One backbone's item in pick: its features of a sample and its probe, made in a child, committed by its score.json."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from automl.metrics.bootstrap import accuracy_interval
from automl.nets.blocks import n_written, read_blocks, write_blocks
from automl.nets.build import build_backbone, build_extractor, load_pretrained
from automl.nets.catalogue import Backbone
from automl.nets.discriminant import is_few
from automl.nets.folds import stratified_order
from automl.nets.own.rows import row_named
from automl.nets.ranking import RESAMPLES, Judged
from automl.nets.views import CROPS, See, as_they_are, cropped
from automl.nets.weights import Weighted
from automl.runs.atomic import write_bytes, write_json, write_with
from automl.runtime.child import this_childs_front
from automl.runtime.context import StageContext
from automl.runtime.stage_body import arguments_of, context_of
from automl.stages.pick_data import Data, fit_probe_of, load_data
from automl.stages.pick_reuse import COMMITS, INPUTS, began_from, is_item, of_sample
from automl.types import BackboneScore, PixelRows, WeightsFound

BATCH: Final = 32  # images a forward pass
JUDGE: Final = "automl.stages.judged:judge_in_child"
SAMPLE: Final = "sample"  # the blocks of a sample's features
BLOCKS_OF: Final = "blocks.json"  # what they were computed from

_SCORE: Final = TypeAdapter(BackboneScore)


def item_name(backbone: str, size_px: int) -> str:
    """The folder of a backbone that sees the images at that size."""
    return f"{backbone}-{size_px}"


def sample_order(data: Data, seed: int) -> NDArray[np.int64]:
    """Places in the training part in the order in which samples take them; every beginning is stratified."""
    return stratified_order(data.train[1], seed=seed)


def ask_child(
    ctx: StageContext, one: Weighted, size_px: int, inputs: Mapping[str, object], *, images: int, place: tuple[int, int]
) -> str:
    """Have a child judge one backbone by so many training images; one that a signal killed is tried once more.

    Args: place: how many were judged before it, and of how many.
    Returns: why it failed; "": its item is there.
    """
    arguments = {
        "context": arguments_of(ctx),
        "backbone": one.row.name,
        "weights": asdict(one.weights),
        "size_px": size_px,
        "inputs": dict(inputs),
        "images": images,
        "place": place,
    }
    log = f"{item_name(one.row.name, size_px)}.log"
    ended = ctx.run_child("keras", JUDGE, arguments, log=log)
    if ended.killed:
        ctx.warn(f"{one.row.name} is judged once more: {ended.error}")
        ended = ctx.run_child("keras", JUDGE, arguments, log=log)
    return ended.error


def judge_in_child(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Judge the backbone that the arguments name, see ask_child. Raises: WrongWeights, and whatever Keras raises."""
    front = this_childs_front()
    ctx = context_of(arguments["context"], front)
    row = row_named(arguments["backbone"], ctx.folder.backbones)
    one = Weighted(row=row, weights=WeightsFound(**arguments["weights"]))
    done, of = arguments["place"]
    images = arguments["images"]

    def progress(seen: int, text: str) -> None:
        ctx.progress(done * images + seen, of * images, f"{one.row.name}: {text}")

    judge(ctx, one, arguments["size_px"], arguments["inputs"], images=images, progress=progress)
    return {}


def judge(
    ctx: StageContext,
    one: Weighted,
    size_px: int,
    inputs: Mapping[str, object],
    *,
    images: int,
    progress: Callable[[int, str], object],
) -> None:
    """Features and probe of one backbone on the first images of the sample's order; its score.json commits them."""
    started, seed = time.monotonic(), ctx.recipe.seed
    data, name = load_data(ctx, size_px), item_name(one.row.name, size_px)
    order = sample_order(data, seed)[:images]
    few = images == len(data.train[0]) and is_few(images, data.n_classes)
    folder = ctx.output(f"{name}/{INPUTS}").parent
    progress(0, "build")
    write_features(
        ctx, one, data.pixels, data.train[0][order], of_sample(inputs, None), folder,
        {SAMPLE: as_they_are, **(crops_of(seed) if few else {})}, progress=lambda seen: progress(seen, "features"),
    )  # fmt: skip
    features, seconds = read_blocks(folder, SAMPLE, len(order))
    progress(len(order), "probe")
    views = read_views(folder, order) if few else None
    fitted = fit_probe_of(ctx, features[np.argsort(order)], data, np.sort(order), views)
    score = BackboneScore(
        backbone=one.row.name,
        weights=one.weights,
        params_m=one.row.params_m,
        size_px=size_px,
        n_features=features.shape[1],
        images_s=len(order) / max(seconds, 1e-9),
        knn_accuracy=fitted.knn_accuracy,
        probe_accuracy=accuracy_interval(fitted.out_of_fold, resamples=RESAMPLES, seed=seed),
        probe_c=fitted.c,
        n_images=len(order),
        seconds=time.monotonic() - started,
        top1=one.row.top1,
    )
    write_with(ctx.output(f"{name}/probe.npz"), partial(np.savez, **asdict(fitted.probe)))
    write_with(ctx.output(f"{name}/out_of_fold.npy"), lambda file: np.save(file, fitted.out_of_fold))
    write_with(ctx.output(f"{name}/held_out.npy"), lambda file: np.save(file, fitted.held_out))
    write_json(ctx.output(f"{name}/{INPUTS}"), of_sample(inputs, images))
    # score.json comes last: whoever sees it may trust the files beside it.
    write_bytes(ctx.output(f"{name}/{COMMITS}"), _SCORE.dump_json(score, indent=2))


def crops_of(seed: int) -> dict[str, See]:
    """The further passes over few images, by the stem of their blocks."""
    return {f"crop-{number}": partial(cropped, number=number, seed=seed) for number in range(CROPS)}


def read_views(folder: Path, order: NDArray[np.int64]) -> NDArray[np.float32]:
    """Features of the crops of the training images, float32 (crops, n, d); order: that of the sample."""
    return np.stack([read_blocks(folder, stem, len(order))[0][np.argsort(order)] for stem in crops_of(0)])


def write_features(
    ctx: StageContext,
    one: Weighted,
    pixels: PixelRows,
    rows: NDArray[np.int64],
    inputs: Mapping[str, object],
    folder: Path,
    passes: Mapping[str, See],
    *,
    progress: Callable[[int], object],
) -> None:
    """The blocks of these rows' features that the folder lacks; blocks that began from other inputs go first.

    One network is held, and it goes before the probe comes.
    Args: passes: what is shown of the images, by the stem of the blocks. progress: told images done, once each.
    """
    if not began_from(folder, inputs, BLOCKS_OF):
        shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / BLOCKS_OF, inputs)
    missing = [stem for stem in passes if n_written(folder, stem, len(rows)) < len(rows)]
    if missing:
        extractor = seeded_extractor(one.row, one.weights, pixels, ctx.recipe.seed)
        for number, stem in enumerate(missing):
            write_blocks(
                folder, stem, extractor, pixels, rows, batch_size=BATCH, see=passes[stem],
                progress=lambda done, of, number=number: progress((number * of + done) // len(missing)),  # type: ignore[misc]  # a default
            )  # fmt: skip
        keras.utils.clear_session()


def read_item(
    ctx: StageContext, one: Weighted, size_px: int, inputs: Mapping[str, object], images: int
) -> Judged | None:
    """What was committed for this backbone, if it began from these inputs and as many images.

    Raises: nothing; what cannot be read is computed again.
    """
    name = item_name(one.row.name, size_px)
    if not is_item(ctx.folder.stage(ctx.stage) / name, of_sample(inputs, images)):
        return None
    try:
        score = _SCORE.validate_json(ctx.output(f"{name}/{COMMITS}").read_bytes())
        out_of_fold = np.load(ctx.output(f"{name}/out_of_fold.npy"), allow_pickle=False)
    except (OSError, ValueError, ValidationError):
        return None
    # Found elsewhere now (in the cache after the download, say), the bytes are the same.
    return Judged(score=replace(score, weights=one.weights), out_of_fold=out_of_fold)


def seeded_extractor(row: Backbone, weights: WeightsFound, pixels: PixelRows, seed: int) -> Any:
    """The backbone up to its features, for images of that size.

    Seeded each time, so that a random one is the same whenever it is built.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    backbone = build_backbone(row, pixels.shape[1])
    if weights.source != "random":
        load_pretrained(backbone, weights)
    return build_extractor(backbone)
