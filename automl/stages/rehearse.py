"""The rehearsal's body: are the weights there and right, and does each untrained network survive the export path?

Backbones that the user brought are taken into the run first (bring.py), and tried with their own weights.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from automl.compressors.table import compress_with, compressor_named
from automl.data.scan import possible_sizes_px
from automl.errors import StageFailed
from automl.graph.session import open_session, predict
from automl.graph.writer import write_onnx
from automl.nets.build import attach_head, build_backbone, build_extractor, check_weights_fit, load_pretrained
from automl.nets.catalogue import SMALLNET, Backbone
from automl.nets.fetch import in_megabytes
from automl.nets.limits import known_limits
from automl.nets.own.rows import row_named
from automl.nets.weights import Weighted, places, read, takeable, with_weights
from automl.recipe.backbones import is_own
from automl.recipe.model import Pack, Pick, Weights
from automl.runtime.child import this_childs_front
from automl.stages.bring import bring, leave_out
from automl.types import Network, WeightsFound

SIZE_PX: Final = 64
"""Edge of the rehearsal's input: the layers are those of any size, and int8 calibration takes a second."""
CLASSES: Final = ("one", "two", "three")
TOLERANCE: Final = 1e-3
"""Largest difference of probabilities between Keras and the fp32 file (decision 9)."""

Tried = dict[str, dict[str, float]]


def rehearse(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Find weights for every backbone; try the export of those not known to be good.

    Args: arguments: see runs/rehearsal.py.
    Returns: {"weights": {backbone: source}, "tried": {backbone: {"seconds", "max_difference"}}, "left": [...]}.
    Raises: WrongWeights, WrongBackbone, StageFailed.
    """
    front = this_childs_front()
    settings, pack = Weights.model_validate(arguments["weights"]), Pack.model_validate(arguments["pack"])
    limits, (least_px, most_px) = Pick.model_validate(arguments["pick"]), pack.possible_px
    folder = None if arguments["folder"] is None else Path(arguments["folder"])
    names, own = arguments["backbones"], Path(arguments["own"])
    front.progress(0, len(names), "looking for backbones")
    sizes_px = possible_sizes_px(pack.size_px, pack.max_size_px)
    bring(
        list(filter(is_own, names)),
        own,
        pixels=settings.pixels,
        download=settings.download,
        sizes_px=sizes_px,
        warn=front.warn,
    )
    rows, taken = known_limits([row_named(name, own) for name in names], limits, settings, places(folder), most_px)
    for out in taken:
        if out.by == "pick.licences":  # a weights.yaml may state another one than the catalogue does
            front.warn(out.note)
    front.progress(0, len(rows), "looking for weights")
    said: list[str] = []
    heard = in_megabytes(lambda done, total: front.progress(done, total, "MB of weights fetched"))
    weighted = with_weights(rows, folder, settings, size_px=most_px, warn=said.append, progress=heard)
    if {one.row.name for one in weighted} != {
        row.name for row in rows
    }:  # pick warns for the record; here whoever goes home hears it in time
        for text in said:
            front.warn(text)
    had = [one for one in weighted if one.row.own is None or not one.row.own.fault]
    for number, one in enumerate(had):
        front.progress(number, len(had), f"weights of {one.row.name}")
        if one.weights.source == "own":
            check_weights_fit(one.row, one.weights)
        elif one.weights.source != "random":
            for file in takeable(one.row, places(folder), (least_px, most_px)):
                check_weights_fit(one.row, read(file))
    found = {one.row.name: one.weights.source for one in had}
    scratch = Path(arguments["scratch"])
    tried = _try_own(weighted, arguments["variants"], scratch, front.warn)
    # The small net as well: pick turns to it for images under 64 px, and check has yet to see them.
    possible = {row.name: row for row in [*(one.row for one in weighted), SMALLNET] if row.own is None}
    untried = [row for name, row in possible.items() if name not in arguments["known"]]
    begun = time.monotonic()
    for number, row in enumerate(untried):
        if time.monotonic() - begun > arguments["patience_s"]:
            break
        front.progress(number, len(untried), f"export of {row.name}")
        tried[row.name] = _try_export(row, arguments["variants"], scratch)
    left = [row.name for row in untried if row.name not in tried]
    return {"weights": found, "tried": tried, "left": left}


def _try_own(
    weighted: Sequence[Weighted], variants: Sequence[str], scratch: Path, warn: Callable[[str], object]
) -> Tried:
    """Those that the user brought: one that cannot be exported costs itself alone. Raises: WrongBackbone: none is left.

    Always tried, however short the time: nobody has seen their layers before.
    """
    tried: Tried = {}
    faults: dict[str, str] = {}
    for one in weighted:
        if one.row.own is None:
            continue
        if one.row.own.fault:
            faults[one.row.name] = one.row.own.fault
            continue
        try:
            tried[one.row.name] = _try_export(one.row, variants, scratch, one.weights, warn)
        except Exception as error:  # noqa: BLE001  # whatever a stranger's graph leads writer and runtime to
            faults[one.row.name] = (str(error).strip() or type(error).__name__).splitlines()[0]
    if faults:
        leave_out(faults, weighted, warn)
    return tried


def _try_export(
    row: Backbone,
    variants: Sequence[str],
    scratch: Path,
    weights: WeightsFound | None = None,
    warn: Callable[[str], object] | None = None,
) -> dict[str, float]:
    """One network through writer, onnxruntime and each compressor.

    Args:
        weights: that it has; None: it is untrained.
        warn: told of a variant that cannot be had; None: that is an error.
    """
    started = time.monotonic()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    size_px = _rehearsed_px(row)
    backbone = build_backbone(row, size_px)
    if weights is not None and weights.source != "random":
        load_pretrained(backbone, weights)
    network = Network(backbone=row.name, size_px=size_px, classes=CLASSES)
    model = attach_head(build_extractor(backbone), network)
    rng = np.random.default_rng(1)
    for weight in model.weights:
        # Untrained biases are all zero, so whole tensors come out constant, as they never do in a trained network.
        if weight.name in {"bias", "beta"} and weights is None:
            weight.assign(rng.normal(0.0, 0.1, weight.shape))
    pixels = rng.integers(0, 256, (8, size_px, size_px, 3), dtype=np.uint8)
    fp32 = scratch / "fp32.onnx"
    write_onnx(model, fp32, class_names=CLASSES, metadata={})
    wanted = np.asarray(model.predict(pixels, verbose=0)[0])
    worst = float(np.abs(predict(open_session(fp32), pixels)[0] - wanted).max())
    if not worst <= TOLERANCE:
        raise StageFailed(
            f"rehearsal: the exported {row.name} differs from Keras by {worst:.2g} in its probabilities. "
            f"Wanted: at most {TOLERANCE}. Leave {row.name} out of the recipe's backbones, and report this "
            "with the package versions."
        )
    for name in variants:
        try:
            _try_variant(row, name, fp32, pixels)
        except Exception as error:  # as above; of the catalogue's rows it is a fault of ours, and ends the run
            if warn is None:
                raise
            warn(f"{row.name} can be exported, but its variant {name} cannot be built: {error}")
    shutil.rmtree(scratch)
    return {"seconds": round(time.monotonic() - started, 2), "max_difference": worst}


def _rehearsed_px(row: Backbone) -> int:
    """The edge nearest to SIZE_PX that it can be built at."""
    if row.own is None:
        return max(SIZE_PX, row.least_px)
    return min(row.own.sizes_px, key=lambda size_px: abs(size_px - SIZE_PX))


def _try_variant(row: Backbone, name: str, fp32: Path, pixels: npt.NDArray[np.uint8]) -> None:
    target = fp32.with_name(f"{name}-variant.onnx")
    compress_with(compressor_named(name), fp32, target, pixels)
    if not np.isfinite(predict(open_session(target), pixels)[0]).all():
        raise StageFailed(f"rehearsal: {name} of {row.name} gives values that are no numbers. Leave it out.")
