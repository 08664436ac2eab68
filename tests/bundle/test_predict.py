"""predict.py as a user meets it: from the bundle alone, with good, odd and broken files."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from automl.bundle.checksums import write_checksums
from automl.bundle.predict import (
    SUFFIXES,
    BundleFault,
    Prediction,
    Predictor,
    agreeing,
    as_table,
    find_images,
    printable,
    visible,
)
from automl.bundle.use import predict_images
from automl.data.files import SUFFIXES as SUFFIXES_OF_DATASETS
from automl.errors import DataError, UsageError
from tests.bundle.tiny_bundles import COLOURS, colour_bundle


def use(bundle: Path, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the bundle's predict.py, isolated (-I), from another folder."""
    command = [sys.executable, "-I", str(bundle / "predict.py"), *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


def test_it_runs_from_the_bundle_alone_and_needs_neither_automl_nor_keras(bundle, pictures, tmp_path):
    forbid = (
        "import sys, runpy\n"
        "class Forbid:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'automl', 'keras', 'tensorflow', 'onnx', 'scipy', 'pydantic'}:\n"
        "            raise AssertionError(name)\n"
        "sys.meta_path.insert(0, Forbid())\n"
        f"sys.argv = ['predict.py', {str(pictures)!r}, '--json']\n"
        f"runpy.run_path({str(bundle / 'predict.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", forbid], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 30
    assert all(row["label"] == Path(row["path"]).parent.name for row in rows)


def test_running_it_leaves_nothing_in_the_bundle(bundle, pictures, tmp_path):
    before = sorted(bundle.rglob("*"))
    assert use(bundle, pictures, cwd=tmp_path).returncode == 0
    assert sorted(bundle.rglob("*")) == before


def test_json_csv_and_table_say_the_same_in_the_same_order(bundle, pictures, tmp_path):
    inputs = (pictures / "green", pictures / "blue" / "0.png")
    as_json = json.loads(use(bundle, *inputs, "--json", cwd=tmp_path).stdout)
    as_csv = list(csv.DictReader(io.StringIO(use(bundle, *inputs, "--csv", cwd=tmp_path).stdout)))
    as_table = use(bundle, *inputs, cwd=tmp_path).stdout.splitlines()
    wanted = [*sorted(map(str, (pictures / "green").iterdir())), str(pictures / "blue" / "0.png")]
    assert [row["path"] for row in as_json] == [row["path"] for row in as_csv] == wanted
    for row, cells, line in zip(as_json, as_csv, as_table, strict=True):
        assert cells["label"] == row["label"] == line.split()[-2]
        assert float(cells["probability"]) == row["probability"] == max(row["probabilities"].values())
        assert [float(cells[f"p({name})"]) for name in COLOURS] == list(row["probabilities"].values())
        assert line.split()[-1] == f"{row['probability']:.4f}"


def test_top_lists_the_likeliest_first(bundle, pictures, tmp_path):
    line = use(bundle, pictures / "red" / "1.jpg", "--top", 3, cwd=tmp_path).stdout.split()
    assert line[1] == "red"
    assert set(line[1::2]) == set(COLOURS)
    assert sorted(line[2::2], reverse=True) == line[2::2]


def test_an_unreadable_image_is_one_clear_line_and_the_others_are_still_done(bundle, pictures, tmp_path):
    (pictures / "cut.png").write_bytes((pictures / "red" / "0.png").read_bytes()[:200])
    (pictures / "text.png").write_text("no picture")
    done = use(bundle, pictures, tmp_path / "missing.png", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 30
    lines = done.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(path) for path in (pictures / "cut.png", pictures / "text.png", tmp_path / "missing.png")
    ]
    assert "truncated" in lines[0]
    assert "not an image" in lines[1]
    assert "No such file" in lines[2]


def test_what_is_no_regular_file_is_refused_before_it_is_opened_and_the_others_are_done(bundle, pictures, tmp_path):
    os.mkfifo(pictures / "pipe.png")  # found in the folder; nobody will ever write into it
    (pictures / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.png"))
        done = use(bundle, pictures, tmp_path / "s.png", cwd=tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 30)
    said = [line.split(": ")[:2] for line in done.stderr.splitlines()]
    paths = (pictures / "pipe.png", pictures / "zero.png", tmp_path / "s.png")
    assert said == [[str(path), "not a regular file"] for path in paths]


def test_a_broken_link_in_a_folder_is_told(bundle, pictures):
    (pictures / "gone.png").symlink_to("nowhere.png")
    faults = [found.fault for found in Predictor(bundle).predictions(find_images([pictures])) if found.fault]
    assert faults == ["cannot be read: No such file or directory"]


def test_a_golden_picture_that_is_a_pipe_is_a_fault_of_the_bundle(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    make_irregular(copy / "golden" / "exact.png", "pipe")
    done = use(copy, "--selftest", cwd=tmp_path)
    assert done.returncode == 2
    assert "not a regular file" in done.stderr


def test_a_folder_without_images_says_so(bundle, tmp_path):
    done = use(bundle, tmp_path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "a folder without any image" in done.stderr


@pytest.mark.parametrize("words", [(), ("a.png", "--selftest"), ("a.png", "--top", "0"), ("a.png", "--json", "--csv")])
def test_wrong_words_end_with_2_and_the_usage(bundle, tmp_path, words):
    done = use(bundle, *words, cwd=tmp_path)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_folders_are_read_in_order_without_hidden_files_and_links_to_folders(tmp_path):
    for name in ("b/2.PNG", "a/x.jpeg", "a/.hidden.png", ".git/3.png", "notes.txt", "1.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])] == [
        "1.webp",
        "a/x.jpeg",
        "b/2.PNG",
    ]
    assert find_images([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"]  # named itself: tried


def test_folders_hold_the_same_kinds_of_files_as_datasets():
    assert SUFFIXES == SUFFIXES_OF_DATASETS


def test_more_files_than_a_batch_keep_their_order(bundle, pictures):
    paths = find_images([pictures]) * 3
    predictor = Predictor(bundle)
    probabilities = predictor.probabilities(paths)
    assert probabilities.shape == (90, 3)
    assert np.allclose(probabilities[30:60], probabilities[:30])
    assert [COLOURS[row] for row in probabilities.argmax(axis=1)] == [path.parent.name for path in paths]


def test_a_name_cannot_steer_the_terminal(bundle, pictures, tmp_path):
    odd = tmp_path / "\x1b[31mred\udcff.png"
    shutil.copyfile(pictures / "red" / "0.png", os.fsencode(odd))
    done = use(bundle, odd, cwd=tmp_path)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert r"\x1b[31mred\udcff.png" in done.stdout
    assert printable("naïve 猫") == "naïve 猫"


def test_blanks_round_a_label_are_seen_in_the_table():
    assert [visible(label) for label in ("cat", " cat", "cat ", "a cat", " \x07")] == [
        "cat", "' cat'", "'cat '", "a cat", r"' \x07'",
    ]  # fmt: skip
    assert as_table([Prediction(Path("a.png"), {"cat ": 1.0})], 1) == "a.png  'cat '  1.0000\n"


# The self-test


def test_the_selftest_passes_on_a_fresh_bundle(bundle, tmp_path):
    done = use(bundle, "--selftest", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("7 pictures, largest difference")
    assert done.stdout.rstrip().endswith("passed")


def test_the_selftest_notices_another_resize(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    code = (copy / "resize.py").read_text()
    assert "Image.Resampling.BICUBIC" in code
    (copy / "resize.py").write_text(code.replace("Image.Resampling.BICUBIC", "Image.Resampling.NEAREST"))
    done = use(copy, "--selftest", cwd=tmp_path)
    assert done.returncode == 1
    assert "the pixels of small.png differ by" in done.stdout
    assert "the probabilities of small.png differ by" in done.stdout


def test_the_selftest_notices_another_model(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    model = onnx.load_model(copy / "model.onnx")
    kernel = next(tensor for tensor in model.graph.initializer if tensor.name == "kernel")
    kernel.raw_data = (1.02 * np.frombuffer(kernel.raw_data, dtype=np.float32)).tobytes()
    onnx.save_model(model, copy / "model.onnx")
    done = use(copy, "--selftest", cwd=tmp_path)
    assert done.returncode == 1
    assert "pixels" not in done.stdout
    assert "the probabilities of exact.png differ by" in done.stdout


def test_the_selftest_notices_wrong_pixels_where_an_int8_models_tolerance_would_hide_them(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    golden = json.loads((copy / "golden" / "expected.json").read_text())
    (copy / "golden" / "expected.json").write_text(json.dumps({**golden, "tolerance": 1.0}))
    code = (copy / "resize.py").read_text()
    wrong = code.replace("if picture.turn in _TURN else small", "if picture.turn in () else small")
    assert wrong != code
    (copy / "resize.py").write_text(wrong)
    done = use(copy, "--selftest", cwd=tmp_path)
    assert done.returncode == 1
    assert "the pixels of turned.jpg differ by" in done.stdout
    assert "probabilities of turned" not in done.stdout


def test_golden_files_that_make_no_sense_are_a_fault_of_the_bundle(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "golden" / "expected.json").write_text('{"tolerance": 1, "pictures": []}')
    done = use(copy, "--selftest", cwd=tmp_path)
    assert done.returncode == 2
    assert "Wanted: the files that the bundle came with" in done.stderr


def test_classes_agree_where_they_are_equal_or_a_tie():
    expected = np.array([[0.6, 0.4], [0.5004, 0.4996], [0.6, 0.4]], dtype=np.float32)
    found = np.array([[0.7, 0.3], [0.4999, 0.5001], [0.4, 0.6]], dtype=np.float32)
    assert agreeing(expected, found, 1e-3).tolist() == [True, True, False]


# Bundles that are none


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bundle.json", None, "cannot be read"),
        ("bundle.json", "[]", "cannot be understood"),
        ("bundle.json", '{"schema": 99}', "has schema 99"),
        ("bundle.json", '{"schema": 1, "classes": ["a"]}', "cannot be understood"),
        ("model.onnx", None, "cannot be read"),
        ("model.onnx", "no model", "cannot be loaded"),
    ],
)
def test_a_bundle_with_a_bad_file_is_refused_by_name(bundle, tmp_path, name, content, words):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_text(content)
    with pytest.raises(BundleFault, match=words) as caught:
        Predictor(copy)
    assert str(copy / name) in str(caught.value)


@pytest.mark.parametrize(
    "classes",
    [["a", "a"], ["red", "green", "green"], "abc", {"a": 1}, ["a"], [], ["red", "green", 3], None,
     ["red", "green"], ["red", "green", "black"], ["blue", "green", "red"]],
)  # fmt: skip
def test_classes_that_are_no_names_or_not_the_models_are_refused(bundle, tmp_path, classes):
    refused(with_facts(bundle, tmp_path / "copy", classes=classes))


@pytest.mark.parametrize("size_px", [64, 0, -16, 16.0, 3.5, 1e9, 10**9, True, "16", None])
def test_a_size_that_is_none_or_not_the_models_is_refused(bundle, tmp_path, size_px):
    refused(with_facts(bundle, tmp_path / "copy", size_px=size_px))


@pytest.mark.parametrize("max_megapixels", [0, -1, True, "64", None, float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(bundle, tmp_path, max_megapixels):
    refused(with_facts(bundle, tmp_path / "copy", max_megapixels=max_megapixels))


def with_facts(bundle: Path, copy: Path, **changes: object) -> Path:
    """A copy of the bundle with other classes or input sizes in bundle.json, and checksums that agree with it."""
    shutil.copytree(bundle, copy)
    facts = json.loads((copy / "bundle.json").read_text())
    for key, value in changes.items():
        (facts if key == "classes" else facts["input"])[key] = value
    (copy / "bundle.json").write_text(json.dumps(facts))
    write_checksums(copy)
    return copy


def refused(bundle: Path) -> None:
    """Neither the script nor the package takes this bundle."""
    with pytest.raises(BundleFault, match=r"bundle\.json cannot be understood \(.*Wanted: the file"):
        Predictor(bundle)
    with pytest.raises(UsageError, match=r"bundle\.json cannot be understood"):
        predict_images(bundle, [bundle / "golden"])


@pytest.mark.parametrize(("named", "fits"), [(None, True), ('["red", "green", "blue"]', True), ("[", False)])
def test_names_in_the_models_metadata_are_compared_where_there_are_any(bundle, tmp_path, named, fits):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    model = onnx.load_model(copy / "model.onnx")
    onnx.helper.set_model_props(model, {} if named is None else {"class_names": named})
    onnx.save_model(model, copy / "model.onnx")
    if fits:
        assert Predictor(copy).classes == COLOURS
    else:
        with pytest.raises(BundleFault, match="not those in the model's metadata"):
            Predictor(copy)


@pytest.mark.parametrize("inside", ["weights.bin", "../weights.bin", "golden/../weights.bin"])
def test_a_model_that_reads_another_file_is_refused(bundle, tmp_path, monkeypatch, inside):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    model = onnx.load_model(copy / "model.onnx")
    onnx.save_model(model, copy / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    model = onnx.load_model(copy / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = inside if entry.key == "location" else entry.value
    (copy / "model.onnx").write_bytes(model.SerializeToString())
    shutil.copyfile(copy / "weights.bin", tmp_path / "weights.bin")
    monkeypatch.chdir(copy)
    with pytest.raises(BundleFault, match="whole in one file"):
        Predictor(copy)


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx"])
@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_a_file_that_is_none_is_refused_before_it_is_read(bundle, tmp_path, name, kind):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    make_irregular(copy / name, kind)
    with pytest.raises(BundleFault, match=f"{name} is no regular file"):
        Predictor(copy)
    done = use(copy, "--selftest", cwd=tmp_path)
    assert done.returncode == 2
    assert f"{name} is no regular file" in done.stderr


def make_irregular(path: Path, kind: str) -> None:
    """Put something in the file's place that reading would never come to the end of, or cannot read."""
    path.unlink()
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()


def test_facts_nested_without_end_are_refused(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "bundle.json").write_text("[" * 100_000)
    with pytest.raises(BundleFault, match="cannot be understood"):
        Predictor(copy)


def test_a_model_beyond_the_size_limit_is_not_read(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("automl.bundle.predict.MODEL_LIMIT_BYTES", 100)
    with pytest.raises(BundleFault, match="at most 100"):
        Predictor(bundle)


# From the package


def test_the_package_predicts_with_its_own_code_and_never_runs_the_bundles(bundle, pictures, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    for name in ("predict.py", "resize.py"):
        (copy / name).write_text("raise SystemExit('ran the code of a bundle')")
    found = predict_images(copy, [pictures / "blue"])
    assert [prediction.ranked[0][0] for prediction in found] == ["blue"] * 10


def test_the_package_reads_a_bundle_whose_files_are_links(bundle, pictures, tmp_path):
    store = shutil.copytree(bundle, tmp_path / "store")
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "model.onnx").unlink()
    (copy / "model.onnx").symlink_to(store / "model.onnx")
    assert len(predict_images(copy, [pictures / "blue"])) == 10


@pytest.mark.parametrize("name", ["bundle.json", "labels.txt", "model.onnx"])
def test_the_package_refuses_a_bundle_with_a_changed_file_by_name(bundle, pictures, tmp_path, name):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    with (copy / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(UsageError, match=f"{name} has changed: its SHA-256 is not the one in SHA256SUMS") as caught:
        predict_images(copy, [pictures])
    assert str(caught.value).endswith("Copy it anew.")


@pytest.mark.parametrize("name", ["labels.txt", "model.onnx", "SHA256SUMS"])
def test_the_package_refuses_a_bundle_with_a_missing_or_irregular_file_by_name(bundle, pictures, tmp_path, name):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / name).unlink()
    with pytest.raises(UsageError, match=f"{name} cannot be read: No such file"):
        predict_images(copy, [pictures])
    (copy / name).symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=f"{name} is no regular file"):
        predict_images(copy, [pictures])


def test_the_package_refuses_a_file_that_cannot_be_read_to_its_end(bundle, pictures, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "model.onnx").unlink()
    (copy / "model.onnx").symlink_to("/proc/self/mem")  # a regular file by its looks; its first byte is an I/O error
    with pytest.raises(UsageError, match=r"model\.onnx cannot be read: Input/output error"):
        predict_images(copy, [pictures])


def test_the_package_refuses_a_file_that_the_checksums_do_not_list(bundle, pictures, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    lines = (copy / "SHA256SUMS").read_text().splitlines(keepends=True)
    (copy / "SHA256SUMS").write_text("".join(line for line in lines if "model.onnx" not in line))
    with pytest.raises(UsageError, match=r"model\.onnx is not listed in SHA256SUMS"):
        predict_images(copy, [pictures])


def test_the_package_tells_no_bundle_from_no_image(bundle, tmp_path):
    with pytest.raises(UsageError, match=r"bundle\.json cannot be read"):
        predict_images(tmp_path, [tmp_path])
    with pytest.raises(DataError, match="none of 1 image"):
        predict_images(bundle, [tmp_path / "missing.png"])


def test_pictures_beyond_the_bundles_own_limit_are_refused(pictures, tmp_path):
    small = colour_bundle(tmp_path / "small", max_megapixels=0.01)
    Image.new("RGB", (200, 51)).save(pictures / "large.png")
    prediction = predict_images(small, [pictures / "large.png", pictures / "red" / "0.png"])[0]
    assert prediction.fault.startswith("too many pixels")


@pytest.mark.slow
def test_it_runs_in_an_environment_of_numpy_pillow_and_onnxruntime_alone(bundle, pictures, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "numpy", "pillow", "onnxruntime"], check=True, capture_output=True
    )
    for words in (["--selftest"], [str(pictures)]):
        done = subprocess.run(
            [python, "-I", "-W", "error", bundle / "predict.py", *words],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
