"""The rehearsal's body: are the weights there and right, and does each untrained network survive the export path?"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from automl.compressors.table import compress_with, compressor_named
from automl.errors import StageFailed
from automl.graph.session import open_session, predict
from automl.graph.writer import write_onnx
from automl.nets.build import build_network, check_weights_fit
from automl.nets.catalogue import SMALLNET, Backbone, backbone_named
from automl.nets.fetch import in_megabytes
from automl.nets.limits import known_limits
from automl.nets.weights import places, read, takeable, with_weights
from automl.recipe.model import Pick, Weights
from automl.runtime.child import this_childs_front
from automl.types import Network

SIZE_PX: Final = 64
"""Edge of the rehearsal's input: the layers are those of any size, and int8 calibration takes a second."""
CLASSES: Final = ("one", "two", "three")
TOLERANCE: Final = 1e-3
"""Largest difference of probabilities between Keras and the fp32 file (decision 9)."""


def rehearse(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Find weights for every backbone; try the export of those not known to be good.

    Args: arguments: see runs/rehearsal.py.
    Returns: {"weights": {backbone: source}, "tried": {backbone: {"seconds", "max_difference"}}, "left": [...]}.
    Raises: WrongWeights, StageFailed.
    """
    front = this_childs_front()
    settings, limits = Weights.model_validate(arguments["weights"]), Pick.model_validate(arguments["pick"])
    folder = None if arguments["folder"] is None else Path(arguments["folder"])
    named, (least_px, most_px) = [backbone_named(name) for name in arguments["backbones"]], arguments["possible_px"]
    rows, taken = known_limits(named, limits, settings, places(folder), most_px)
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
    for number, one in enumerate(weighted):
        front.progress(number, len(weighted), f"weights of {one.row.name}")
        if one.weights.source != "random":
            for file in takeable(one.row, places(folder), (least_px, most_px)):
                check_weights_fit(one.row, read(file))
    found = {one.row.name: one.weights.source for one in weighted}
    tried: dict[str, dict[str, float]] = {}
    # The small net as well: pick turns to it for images under 64 px, and check has yet to see them.
    possible = {row.name: row for row in [*(one.row for one in weighted), SMALLNET]}
    untried = [row for name, row in possible.items() if name not in arguments["known"]]
    begun = time.monotonic()
    for number, row in enumerate(untried):
        if time.monotonic() - begun > arguments["patience_s"]:
            break
        front.progress(number, len(untried), f"export of {row.name}")
        tried[row.name] = _try_export(row, arguments["variants"], Path(arguments["scratch"]))
    left = [row.name for row in untried if row.name not in tried]
    return {"weights": found, "tried": tried, "left": left}


def _try_export(row: Backbone, variants: list[str], scratch: Path) -> dict[str, float]:
    """One untrained network through writer, onnxruntime and each compressor."""
    started = time.monotonic()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    size_px = max(SIZE_PX, row.least_px)
    model = build_network(Network(backbone=row.name, size_px=size_px, classes=CLASSES))
    rng = np.random.default_rng(1)
    for weight in model.weights:
        # Untrained biases are all zero, so whole tensors come out constant, as they never do in a trained network.
        if weight.name in {"bias", "beta"}:
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
        target = scratch / f"{name}-variant.onnx"
        compress_with(compressor_named(name), fp32, target, pixels)
        got = predict(open_session(target), pixels)[0]
        if not np.isfinite(got).all():
            raise StageFailed(f"rehearsal: {name} of {row.name} gives values that are no numbers. Leave it out.")
    shutil.rmtree(scratch)
    return {"seconds": round(time.monotonic() - started, 2), "max_difference": worst}
