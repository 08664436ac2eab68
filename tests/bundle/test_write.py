"""What lies in a bundle: files, facts, metadata, golden pictures; and nothing of the machine it was made on."""

import io
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from automl.bundle import predict, resize
from automl.bundle.golden import FLOAT_TOLERANCE, INT8_TOLERANCE, golden_pictures
from automl.bundle.write import write_bundle
from automl.errors import DataError
from automl.types import WeightsFound
from tests.bundle.tiny_bundles import COLOURS, SIZE_PX, colour_bundle, colour_model, facts_of, variant_of


def test_a_bundle_holds_these_files(bundle):
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    pictures = {f"golden/{name}" for name in golden_pictures(SIZE_PX, 1)}
    words = {"model.onnx", "labels.txt", "bundle.json", "predict.py", "resize.py", "MODEL_CARD.md"}
    assert files == words | pictures | {"golden/expected.json", "SHA256SUMS"}  # the last one by the fixture


def test_the_code_is_copied_as_it_is(bundle):
    for module in (predict, resize):
        source = Path(module.__file__)
        assert (bundle / source.name).read_bytes() == source.read_bytes()


def test_bundle_json_repeats_metrics_variants_and_choice_with_the_inputs_facts(tmp_path):
    variants = (variant_of("fp32"), variant_of("int8_minmax", latency_ms=0.7))
    facts = json.loads(
        (colour_bundle(tmp_path / "b", variants=variants, chosen="int8_minmax") / "bundle.json").read_text()
    )
    assert facts["schema"] == 1
    assert facts["input"] == {
        "name": "image", "size_px": SIZE_PX, "layout": "NHWC", "dtype": "uint8", "colour": "RGB", "max_megapixels": 64,
    }  # fmt: skip
    assert facts["metrics"]["test"]["accuracy"] == {"value": 0.9, "low": 0.81, "high": 0.97}
    assert facts["metrics"]["validation"]["n"] == 30
    assert [(row["name"], row["latency_ms"]) for row in facts["variants"]] == [("fp32", 1.5), ("int8_minmax", 0.7)]
    assert facts["variants"][0].keys() >= {"name", "accuracy", "size_bytes", "gzip_bytes", "latency_ms"}
    assert facts["chosen"] == "int8_minmax"
    assert facts["classes"] == list(COLOURS)


def test_its_outputs_are_those_of_the_model(bundle):
    facts = json.loads((bundle / "bundle.json").read_text())
    session = onnxruntime.InferenceSession(bundle / "model.onnx")
    assert [[put.name, put.shape] for put in session.get_outputs()] == [
        [o["name"], o["shape"]] for o in facts["outputs"]
    ]
    assert session.get_inputs()[0].name == facts["input"]["name"]


def test_the_models_metadata_names_the_classes_and_keeps_what_was_there(bundle):
    kept = onnxruntime.InferenceSession(bundle / "model.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(kept["class_names"]) == list(COLOURS)
    assert kept["writer"] == "a test"


def test_no_path_of_the_machine_is_in_a_bundle(tmp_path):
    weights = WeightsFound(backbone="smallnet", source="folder", path="/home/someone/secret/w.h5", sha256="a" * 64)
    bundle = colour_bundle(tmp_path / "b", weights=weights)
    assert json.loads((bundle / "bundle.json").read_text())["weights"]["file"] == "w.h5"
    for path in bundle.rglob("*"):
        if path.is_file():
            assert b"secret" not in path.read_bytes()
            assert str(tmp_path).encode() not in path.read_bytes()


def test_labels_are_one_a_line_whatever_a_folder_was_called(tmp_path):
    bundle = colour_bundle(tmp_path / "b", classes=("naïve", "two\nlines", "x"))
    assert (bundle / "labels.txt").read_text(encoding="utf-8").splitlines() == ["naïve", r"two\nlines", "x"]
    assert json.loads((bundle / "bundle.json").read_text())["classes"][1] == "two\nlines"


def test_a_model_with_weights_elsewhere_is_refused(tmp_path):
    model = onnx.load_model(colour_model(tmp_path / "m.onnx"))
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(DataError, match="in other files"):
        write_bundle(tmp_path / "b", model=tmp_path / "m.onnx", facts=facts_of(), seed=1)


# Golden pictures


def test_golden_pictures_depend_on_seed_and_size_alone():
    assert golden_pictures(24, 1) == golden_pictures(24, 1)
    assert golden_pictures(24, 1) != golden_pictures(24, 2)


@pytest.mark.parametrize("size_px", [16, 160])
def test_golden_pictures_take_every_way_through_the_decoder(size_px):
    images = {}
    for name, data in golden_pictures(size_px, 1).items():
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            images[name] = image
    assert {image.mode for image in images.values()} == {"RGB", "RGBA", "L"}
    assert {image.format for image in images.values()} == {"PNG", "JPEG"}
    assert images["turned.jpg"].getexif()[274] == 6
    sides = [image.size for image in images.values()]
    assert any(width < size_px and height < size_px for width, height in sides)
    assert any(width >= 4 * size_px and height >= 4 * size_px for width, height in sides)  # where JPEG shrinks
    assert any(width % 2 and height % 2 for width, height in sides)


def plain(data: bytes, resample: Image.Resampling) -> np.ndarray:
    """Decoded and resized without a thought of orientation, transparency or antialiasing."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB").resize((SIZE_PX, SIZE_PX), resample))


def swapped(data: bytes) -> np.ndarray:
    return resize.load_pixels(data, SIZE_PX)[..., ::-1]


@pytest.mark.parametrize(
    ("picture", "wrong"),
    [
        ("turned.jpg", lambda data: plain(data, Image.Resampling.BICUBIC)),
        ("see-through.png", lambda data: plain(data, Image.Resampling.BICUBIC)),
        ("large.jpg", lambda data: plain(data, Image.Resampling.NEAREST)),
        ("exact.png", swapped),
    ],
    ids=["orientation ignored", "transparency ignored", "no antialiasing", "blue and red swapped"],
)
def test_golden_pictures_show_each_usual_mistake(picture, wrong):
    data = golden_pictures(SIZE_PX, 1)[picture]
    right = resize.load_pixels(data, SIZE_PX).astype(float)
    assert np.abs(wrong(data) - right).mean() > 3  # grey levels; other decoders differ by 0.6


def test_a_quantised_model_gets_the_wider_tolerance(bundle, tmp_path):
    model = onnx.load_model(colour_model(tmp_path / "float.onnx"))
    step = onnx.numpy_helper.from_array(np.array(0.01, dtype=np.float32), "step")
    zero = onnx.numpy_helper.from_array(np.array(0, dtype=np.uint8), "zero")
    model.graph.initializer.extend([step, zero])
    matmul = next(node for node in model.graph.node if node.op_type == "MatMul")
    matmul.input[0] = "rough"
    at = list(model.graph.node).index(matmul)
    for number, (kind, source, target) in enumerate(
        [("QuantizeLinear", "features", "integers"), ("DequantizeLinear", "integers", "rough")]
    ):
        model.graph.node.insert(at + number, onnx.helper.make_node(kind, [source, "step", "zero"], [target]))
    onnx.save_model(model, tmp_path / "int8.onnx")
    write_bundle(tmp_path / "b", model=tmp_path / "int8.onnx", facts=facts_of(), seed=1)
    tolerance = {
        folder: json.loads((folder / "golden" / "expected.json").read_text())["tolerance"]
        for folder in (bundle, tmp_path / "b")
    }
    assert tolerance == {bundle: FLOAT_TOLERANCE, tmp_path / "b": INT8_TOLERANCE}
