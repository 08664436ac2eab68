"""`automl predict`: the same answers as the bundle's own script, the right exit codes, and no Keras."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bundle.tiny_bundles import COLOURS, colour_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return colour_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, colour in enumerate(COLOURS):
        pixels = np.full((20, 31, 3), 40, dtype=np.uint8)
        pixels[..., index] = 200
        Image.fromarray(pixels).save(folder / f"{colour}.png")
    return folder


def command(*words: object) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys\n"
        "from automl.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    heavy = {name.partition('.')[0] for name in sys.modules} & {'keras', 'tensorflow', 'onnx', 'sklearn'}\n"
        "    assert not heavy, heavy\n"
    )
    words = tuple(map(str, words))
    return subprocess.run(
        [sys.executable, "-c", program, "predict", *words], capture_output=True, text=True, check=False, timeout=120
    )


def own_script(bundle: Path, *words: object) -> str:
    done = subprocess.run(
        [sys.executable, bundle / "predict.py", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_it_prints_what_the_bundles_own_script_prints(bundle, pictures, form):
    done = command(bundle, pictures, form)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == own_script(bundle, pictures, form)
    assert "green" in done.stdout


def test_the_table_has_a_line_an_image(bundle, pictures):
    done = command(bundle, pictures)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[1] for line in lines] == ["label", "blue", "green", "red"]
    assert lines[1][0] == str(pictures / "blue.png")


def test_an_unreadable_image_is_told_and_the_others_are_printed(bundle, pictures):
    (pictures / "bad.png").write_text("no image")
    done = command(bundle, pictures, "--json")
    assert done.returncode == 3
    assert [row.get("label") for row in json.loads(done.stdout)] == [None, "blue", "green", "red"]
    assert "bad.png: not an image" in done.stderr
    assert "1 of 4 image(s) could not be read" in done.stderr


def test_the_wrong_folder_is_a_usage_error_and_nothing_to_read_a_data_error(bundle, pictures, tmp_path):
    assert command(pictures, pictures).returncode == 2
    nothing = command(bundle, tmp_path / "missing")
    assert nothing.returncode == 3
    assert "No such file" in nothing.stderr
    assert command(bundle, pictures, "--json", "--csv").returncode == 2


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.symlink_to("/dev/zero"), "model.onnx is no regular file"),
        (os.mkfifo, "model.onnx is no regular file"),
        (lambda path: path.write_text("another model"), "model.onnx has changed"),
    ],
)
def test_a_bundle_that_is_not_as_published_is_refused_before_any_image_is_read(bundle, tmp_path, spoil, words):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "model.onnx").unlink()
    spoil(copy / "model.onnx")
    done = command(copy, tmp_path / "missing.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_blanks_round_a_label_are_quoted_in_the_table_and_left_alone_in_json(pictures, tmp_path):
    blank = colour_bundle(tmp_path / "blank", classes=(" red", "green ", "blue"))
    rows = command(blank, pictures).stdout.splitlines()[1:]
    assert [row.removeprefix(str(pictures)).split()[1:-1] for row in rows] == [["blue"], ["'green", "'"], ["'", "red'"]]
    labels = [row["label"] for row in json.loads(command(blank, pictures, "--json").stdout)]
    assert labels == ["blue", "green ", " red"]
