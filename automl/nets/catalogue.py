"""The table of backbones. Light: a row names its code as text, Keras is imported when a network is built.

To add a backbone: add a row; tests/contracts/test_backbones.py picks it up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from automl.errors import RecipeError

SMALL_PX: Final = 64
"""Images packed below this edge go to the small net: the ImageNet nets halve them five times, to one pixel or two."""
KERAS_HOST: Final = "https://storage.googleapis.com/"
"""Where Keras fetches all of them (keras/src/applications)."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of pretrained weights without the top, as Keras stores and serves it."""

    folder: str  # on the host
    name: str  # there, and in Keras' cache
    stated: str = ""  # md5 or, of 64 digits, sha256, as Keras states it; "": it states none

    @property
    def url(self) -> str:
        """Where it can be fetched."""
        return f"{KERAS_HOST}{self.folder}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """All that callers must know of one backbone."""

    name: str
    entry: str  # builds it: (input_tensor=..., **arguments) -> keras.Model, image to last feature map
    arguments: Mapping[str, object] = field(hash=False)  # what the entry is given besides the input
    keras_class: str  # its name in a weights.yaml; "" where no pretrained weights exist
    weights_files: tuple[WeightsFile, ...]  # the preferred first
    size_px: int  # native edge of the square input
    least_px: int  # the smallest edge that can be built
    params_m: float  # millions, without the head; counted
    gmacs: float  # multiply-adds of one image at size_px, convolutions and dense layers; counted
    top1: float | None  # ImageNet accuracy of the pretrained weights with their own head
    pixels: Literal["0..255", "-1..1"]  # range the layers expect; "0..255": they rescale themselves
    licence: str  # of the weights
    source: str  # where the figures come from

    @property
    def pretrained(self) -> bool:
        """Whether weights for it exist at all."""
        return bool(self.weights_files)


BACKBONES: Final = (
    Backbone(name="mobilenetv3small", entry="keras.applications:MobileNetV3Small",
             arguments=MappingProxyType({"include_top": False, "alpha": 1.0, "minimalistic": False}),
             keras_class="MobileNetV3Small",
             weights_files=(WeightsFile("tensorflow/keras-applications/mobilenet_v3",
                                        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
                                        "d3e8ec802a04aa4fc771ee12a9a9b836"),),
             size_px=224, least_px=32, params_m=0.939, gmacs=0.055, top1=0.681, pixels="0..255",
             licence="Apache-2.0", source="arXiv:1905.02244; top-1: keras.io/api/applications; sizes counted"),
    Backbone(name="mobilenetv2", entry="keras.applications:MobileNetV2",
             arguments=MappingProxyType({"include_top": False, "alpha": 1.0}),
             keras_class="MobileNetV2",
             # Keras trained one set for each of these sizes; the features differ little, the layers not at all.
             weights_files=tuple(
                 WeightsFile("tensorflow/keras-applications/mobilenet_v2",
                             f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5")
                 for size in (224, 192, 160, 128, 96)),
             size_px=224, least_px=32, params_m=2.258, gmacs=0.299, top1=0.713, pixels="-1..1",
             licence="Apache-2.0", source="arXiv:1801.04381; top-1: keras.io/api/applications; sizes counted"),
    Backbone(name="efficientnetv2b0", entry="keras.applications:EfficientNetV2B0",
             arguments=MappingProxyType({"include_top": False}),
             keras_class="EfficientNetV2B0",
             weights_files=(WeightsFile("tensorflow/keras-applications/efficientnet_v2", "efficientnetv2-b0_notop.h5",
                                        "893217f2bb855e2983157299931e43ff"),),
             size_px=224, least_px=32, params_m=5.919, gmacs=0.717, top1=0.787, pixels="0..255",
             licence="Apache-2.0", source="arXiv:2104.00298; top-1: keras.io/api/applications; sizes counted"),
    Backbone(name="smallnet", entry="automl.nets.smallnet:build_smallnet", arguments=MappingProxyType({}),
             keras_class="", weights_files=(), size_px=32, least_px=16, params_m=0.304, gmacs=0.011, top1=None,
             pixels="-1..1", licence="Apache-2.0 (ours)", source="automl/nets/smallnet.py; sizes counted"),
)  # fmt: skip

BACKBONE_NAMES: Final = tuple(row.name for row in BACKBONES)
SMALLNET: Final = BACKBONES[-1]


def backbone_named(name: str) -> Backbone:
    """The row of that name. Raises: KeyError: there is none."""
    return {row.name: row for row in BACKBONES}[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The backbones that pick compares, and in words why others are not among them."""

    rows: tuple[Backbone, ...]  # cheapest first
    notes: tuple[str, ...]


def candidates(names: Sequence[str], *, size_px: int, max_params_m: float) -> Candidates:
    """Choose what is worth comparing for images of that packed size.

    Args:
        names: the recipe's backbones.
        size_px: edge of the packed images.
        max_params_m: leave out backbones with more parameters, in millions.
    Raises: RecipeError: no backbone is left.
    """
    if size_px < SMALL_PX:
        left_out = [name for name in names if name != SMALLNET.name]
        note = (
            f"images are packed at {size_px} px, below {SMALL_PX} px, where ImageNet backbones see almost nothing: "
            f"{SMALLNET.name} alone is used, not {', '.join(left_out)}"
        )
        return Candidates(rows=(SMALLNET,), notes=(note,) if left_out else ())
    rows = [backbone_named(name) for name in dict.fromkeys(names)]
    kept = sorted((row for row in rows if row.params_m <= max_params_m), key=lambda row: (row.gmacs, row.name))
    notes = [
        f"{row.name} is left out: {row.params_m} million parameters, pick.max_params_m allows {max_params_m:g}"
        for row in rows
        if row not in kept
    ]
    if not kept:
        smallest = min(rows, key=lambda row: row.params_m)
        raise RecipeError(
            f"pick.max_params_m is {max_params_m:g}, and the smallest of the recipe's backbones, {smallest.name}, has "
            f"{smallest.params_m} million parameters. Raise it, or add {SMALLNET.name} ({SMALLNET.params_m} million) "
            "to backbones."
        )
    return Candidates(rows=tuple(kept), notes=tuple(notes))
