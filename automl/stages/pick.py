"""pick: which backbone sees these images best, judged by its probe; the best probe is the first deployable model.

Its features then say which images and labels are doubtful (suspects.py).
"""

from __future__ import annotations

import shutil

import numpy as np
from numpy.typing import NDArray

from automl.nets.learning_curve import answers_by_size, curve_points, more_data
from automl.nets.mirrored import flip_is_safe
from automl.nets.probe import Probe, fit_at
from automl.nets.ranking import rank, shortlist
from automl.records import Checked, Packed, Picked
from automl.runtime.context import StageContext
from automl.stages.baselines import fit_baselines
from automl.stages.chosen import FEATURES, complete, on_validation
from automl.stages.first_network import FIRST, FRESH, save_first, save_fresh
from automl.stages.footprint import with_footprints, within_limits
from automl.stages.judged import item_name, read_views, sample_order
from automl.stages.pick_data import Data, fit_probe_of, load_data
from automl.stages.pick_reuse import COMMITS, inputs_of, inputs_with
from automl.stages.pick_rounds import begin_rounds, compare_sizes, judge_all
from automl.stages.suspects import find_suspects
from automl.types import BackboneScore, Network


def run(ctx: StageContext) -> Picked:
    """Probe each backbone, rank them, and save the best probe as a whole network.

    Each backbone is committed when its score.json is written, its features block by block; a stage that was killed goes
    on after the last. What an earlier pick of the run computed from the same inputs is taken over.

    Reads: the stores of pixels, pack's index, check/images.csv. Writes: see records.Picked.
    Raises: RecipeError: the recipe's limits leave no backbone; WrongWeights: a folder of weights is wrong; StageFailed:
        no backbone could be judged, or the saved network differs from its probe.
    """
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        ctx.warn(text)

    checked, packed = ctx.record(Checked), ctx.record(Packed)
    weighted = within_limits(ctx, packed.sizes_px, warn)
    rounds = begin_rounds(ctx, warn, packed.per_part["train"])
    sizes, compared, size_reason = compare_sizes(rounds, weighted, packed.sizes_px)
    judged = judge_all(rounds, [one for one in weighted if one.row.name not in rounds.broken], sizes)
    ranking, reason = rank(judged, seed=ctx.recipe.seed)
    ranking = with_footprints(ranking, weighted)
    best = ranking[0]
    one = next(one for one in weighted if one.row.name == best.backbone)
    data = load_data(ctx, best.size_px)

    def progress(done: int) -> None:
        ctx.progress(done, len(data.pixels), f"{best.backbone}: features of all images")

    probe = complete(ctx, one, best, data, inputs_with(inputs_of(ctx, data), one), progress)
    accuracy, loss = on_validation(ctx, probe, data)
    network = Network(backbone=best.backbone, size_px=best.size_px, classes=checked.classes)
    plain, mirrored = save_first(ctx, network, best.weights, data, probe)
    random = best.weights.source == "random"
    if random:
        save_fresh(ctx, network, data)
    baselines = fit_baselines(ctx, data)
    curve, right = _learning_curve(ctx, best, probe, data)
    findings = find_suspects(
        ctx, best.backbone, probe, data.pixels, data.train, data.validation, checked.classes, pretrained=not random
    )
    shutil.rmtree(ctx.folder.earlier("pick"), ignore_errors=True)
    return Picked(
        ranking=ranking,
        chosen=best.backbone,
        reason=reason,
        network=network,
        start=FRESH if random else FIRST,
        weights=best.weights,
        probe_accuracy=accuracy,
        probe_loss=loss,
        flip_is_safe=flip_is_safe(plain, mirrored, data.validation[1], seed=ctx.recipe.seed),
        flip_accuracy=float(mirrored.mean()),
        warnings=tuple(warnings),
        shortlist=shortlist(ranking),
        left_out=tuple(rounds.left_out),
        sizes=compared,
        size_reason=size_reason,
        taken_over=tuple(rounds.taken_over),
        findings=findings,
        baselines=baselines,
        learning_curve=curve_points(curve, right, seed=ctx.recipe.seed),
        more_data=more_data(curve, right, seed=ctx.recipe.seed),
    )


def _learning_curve(
    ctx: StageContext, best: BackboneScore, probe: Probe, data: Data
) -> tuple[list[int], list[NDArray[np.bool_]]]:
    """The chosen backbone's probe by the number of training images, judged on validation; see learning_curve.py."""
    ctx.progress(0, 1, "learning curve")
    features = np.load(ctx.output(FEATURES), mmap_mode="r")
    rows, labels = data.train
    held, truth = data.validation

    def logistic(some: NDArray[np.int64]) -> Probe:
        weights = None if data.weights is None else data.weights[some]
        # C stands beside the sum of the losses, so that it means the same for fewer images.
        return fit_at(features[rows[some]], labels[some], data.n_classes, c=best.probe_c or 0.0, weights=weights)

    def discriminant(some: NDArray[np.int64]) -> Probe:
        return fit_probe_of(ctx, features[rows[some]], data, some, views[:, some]).probe

    refit = logistic
    if best.probe_c is None:
        item = ctx.output(f"{item_name(best.backbone, best.size_px)}/{COMMITS}").parent
        views, refit = read_views(item, sample_order(data, ctx.recipe.seed)), discriminant
    return answers_by_size(labels, (features[held], truth), probe, refit, seed=ctx.recipe.seed)
