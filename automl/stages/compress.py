"""compress: the trained network as files that deploy, each measured on validation and on this machine; one goes on."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import keras
import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from automl.compressors.choose import choose
from automl.compressors.measure import Latency, describe_cpu, gzip_bytes, noise_ms, time_models
from automl.compressors.table import FLOAT, PRUNED, compressor_named
from automl.data.pack import read_index
from automl.data.store import open_pixels, store_name
from automl.errors import StageFailed, VariantFailed, VariantKilled
from automl.graph.session import open_session, predict
from automl.graph.writer import write_onnx
from automl.metrics.bootstrap import paired_difference
from automl.nets.build import load_network
from automl.records import Compressed, Trained
from automl.runs.atomic import write_json
from automl.runtime.context import StageContext
from automl.stages.pruned import prune_network, weights_of
from automl.types import Interval, PixelRows, Variant

IntArray = npt.NDArray[np.int64]

BATCH: Final = 32
TOLERANCE: Final = 1e-3
"""How far a probability of the fp32 file may lie from Keras' (docs/design.md, decision 9)."""
COMPARED: Final = 512
"""Validation images on which file and Keras are compared: a wrong layer shows on the first; Keras takes 4 ms each."""
RESAMPLES: Final = 2000
"""Behind the interval of each accuracy drop."""
PATIENCE: Final = 3
"""A variant is not begun with less left than so many times fp32's own seconds: the stages to come need them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What NAME.json says of a finished NAME.onnx; written after it, so that a kill loses at most one variant."""

    predicted: tuple[int, ...]  # the class of each validation image
    seconds: float
    writer_max_difference: float = 0.0  # of a file that our writer wrote: against Keras
    sparsity: float | None = None  # of the pruned network's file: share of zeros in the pruned kernels


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The images that variants are made and judged with."""

    pixels: PixelRows  # the store, (n, s, s, 3)
    calibration: IntArray  # rows of training images
    rows: IntArray  # of validation images
    labels: IntArray


def run(ctx: StageContext) -> Compressed:
    """Write the fp32 file and compare it with Keras; make, measure and judge every other variant; choose.

    Reads: train's weights; check/pixels-SIZE/ at pack's training rows (calibration) and validation rows.
    Writes: compress/NAME.onnx and NAME.json for each variant, NAME.log of its making.
    Raises: StageFailed: the fp32 file does not say what Keras says. Any other variant fails alone.
    """
    pictures = open_pictures(ctx)
    wanted = (FLOAT, *(name for name in ctx.recipe.compress.variants if name != FLOAT))
    steps = with_sources(wanted)
    items: dict[str, Item] = {}
    failed: dict[str, str] = {}
    for number, name in enumerate(steps):
        ctx.progress(number, len(steps) + 1, f"building {name}")
        try:
            items[name] = find_item(ctx, name) or commit(ctx, name, make_or_retry(ctx, name, pictures, items, failed))
        except VariantFailed as error:
            if name == FLOAT:
                raise
            failed[name] = str(error)
            if name in wanted:
                ctx.warn(f"the variant {name} is left out: {error}")
    ctx.progress(len(steps), len(steps) + 1, "timing the variants")
    paths = {name: ctx.output(f"{name}.onnx") for name in wanted if name in items}
    repeats = ctx.recipe.compress.latency_repeats
    latencies = time_models(paths, pictures.pixels[pictures.rows[:1]], repeats, time.perf_counter)
    noise = noise_ms(latencies)
    sparsity = items[PRUNED].sparsity if PRUNED in items else None
    choice = choose(
        [
            unmade(name, failed[name]) if name in failed else measure(ctx, name, items, pictures.labels, latencies)
            for name in wanted
        ],
        max_accuracy_drop=ctx.recipe.compress.max_accuracy_drop,
        prefer=ctx.recipe.compress.prefer,
        noise_ms=noise,
        n_images=len(pictures.labels),
        sparsity=sparsity or 0.0,
    )
    return Compressed(
        variants=choice.variants,
        chosen=choice.chosen,
        reason=choice.reason,
        noise_ms=noise,
        cpu=describe_cpu(),
        writer_max_difference=items[FLOAT].writer_max_difference,
        sparsity=sparsity,
    )


def with_sources(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The variants in their order, each after the one that it is made from, wanted or not."""
    return tuple(dict.fromkeys(one for name in wanted for one in (compressor_named(name).source, name)))


def open_pictures(ctx: StageContext) -> Pictures:
    """The store of the trained network's size, and which of its rows serve for what."""
    size_px = ctx.record(Trained).network.size_px
    rows, labels = read_index(ctx.folder.stage("pack"), "validation")
    training, _ = read_index(ctx.folder.stage("pack"), "train")
    drawn = np.random.default_rng(ctx.recipe.seed).permutation(training)[: ctx.recipe.compress.calibration_images]
    return Pictures(
        pixels=open_pixels(ctx.input("check", store_name(size_px))),
        calibration=np.sort(drawn),
        rows=rows,
        labels=labels,
    )


def make_or_retry(
    ctx: StageContext, name: str, pictures: Pictures, items: dict[str, Item], failed: dict[str, str]
) -> Item:
    """Make one variant; where a signal kills the process that does it, once more, as if nothing had been.

    A kill has a cause outside more often than not, and a run that goes on without the variant ends as another one.
    Raises: VariantFailed: killed twice, or see make; StageFailed.
    """
    try:
        return make(ctx, name, pictures, items, failed)
    except VariantKilled as error:
        ctx.warn(f"the variant {name} is tried once more: {error}")
    try:
        return make(ctx, name, pictures, items, failed)
    except VariantKilled as error:
        raise VariantFailed(
            f"{str(error).rstrip('.')}. It was the second time; `automl run ... --redo compress` tries it again"
        ) from error


def make(ctx: StageContext, name: str, pictures: Pictures, items: dict[str, Item], failed: dict[str, str]) -> Item:
    """Make one variant; items and failed say what became of those before it.

    Raises: VariantFailed; VariantKilled: its process was killed by a signal; StageFailed: fp32 failed.
    """
    if name == FLOAT:
        return write_float(ctx, FLOAT, ctx.input("train", ctx.record(Trained).weights), pictures)
    source = compressor_named(name).source
    if source in failed:
        raise VariantFailed(failed[source])
    if ctx.seconds_left() < PATIENCE * items[FLOAT].seconds:
        raise VariantFailed("the deadline is too near to build it")
    if name != PRUNED:
        return compress_file(ctx, name, source, pictures)
    started, sparsity = ctx.now(), prune_network(ctx)
    try:
        item = write_float(ctx, PRUNED, weights_of(ctx), pictures)
    except StageFailed as error:
        raise VariantFailed(str(error)) from error
    return replace(item, sparsity=sparsity, seconds=ctx.now() - started)


def write_float(ctx: StageContext, name: str, weights: Path, pictures: Pictures) -> Item:
    """Write NAME.onnx by our own writer. Raises: StageFailed: it does not say what Keras says."""
    started = ctx.now()
    network, path = ctx.record(Trained).network, ctx.output(f"{name}.onnx")
    keras.utils.clear_session()  # it counts unnamed layers, and their names go into the file: equal runs, equal bytes
    model = load_network(network, weights, ctx.recipe.task, ctx.folder.backbones)
    metadata = {"backbone": network.backbone, "size_px": str(network.size_px)}
    write_onnx(model, path, class_names=network.classes, metadata=metadata)
    compared = pictures.pixels[pictures.rows[:: -(-len(pictures.rows) // COMPARED)]]
    wanted = model.predict(compared, batch_size=BATCH, verbose=0)[0]
    found, _ = predict(open_session(path), compared, BATCH)
    worst = float(np.abs(found - wanted).max())
    if not worst <= TOLERANCE:  # NaN is not
        raise StageFailed(
            f"{path} differs from the {'pruned' if name == PRUNED else 'trained'} network by up to {worst:.2g} in its "
            f"probabilities on {len(compared)} validation images. Wanted: at most {TOLERANCE}. Leave "
            f"{network.backbone} out of the recipe's backbones, and report this with the package versions."
        )
    predicted = classify(ctx, name, pictures)
    return Item(predicted=predicted, seconds=ctx.now() - started, writer_max_difference=worst)


def compress_file(ctx: StageContext, name: str, source: str, pictures: Pictures) -> Item:
    """Make one variant from SOURCE.onnx, in a process of its own. Raises: VariantFailed, VariantKilled."""
    started = ctx.now()
    size_px = ctx.record(Trained).network.size_px
    arguments = {
        "name": name,
        "source": str(ctx.output(f"{source}.onnx")),
        "target": str(ctx.output(f"{name}.onnx")),
        "pixels": str(ctx.input("check", store_name(size_px))),
        "rows": pictures.calibration.tolist(),
    }
    ended = ctx.run_child("plain", "automl.stages.variant:build_variant", arguments, log=f"{name}.log")
    if not ended.ok:
        failure = VariantKilled if ended.killed else VariantFailed
        raise failure(f"it could not be built: {ended.error}")
    return Item(predicted=classify(ctx, name, pictures), seconds=ctx.now() - started)


def classify(ctx: StageContext, name: str, pictures: Pictures) -> tuple[int, ...]:
    """The class that the variant's file gives each validation image. Raises: VariantFailed: values are not finite."""
    session = open_session(ctx.output(f"{name}.onnx"))
    predicted: list[int] = []
    for start in range(0, len(pictures.rows), BATCH):
        probabilities, _ = predict(session, pictures.pixels[pictures.rows[start : start + BATCH]], BATCH)
        if not np.isfinite(probabilities).all():
            raise VariantFailed("its probabilities are not finite")
        predicted += probabilities.argmax(axis=1).tolist()
    return tuple(predicted)


def commit(ctx: StageContext, name: str, item: Item) -> Item:
    """Write NAME.json beside its finished file."""
    write_json(ctx.output(f"{name}.json"), asdict(item))
    return item


def find_item(ctx: StageContext, name: str) -> Item | None:
    """What an earlier, interrupted try of this stage has finished."""
    try:
        return TypeAdapter(Item).validate_json(ctx.output(f"{name}.json").read_bytes())
    except FileNotFoundError:
        return None


def measure(
    ctx: StageContext, name: str, items: dict[str, Item], labels: IntArray, latencies: dict[str, Latency]
) -> Variant:
    """All measured facts of one variant; whether it is within the budget is decided by choose."""
    path = ctx.output(f"{name}.onnx")
    own, float_one = (np.array(items[each].predicted) for each in (name, FLOAT))
    return Variant(
        name=name,
        file=path.name,
        accuracy=float((own == labels).mean()),
        accuracy_drop=paired_difference(float_one == labels, own == labels, resamples=RESAMPLES, seed=ctx.recipe.seed),
        flips=int((own != float_one).sum()),
        size_bytes=path.stat().st_size,
        gzip_bytes=gzip_bytes(path),
        latency_ms=latencies[name].median_ms,
        latency_spread_ms=latencies[name].spread_ms,
        within_budget=False,
        note="",
    )


def unmade(name: str, why: str) -> Variant:
    """A variant that could not be had: no file, no figures."""
    return Variant(
        name=name,
        file="",
        accuracy=0.0,
        accuracy_drop=Interval(value=0.0, low=0.0, high=0.0),
        flips=0,
        size_bytes=0,
        gzip_bytes=0,
        latency_ms=0.0,
        latency_spread_ms=0.0,
        within_budget=False,
        note=why,
    )
