from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage
from sklearn.datasets import load_digits

from automl.demo_data import PER_DIGIT, write_digits
from automl.errors import UsageError


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo-data") / "digits"
    assert write_digits(folder) == 1_797
    return folder


def facts_of(folder):
    return {
        path.relative_to(folder): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*.png")
    }


def test_every_digit_of_scikit_learn_is_there_once_with_its_own_pixels(digits):
    pixels, labels = load_digits(return_X_y=True)
    seen = dict.fromkeys(range(10), 0)
    for image, label in zip(pixels.reshape(-1, 8, 8), labels, strict=True):
        with PillowImage.open(digits / str(label) / f"{seen[label]:03}.png") as file:
            assert file.mode == "L"
            assert np.array_equal(np.asarray(file), np.rint(image / 16 * 255))
        seen[label] += 1
    assert tuple(seen.values()) == PER_DIGIT
    assert len(facts_of(digits)) == 1_797


def test_a_complete_folder_is_used_again_as_it_is(digits):
    before = (digits / "3").stat().st_mtime_ns, digits.stat().st_ino
    write_digits(digits)
    assert ((digits / "3").stat().st_mtime_ns, digits.stat().st_ino) == before


def test_written_anew_the_files_are_the_same_to_the_byte_and_to_their_times(digits, tmp_path):
    write_digits(tmp_path / "digits")
    assert facts_of(tmp_path / "digits") == facts_of(digits)


def test_a_folder_that_lacks_files_is_replaced_and_so_is_what_a_kill_left(tmp_path, digits):
    folder = tmp_path / "digits"
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "000.png").write_bytes(b"half")
    (tmp_path / ".tmp-digits" / "0").mkdir(parents=True)
    write_digits(folder)
    assert facts_of(folder) == facts_of(digits)
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "digits" / "0").mkdir(parents=True)
    (tmp_path / "digits" / "0" / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"holds '0/mine.jpg'.*Name another with --data"):
        write_digits(tmp_path / "digits")
    assert (tmp_path / "digits" / "0" / "mine.jpg").read_bytes() == b"mine"
