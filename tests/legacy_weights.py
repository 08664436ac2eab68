"""Weights files as keras.applications serves them: HDF5, a group a layer, its weights in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py


def write_legacy(path: Path, model: Any) -> Path:
    """Write the model's weights. Returns: the path."""
    with h5py.File(path, "w") as file:
        own = [layer for layer in model.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name.encode() for layer in own]
        for layer in own:
            group = file.create_group(layer.name)
            values = layer.get_weights()
            names = [f"{layer.name}/{number}" for number in range(len(values))]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, values, strict=True):
                group[name] = value
    return path
