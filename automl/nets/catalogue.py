"""The table of backbones: every image network of keras.applications, and our own small net.

Light: a row names its code as text, Keras is imported when a network is built. One block a family, which shares what is
written once in it. To add a backbone: add a row; tests/contracts/test_backbones.py picks it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

KERAS_HOST: Final = "https://storage.googleapis.com/"
"""Where Keras fetches all of them (keras/src/applications)."""

Pixels = Literal["0..255", "0..1", "-1..1", "caffe", "torch"]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of pretrained weights, as Keras stores and serves it."""

    folder: str  # on the host
    name: str  # in Keras' cache
    stated: str = ""  # md5 or, of 64 digits, sha256, as Keras states it; "": it states none
    served_as: str = ""  # its name on the host, where that is another
    size_px: int | None = None  # edge of the images that it was trained on; None: the backbone's native one

    @property
    def url(self) -> str:
        """Where it can be fetched."""
        return f"{KERAS_HOST}{self.folder}/{self.served_as or self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What is known of a backbone that a user brought, besides its row: all of it in the run's copy (nets/own)."""

    folder: Path  # of the copy
    file: str  # which it was taken from: an absolute path, or a preset of KerasHub
    sha256: str  # of what was read of it
    sizes_px: tuple[int, ...]  # edges at which it can be built, ascending, of those that the run may pack and its own
    told: str = ""  # which pixel values it gets, and who says so, in words; "": it rescales them itself
    fault: str = ""  # why it cannot be exported, in words; "": it can


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """All that callers must know of one backbone."""

    name: str
    family: str  # its members differ in width, depth and size alone: what holds for its smallest holds for all
    entry: str  # builds it: (input_tensor=..., **arguments) -> keras.Model, image to last feature map
    arguments: Mapping[str, object] = field(hash=False)  # what the entry is given besides the input
    keras_class: str  # its name in a weights.yaml; "" where no pretrained weights exist
    weights_files: tuple[WeightsFile, ...]  # without the top; that of the native size first
    topped_files: tuple[WeightsFile, ...] = ()  # the same numbers, and a top for ImageNet's classes; never fetched
    size_px: int  # native edge of the square input
    least_px: int  # the smallest edge that can be built
    params_m: float  # millions, without the head; counted
    gmacs: float  # multiply-adds of one image at size_px, convolutions and dense layers; counted
    top1: float | None  # ImageNet accuracy of the pretrained weights with their own head
    top1_source: str  # who says so; without a figure: why there is none
    pixels: Pixels
    """What the layers expect of an image. "0..255": they rescale themselves. "caffe": BGR, ImageNet's mean taken off.
    "torch": ImageNet's mean taken off, divided by its deviation. build_backbone does it inside the graph."""
    taps: tuple[str, str]
    """The two layers whose pooled outputs are its features at size_px, the finer one first (features.tap_layers). Of a
    name that Keras gives out with a number ("activation_17") the part before it."""
    n_features: int  # how many numbers these say of an image
    licence: str  # of the weights
    licence_source: str
    source: str  # of the design; parameters and multiply-adds are counted, not copied
    heavy: bool = False  # too much for 24 GB and 2 cores: tests look at its shapes alone, without weights
    exporters: tuple[str, ...] = ("onnx",)  # that write it as Keras runs it; proved for the family's smallest member
    compressors: tuple[str, ...] = ("int8_minmax", "int8_percentile")  # rows of compressors/table.py, proved likewise
    own: Own | None = None  # None: it stands in the table below

    @property
    def pretrained(self) -> bool:
        """Whether weights for it exist at all."""
        return bool(self.weights_files)

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """All files that hold its weights, by the names under which Keras stores them."""
        return (*self.weights_files, *self.topped_files)

    def weights_file(self, size_px: int | None = None) -> WeightsFile:
        """The file to fetch for images packed at that size (None: the native one); see by_distance."""
        return min(
            self.weights_files, key=lambda file: by_distance(file.size_px or self.size_px, size_px or self.size_px)
        )

    @property
    def cost(self) -> float:
        """Multiply-adds of one image at its native size, as a multiple of MobileNetV3Small's."""
        return self.gmacs / backbone_named("mobilenetv3small").gmacs


def by_distance(trained_px: int, packed_px: int) -> tuple[int, int]:
    """By what files of one backbone are ordered for images packed at a size, the best first.

    The one trained nearest to it, of equals at the larger images: at 96 to 160 px MobileNetV2 0.35 trained at 128 px
    is better than at 224 beyond noise in five cells of nine, and worse in none (benchmarks/trained_size.py).
    """
    return abs(trained_px - packed_px), -trained_px


_SERVED: Final = "tensorflow/keras-applications"
_TF_KERNELS: Final = "weights_tf_dim_ordering_tf_kernels"
_KERAS_IO: Final = "keras.io/api/applications, 2026-01"
_KERAS_2: Final = "keras.io/applications of Keras 2.2"


def _given(**arguments: object) -> Mapping[str, object]:
    return MappingProxyType({"include_top": False, **arguments})


_MOBILENET: Final = tuple(
    Backbone(
        name=name, family="mobilenet", entry="keras.applications:MobileNet", arguments=_given(alpha=alpha),
        keras_class="MobileNet",
        # Keras trained one set for each of these sizes; the layers are the same, and their numbers see that size best.
        weights_files=tuple(
            WeightsFile(f"{_SERVED}/mobilenet", f"mobilenet_{written}_{size}_tf_no_top.h5", size_px=size)
            for size in (224, 192, 160, 128)
        ),
        topped_files=tuple(
            WeightsFile(f"{_SERVED}/mobilenet", f"mobilenet_{written}_{size}_tf.h5", size_px=size)
            for size in (224, 192, 160, 128)
        ),
        size_px=224, least_px=32, params_m=params_m, gmacs=gmacs, top1=top1, top1_source=top1_source,
        pixels="-1..1", taps=("conv_pw_11_relu", "conv_pw_13_relu"), n_features=n_features,
        licence="Apache-2.0", licence_source=_KERAS_2, source="arXiv:1704.04861",
    )
    for name, alpha, written, params_m, gmacs, n_features, top1, top1_source in (
        ("mobilenet_025", 0.25, "2_5", 0.219, 0.041, 384, 0.506, "mobilenet.py of Keras 2"),
        ("mobilenet_050", 0.5, "5_0", 0.830, 0.149, 768, 0.637, "mobilenet.py of Keras 2"),
        ("mobilenet_075", 0.75, "7_5", 1.833, 0.325, 1152, 0.684, "mobilenet.py of Keras 2"),
        ("mobilenet", 1.0, "1_0", 3.229, 0.568, 1536, 0.704, _KERAS_IO),
    )
)  # fmt: skip

_V2_SIZES: Final = (224, 192, 160, 128, 96)
_MOBILENETV2: Final = tuple(
    Backbone(
        name=name, family="mobilenetv2", entry="keras.applications:MobileNetV2", arguments=_given(alpha=alpha),
        keras_class="MobileNetV2",
        weights_files=tuple(
            WeightsFile(f"{_SERVED}/mobilenet_v2", f"mobilenet_v2_{_TF_KERNELS}_{alpha}_{size}_no_top.h5", size_px=size)
            for size in sizes
        ),
        topped_files=tuple(
            WeightsFile(f"{_SERVED}/mobilenet_v2", f"mobilenet_v2_{_TF_KERNELS}_{alpha}_{size}.h5", size_px=size)
            for size in sizes
        ),
        size_px=224, least_px=32, params_m=params_m, gmacs=gmacs, top1=top1, top1_source=top1_source,
        pixels="-1..1", taps=("block_13_expand_relu", "out_relu"), n_features=n_features,
        licence="Apache-2.0", licence_source=_KERAS_2, source="arXiv:1801.04381",
        compressors=("int8_minmax", "int8_percentile", "pruned", "pruned_int8"),
    )
    for name, alpha, sizes, params_m, gmacs, n_features, top1, top1_source in (
        ("mobilenetv2_035", 0.35, _V2_SIZES, 0.410, 0.058, 1472, 0.603, "mobilenet_v2.py of Keras 2"),
        ("mobilenetv2_050", 0.5, _V2_SIZES, 0.706, 0.096, 1568, 0.654, "mobilenet_v2.py of Keras 2"),
        ("mobilenetv2_075", 0.75, _V2_SIZES, 1.382, 0.208, 1712, 0.698, "mobilenet_v2.py of Keras 2"),
        ("mobilenetv2", 1.0, _V2_SIZES, 2.258, 0.299, 1856, 0.713, _KERAS_IO),
        ("mobilenetv2_130", 1.3, (224,), 3.766, 0.508, 2432, 0.744, "mobilenet_v2.py of Keras 2"),
        ("mobilenetv2_140", 1.4, (224,), 4.364, 0.580, 2608, 0.750, "mobilenet_v2.py of Keras 2"),
    )
)  # fmt: skip

_MOBILENETV3: Final = tuple(
    Backbone(
        name=name, family="mobilenetv3minimalistic" if minimalistic else "mobilenetv3",
        entry=f"keras.applications:MobileNetV3{size}", arguments=_given(alpha=alpha, minimalistic=minimalistic),
        keras_class=f"MobileNetV3{size}",
        weights_files=(
            WeightsFile(f"{_SERVED}/mobilenet_v3", f"weights_mobilenet_v3_{written}_float_no_top_v2.h5", stated),
        ),
        topped_files=(WeightsFile(f"{_SERVED}/mobilenet_v3", f"weights_mobilenet_v3_{written}_float.h5", topped),),
        size_px=224, least_px=32, params_m=params_m, gmacs=gmacs, top1=top1,
        top1_source="keras/src/applications/mobilenet_v3.py",
        pixels="0..255", taps=("re_lu", "re_lu") if minimalistic else ("activation", "activation"),
        n_features=n_features,
        licence="Apache-2.0", licence_source="tensorflow/models, whose checkpoints they are", source="arXiv:1905.02244",
        compressors=("int8_minmax", "int8_percentile", "pruned", "pruned_int8"),
    )
    for name, size, alpha, minimalistic, params_m, gmacs, n_features, top1, written, stated, topped in (
        ("mobilenetv3small_075", "Small", 0.75, False, 0.583, 0.042, 672, 0.654,
         "small_224_0.75", "ebdb5cc8e0b497cd13a7c275d475c819", "cb65d4e5be93758266aa0a7f2c6708b7"),
        ("mobilenetv3small_minimalistic", "Small", 1.0, True, 0.441, 0.051, 864, 0.619,
         "small_minimalistic_224_1.0", "cde8136e733e811080d9fcd8a252f7e4", "99cd97fb2fcdad2bf028eb838de69e37"),
        ("mobilenetv3small", "Small", 1.0, False, 0.939, 0.055, 864, 0.681,
         "small_224_1.0", "d3e8ec802a04aa4fc771ee12a9a9b836", "8768d4c2e7dee89b9d02b2d03d65d862"),
        ("mobilenetv3large_075", "Large", 0.75, False, 1.809, 0.152, 1248, 0.733,
         "large_224_0.75", "40af19a13ebea4e2ee0c676887f69a2e", "765b44a33ad4005b3ac83185abf1d0eb"),
        ("mobilenetv3large_minimalistic", "Large", 1.0, True, 1.438, 0.207, 1632, 0.723,
         "large_minimalistic_224_1.0", "ec5221f64a2f6d1ef965a614bdae7973", "675e7b876c45c57e9e63e6d90a36599c"),
        ("mobilenetv3large", "Large", 1.0, False, 2.996, 0.214, 1632, 0.756,
         "large_224_1.0", "07fb09a5933dd0c8eaafa16978110389", "59e551e166be033d707958cf9e29a6a7"),
    )
)  # fmt: skip

_EFFICIENTNET: Final = tuple(
    Backbone(
        name=f"efficientnet{variant}", family="efficientnet", entry="automl.nets.efficientnet:build_efficientnet",
        arguments=_given(variant=f"EfficientNet{variant.upper()}"), keras_class=f"EfficientNet{variant.upper()}",
        weights_files=(WeightsFile("keras-applications", f"efficientnet{variant}_notop.h5", stated),),
        topped_files=(WeightsFile("keras-applications", f"efficientnet{variant}.h5", topped),),
        size_px=size_px, least_px=32, params_m=params_m, gmacs=gmacs, top1=top1, top1_source=_KERAS_IO,
        pixels="0..255", taps=("block6a_expand_activation", "top_activation"), n_features=n_features,
        licence="Apache-2.0", licence_source="tensorflow/tpu, whose checkpoints they are", source="arXiv:1905.11946",
        heavy=variant == "b7",
    )
    for variant, size_px, params_m, gmacs, n_features, top1, stated, topped in (
        ("b0", 224, 4.050, 0.385, 1952, 0.771, "50bc09e76180e00e4465e1a485ddc09d", "902e53a9f72be733fc0bcb005b3ebbac"),
        ("b1", 240, 6.575, 0.686, 1952, 0.791, "74c4e6b3e1f6a1eea24c589628592432", "1d254153d4ab51201f1646940f018540"),
        ("b2", 260, 7.769, 0.992, 2128, 0.801, "111f8e2ac8aa800a7a99e3239f7bfb39", "b15cce36ff4dcbd00b6dd88e7857a6ad"),
        ("b3", 300, 10.784, 1.826, 2352, 0.816, "af6d107764bb5b1abb91932881670226", "ffd1fdc53d0ce67064dc6a9c7960ede0"),
        ("b4", 380, 17.674, 4.392, 2752, 0.829, "ebc24e6d6c33eaebbd558eafbeedf1ba", "18c95ad55216b8f92d7e70b3a046e2fc"),
        ("b5", 456, 28.514, 10.264, 3104, 0.836,
         "38879255a25d3c92d5e44e04ae6cec6f", "ace28f2a6363774853a83a0b21b9421a"),
        ("b6", 528, 40.960, 19.065, 3504, 0.840,
         "9ecce42647a20130c1f39a5d4cb75743", "165f6e37dce68623721b423839de8be5"),
        ("b7", 600, 64.098, 37.743, 3904, 0.843,
         "cbcfe4450ddf6f3ad90b1b398090fe4a", "8c03f828fec3ef71311cd463b6759d99"),
    )
)  # fmt: skip

_EFFICIENTNETV2: Final = tuple(
    Backbone(
        name=f"efficientnetv2{variant}", family="efficientnetv2",
        entry=f"keras.applications:EfficientNetV2{variant.upper()}", arguments=_given(),
        keras_class=f"EfficientNetV2{variant.upper()}",
        weights_files=(WeightsFile(f"{_SERVED}/efficientnet_v2", f"efficientnetv2-{variant}_notop.h5", stated),),
        topped_files=(WeightsFile(f"{_SERVED}/efficientnet_v2", f"efficientnetv2-{variant}.h5", topped),),
        size_px=size_px, least_px=32, params_m=params_m, gmacs=gmacs, top1=top1, top1_source=_KERAS_IO,
        pixels="0..255", taps=("block6a_expand_activation", "top_activation"), n_features=n_features,
        licence="Apache-2.0", licence_source="google/automl, whose checkpoints they are", source="arXiv:2104.00298",
        heavy=variant == "l", compressors=("int8_minmax", "int8_percentile", "pruned", "pruned_int8"),
    )
    for variant, size_px, params_m, gmacs, n_features, top1, stated, topped in (
        ("b0", 224, 5.919, 0.717, 1952, 0.787, "893217f2bb855e2983157299931e43ff", "21ecbf6da12460d5c40bb2f29ceb2188"),
        ("b1", 240, 6.931, 1.196, 1952, 0.798, "0e80663031ca32d657f9caa404b6ec37", "069f0534ff22adf035c89e2d9547a9dc"),
        ("b2", 260, 8.769, 1.696, 2128, 0.805, "1dfe2e7a5d45b6632553a8961ea609eb", "424e49f28180edbde1e94797771950a7"),
        ("b3", 300, 12.931, 3.010, 2352, 0.820, "f6abf7b5849ac99a89b50dd3fd532856", "1f1fc43bd98a6e4fd8fdfd551e02c7a0"),
        ("s", 384, 20.331, 8.364, 2240, 0.839, "af0682fb74e8c54910f2d4393339c070", "e1d88a8495beba45748fedd0cecbe016"),
        ("m", 480, 53.150, 24.581, 2336, 0.853, "1b8dc055df72dde80d614482840fe342", "a3bf6aa3276309f4fc6a34aa114c95cd"),
        ("l", 480, 117.747, 56.078, 2624, 0.857,
         "b0b66b5c863aef5b46e8608fe1711615", "27e6d408b53c7ebc868fefa357689935"),
    )
)  # fmt: skip

_RESNET: Final = tuple(
    Backbone(
        name=f"resnet{depth}", family="resnet", entry=f"keras.applications:ResNet{depth}", arguments=_given(),
        keras_class=f"ResNet{depth}",
        weights_files=(WeightsFile(f"{_SERVED}/resnet", f"resnet{depth}_{_TF_KERNELS}_notop.h5", stated),),
        topped_files=(WeightsFile(f"{_SERVED}/resnet", f"resnet{depth}_{_TF_KERNELS}.h5", topped),),
        size_px=224, least_px=32, params_m=params_m, gmacs=gmacs, top1=top1, top1_source=_KERAS_IO,
        pixels="caffe", taps=(fine, "conv5_block3_out"), n_features=3072,
        licence="MIT", licence_source=_KERAS_2, source="arXiv:1512.03385",
    )
    for depth, params_m, gmacs, fine, top1, stated, topped in (
        (50, 23.588, 3.856, "conv4_block6_out", 0.749,
         "4d473c1dd8becc155b73f8504c6f6626", "2cb95161c43110f7111970584f804107"),
        (101, 42.658, 7.568, "conv4_block23_out", 0.764,
         "88cf7a10940856eca736dc7b7e228a21", "f1aeb4b969a6efcfb50fad2f0c20cfc5"),
        (152, 58.371, 11.280, "conv4_block36_out", 0.766,
         "ee4c566cf9a93f14d82f913c2dc6dd0c", "100835be76be38e30d865e96f2aaae62"),
    )
)  # fmt: skip

_RESNETV2: Final = tuple(
    Backbone(
        name=f"resnet{depth}v2", family="resnetv2", entry=f"keras.applications:ResNet{depth}V2", arguments=_given(),
        keras_class=f"ResNet{depth}V2",
        weights_files=(WeightsFile(f"{_SERVED}/resnet", f"resnet{depth}v2_{_TF_KERNELS}_notop.h5", stated),),
        topped_files=(WeightsFile(f"{_SERVED}/resnet", f"resnet{depth}v2_{_TF_KERNELS}.h5", topped),),
        size_px=224, least_px=32, params_m=params_m, gmacs=gmacs, top1=top1, top1_source=_KERAS_IO,
        pixels="-1..1", taps=(fine, "post_relu"), n_features=2304,
        licence="BSD-3-Clause", licence_source="keras.io/applications of Keras 2.3", source="arXiv:1603.05027",
    )
    for depth, params_m, gmacs, fine, top1, stated, topped in (
        (50, 23.565, 3.480, "conv4_block6_1_relu", 0.760,
         "fac2f116257151a9d068a22e544a4917", "3ef43a0b657b3be2300d5770ece849e0"),
        (101, 42.627, 7.192, "conv4_block23_1_relu", 0.772,
         "c0ed64b8031c3730f411d2eb4eea35b5", "6343647c601c52e1368623803854d971"),
        (152, 58.332, 10.905, "conv4_block36_1_relu", 0.780,
         "ed17cf2e0169df9d443503ef94b23b33", "a49b44d1979771252814e80f8ec446f9"),
    )
)  # fmt: skip

_CONVNEXT: Final = tuple(
    Backbone(
        name=f"convnext{variant.lower()}", family="convnext", entry=f"keras.applications:ConvNeXt{variant}",
        arguments=_given(), keras_class=f"ConvNeXt{variant}",
        weights_files=(WeightsFile(f"{_SERVED}/convnext", f"convnext_{variant.lower()}_notop.h5", stated),),
        topped_files=(WeightsFile(f"{_SERVED}/convnext", f"convnext_{variant.lower()}.h5", topped),),
        size_px=224, least_px=32, params_m=params_m, gmacs=gmacs, top1=top1, top1_source=_KERAS_IO,
        pixels="0..255", taps=("add", "layer_normalization"), n_features=n_features,
        licence="MIT", licence_source="facebookresearch/ConvNeXt, whose checkpoints they are",
        source="arXiv:2201.03545", heavy=variant in {"Large", "XLarge"},
    )
    for variant, params_m, gmacs, n_features, top1, stated, topped in (
        ("Tiny", 27.820, 4.455, 1152, 0.813,
         "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
         "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff"),
        ("Small", 49.455, 8.683, 1152, 0.823,
         "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
         "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c"),
        ("Base", 87.566, 15.354, 1536, 0.853,
         "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
         "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6"),
        ("Large", 196.230, 34.360, 2304, 0.863,
         "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
         "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6"),
        ("XLarge", 348.148, 60.919, 3072, 0.867,
         "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
         "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee"),
    )
)  # fmt: skip

_DENSENET: Final = tuple(
    Backbone(
        name=f"densenet{depth}", family="densenet", entry=f"keras.applications:DenseNet{depth}", arguments=_given(),
        keras_class=f"DenseNet{depth}",
        weights_files=(WeightsFile(f"{_SERVED}/densenet", f"densenet{depth}_{_TF_KERNELS}_notop.h5", stated),),
        topped_files=(WeightsFile(f"{_SERVED}/densenet", f"densenet{depth}_{_TF_KERNELS}.h5", topped),),
        size_px=224, least_px=32, params_m=params_m, gmacs=gmacs, top1=top1, top1_source=_KERAS_IO,
        pixels="torch", taps=("pool4_conv", "relu"), n_features=n_features,
        licence="BSD-3-Clause", licence_source=_KERAS_2, source="arXiv:1608.06993",
    )
    for depth, params_m, gmacs, n_features, top1, stated, topped in (
        (121, 7.038, 2.833, 1536, 0.750, "30ee3e1110167f948a6b9946edeeb738", "9d60b8095a5708f2dcce2bca79d332c7"),
        (169, 12.643, 3.358, 2304, 0.762, "b8c4d4c20dd625c148057b9ff1c1176b", "d699b8f76981ab1b30698df4c175e90b"),
        (201, 18.322, 4.289, 2816, 0.773, "c13680b51ded0fb44dff2d8f86ac8bb1", "1ceb130c1ea1b78c3bf6114dbdfd8807"),
    )
)  # fmt: skip

_NASNET: Final = tuple(
    Backbone(
        name=f"nasnet{variant}", family="nasnet", entry=f"keras.applications:NASNet{variant.title()}",
        arguments=_given(), keras_class=f"NASNet{variant.title()}",
        weights_files=(
            WeightsFile(f"{_SERVED}/nasnet", f"nasnet_{variant}_no_top.h5", stated, f"NASNet-{variant}-no-top.h5"),
        ),
        topped_files=(WeightsFile(f"{_SERVED}/nasnet", f"nasnet_{variant}.h5", topped, f"NASNet-{variant}.h5"),),
        size_px=size_px, least_px=32, params_m=params_m, gmacs=gmacs, top1=top1, top1_source=_KERAS_IO,
        pixels="-1..1", taps=("adjust_relu_1", "activation"), n_features=n_features,
        licence="Apache-2.0", licence_source=_KERAS_2, source="arXiv:1707.07012", heavy=variant == "large",
    )
    for variant, size_px, params_m, gmacs, n_features, top1, stated, topped in (
        ("mobile", 224, 4.270, 0.563, 1584, 0.744,
         "1ed92395b5b598bdda52abe5c0dbfd63", "020fb642bf7360b370c678b08e0adf61"),
        ("large", 331, 84.917, 23.779, 6048, 0.825,
         "d81d89dc07e6e56530c4e77faddd61b5", "11577c9a518f0070763c2b964a382f17"),
    )
)  # fmt: skip

_VGG: Final = tuple(
    Backbone(
        name=f"vgg{depth}", family="vgg", entry=f"keras.applications:VGG{depth}", arguments=_given(),
        keras_class=f"VGG{depth}",
        weights_files=(WeightsFile(f"{_SERVED}/vgg{depth}", f"vgg{depth}_{_TF_KERNELS}_notop.h5", stated),),
        topped_files=(WeightsFile(f"{_SERVED}/vgg{depth}", f"vgg{depth}_{_TF_KERNELS}.h5", topped),),
        size_px=224, least_px=32, params_m=params_m, gmacs=gmacs, top1=0.713, top1_source=_KERAS_IO,
        pixels="caffe", taps=(fine, "block5_pool"), n_features=1024,
        licence="CC-BY-4.0", licence_source=_KERAS_2, source="arXiv:1409.1556",
    )
    for depth, params_m, gmacs, fine, stated, topped in (
        (16, 14.715, 15.347, "block5_conv3", "6d6bbae143d832006294945121d1f1fc", "64373286793e3c8b2b4e3219cbf3544b"),
        (19, 20.024, 19.508, "block5_conv4", "253f8cb515780f3b799900260a226db6", "cbe5617147190e668d6c5d5026f83318"),
    )
)  # fmt: skip

_INCEPTION: Final = (
    Backbone(
        name="xception", family="xception", entry="keras.applications:Xception", arguments=_given(),
        keras_class="Xception",
        weights_files=(
            WeightsFile(f"{_SERVED}/xception", f"xception_{_TF_KERNELS}_notop.h5",
                        "b0042744bf5b25fce3cb969f33bebb97"),
        ),
        topped_files=(
            WeightsFile(f"{_SERVED}/xception", f"xception_{_TF_KERNELS}.h5", "0a58e3b7378bc2990ea3b43d5981f1f6"),
        ),
        size_px=299, least_px=71, params_m=20.861, gmacs=8.355, top1=0.790, top1_source=_KERAS_IO,
        pixels="-1..1", taps=("block13_sepconv2_bn", "block14_sepconv2_act"), n_features=3072,
        licence="MIT", licence_source=_KERAS_2, source="arXiv:1610.02357",
    ),
    Backbone(
        name="inceptionv3", family="inceptionv3", entry="keras.applications:InceptionV3", arguments=_given(),
        keras_class="InceptionV3",
        weights_files=(
            WeightsFile(f"{_SERVED}/inception_v3", f"inception_v3_{_TF_KERNELS}_notop.h5",
                        "bcbd6486424b2319ff4ef7d526e38f63"),
        ),
        topped_files=(
            WeightsFile(f"{_SERVED}/inception_v3", f"inception_v3_{_TF_KERNELS}.h5",
                        "9a0d58056eeedaa3f26cb7ebd46da564"),
        ),
        size_px=299, least_px=75, params_m=21.803, gmacs=5.711, top1=0.779, top1_source=_KERAS_IO,
        pixels="-1..1", taps=("activation", "mixed10"), n_features=2240,
        licence="Apache-2.0", licence_source=_KERAS_2, source="arXiv:1512.00567",
    ),
    Backbone(
        name="inceptionresnetv2", family="inceptionresnetv2", entry="keras.applications:InceptionResNetV2",
        arguments=_given(), keras_class="InceptionResNetV2",
        weights_files=(
            WeightsFile(f"{_SERVED}/inception_resnet_v2", f"inception_resnet_v2_{_TF_KERNELS}_notop.h5",
                        "d19885ff4a710c122648d3b5c3b684e4"),
        ),
        topped_files=(
            WeightsFile(f"{_SERVED}/inception_resnet_v2", f"inception_resnet_v2_{_TF_KERNELS}.h5",
                        "e693bd0210a403b3192acc6073ad2e96"),
        ),
        size_px=299, least_px=75, params_m=54.337, gmacs=13.154, top1=0.803, top1_source=_KERAS_IO,
        pixels="-1..1", taps=("activation", "conv_7b_ac"), n_features=1824,
        licence="Apache-2.0", licence_source=_KERAS_2, source="arXiv:1602.07261",
    ),
)  # fmt: skip

SMALLNET: Final = Backbone(
    name="smallnet", family="smallnet", entry="automl.nets.smallnet:build_smallnet", arguments=MappingProxyType({}),
    keras_class="", weights_files=(),
    size_px=32, least_px=16, params_m=0.304, gmacs=0.011, top1=None, top1_source="it was never trained on ImageNet",
    pixels="-1..1", taps=("re_lu", "re_lu"), n_features=192,
    licence="Apache-2.0 (ours)", licence_source="LICENSE", source="automl/nets/smallnet.py",
    compressors=("int8_minmax", "int8_percentile", "pruned", "pruned_int8"),
)  # fmt: skip

BACKBONES: Final = (
    *_MOBILENET, *_MOBILENETV2, *_MOBILENETV3, *_EFFICIENTNET, *_EFFICIENTNETV2, *_RESNET, *_RESNETV2, *_CONVNEXT,
    *_DENSENET, *_NASNET, *_VGG, *_INCEPTION, SMALLNET,
)  # fmt: skip
BACKBONE_NAMES: Final = tuple(row.name for row in BACKBONES)


def backbone_named(name: str) -> Backbone:
    """The row of that name. Raises: KeyError: there is none."""
    return {row.name: row for row in BACKBONES}[name]


def smallest_members() -> tuple[Backbone, ...]:
    """Of each family the row with the fewest parameters, on which the family's claims are proved."""
    families = dict.fromkeys(row.family for row in BACKBONES)
    return tuple(
        min((row for row in BACKBONES if row.family == family), key=lambda row: row.params_m) for family in families
    )
