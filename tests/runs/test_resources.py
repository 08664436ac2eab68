import os
import shutil
from collections import namedtuple
from dataclasses import replace

import pytest

from automl.bundle.checksums import write_checksums
from automl.errors import ResourceMissing, UsageError
from automl.recipe.model import Pack, Recipe
from automl.runs import resources
from automl.runs.done import write_done
from automl.runs.events import append_event, now_iso
from automl.runs.folder import RunFolder
from tests.report.samples import usual

Usage = namedtuple("Usage", "total used free")


def test_room_grows_with_images_and_with_the_size_that_the_recipe_allows():
    assert resources.pack_mb(1000, 100) == 30
    auto = resources.room_needed_mb(Recipe(pack=Pack(max_size_px=160)), 1000)
    fixed = resources.room_needed_mb(Recipe(pack=Pack(size_px=320)), 1000)
    assert fixed - resources.MODELS_MB == pytest.approx(4 / resources.BOTH * (auto - resources.MODELS_MB))


def test_what_a_run_needs_at_least_is_its_models_where_pixels_need_not_be_packed():
    needs = {
        store: (resources.least_room_mb(recipe, 10**6), resources.room_needed_mb(recipe, 10**6))
        for store in ("auto", "raw", "files")
        for recipe in [Recipe(pack=Pack(size_px=100, store=store, max_disk_mb=20_000))]
    }
    assert needs == {"auto": (600, 20_600), "raw": (30_600, 30_600), "files": (600, 600)}


def test_a_disk_with_too_little_room_is_refused_with_both_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 5e6))
    with pytest.raises(ResourceMissing, match="has 5 MB free. Wanted: 700 MB for the packed images"):
        resources.need_room(tmp_path, 700, "the packed images")


def test_too_little_memory_is_refused_with_both_figures():
    with pytest.raises(ResourceMissing, match="MB of memory are free. Wanted: 1,000,000,000 MB"):
        resources.need_memory(1e9)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ResourceMissing, match="cannot be written .* Wanted: a folder for runs"):
        resources.need_folder(blocked / "runs", "runs")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ResourceMissing, match="cannot be written"):
        resources.need_folder(tmp_path, "runs")


def test_a_folder_that_is_no_run_is_not_made_one(tmp_path):
    resources.need_own(RunFolder(tmp_path / "new"))
    folder = RunFolder(tmp_path / "flowers")
    folder.root.mkdir()
    resources.need_own(folder)
    (folder.root / "train").mkdir()
    with pytest.raises(UsageError, match="holds 'train' and is no run. Wanted: a new or empty folder"):
        resources.need_own(folder)
    folder.lock.write_text("")  # as a run that was killed at its first breath
    resources.need_own(folder)


def test_a_bundle_of_that_name_is_compared_with_the_runs_data_once_check_is_done(tmp_path):
    bundle = tmp_path / "exports" / "mine"
    bundle.mkdir(parents=True)
    (bundle / "bundle.json").write_text('{"dataset_fingerprint": "old"}')
    write_checksums(bundle)
    folder = RunFolder(tmp_path / "runs" / "mine")
    resources.need_place(bundle.parent, folder)
    folder.write_record(replace(usual().checked, dataset_fingerprint="new"))
    write_done(folder.stage("check"), inputs={}, seconds=1.0, finished_at=now_iso())
    with pytest.raises(ResourceMissing, match=r"mine is a bundle of another dataset \(fingerprint old…; this run's"):
        resources.need_place(bundle.parent, folder)
    append_event(folder.events_jsonl, {"event": "run done", "dataset_fingerprint": "old"})  # before --redo check
    resources.need_place(bundle.parent, folder)


def test_runs_and_bundles_in_one_folder_are_refused_however_it_is_spelled(tmp_path):
    resources.need_two_folders(tmp_path / "runs", tmp_path / "exports")
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    with pytest.raises(UsageError, match="--runs and --exports are the same folder"):
        resources.need_two_folders(tmp_path / "runs", tmp_path / "link" / ".." / "runs")
