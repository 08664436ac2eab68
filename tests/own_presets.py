"""KerasHub presets as users have them: tiny backbones, which KerasHub saves. Import it where KerasHub is installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import MappingProxyType
from typing import Any, Final

import h5py
import keras
from keras_hub import layers, models

from tests.onnx_toys import shake


def vgg() -> Any:
    return models.VGGBackbone(stackwise_num_repeats=[1, 1], stackwise_num_filters=[8, 16])


def resnet(**changed: object) -> Any:
    arguments = {
        "input_conv_filters": [8, 64],
        "input_conv_kernel_sizes": [3, 3],
        "stackwise_num_filters": [64, 16],
        "stackwise_num_blocks": [1, 1],
        "stackwise_num_strides": [1, 2],
        "block_type": "basic_block",
    }
    return models.ResNetBackbone(**{**arguments, **changed})


def resnet_vd() -> Any:
    return resnet(block_type="bottleneck_block_vd")


def resnet_v2() -> Any:
    """Pads by an operator that is no layer: it cannot be exported."""
    return resnet(block_type="bottleneck_block", use_pre_activation=True)


def densenet() -> Any:
    return models.DenseNetBackbone(stackwise_num_repeats=[1, 1], growth_rate=8)


def xception() -> Any:
    return models.XceptionBackbone(stackwise_conv_filters=[[8, 8], [16, 16]], stackwise_pooling=[True, False])


def efficientnet() -> Any:
    """One block of each kind; two kinds are layers of KerasHub that hold layers."""
    return models.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0] * 4,
        stackwise_depth_coefficients=[1.0] * 4,
        stackwise_kernel_sizes=[3, 3, 3, 5],
        stackwise_num_repeats=[1, 1, 2, 1],
        stackwise_input_filters=[8, 8, 8, 16],
        stackwise_output_filters=[8, 8, 16, 24],
        stackwise_expansion_ratios=[1, 1, 4, 4],
        stackwise_squeeze_and_excite_ratios=[0, 0.25, 0.25, 0.25],
        stackwise_strides=[1, 1, 2, 2],
        stackwise_block_types=["cba", "v1", "unfused", "fused"],
        stackwise_force_input_filters=[0] * 4,
        stackwise_nores_option=[False] * 4,
    )


def mobilenet() -> Any:
    return models.MobileNetBackbone(
        stackwise_expansion=[[8], [16, 16]],
        stackwise_num_blocks=[1, 2],
        stackwise_num_filters=[[8], [16, 16]],
        stackwise_kernel_size=[[3], [5, 5]],
        stackwise_num_strides=[[2], [2, 1]],
        stackwise_se_ratio=[[0.25], [None, 0.25]],
        stackwise_activation=[["relu"], ["hard_swish", "hard_swish"]],
        stackwise_padding=[[1], [2, 2]],
        output_num_filters=32,
        input_num_filters=8,
        depthwise_filters=8,
        depthwise_stride=2,
        depthwise_residual=False,
        squeeze_and_excite=0.5,
        last_layer_filter=32,
    )


def hgnet() -> Any:
    return models.HGNetV2Backbone(
        depths=[1, 1],
        embedding_size=8,
        hidden_sizes=[16, 32],
        stem_channels=[3, 8, 8],
        hidden_act="relu",
        use_learnable_affine_block=False,
        stackwise_stage_filters=[[8, 8, 16, 1, 2, 3], [16, 8, 32, 1, 2, 3]],
        apply_downsample=[False, True],
        use_lightweight_conv_block=[False, True],
    )


GOOD: Final = (vgg, resnet, resnet_vd, densenet, xception, efficientnet, mobilenet, hgnet)
PIXELS: Final[Mapping[str, Any]] = MappingProxyType({"scale": [0.01, 0.02, 0.03], "offset": [-1.0, -2.0, -0.5]})
"""What the presets' image converters do."""


@cache
def preset(make: Callable[[], Any]) -> Path:
    """The backbone's folder with its image converter, made once a process. Do not write to it."""
    keras.utils.set_random_seed(12)
    folder = Path(mkdtemp(prefix="automl-test-preset-")) / make.__name__
    backbone = shake(make())
    backbone.save_to_preset(str(folder))
    next(one for one in _converters() if one.backbone_cls is type(backbone))(**PIXELS).save_to_preset(str(folder))
    return folder


def _converters() -> list[Any]:
    named = [getattr(layers, name) for name in dir(layers) if name.endswith("ImageConverter")]
    return [one for one in named if one.backbone_cls is not None]


def as_kerashub_runs_it(folder: Path, pixels: Any) -> Any:
    """What KerasHub makes of pixels 0..255 with the preset, its own way."""
    backbone = models.Backbone.from_preset(str(folder))
    found = backbone(layers.ImageConverter.from_preset(str(folder))(pixels.astype("float32")), training=False)
    return list(found.values())[-1] if isinstance(found, dict) else found  # some name each stage


def remade(
    folder: Path,
    target: Path,
    edit: Callable[[Any], object] | None = None,
    weights: Callable[[h5py.File], object] | None = None,
) -> Path:
    """A copy of a preset's folder, its config and its weights edited."""
    shutil.copytree(folder, target)
    if edit is not None:
        config = json.loads((target / "config.json").read_bytes())
        edit(config)
        (target / "config.json").write_text(json.dumps(config))
    if weights is not None:
        with h5py.File(target / "model.weights.h5", "r+") as file:
            weights(file)
    return target
