"""Does the first BatchNorm of a network tell on which range of pixel values it was trained?

Each ImageNet network whose weights lie in the folder, its own normalisation taken off. Then its first convolution is
rewritten for each other normalisation, so that it computes the same of pixels seen so, and asked again.

    python benchmarks/pixel_ranges.py WEIGHTS
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
from keras import layers

from automl.nets.build import build_backbone, load_pretrained
from automl.nets.catalogue import BACKBONES, Pixels
from automl.nets.own.flat import inlined, with_front
from automl.nets.own.pixels import unlikeness
from automl.nets.weights import Place, locate, read

SIZE_PX = 128
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CAFFE = np.array([103.939, 116.779, 123.68])
# x * scale + offset of the channels, in the order in which the network gets them; whether blue comes first
SEEN: dict[str, tuple[Any, Any, bool]] = {
    "0..255": (np.ones(3), np.zeros(3), False),
    "0..1": (np.ones(3) / 255, np.zeros(3), False),
    "-1..1": (np.ones(3) / 127.5, -np.ones(3), False),
    "caffe": (np.ones(3), -CAFFE, True),
    "torch": (1 / (255 * DEVIATION), -MEAN / DEVIATION, False),
}
TRUTH = {"mobilenet": "-1..1", "mobilenetv2": "-1..1", "mobilenetv3": "-1..1", "efficientnetv2": "torch"}


def rewritten(bare: Any, truth: str, other: str) -> Any:
    """The network that says of pixels seen as `other` what it said of those seen as `truth`, but at the borders."""
    model = keras.models.clone_model(bare)
    model.set_weights(bare.get_weights())
    convolution = next(layer for layer in model.layers if isinstance(layer, layers.Conv2D))
    first = next(layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    kernel, *bias = convolution.get_weights()
    (scale, offset, _), (other_scale, other_offset, turned) = SEEN[truth], SEEN[other]
    if turned:
        kernel, scale, offset = kernel[:, :, ::-1], scale[::-1], offset[::-1]
    ratio = scale / other_scale
    convolution.set_weights([kernel * ratio[None, None, :, None], *bias])
    shift = (kernel * (offset - ratio * other_offset)[None, None, :, None]).sum(axis=(0, 1, 2))
    first.moving_mean.assign(np.asarray(first.moving_mean) - shift)
    return model


def main() -> None:
    place = Place(path=Path(sys.argv[1]), named="--weights")
    right = asked = 0
    for row in BACKBONES:
        located = locate(row, place) if row.pretrained else None
        if located is None or row.family not in TRUTH:
            continue
        backbone = build_backbone(row, SIZE_PX)
        load_pretrained(backbone, read(located))
        bare = with_front(inlined(backbone, SIZE_PX), lambda image: image)
        for other in get_args(Pixels):
            unlike = unlikeness(rewritten(bare, TRUTH[row.family], other))
            best, second = sorted(unlike, key=lambda name: unlike[name])[:2]
            asked, right = asked + 1, right + (best == other)
            print(f"{row.name}, for {other}: {best} {unlike[best]:.2f}, then {second} {unlike[second]:.2f}", flush=True)
        keras.utils.clear_session()
    print(f"{right} of {asked} right")


if __name__ == "__main__":
    main()
