"""The doctor's body in a Keras process: backend, devices, precision, and the weights that can be found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from automl.errors import AutomlError
from automl.nets.build import check_weights_fit
from automl.nets.catalogue import BACKBONES, Backbone
from automl.nets.weights import find_weights
from automl.recipe.model import Weights


def examine_keras(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Args: arguments: {"weights": folder or None}. Returns: {"answers": [...]}, each as doctor.Answer's fields."""
    backend = keras.backend.backend()
    gpus = tf.config.list_physical_devices("GPU")
    devices = ", ".join(_name(gpu) for gpu in gpus) or "no GPU; the CPU trains"
    answers: list[dict[str, object]] = [
        {"question": "backend", "answer": backend, "ok": backend == "tensorflow"},
        {"question": "devices", "answer": devices, "ok": True},
        {"question": "precision", "answer": ", ".join(_precisions(gpus)), "ok": True},
    ]
    folder = None if arguments["weights"] is None else Path(arguments["weights"])
    missing = 0
    for row in filter(lambda row: row.pretrained, BACKBONES):
        if (answer := _weights(row, folder)) is None:
            missing += 1
        else:
            answers.append({"question": f"weights of {row.name}", **answer})
    nothing = f"of {missing} backbones none here; a run downloads what it needs, or else leaves them out"
    answers.append({"question": "other weights", "answer": nothing, "ok": True})
    return {"answers": answers}


def _weights(row: Backbone, folder: Path | None) -> dict[str, object] | None:
    """Which file it would start from, and whether it fits; None: there is none."""
    try:
        found = find_weights(row, folder, Weights(download=False), warn=lambda text: None)
        check_weights_fit(row, found)
    except AutomlError as error:
        return {"answer": str(error), "ok": False}
    if found.source == "random":
        return None
    return {"answer": f"{found.source}: {found.path}", "ok": True}


def _name(gpu: Any) -> str:
    return str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))


def _precisions(gpus: list[Any]) -> list[str]:
    """float32, and each mixed precision in which a small layer runs here."""
    working = ["float32"]
    for policy in ("mixed_bfloat16", "mixed_float16"):
        if policy == "mixed_float16" and not gpus:
            continue  # it runs on a CPU, but many times slower than float32
        layer = keras.layers.Dense(2, dtype=policy)
        if np.isfinite(np.asarray(keras.ops.cast(layer(np.ones((1, 2))), "float32"))).all():
            working.append(policy)
    return working
