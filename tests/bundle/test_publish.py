from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

from automl.bundle.checksums import verify_checksums
from automl.bundle.publish import need_replaceable, publish
from automl.errors import ResourceMissing

DATA = {"cats"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "export" / "bundle"
    (folder / "golden").mkdir(parents=True)
    (folder / "bundle.json").write_text('{"dataset_fingerprint": "cats"}')
    (folder / "golden" / "1.png").write_bytes(b"one")
    return folder


def whole(folder: Path, report: bytes) -> bool:
    return verify_checksums(folder) == [] and (folder / "report.html").read_bytes() == report


def test_a_bundle_is_published_whole_with_what_was_added(bundle, tmp_path):
    checksums = publish(bundle, tmp_path / "new" / "exports", "cats", {"report.html": b"page"}, DATA)
    assert whole(tmp_path / "new" / "exports" / "cats", b"page")
    assert list(checksums) == ["bundle.json", "golden/1.png", "report.html"]
    assert not (bundle / "report.html").exists()


def test_an_older_bundle_is_replaced_and_nothing_else_is_left(bundle, tmp_path):
    exports = tmp_path / "exports"
    publish(bundle, exports, "cats", {"report.html": b"old", "golden/2.png": b"not in the new one"}, DATA)
    (exports / "cats" / "__pycache__").mkdir()
    (exports / "cats" / "__pycache__" / "resize.cpython-311.pyc").write_bytes(b"left by predict.py")
    publish(bundle, exports, "cats", {"report.html": b"new"}, DATA)
    assert whole(exports / "cats", b"new")
    assert [path.name for path in exports.iterdir()] == ["cats"]


def half_built(exports: Path) -> None:
    (exports / ".tmp-new-cats").mkdir()
    (exports / ".tmp-new-cats" / "model.onnx").write_bytes(b"half")


def between_the_renames(exports: Path) -> None:
    half_built(exports)
    (exports / "cats").rename(exports / ".tmp-old-cats")


def before_the_old_one_went(exports: Path) -> None:
    shutil.copytree(exports / "cats", exports / ".tmp-old-cats")


@pytest.mark.parametrize("killed", [half_built, between_the_renames, before_the_old_one_went])
def test_a_publication_that_was_killed_is_repaired_by_the_next(killed, bundle, tmp_path):
    exports = tmp_path / "exports"
    publish(bundle, exports, "cats", {"report.html": b"old"}, DATA)
    killed(exports)
    publish(bundle, exports, "cats", {"report.html": b"new"}, DATA)
    assert whole(exports / "cats", b"new")
    assert [path.name for path in exports.iterdir()] == ["cats"]


def test_after_a_kill_between_the_renames_a_failing_publication_still_brings_the_old_bundle_back(bundle, tmp_path):
    exports = tmp_path / "exports"
    publish(bundle, exports, "cats", {"report.html": b"old"}, DATA)
    between_the_renames(exports)
    with pytest.raises(ResourceMissing):
        publish(tmp_path / "nowhere", exports, "cats", {}, DATA)
    assert whole(exports / "cats", b"old")


def test_a_publication_that_fails_leaves_the_old_bundle_and_no_rest(bundle, tmp_path):
    exports = tmp_path / "exports"
    publish(bundle, exports, "cats", {"report.html": b"old"}, DATA)
    with pytest.raises(ResourceMissing, match="Wanted: a folder that can be written, with room for"):
        publish(bundle, exports, "cats", {"no/such/folder.html": b"new"}, DATA)
    assert whole(exports / "cats", b"old")
    assert [path.name for path in exports.iterdir()] == ["cats"]


def test_a_disk_that_fills_up_while_the_bundle_is_copied_is_told_in_one_line(bundle, tmp_path, monkeypatch):
    def full(source, target):
        why = "[Errno 28] No space left on device: 'model.onnx'"
        raise shutil.Error([("a", "b", why), ("c", "d", why)])

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(
        ResourceMissing, match=r"exports/cats \(\[Errno 28\] No space left on device: 'model.onnx'\). Wanted"
    ):
        publish(bundle, tmp_path / "exports", "cats", {}, DATA)


def test_other_names_temporary_folders_are_left_alone(bundle, tmp_path):
    other = tmp_path / "exports" / ".tmp-new-cats-and-dogs"
    other.mkdir(parents=True)
    publish(bundle, tmp_path / "exports", "cats", {}, DATA)
    assert other.exists()


def test_what_is_no_bundle_is_never_removed(bundle, tmp_path):
    letters = tmp_path / "exports" / "cats" / "letters.txt"
    letters.parent.mkdir(parents=True)
    letters.write_text("dear")
    with pytest.raises(ResourceMissing, match=r"cats exists and is no bundle \(it has no bundle.json\)"):
        publish(bundle, tmp_path / "exports", "cats", {}, DATA)
    assert letters.read_text() == "dear"


def users_file(place: Path) -> None:
    (place / "notes.txt").write_text("precious")


def users_link(place: Path) -> None:
    (place / "golden" / "more").symlink_to(place.parent)


def users_cache(place: Path) -> None:
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "notes.txt").write_text("precious")


def damaged_list(place: Path) -> None:
    (place / "SHA256SUMS").write_bytes(b"\xff\xfe no text\n")


@pytest.mark.parametrize(
    ("spoil", "file"),
    [
        (users_file, "notes.txt"),
        (users_link, "golden/more"),
        (users_cache, "__pycache__/notes.txt"),
        (damaged_list, "bundle.json"),
    ],
)
def test_an_older_bundle_with_a_file_that_it_does_not_list_is_left_alone(spoil, file, bundle, tmp_path):
    place = tmp_path / "exports" / "cats"
    publish(bundle, place.parent, "cats", {"report.html": b"old"}, DATA)
    spoil(place)
    before = sorted(place.rglob("*"))
    with pytest.raises(ResourceMissing, match=f"cats holds '{file}', which its SHA256SUMS does not list. Wanted: "):
        publish(bundle, place.parent, "cats", {"report.html": b"new"}, DATA)
    assert sorted(place.rglob("*")) == before
    assert (place / "report.html").read_bytes() == b"old"
    assert [path.name for path in place.parent.iterdir()] == ["cats"]


def test_a_file_that_comes_while_the_bundle_is_copied_is_seen(bundle, tmp_path, monkeypatch):
    place = tmp_path / "exports" / "cats"
    publish(bundle, place.parent, "cats", {}, DATA)
    copy = shutil.copytree

    def slow(*arguments):
        users_file(place)
        return copy(*arguments)

    monkeypatch.setattr(shutil, "copytree", slow)
    with pytest.raises(ResourceMissing, match="holds 'notes.txt'"):
        publish(bundle, place.parent, "cats", {}, DATA)
    assert (place / "notes.txt").read_text() == "precious"


def test_a_bundle_of_other_data_is_left_alone_one_of_the_runs_own_earlier_data_is_not(bundle, tmp_path):
    exports = tmp_path / "exports"
    publish(bundle, exports, "cats", {"report.html": b"old"}, DATA)
    with pytest.raises(ResourceMissing, match=r"cats is a bundle of another dataset \(fingerprint cats…; .* dogs…\)"):
        publish(bundle, exports, "cats", {"report.html": b"new"}, {"dogs"})
    assert whole(exports / "cats", b"old")
    need_replaceable(exports / "cats", set())  # whose data it is, is not known yet
    publish(bundle, exports, "cats", {"report.html": b"new"}, {"dogs", "cats"})
    assert whole(exports / "cats", b"new")


@pytest.mark.parametrize("text", [None, "", "[]"], ids=["gone", "cut", "odd"])
def test_a_damaged_bundle_is_replaced(text, bundle, tmp_path):
    exports = tmp_path / "exports"
    publish(bundle, exports, "cats", {"report.html": b"old"}, DATA)
    (exports / "cats" / "bundle.json").unlink()
    if text is not None:
        (exports / "cats" / "bundle.json").write_text(text)
    publish(bundle, exports, "cats", {"report.html": b"new"}, DATA)
    assert whole(exports / "cats", b"new")


def test_an_exports_folder_that_cannot_be_written_is_told_with_a_way_out(bundle, tmp_path):
    (tmp_path / "exports").write_text("a file")
    with pytest.raises(ResourceMissing, match="cannot be published as .*exports/cats.*--exports"):
        publish(bundle, tmp_path / "exports", "cats", {}, DATA)


def publish_often(bundle: Path, exports: Path, report: bytes) -> None:
    for _ in range(10):
        publish(bundle, exports, "cats", {"report.html": report * 2000}, DATA)


def test_two_processes_that_publish_one_name_do_not_mix(bundle, tmp_path):
    spawn = multiprocessing.get_context("spawn")
    reports = [b"left", b"right"]
    others = [spawn.Process(target=publish_often, args=(bundle, tmp_path / "exports", report)) for report in reports]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [other.exitcode for other in others] == [0, 0]
    assert any(whole(tmp_path / "exports" / "cats", report * 2000) for report in reports)
