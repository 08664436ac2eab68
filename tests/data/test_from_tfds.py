"""TensorFlow Datasets, from a builder that the test writes. Skipped where the package is not installed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from automl.data.named import FILES, STAMP

# An extra that the lock leaves out, for its 16 packages. And importing it would load TensorFlow into this process.
if find_spec("tensorflow_datasets") is None:
    pytest.skip("pip install 'automl[tfds]'", allow_module_level=True)

PREPARE = """
import io, sys
import numpy as np, tensorflow_datasets as tfds
from PIL import Image

class TinyAnimals(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="small"), tfds.core.BuilderConfig(name="pairs")]

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "animal": tfds.features.ClassLabel(names=["cat", "dog"]),
            "id": tfds.features.Text(),
            "box": tfds.features.BBoxFeature(),
        }
        if self.builder_config.name == "pairs":
            features["other"] = tfds.features.Image(shape=(None, None, 3))
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=("image", "animal")
        )

    def _split_generators(self, downloads):
        return {"train": self._generate_examples(4), "test": self._generate_examples(2)}

    def _generate_examples(self, n):
        for number in range(n):
            file = io.BytesIO()
            Image.fromarray(np.full((5, 6, 3), 10 * n + number, np.uint8)).save(file, "PNG")
            if self.builder_config.name == "small" and n == 4:
                open(f"{sys.argv[1]}/{number}.png", "wb").write(file.getvalue())
            file.seek(0)
            example = {"image": file, "animal": number % 2, "id": f"{n}-{number}",
                       "box": tfds.features.BBox(0.0, 0.0, 1.0, 1.0)}
            if self.builder_config.name == "pairs":
                example["other"] = io.BytesIO(file.getvalue())
            yield number, example

for config in ("small", "pairs"):
    TinyAnimals(data_dir=sys.argv[1], config=config).download_and_prepare()
"""


def run(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TFDS_DATA_DIR": str(data), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=500)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of prepared datasets. Do not write into it."""
    folder = tmp_path_factory.mktemp("tfds")
    done = run("-c", PREPARE, str(folder), data=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_prepared_dataset_gives_its_images_byte_for_byte_with_class_names_and_splits(
    data: Path, tmp_path: Path
) -> None:
    done = run("-m", "tests.data.export_program", "tfds:tiny_animals/small:1.0.0", str(tmp_path / "dataset"), data=data)
    assert (done.stdout, done.returncode) == ("6\n", 0), done.stderr
    files = tmp_path / "dataset" / FILES
    with (files / "labels.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert set(table[0]) == {"path", "label", "id", "split"}
    made = {f"4-{number}": (data / f"{number}.png").read_bytes() for number in range(4)}
    found = {row["id"]: row for row in table if row["split"] == "train"}
    assert {name: (files / row["path"]).read_bytes() for name, row in found.items()} == made
    assert {name: row["label"] for name, row in found.items()} == {
        "4-0": "cat",
        "4-1": "dog",
        "4-2": "cat",
        "4-3": "dog",
    }
    assert sorted(row["id"] for row in table if row["split"] == "test") == ["2-0", "2-1"]
    assert json.loads((tmp_path / "dataset" / STAMP).read_text())["version"] == "tiny_animals/small/1.0.0"


def test_two_images_an_example_and_unknown_names_are_refused_in_one_line(data: Path, tmp_path: Path) -> None:
    done = run("-m", "tests.data.export_program", "tfds:tiny_animals/pairs", str(tmp_path / "dataset"), data=data)
    assert done.returncode == 3
    assert "has 2 images an example (animal, box, id, image, other). Wanted: exactly one" in done.stdout
    done = run("-m", "tests.data.export_program", "tfds:no_such_set", str(tmp_path / "dataset"), data=data)
    assert done.returncode == 3
    assert done.stdout.startswith("DataError: tfds:no_such_set cannot be had: DatasetNotFoundError: ")
    assert done.stdout.count("\n") == 1
    assert not (tmp_path / "dataset").exists()
