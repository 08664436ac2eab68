"""SHA256SUMS: agreement with the standard tool, and every fault is named."""

import shutil
import subprocess

import pytest

from automl.bundle.checksums import DECIDE, NAME, faults_by, verify_checksums, write_checksums


@pytest.fixture
def folder(tmp_path):
    files = tmp_path / "files"
    (files / "golden").mkdir(parents=True)
    (files / "a file").write_text("one")
    (files / "golden" / "b.bin").write_bytes(bytes(range(256)))
    write_checksums(files)
    return files


def test_a_whole_folder_has_no_fault_and_sha256sum_agrees(folder):
    assert verify_checksums(folder) == []
    subprocess.run(
        [shutil.which("sha256sum"), "--check", "--strict", NAME], cwd=folder, check=True, capture_output=True
    )


def test_the_files_are_returned_as_listed_and_writing_again_changes_nothing(folder):
    before = (folder / NAME).read_bytes()
    assert list(write_checksums(folder)) == ["a file", "golden/b.bin"]
    assert (folder / NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda folder: (folder / "a file").write_text("two"), "a file has changed"),
        (lambda folder: (folder / "golden" / "b.bin").unlink(), "golden/b.bin is missing"),
        (lambda folder: (folder / "golden" / "new").touch(), "golden/new is not listed"),
        (
            lambda folder: (folder / NAME).write_text((folder / NAME).read_text() + "x\n"),
            f"{NAME} line 3 is no checksum",
        ),
    ],
)
def test_each_fault_is_named(folder, spoil, fault):
    spoil(folder)
    assert verify_checksums(folder) == [fault]


@pytest.mark.parametrize(
    ("spoil", "faults"),
    [
        (lambda folder: (folder / "golden" / "new").touch(), []),
        (lambda folder: (folder / "a file").write_text("edited"), []),
        (lambda folder: (folder / "labels.txt").write_text("two"), ["labels.txt has changed"]),
        (lambda folder: (folder / "model.onnx").unlink(), ["model.onnx is missing"]),
        (lambda folder: (folder / NAME).unlink(), [f"{NAME} is missing, or has changed"]),
        (lambda folder: (folder / NAME).write_bytes(b"\xff\n"), [f"{NAME} is missing, or has changed"]),
    ],
    ids=["added", "edited", "changed", "missing", "no list", "damaged list"],
)
def test_a_published_bundle_is_compared_with_what_was_published(folder, spoil, faults):
    for name in DECIDE:
        (folder / name).write_text("one")
    wanted = write_checksums(folder)
    spoil(folder)
    assert faults_by(folder, wanted) == [f"{folder}/{fault}" for fault in faults]


def test_a_published_bundle_that_is_gone_is_told(tmp_path):
    assert faults_by(tmp_path / "cats", {"model.onnx": "00"}) == [f"{tmp_path / 'cats'} is missing"]


def test_a_folder_without_the_list_is_at_fault(tmp_path):
    assert verify_checksums(tmp_path)[0].startswith(f"{NAME} cannot be read")


def test_a_name_that_cannot_be_listed_is_refused(tmp_path):
    (tmp_path / "two\nlines").touch()
    with pytest.raises(ValueError, match="cannot be listed"):
        write_checksums(tmp_path)
