"""The int8 compressor: what becomes 8-bit, what stays float, and what is left when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from automl.compressors import int8
from tests.compressors.tiny_onnx import SIZE_PX, tiny_pixels, write_tiny


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    folder = tmp_path_factory.mktemp("int8")
    int8.compress(write_tiny(folder / "source.onnx"), folder / "int8.onnx", tiny_pixels(16), method="minmax")
    return onnx.load(folder / "int8.onnx")


def maker_of(model: onnx.ModelProto, tensor: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if tensor in node.output)


def test_every_convolution_has_signed_weights_with_a_scale_a_channel_and_unsigned_activations(quantised):
    constants = {one.name: one for one in quantised.graph.initializer}
    convolutions = [node for node in quantised.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 4
    for node in convolutions:
        weights = maker_of(quantised, node.input[1])
        assert weights.op_type == "DequantizeLinear"
        kernel, scale = constants[weights.input[0]], constants[weights.input[1]]
        assert kernel.data_type == TensorProto.INT8
        assert np.abs(numpy_helper.to_array(kernel).astype(int)).max() <= 64  # 8 bits saturate on CPUs without VNNI
        assert list(scale.dims) == [kernel.dims[0]]
        activations = maker_of(quantised, node.input[0])
        assert activations.op_type == "DequantizeLinear"
        assert constants[activations.input[2]].data_type == TensorProto.UINT8


def test_the_tail_behind_the_last_convolutions_stays_float(quantised):
    for tensor, op in (("probabilities", "Softmax"), ("logits", "Gemm"), ("features", "Flatten"), ("taps", "Concat")):
        assert maker_of(quantised, tensor).op_type == op
    head = maker_of(quantised, "logits")
    constants = {one.name: one.data_type for one in quantised.graph.initializer}
    assert constants[head.input[1]] == TensorProto.FLOAT
    assert not [node for node in quantised.graph.node if node.op_type == "QuantizeLinear" and "tap" in node.input[0]]


def test_the_input_is_turned_and_read_as_bytes(quantised):
    reader = next(node for node in quantised.graph.node if "image" in node.input)
    assert (reader.op_type, quantised.graph.input[0].type.tensor_type.elem_type) == ("Transpose", TensorProto.UINT8)


def test_percentile_clips_an_outlier_that_minmax_keeps(tmp_path):
    pixels = np.full((64, SIZE_PX, SIZE_PX, 3), 128, np.uint8)
    pixels += np.random.default_rng(1).integers(0, 4, pixels.shape, dtype=np.uint8)
    pixels[0, 0, 0, 0] = 255  # 1 value of 27,648: one in 20,000 is clipped at each end
    source = write_tiny(tmp_path / "source.onnx")
    scales = {}
    for method in ("minmax", "percentile"):
        int8.compress(source, tmp_path / f"{method}.onnx", pixels, method=method)
        constants = onnx.load(tmp_path / f"{method}.onnx").graph.initializer
        scales[method] = next(float(numpy_helper.to_array(one)) for one in constants if one.name == "centred_scale")
    assert scales["percentile"] < 0.5 * scales["minmax"]


def test_logits_that_mirror_each_other_can_be_calibrated_by_percentile(tmp_path):
    """As those of a sure two-class network do; onnxruntime's own default fails on them."""
    model = onnx.load(write_tiny(tmp_path / "source.onnx"))
    for one in model.graph.initializer:
        if one.name in {"head", "bias"}:
            value = numpy_helper.to_array(one)
            signs = np.where(np.arange(value.shape[-1]) % 2, -3.0, 3.0)
            mirrored = signs + 1e-6 * value if one.name == "bias" else 1e-6 * value
            one.CopyFrom(numpy_helper.from_array(mirrored.astype(np.float32), one.name))
    onnx.save(model, tmp_path / "mirrored.onnx")
    int8.compress(tmp_path / "mirrored.onnx", tmp_path / "int8.onnx", tiny_pixels(8), method="percentile")
    assert (tmp_path / "int8.onnx").stat().st_size > 0


def test_the_bytes_do_not_depend_on_the_hash_seed_of_the_process(tmp_path):
    source = write_tiny(tmp_path / "source.onnx")
    program = (
        "import sys; from pathlib import Path; from automl.compressors.int8 import compress\n"
        "from tests.compressors.tiny_onnx import tiny_pixels\n"
        "compress(Path(sys.argv[1]), Path(sys.argv[2]), tiny_pixels(8), method='percentile')"
    )
    for seed in ("1", "2"):
        command = [sys.executable, "-c", program, source, tmp_path / f"{seed}.onnx"]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
    assert (tmp_path / "1.onnx").read_bytes() == (tmp_path / "2.onnx").read_bytes()


def headless(path: Path) -> None:
    """A valid graph without a convolution."""
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIZE_PX, SIZE_PX, 3])
    floats = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", SIZE_PX, SIZE_PX, 3])
    node = helper.make_node("Cast", ["image"], ["probabilities"], to=TensorProto.FLOAT)
    graph = helper.make_graph([node], "headless", [image], [floats])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def broken(path: Path) -> None:
    path.write_bytes(write_tiny(path).read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [(headless, ValueError, "no convolution"), (broken, Exception, "parsing message|Protobuf")],
    ids=["no convolution", "a cut file"],
)
def test_a_failure_leaves_the_older_target_and_no_other_file(
    tmp_path: Path, spoil: Callable[[Path], None], error: type[Exception], words: str
):
    source, target = tmp_path / "source.onnx", tmp_path / "target.onnx"
    spoil(source)
    target.write_bytes(b"older")
    with pytest.raises(error, match=words):
        int8.compress(source, target, tiny_pixels(4), method="minmax")
    assert target.read_bytes() == b"older"
    assert {path.name for path in tmp_path.iterdir()} == {"source.onnx", "target.onnx"}


def test_no_calibration_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one calibration image"):
        int8.compress(write_tiny(tmp_path / "a.onnx"), tmp_path / "b.onnx", tiny_pixels(0), method="minmax")


def test_temporary_files_go_beside_the_target_and_nothing_is_printed(tmp_path, monkeypatch, capfd):
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    seen: list[str] = []
    real = int8.quantize_static

    def watch(*args: object, **kwargs: object) -> None:
        real(*args, **kwargs)
        seen.extend(path.name for path in (tmp_path / "out").iterdir())

    monkeypatch.setattr(int8, "quantize_static", watch)
    source = write_tiny(tmp_path / "source.onnx")
    int8.compress(source, tmp_path / "out" / "target.onnx", tiny_pixels(4), method="percentile")
    assert len(seen) == 1
    assert seen[0].startswith(".tmp-")
    assert list(elsewhere.iterdir()) == []
    assert capfd.readouterr() == ("", "")
