import os
import shutil
from collections import namedtuple

import pytest

from automl.errors import ResourceMissing, UsageError
from automl.recipe.model import Pack, Recipe
from automl.runs import resources
from automl.runs.folder import RunFolder

Usage = namedtuple("Usage", "total used free")


def test_room_grows_with_images_and_with_the_size_that_the_recipe_allows():
    assert resources.pack_mb(1000, 100) == 30
    auto = resources.room_needed_mb(Recipe(pack=Pack(max_size_px=160)), 1000)
    fixed = resources.room_needed_mb(Recipe(pack=Pack(size_px=320)), 1000)
    assert fixed - resources.MODELS_MB == pytest.approx(4 * (auto - resources.MODELS_MB))


def test_a_disk_with_too_little_room_is_refused_with_both_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 5e6))
    with pytest.raises(ResourceMissing, match="has 5 MB free. Wanted: 700 MB for the packed images"):
        resources.need_room(tmp_path, 700)


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


def test_a_published_bundle_with_a_file_of_the_users_in_it_is_left_alone(tmp_path):
    bundle = tmp_path / "mine"
    (bundle / "__pycache__").mkdir(parents=True)
    (bundle / "__pycache__" / "resize.pyc").write_text("")
    (bundle / "bundle.json").write_text("{}")
    (bundle / "SHA256SUMS").write_text("00  bundle.json\n")
    resources.need_place(tmp_path, "mine")
    resources.need_place(tmp_path, "new")
    (bundle / "notes.txt").write_text("precious")
    with pytest.raises(ResourceMissing, match="holds 'notes.txt', which no bundle of ours listed"):
        resources.need_place(tmp_path, "mine")
