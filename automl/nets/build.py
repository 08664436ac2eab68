"""Networks from our own config: backbone, pooled taps, head; and their weights, alone, on disk.

A network is never read from a file (docs/design.md, decision 13): it is built from a Network record, and a file gives
it its numbers.
"""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import keras
import numpy as np
from keras import layers

from automl.code import load_entry
from automl.errors import StageFailed, WrongWeights
from automl.nets.catalogue import Backbone, Pixels, backbone_named
from automl.nets.features import tap_layers
from automl.nets.hdf5 import need_self_contained
from automl.nets.own.rows import row_named
from automl.runs.atomic import TEMPORARY, named_in_errors, sync_file, sync_folder
from automl.task_table import task_named
from automl.types import Network, WeightsFound

MEAN: Final = (0.485, 0.456, 0.406)
"""Of ImageNet's red, green and blue, for pixels 0..1; with the deviation below it is torchvision's."""
DEVIATION: Final = (0.229, 0.224, 0.225)
WITH_TOP: Final = "with its top of 1,000 classes, which its name or weights.yaml (include_top) says it has"
CAFFE_MEAN: Final = (103.939, 116.779, 123.68)
"""Of blue, green and red, for pixels 0..255, as VGG's authors took it off. All as in Keras' imagenet_utils.py."""


def build_backbone(row: Backbone, size_px: int) -> keras.Model:
    """Image to last feature map, random weights drawn from Keras' global seed.

    Returns: a functional model; input "image" (batch, size, size, 3) with values 0..255, normalisation inside.
    Raises: ValueError: the size is below the backbone's least.
    """
    if size_px < row.least_px:
        raise ValueError(f"{row.name} cannot be built at {size_px} px; it needs at least {row.least_px} px")
    image = keras.Input((size_px, size_px, 3), name="image")
    arguments = {**row.arguments, "weights": None} if row.pretrained else row.arguments
    return cast("keras.Model", load_entry(row.entry)(input_tensor=normalised(image, row.pixels), **arguments))


def normalised(image: Any, pixels: Pixels) -> Any:
    """A symbolic image of values 0..255 as the layers behind it expect it."""
    if pixels == "-1..1":
        return layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(image)
    if pixels == "0..1":
        return layers.Rescaling(1 / 255, name="rescale")(image)
    if pixels == "caffe":
        turned = keras.ops.flip(image, axis=-1)
        return layers.Rescaling(1.0, offset=[-mean for mean in CAFFE_MEAN], name="rescale")(turned)
    if pixels == "torch":
        scale = [1 / (255 * deviation) for deviation in DEVIATION]
        offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
        return layers.Rescaling(scale, offset=offset, name="rescale")(image)
    return image


def load_pretrained(backbone: keras.Model, weights: WeightsFound) -> None:
    """Give a backbone the numbers of a legacy Keras weights file (HDF5, layers in order), or of a run's own copy.

    Raises: WrongWeights: the file is no such file, reaches outside itself, or is not for that backbone.
    """
    path = Path(weights.path)
    try:
        need_self_contained(path)
        if weights.topped:
            _take_over(backbone, loaded_with_top(backbone_named(weights.backbone), path))
        else:
            backbone.load_weights(path)
        if not all(np.isfinite(values).all() for values in backbone.get_weights()):
            raise ValueError("it holds values that are not finite")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:  # HDF5 has all of them for broken files
        remedy = {
            "folder": "Take it out of that folder (--weights, or AUTOML_WEIGHTS), or put the right file there.",
            "cache": "Delete it; Keras downloads it again.",
            "download": "Delete it; Keras downloads it again.",
            "own": "--redo pick takes it from the user's file again.",
        }[weights.source]
        raise WrongWeights(
            f"{path} cannot be the weights of {weights.backbone}: {error}. Wanted: an HDF5 file that Keras wrote for "
            f"{weights.backbone} {WITH_TOP if weights.topped else 'without its top'}. {remedy}"
        ) from error


def loaded_with_top(row: Backbone, path: Path) -> keras.Model:
    """ImageNet's whole classifier with the numbers of a file, at its native size: dense tops know no other."""
    whole = build_backbone(replace(row, arguments={**row.arguments, "include_top": True}), row.size_px)
    whole.load_weights(path)
    return whole


def _take_over(backbone: keras.Model, whole: keras.Model) -> None:
    """Give a backbone the numbers of the network that goes on behind it with a top.

    By position: both list the same layers in the same order. Raises: ValueError: one is another layer.
    """
    own, theirs = ([layer for layer in model.layers if layer.weights] for model in (backbone, whole))
    if len(own) >= len(theirs):
        raise ValueError(f"with its top it has {len(theirs)} layers with weights, and without it {len(own)}")
    for ours, other in zip(own, theirs, strict=False):
        if _said(ours) != _said(other):
            raise ValueError(f"its layer {other.name} stands where the backbone has {ours.name}")
        ours.set_weights(other.get_weights())


def _said(layer: Any) -> tuple[str, list[tuple[int, ...]]]:
    """What tells a layer from others: its name, but for Keras' own numbering, and the shapes of its weights.

    ConvNeXt's last norm is the first layer of its top, and without one goes by its class's name.
    """
    name = re.sub(r"_\d+$", "", layer.name)
    shapes = [tuple(weight.shape) for weight in layer.weights]
    return "layer_normalization" if name.endswith("_head_layernorm") else name, shapes


def check_weights_fit(row: Backbone, weights: WeightsFound) -> None:
    """Load the file into a network that is thrown away. Raises: WrongWeights. For random weights there is no file."""
    if weights.source != "random":
        load_pretrained(build_backbone(row, row.size_px), weights)


def build_extractor(backbone: keras.Model) -> keras.Model:
    """Image to features: each tap averaged over its pixels, joined. Shares the backbone's layers.

    Returns: a functional model; output "features" float32 (batch, d).
    """
    taps = tap_layers(backbone)
    # float32 in mixed precision too: in 16 bits a sum over all pixels overflows or is cut short.
    pooled = [
        layers.GlobalAveragePooling2D(name=f"pool_{n}", dtype="float32")(tap.output)
        for n, tap in enumerate(taps, start=1)
    ]
    features = layers.Concatenate(name="features", dtype="float32")(pooled)
    return keras.Model(backbone.inputs[0], features, name=f"{backbone.name}_features")


def attach_head(extractor: keras.Model, network: Network, task: str = "classification") -> keras.Model:
    """The whole network on top of an extractor, whose layers (and so weights) it shares."""
    features = extractor.outputs[0]
    head = load_entry(task_named(task).head)
    probabilities = head(features, n_classes=len(network.classes), dropout=network.dropout)
    name = network.backbone.replace(":", "-")  # "hub:...": TensorFlow takes no such name for a scope
    return keras.Model(extractor.inputs[0], [probabilities, features], name=name)


def build_network(network: Network, task: str = "classification", own: Path | None = None) -> keras.Model:
    """The untrained network.

    Args: own: the run's folder of backbones that the user brought.
    Returns: a functional model; input "image" (batch, size, size, 3), uint8 or float32, values 0..255; outputs
        [probabilities float32 (batch, classes), features float32 (batch, d)]. Layers by name: "features",
        "standardise", "dropout", "logits", "probabilities".
    Raises: KeyError: no such backbone; ValueError: the size is below its least; StageFailed: see row_named.
    """
    backbone = build_backbone(row_named(network.backbone, own), network.size_px)
    return attach_head(build_extractor(backbone), network, task)


def load_network(
    network: Network, weights_file: Path, task: str = "classification", own: Path | None = None
) -> keras.Model:
    """The network with the weights that save_weights wrote.

    Args: own: the run's folder of backbones that the user brought.
    Raises: StageFailed: the file cannot be read, or belongs to another network.
    """
    model = build_network(network, task, own)
    try:
        with warnings.catch_warnings():
            # Where the file lacks a layer, Keras warns and leaves it random.
            warnings.filterwarnings("error", message="Skipping nested container", category=UserWarning)
            model.load_weights(weights_file)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        raise StageFailed(
            f"{weights_file} cannot be loaded: {error}. Wanted: the weights of {network.backbone} at "
            f"{network.size_px} px with {len(network.classes)} classes, as the stage {weights_file.parent.name!r} "
            "wrote them. Redo that stage."
        ) from error
    return model


def save_weights(model: keras.Model, path: Path) -> None:
    """Write the weights durably: a temporary file beside it, sync, rename.

    Raises: ValueError: the name does not end in .weights.h5.
    """
    if not path.name.endswith(".weights.h5"):
        raise ValueError(f"{path} does not end in .weights.h5")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with named_in_errors(path):
            model.save_weights(temporary)
            sync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
