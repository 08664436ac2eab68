"""What the writer makes of a model, beside the single layers (tests/contracts/test_writer_rows.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from keras import layers

from automl.errors import StageFailed
from automl.graph.writer import write_onnx
from tests.onnx_toys import CLASSES, counted, differences, finished, picture, pixels_for, shake, signed, write

EXACT = 1e-5


def small_model() -> keras.Model:
    image = picture(9, 8)
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="first")(signed(image, 2))
    x = layers.ReLU(name="first_relu")(layers.BatchNormalization(name="first_bn")(x))
    return shake(finished(image, x))


def test_the_file_names_its_input_outputs_and_nodes_and_keeps_the_batch_open(tmp_path: Path):
    proto = write(small_model(), tmp_path / "toy.onnx")
    (image,) = proto.graph.input
    axes = [axis.dim_param or axis.dim_value for axis in image.type.tensor_type.shape.dim]
    assert (image.name, axes) == ("image", ["batch", 9, 8, 3])
    assert image.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [one.name for one in proto.graph.output] == ["probabilities", "features"]
    assert [node.op_type for node in proto.graph.node if node.name in {"first", "first_relu"}] == ["Conv", "Relu"]
    assert len({node.name for node in proto.graph.node}) == len(proto.graph.node)


def test_the_metadata_hold_the_class_names_and_what_the_caller_gave(tmp_path: Path):
    proto = write(small_model(), tmp_path / "toy.onnx")
    found = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(found.pop("class_names")) == list(CLASSES)
    assert found == {"run": "toy"}


def test_equal_models_give_equal_bytes(tmp_path: Path):
    for name in ("once", "again"):
        keras.utils.clear_session()
        keras.utils.set_random_seed(5)
        write(small_model(), tmp_path / name)
    assert (tmp_path / "once").read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize("n", [1, 5])
def test_any_number_of_pictures_goes_through_at_once(tmp_path: Path, n: int):
    model = small_model()
    write(model, tmp_path / "toy.onnx")
    assert max(differences(model, tmp_path / "toy.onnx", pixels_for(model, n))) < EXACT


def test_batch_normalization_goes_into_the_convolution_that_it_alone_reads(tmp_path: Path):
    nodes = counted(write(small_model(), tmp_path / "toy.onnx"))
    assert (nodes["Conv"], nodes["Mul"], nodes["Add"]) == (2, 1, 1)  # Rescaling's two alone are left


def test_a_convolution_with_a_second_reader_keeps_its_weights(tmp_path: Path):
    image = picture(6, 6)
    x = layers.Conv2D(3, 3)(signed(image, 2))
    x = layers.Concatenate()([layers.BatchNormalization()(x), layers.Dropout(0.5)(x)])
    model = shake(finished(image, x))
    nodes = counted(write(model, tmp_path / "toy.onnx"))
    assert (nodes["Mul"], nodes["Add"]) == (2, 2)
    assert max(differences(model, tmp_path / "toy.onnx", pixels_for(model))) < EXACT


def test_a_layer_used_twice_is_folded_for_each_use_alone(tmp_path: Path):
    image = picture(6, 6)
    stem, twice = signed(image, 3), layers.Conv2D(3, 1)
    x = layers.Concatenate()([layers.BatchNormalization()(twice(stem)), twice(layers.ReLU()(stem))])
    model = shake(finished(image, x))
    write(model, tmp_path / "toy.onnx")
    assert max(differences(model, tmp_path / "toy.onnx", pixels_for(model))) < EXACT


def test_models_inside_models_are_written_layer_by_layer(tmp_path: Path):
    image, inner = picture(6, 6), keras.Input((6, 6, 3))
    body = layers.Conv2D(4, 3, name="same_name")(inner)
    branch = keras.Model(inner, [body, layers.ReLU(name="features")(body)])
    tail = keras.Sequential([layers.BatchNormalization(), layers.Conv2D(2, 2, name="same_name")])
    bare, positive = branch(layers.Rescaling(0.01)(image), training=False)
    model = shake(finished(image, layers.Concatenate()([tail(bare), tail(positive)])))
    nodes = counted(write(model, tmp_path / "toy.onnx"))
    assert nodes["Conv"] == 3
    assert max(differences(model, tmp_path / "toy.onnx", pixels_for(model))) < EXACT


def test_outputs_that_are_one_tensor_get_both_names(tmp_path: Path):
    image = picture(5, 5)
    x = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(signed(image, 4)))
    names = ("probabilities", "features")
    model = shake(keras.Model(image, [layers.Dropout(0.5, name=name)(x) for name in names]))
    write(model, tmp_path / "toy.onnx")
    assert max(differences(model, tmp_path / "toy.onnx", pixels_for(model))) < EXACT


def test_images_are_turned_once_at_the_start_and_never_on_the_way(tmp_path: Path):
    image = picture(8, 8)
    x = layers.Conv2D(4, 3, strides=2)(signed(image, 4))
    gate = layers.Reshape((1, 1, 4))(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply()([x, layers.Conv2D(4, 1, activation="sigmoid")(gate)])
    pooled = layers.Flatten(name="features")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    model = keras.Model(image, [layers.Dense(3, activation="softmax", name="probabilities")(pooled), pooled])
    assert counted(write(model, tmp_path / "toy.onnx"))["Transpose"] == 1
    assert max(differences(model, tmp_path / "toy.onnx", pixels_for(model))) < EXACT


class Conv2D(layers.Conv2D):
    """Someone's own layer under a known name."""


def strange_layers() -> dict[str, tuple[Callable[[object], object], str]]:
    """What is put on top of a small image -> words of the refusal."""
    anywhere = keras.Input((None, None, 2))
    halves = np.full((1, 6, 6, 2), 0.5, np.float32)
    return {
        "unknown": (layers.UpSampling2D(name="larger"), r"layer 'larger' is a keras\.\S+UpSampling2D.*It knows Conv2D"),
        "own class": (Conv2D(2, 1, name="mine"), r"layer 'mine' is a \S+\.Conv2D, which the ONNX writer does not know"),
        "activation": (layers.Activation("mish", name="act"), "layer 'act' has the activation 'mish'.*It knows linear"),
        "own activation": (layers.Activation(lambda x: x * x, name="act"), "has the activation '<lambda>'"),
        "own relu": (layers.Activation(relu, name="act"), "has the activation 'relu'"),
        "half": (layers.Conv2D(2, 1, dtype="mixed_bfloat16", name="half"), "layer 'half'.*'mixed_bfloat16'.*float32"),
        "training": (lambda x: layers.BatchNormalization(name="bn")(x, training=True), "'bn'.*training=True"),
        "channels": (layers.GlobalAveragePooling2D("channels_first", name="pool"), "'pool'.*data_format"),
        "size": (
            keras.Model(anywhere, layers.Conv2D(2, 1, name="any")(anywhere)),
            "'any'.*None, None, 2.*fixed size",
        ),
        "constant": (lambda x: x + halves, "reads a constant"),
        "ranks": (lambda x: layers.Add(name="sum")([x, layers.GlobalAveragePooling2D()(x)]), "'sum'.*ranks"),
        "axes": (layers.Softmax(axis=(1, 2), name="soft"), "'soft'.*one axis"),
        "rows": (lambda x: layers.Dense(2, name="rows")(layers.Reshape((36, 2))(x)), "'rows'.*reads 3 axes"),
    }


def relu(x: object) -> object:
    """Someone's own function under a known name."""
    return x


@pytest.mark.parametrize("case", strange_layers())
def test_what_the_writer_does_not_know_is_refused_by_name_and_no_file_is_left(tmp_path: Path, case: str):
    layer, words = strange_layers()[case]
    image = picture(6, 6)
    x = layer(signed(image, 2))
    model = finished(image, x)
    with pytest.raises(StageFailed, match=words):
        write(model, tmp_path / "toy.onnx")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_are_refused(tmp_path: Path):
    model = small_model()
    model.get_layer("first_bn").gamma.assign([1, np.nan, 1, 1])
    with pytest.raises(StageFailed, match="with first_bn holds .* not finite"):
        write(model, tmp_path / "toy.onnx")


def test_a_model_with_other_outputs_is_refused(tmp_path: Path):
    model = small_model()
    turned = keras.Model(model.inputs, model.outputs[::-1])
    with pytest.raises(StageFailed, match="outputs features, probabilities; the ONNX writer wants probabilities, feat"):
        write(turned, tmp_path / "toy.onnx")


def test_a_model_for_pictures_of_any_size_is_refused(tmp_path: Path):
    image = keras.Input((None, None, 3))
    features = layers.GlobalAveragePooling2D(name="features")(image)
    model = keras.Model(image, [layers.Dense(3, name="probabilities")(features), features])
    with pytest.raises(StageFailed, match="one picture .* of a fixed size"):
        write(model, tmp_path / "toy.onnx")


def test_a_model_that_is_not_functional_is_refused(tmp_path: Path):
    class Own(keras.Model):
        """Its graph is code, which cannot be walked."""

    with pytest.raises(StageFailed, match=r"\(Own\) is not functional"):
        write(Own(), tmp_path / "toy.onnx")


def test_class_names_must_fit_the_probabilities_and_the_metadata_must_leave_them_alone(tmp_path: Path):
    with pytest.raises(ValueError, match=r"2 class name\(s\) for 3 probabilities"):
        write_onnx(small_model(), tmp_path / "toy.onnx", class_names=["a", "b"], metadata={})
    with pytest.raises(ValueError, match="'class_names'"):
        write_onnx(small_model(), tmp_path / "toy.onnx", class_names=CLASSES, metadata={"class_names": "x"})
