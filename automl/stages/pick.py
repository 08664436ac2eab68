"""pick: which backbone sees these images best, judged by its probe; the best probe is the first deployable model.

Its features then say which images and labels are doubtful (suspects.py).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.data.pack import read_index
from automl.data.store import open_pixels, store_name
from automl.data.weights import read_weights
from automl.nets.candidates import candidates
from automl.nets.learning_curve import answers_by_size, curve_points, more_data
from automl.nets.mirrored import flip_is_safe
from automl.nets.probe import Probe, read_probe
from automl.nets.ranking import Judged, rank
from automl.nets.weights import Weighted, with_weights
from automl.records import Checked, Packed, Picked
from automl.runtime.context import StageContext
from automl.stages.baselines import fit_baselines
from automl.stages.first_network import FIRST, FRESH, save_first, save_fresh
from automl.stages.judged import judge, read_item
from automl.stages.pick_data import Data
from automl.stages.pick_reuse import inputs_of, inputs_with, take_over
from automl.stages.suspects import find_suspects
from automl.types import BackboneScore, Network

TIME_SHARE: Final = 0.25  # of the time left to the deadline that one more backbone may cost


def run(ctx: StageContext) -> Picked:
    """Probe each backbone, rank them, and save the best probe as a whole network.

    Each backbone is committed when its score.json is written; a stage that was killed goes on after the last. What an
    earlier pick of the run computed from the same inputs is taken over.

    Reads: the store of pixels, pack's index, check/images.csv. Writes: BACKBONE/features.npy, probe.npz, held_out.npy,
        score.json; baselines.npz; suspects.csv; first/model.weights.h5 and, where the backbone is random,
        first/start.weights.h5.
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
    choice = candidates(
        ctx.recipe.backbones,
        size_px=size_px,
        max_params_m=ctx.recipe.pick.max_params_m,
        own=ctx.folder.backbones,
    )
    for note in choice.notes:
        warn(note)
    weighted = with_weights(choice.rows, ctx.weights, ctx.recipe.weights, warn=warn)
    judged, taken_over = _judge_all(ctx, weighted, data, inputs_of(ctx, data), warn)
    ranking, reason = rank(judged, seed=ctx.recipe.seed)
    best = ranking[0]
    network = Network(backbone=best.backbone, size_px=size_px, classes=checked.classes)
    plain, mirrored = save_first(ctx, network, best.weights, data)
    random = best.weights.source == "random"
    if random:
        save_fresh(ctx, network, data)
    baselines = fit_baselines(ctx, best.backbone, data)
    probe = read_probe(ctx.output(f"{best.backbone}/probe.npz"))
    sizes, right = _learning_curve(ctx, best, probe, data)
    findings = find_suspects(
        ctx,
        best.backbone,
        probe,
        data.pixels,
        data.train,
        data.validation,
        checked.classes,
        pretrained=not random,
    )
    shutil.rmtree(ctx.folder.earlier("pick"), ignore_errors=True)
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
        taken_over=taken_over,
        findings=findings,
        baselines=baselines,
        learning_curve=curve_points(sizes, right, seed=ctx.recipe.seed),
        more_data=more_data(sizes, right, seed=ctx.recipe.seed),
    )


def _judge_all(
    ctx: StageContext,
    weighted: Sequence[Weighted],
    data: Data,
    inputs: dict[str, object],
    warn: Callable[[str], object],
) -> tuple[list[Judged], tuple[str, ...]]:
    """Judge every backbone, the cheapest first; one that the deadline leaves no time for is passed over.

    Returns: those judged, and the names of those that an earlier pick had judged.
    """
    judged: list[Judged] = []
    taken_over: list[str] = []
    s_per_gmac = 0.0  # as the last one took
    for one in weighted:
        name, own = one.row.name, inputs_with(inputs, one)
        if take_over(ctx, name, own):
            taken_over.append(name)
        if (done := read_item(ctx, name, one.weights, own)) is None:
            if judged and s_per_gmac * one.row.gmacs > TIME_SHARE * ctx.seconds_left():
                warn(f"{name} is passed over: the deadline leaves no time for its probe")
                continue
            started = time.monotonic()
            done = judge(ctx, one, data, own, place=len(judged), n_all=len(weighted))
            s_per_gmac = (time.monotonic() - started) / one.row.gmacs
        judged.append(done)
    return judged, tuple(taken_over)


def _learning_curve(
    ctx: StageContext, best: BackboneScore, probe: Probe, data: Data
) -> tuple[list[int], list[NDArray[np.bool_]]]:
    """The chosen backbone's probe by the number of training images, judged on validation; see learning_curve.py."""
    ctx.progress(0, 1, f"{best.backbone}: learning curve")
    features = np.load(ctx.output(f"{best.backbone}/features.npy"), mmap_mode="r")
    rows, labels = data.train
    held, truth = data.validation
    return answers_by_size(
        features[rows],
        labels,
        (features[held], truth),
        probe,
        c=best.probe_c,
        weights=data.weights,
        seed=ctx.recipe.seed,
    )
