"""pick: which backbone sees these images best, judged by its probe; the best probe is the first deployable model.

Its features then say which images and labels are doubtful (suspects.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final, cast

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from automl.code import load_entry
from automl.data.pack import read_index
from automl.data.store import open_pixels, store_name
from automl.data.weights import read_weights
from automl.errors import StageFailed
from automl.metrics.bootstrap import accuracy_interval, is_tie, paired_difference
from automl.nets.build import attach_head, build_backbone, build_extractor, load_network, load_pretrained, save_weights
from automl.nets.candidates import candidates
from automl.nets.catalogue import backbone_named
from automl.nets.features import extract_features
from automl.nets.head import reset_head, set_head
from automl.nets.probe import Probe, ProbeFit, log_losses
from automl.nets.weights import Weighted, with_weights
from automl.records import Checked, Packed, Picked
from automl.runs.atomic import write_bytes, write_with
from automl.runtime.context import StageContext
from automl.stages.suspects import find_suspects
from automl.task_table import task_named
from automl.types import BackboneScore, Network, PixelRows, WeightsFound

FIRST: Final = "first/model.weights.h5"
FRESH: Final = "first/start.weights.h5"
RESAMPLES: Final = 2000  # behind each interval
BATCH: Final = 32  # images a forward pass
SAME_SPEED: Final = 1.25  # a ratio of measured speeds below it is no difference
SAME_PROBABILITY: Final = 1e-4  # between the probe and the network made of it
FLIP_FALL: Final = 0.1  # of the accuracy, that mirroring may cost
FLIP_IMAGES: Final = 5  # of a class, from which its own recall counts
TIME_SHARE: Final = 0.25  # of the time left to the deadline that one more backbone may cost

_SCORE: Final = TypeAdapter(BackboneScore)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The images as pick sees them."""

    pixels: PixelRows  # (n, size, size, 3), by row
    train: tuple[NDArray[np.int64], NDArray[np.int64]]  # map rows, labels
    validation: tuple[NDArray[np.int64], NDArray[np.int64]]
    n_classes: int
    weights: NDArray[np.float32] | None  # of the training images' losses; None: they count alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One backbone's committed item, as the ranking needs it."""

    score: BackboneScore
    out_of_fold: NDArray[np.bool_]  # the same images for every backbone


def run(ctx: StageContext) -> Picked:
    """Probe each backbone, rank them, and save the best probe as a whole network.

    Each backbone is committed when its score.json is written; a stage that was killed goes on after the last.

    Reads: the store of pixels, pack's index, check/images.csv. Writes: BACKBONE/features.npy, probe.npz, held_out.npy,
        score.json; suspects.csv; first/model.weights.h5 and, where the backbone is random, first/start.weights.h5.
    Raises: WrongWeights: a weights file is not for its backbone; StageFailed: the saved network differs from its probe.
    """
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        ctx.warn(text)

    checked, packed = ctx.record(Checked), ctx.record(Packed)
    size_px = max(packed.sizes_px)
    data = Data(
        pixels=open_pixels(ctx.input("check", store_name(size_px))),
        train=read_index(ctx.folder.stage("pack"), "train"),
        validation=read_index(ctx.folder.stage("pack"), "validation"),
        n_classes=len(checked.classes),
        weights=read_weights(ctx.folder.stage("pack")),
    )
    choice = candidates(ctx.recipe.backbones, size_px=size_px, max_params_m=ctx.recipe.pick.max_params_m)
    for note in choice.notes:
        warn(note)
    weighted = with_weights(choice.rows, ctx.weights, ctx.recipe.weights, warn=warn)
    judged = _judge_all(ctx, weighted, data, warn)
    ranking, reason = rank(judged, seed=ctx.recipe.seed)
    best = ranking[0]
    network = Network(backbone=best.backbone, size_px=size_px, classes=checked.classes)
    plain, mirrored = _save_first(ctx, network, best.weights, data)
    random = best.weights.source == "random"
    if random:
        _save_fresh(ctx, network, data)
    probe = _read_probe(ctx, best.backbone)
    findings = find_suspects(
        ctx, best.backbone, probe, data.pixels, data.train, data.validation, checked.classes, pretrained=not random
    )
    return Picked(
        ranking=ranking,
        chosen=best.backbone,
        reason=reason,
        network=network,
        start=FRESH if random else FIRST,
        weights=best.weights,
        flip_is_safe=flip_is_safe(plain, mirrored, data.validation[1], seed=ctx.recipe.seed),
        flip_accuracy=float(mirrored.mean()),
        warnings=tuple(warnings),
        findings=findings,
    )


def rank(judged: Sequence[Judged], *, seed: int) -> tuple[tuple[BackboneScore, ...], str]:
    """Order backbones, best first, and say in words why the first is first. Pure.

    The most accurate out of fold leads; those whose paired difference to it is within its 95 % interval of 0 tie with
    it. Of a tie the fastest wins; of those about as fast (less than 1.25 times) the one with the fewest parameters.
    The rest is ranked the same way.
    """
    left, ranking, reason = list(judged), [], ""
    while left:
        leader = max(left, key=lambda one: (one.score.probe_accuracy.value, -one.score.params_m))
        tied = [one for one in left if _tie(leader, one, seed)]
        fastest = max(one.score.images_s for one in tied)
        quick = [one for one in tied if one.score.images_s * SAME_SPEED > fastest]
        winner = min(quick, key=lambda one: (one.score.params_m, one.score.backbone))
        why = "the fastest" if len(quick) == 1 else "about as fast as any, and the smallest"
        reason = reason or _reason(winner.score, leader.score, [one.score for one in tied], why, n_all=len(judged))
        ranking.append(winner.score)
        left.remove(winner)
    return tuple(ranking), reason


def _tie(leader: Judged, other: Judged, seed: int) -> bool:
    difference = paired_difference(leader.out_of_fold, other.out_of_fold, resamples=RESAMPLES, seed=seed)
    return other is leader or is_tie(difference)


def _reason(
    winner: BackboneScore, leader: BackboneScore, tied: Sequence[BackboneScore], why: str, *, n_all: int
) -> str:
    accuracy = f"{winner.probe_accuracy.value:.1%} of the training images right out of fold"
    if n_all == 1:
        return f"{winner.backbone} is the only candidate; its probe has {accuracy}"
    if len(tied) == 1:
        return f"{winner.backbone} has the most accurate probe, by more than noise: {accuracy}"
    others = ", ".join(f"{one.backbone} {one.probe_accuracy.value:.1%}" for one in tied if one is not winner)
    if winner is leader:
        return f"{winner.backbone} has the most accurate probe: {accuracy}; within noise of it: {others}; it is {why}"
    return f"{winner.backbone}: {accuracy}, within noise of {others}; of these it is {why}"


def flip_is_safe(
    plain: NDArray[np.bool_], mirrored: NDArray[np.bool_], labels: NDArray[np.int64], *, seed: int
) -> bool:
    """Whether mirrored images may be trained on: the probe still knows them.

    Features move a little when an image is mirrored, so a small loss is no sign; where mirroring changes what an image
    means (a digit, a left hand), the loss is large. It is unsafe when the accuracy falls by more than a tenth, beyond
    noise, or when a class of at least five images loses more than half of its recall.
    Args:
        plain, mirrored: bool (n,): whether the probe was right on each validation image; n >= 1.
        labels: int64 (n,).
    """
    fall = paired_difference(plain, mirrored, resamples=RESAMPLES, seed=seed)
    if fall.low > 0 and fall.value > FLIP_FALL:
        return False
    return not any(
        own.sum() >= FLIP_IMAGES and plain[own].sum() > 2 * mirrored[own].sum()
        for own in (labels == label for label in np.unique(labels))
    )


def _judge_all(
    ctx: StageContext, weighted: Sequence[Weighted], data: Data, warn: Callable[[str], object]
) -> list[Judged]:
    """Judge every backbone, the cheapest first; one that the deadline leaves no time for is passed over."""
    judged: list[Judged] = []
    s_per_gmac = 0.0  # as the last one took
    for one in weighted:
        if (done := _read_item(ctx, one.row.name, one.weights)) is None:
            if judged and s_per_gmac * one.row.gmacs > TIME_SHARE * ctx.seconds_left():
                warn(f"{one.row.name} is passed over: the deadline leaves no time for its probe")
                continue
            started = time.monotonic()
            done = _judge(ctx, one, data, place=len(judged), n_all=len(weighted))
            s_per_gmac = (time.monotonic() - started) / one.row.gmacs
        judged.append(done)
    return judged


def _judge(ctx: StageContext, one: Weighted, data: Data, *, place: int, n_all: int) -> Judged:
    """Features and probe of one backbone; its score.json commits them."""
    name, seed, n = one.row.name, ctx.recipe.seed, len(data.pixels)

    def progress(images: int, _: int) -> None:
        ctx.progress(place * n + images, n_all * n, f"{name}: features")

    ctx.progress(place * n, n_all * n, f"{name}: build")
    extractor, params_m = _extractor(one.row.name, one.weights, data, seed)
    seen = extract_features(extractor, data.pixels, batch_size=BATCH, progress=progress)
    write_with(ctx.output(f"{name}/features.npy"), lambda file: np.save(file, seen.features))
    ctx.progress((place + 1) * n, n_all * n, f"{name}: probe")
    fitted = _fit_probe(ctx, seen.features[data.train[0]], data)
    rows, labels = data.validation
    probabilities = fitted.probe.predict(seen.features[rows])
    score = BackboneScore(
        backbone=name,
        weights=one.weights,
        params_m=params_m,
        size_px=data.pixels.shape[1],
        n_features=seen.features.shape[1],
        images_s=seen.images_s,
        knn_accuracy=fitted.knn_accuracy,
        probe_accuracy=accuracy_interval(fitted.out_of_fold, resamples=RESAMPLES, seed=seed),
        probe_c=fitted.c,
        validation_accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
        validation_loss=float(log_losses(probabilities, labels).mean()),
    )
    write_with(ctx.output(f"{name}/probe.npz"), partial(np.savez, **asdict(fitted.probe)))
    write_with(ctx.output(f"{name}/out_of_fold.npy"), lambda file: np.save(file, fitted.out_of_fold))
    write_with(ctx.output(f"{name}/held_out.npy"), lambda file: np.save(file, fitted.held_out))
    # score.json comes last: whoever sees it may trust the files beside it.
    write_bytes(ctx.output(f"{name}/score.json"), _SCORE.dump_json(score, indent=2))
    return Judged(score=score, out_of_fold=fitted.out_of_fold)


def _read_item(ctx: StageContext, name: str, weights: WeightsFound) -> Judged | None:
    """What an earlier, interrupted process committed for this backbone, if it began from the same weights."""
    try:
        score = _SCORE.validate_json(ctx.output(f"{name}/score.json").read_bytes())
    except (OSError, ValidationError):
        return None
    if score.weights.sha256 != weights.sha256:
        return None
    out_of_fold = np.load(ctx.output(f"{name}/out_of_fold.npy"), allow_pickle=False)
    # Found elsewhere now (in the cache after the download, say), the bytes are the same.
    return Judged(score=replace(score, weights=weights), out_of_fold=out_of_fold)


def _fit_probe(ctx: StageContext, features: NDArray[np.float32], data: Data) -> ProbeFit:
    """The task's quick fit on the training part's features."""
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


def _read_probe(ctx: StageContext, name: str) -> Probe:
    """The probe that _judge wrote for this backbone."""
    with np.load(ctx.output(f"{name}/probe.npz"), allow_pickle=False) as arrays:
        return Probe(**arrays)


def _extractor(name: str, weights: WeightsFound, data: Data, seed: int) -> tuple[Any, float]:
    """The backbone up to its features, and its parameters in millions.

    Seeded each time, so that a random one is the same whenever it is built.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    backbone = build_backbone(backbone_named(name), data.pixels.shape[1])
    if weights.source != "random":
        load_pretrained(backbone, weights)
    return build_extractor(backbone), backbone.count_params() / 1e6


def _save_first(
    ctx: StageContext, network: Network, weights: WeightsFound, data: Data
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Save the chosen probe as a whole network, and see with what was saved that it predicts what the probe predicts.

    Returns: whether it was right on each validation image, and on each mirrored one, bool (n,) each.
    Raises: StageFailed: the network differs from the probe.
    """
    name = network.backbone
    ctx.progress(0, 2, f"{name}: saving the probe as a network")
    extractor, _ = _extractor(name, weights, data, ctx.recipe.seed)
    model = attach_head(extractor, network, ctx.recipe.task)
    probe = _read_probe(ctx, name)
    set_head(model, mean=probe.mean, scale=probe.scale, kernel=probe.kernel, bias=probe.bias)
    save_weights(model, ctx.output(FIRST))

    model = load_network(network, ctx.output(FIRST), ctx.recipe.task)
    rows, labels = data.validation
    wanted = probe.predict(np.load(ctx.output(f"{name}/features.npy"), mmap_mode="r")[rows])
    sample = rows[:BATCH]
    worst = float(np.abs(model.predict_on_batch(data.pixels[sample])[0] - wanted[: len(sample)]).max())
    if not worst <= SAME_PROBABILITY:
        raise StageFailed(
            f"{ctx.output(FIRST)} differs from the probe of {name} by {worst:.2g} in its probabilities. Wanted: at "
            f"most {SAME_PROBABILITY:g}. Run again with --redo pick; if it stays so, report it."
        )
    ctx.progress(1, 2, f"{name}: mirrored images")
    saved = keras.Model(model.inputs[0], model.get_layer("features").output)
    mirrored = probe.predict(extract_features(saved, data.pixels, rows=rows, batch_size=BATCH, mirror=True).features)
    return wanted.argmax(axis=1) == labels, mirrored.argmax(axis=1) == labels


def _save_fresh(ctx: StageContext, network: Network, data: Data) -> None:
    """Save what a training of random weights begins with: the same backbone, without the probe's head."""
    model = load_network(network, ctx.output(FIRST), ctx.recipe.task)
    shares = np.bincount(data.train[1], weights=data.weights, minlength=data.n_classes)
    reset_head(model, shares.astype(np.float64))
    save_weights(model, ctx.output(FRESH))
