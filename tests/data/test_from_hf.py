"""Hugging Face datasets, from tables and folders that the test writes. Skipped where the package is not installed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from automl.data.named import FILES, STAMP
from tests.data.hf_tables import encoded, write_table

pytest.importorskip("datasets", reason="pip install 'automl[hf]'")


def export_of(name: str, folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The export in a process of its own, as in a run: the package is not loaded here, and its cache is the test's."""
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "tests.data.export_program", name, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / FILES / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tables_give_their_images_byte_for_byte_with_class_names_and_splits(tmp_path: Path) -> None:
    train = [encoded(number, "PNG" if number % 2 else "JPEG") for number in range(5)]
    images: list[dict[str, object]] = [{"bytes": one, "path": "/etc/x.gif"} for one in train]
    write_table(tmp_path / "set/data/train-00000-of-00001.parquet", images, [0, 1, 0, 1, -1])
    write_table(tmp_path / "set/data/test-00000-of-00001.parquet", [{"bytes": encoded(9, "PNG"), "path": None}], [1])
    done = export_of(f"hf:{tmp_path / 'set'}", tmp_path / "dataset", tmp_path)

    assert (done.stdout, done.returncode) == ("6\n", 0), done.stderr
    table = rows(tmp_path / "dataset")
    assert list(table[0]) == ["path", "label", "id", "split"]
    assert [(row["label"], row["split"]) for row in table] == [
        ("cat", "train"), ("dog", "train"), ("cat", "train"), ("dog", "train"), ("", "train"), ("dog", "test"),
    ]  # fmt: skip
    assert [(tmp_path / "dataset" / FILES / row["path"]).read_bytes() for row in table[:5]] == train
    assert [Path(row["path"]).suffix for row in table[:2]] == [".jpg", ".png"]
    assert json.loads((tmp_path / "dataset" / STAMP).read_text())["files"] == 6


def test_a_path_in_a_table_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(1, "PNG"))
    images: list[dict[str, object]] = [
        {"bytes": None, "path": str(tmp_path / "secret.png")},
        {"bytes": encoded(2, "PNG"), "path": None},
    ]
    write_table(tmp_path / "set/train.parquet", images, [0, 1])
    done = export_of(f"hf:{tmp_path / 'set'}", tmp_path / "dataset", tmp_path)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
    assert json.loads((tmp_path / "dataset" / STAMP).read_text())["left_out"] == ["1 example(s) without an image"]


def test_an_image_folder_gives_its_files(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number, label in enumerate(("cat", "dog")):
            path = tmp_path / "set" / split / label / "1.jpg"
            path.parent.mkdir(parents=True)
            path.write_bytes(encoded(number, "JPEG"))
    done = export_of(f"hf:{tmp_path / 'set'}", tmp_path / "dataset", tmp_path)
    assert (done.stdout, done.returncode) == ("4\n", 0), done.stderr
    table = rows(tmp_path / "dataset")
    assert [(row["label"], row["split"]) for row in table] == [
        ("cat", "train"), ("dog", "train"), ("cat", "test"), ("dog", "test"),
    ]  # fmt: skip
    assert (tmp_path / "dataset" / FILES / table[1]["path"]).read_bytes() == encoded(1, "JPEG")


def test_a_dataset_with_code_of_its_own_is_refused_and_the_code_is_not_run(tmp_path: Path) -> None:
    script = tmp_path / "set" / "set.py"
    script.parent.mkdir()
    script.write_text(f"open({str(tmp_path / 'was_run')!r}, 'w').close()\n")
    write_table(tmp_path / "set/train.parquet", [{"bytes": encoded(2, "PNG"), "path": None}] * 2, [0, 1])
    for name in (tmp_path / "set", script):
        export_of(f"hf:{name}", tmp_path / "dataset", tmp_path)
        assert not (tmp_path / "was_run").exists()
    assert export_of(f"hf:{script}", tmp_path / "dataset", tmp_path).returncode == 3


def test_texts_and_unknown_names_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "train.csv").write_text("text,label\nx,1\ny,2\n")
    done = export_of(f"hf:{tmp_path / 'texts'}", tmp_path / "dataset", tmp_path)
    assert done.returncode == 3
    assert "would be read by the builder 'csv'. Wanted: one of parquet, arrow, imagefolder" in done.stdout
    done = export_of("hf:no-such-owner/no-such-set", tmp_path / "dataset", tmp_path)
    assert done.returncode == 3
    assert done.stdout.startswith("DataError: hf:no-such-owner/no-such-set cannot be had: ")
    assert done.stdout.count("\n") == 1
    assert not (tmp_path / "dataset").exists()
