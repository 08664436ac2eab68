from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

from automl.bundle.checksums import verify_checksums
from automl.bundle.publish import publish
from automl.errors import ResourceMissing


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "export" / "bundle"
    (folder / "golden").mkdir(parents=True)
    (folder / "bundle.json").write_text("{}")
    (folder / "golden" / "1.png").write_bytes(b"one")
    return folder


def whole(folder: Path, report: bytes) -> bool:
    return verify_checksums(folder) == [] and (folder / "report.html").read_bytes() == report


def test_a_bundle_is_published_whole_with_what_was_added(bundle, tmp_path):
    checksums = publish(bundle, tmp_path / "new" / "exports", "cats", {"report.html": b"page"})
    assert whole(tmp_path / "new" / "exports" / "cats", b"page")
    assert list(checksums) == ["bundle.json", "golden/1.png", "report.html"]
    assert not (bundle / "report.html").exists()


def test_an_older_bundle_is_replaced_and_nothing_else_is_left(bundle, tmp_path):
    exports = tmp_path / "exports"
    publish(bundle, exports, "cats", {"report.html": b"old"})
    (exports / "cats" / "golden" / "2.png").write_bytes(b"not in the new one")
    publish(bundle, exports, "cats", {"report.html": b"new"})
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
    publish(bundle, exports, "cats", {"report.html": b"old"})
    killed(exports)
    publish(bundle, exports, "cats", {"report.html": b"new"})
    assert whole(exports / "cats", b"new")
    assert [path.name for path in exports.iterdir()] == ["cats"]


def test_after_a_kill_between_the_renames_a_failing_publication_still_brings_the_old_bundle_back(bundle, tmp_path):
    exports = tmp_path / "exports"
    publish(bundle, exports, "cats", {"report.html": b"old"})
    between_the_renames(exports)
    with pytest.raises(ResourceMissing):
        publish(tmp_path / "nowhere", exports, "cats", {})
    assert whole(exports / "cats", b"old")


def test_a_publication_that_fails_leaves_the_old_bundle_and_no_rest(bundle, tmp_path):
    exports = tmp_path / "exports"
    publish(bundle, exports, "cats", {"report.html": b"old"})
    with pytest.raises(ResourceMissing, match="Wanted: a folder that can be written, with room for"):
        publish(bundle, exports, "cats", {"no/such/folder.html": b"new"})
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
        publish(bundle, tmp_path / "exports", "cats", {})


def test_other_names_temporary_folders_are_left_alone(bundle, tmp_path):
    other = tmp_path / "exports" / ".tmp-new-cats-and-dogs"
    other.mkdir(parents=True)
    publish(bundle, tmp_path / "exports", "cats", {})
    assert other.exists()


def test_what_is_no_bundle_is_never_removed(bundle, tmp_path):
    letters = tmp_path / "exports" / "cats" / "letters.txt"
    letters.parent.mkdir(parents=True)
    letters.write_text("dear")
    with pytest.raises(ResourceMissing, match=r"cats exists and is no bundle \(it has no bundle.json\)"):
        publish(bundle, tmp_path / "exports", "cats", {})
    assert letters.read_text() == "dear"


def test_an_exports_folder_that_cannot_be_written_is_told_with_a_way_out(bundle, tmp_path):
    (tmp_path / "exports").write_text("a file")
    with pytest.raises(ResourceMissing, match="cannot be published as .*exports/cats.*--exports"):
        publish(bundle, tmp_path / "exports", "cats", {})


def publish_often(bundle: Path, exports: Path, report: bytes) -> None:
    for _ in range(10):
        publish(bundle, exports, "cats", {"report.html": report * 2000})


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
