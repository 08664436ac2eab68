from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from automl.bundle.resize import load_pixels
from automl.data.flags import read_flags
from automl.data.images import read_images, read_rejected
from automl.data.looks import NAME as LOOKS_NAME
from automl.data.scan import beside_bytes
from automl.data.store import open_pixels
from automl.errors import DataError
from automl.recipe.model import Check, Pack, Recipe
from automl.records import Checked, Packed
from automl.runs.resources import MODELS_MB
from automl.runtime.context import StageContext
from automl.stages import check, pack, split
from tests.conftest import MakeContext, QuietFront
from tests.strategies import an_image

OUTCOME = ("images.csv", "rejected.csv", "flags.csv", "pixels-32/00000.u8", "pixels-32/store.json", LOOKS_NAME)
SHARED = Path(__file__).parents[3] / "shared" / "datasets"


def test_check_decodes_all_files_and_says_what_is_in_them(make_context: MakeContext, bars_dataset: Path) -> None:
    ctx = make_context("check", bars_dataset)

    checked = check.run(ctx)

    assert (checked.n_images, checked.n_rejected) == (60, 0)
    assert checked.per_class == {"across": 20, "down": 20, "slant": 20}
    assert checked.sizes_px == (32, 160)
    assert checked.shorter_side_px == (24, 24, 24)
    assert (checked.modes, checked.formats) == ({"RGB": 60}, {"PNG": 60})
    assert checked.findings == ()
    assert checked.images_s > 0
    images = read_images(ctx.folder.stage("check") / "images.csv")
    pixels = open_pixels(ctx.folder.stage("check") / "pixels-32")
    larger = open_pixels(ctx.folder.stage("check") / "pixels-160")
    for image in images[::7]:
        data = (bars_dataset / image.path).read_bytes()
        assert np.array_equal(pixels[image.row], load_pixels(data, 32))
        assert np.array_equal(larger[image.row], load_pixels(data, 160))
    assert isinstance(ctx.front, QuietFront)
    assert ctx.front.ticks[-1] == (60, 60, "images decoded")


def test_the_record_survives_its_file(make_context: MakeContext, bars_dataset: Path) -> None:
    ctx = make_context("check", bars_dataset)
    checked = check.run(ctx)

    ctx.folder.write_record(checked)

    assert ctx.record(Checked) == checked


def test_a_broken_file_is_quarantined_warned_of_and_has_no_row(make_context: MakeContext, bars_dataset: Path) -> None:
    broken = bars_dataset / "down" / "007.png"
    broken.write_bytes(broken.read_bytes()[:400])
    ctx = make_context("check", bars_dataset)

    checked = check.run(ctx)

    assert (checked.n_images, checked.n_rejected) == (59, 1)
    (rejected,) = read_rejected(ctx.folder.stage("check") / "rejected.csv")
    assert (rejected.path, rejected.reason) == ("down/007.png", "truncated")
    assert len(open_pixels(ctx.folder.stage("check") / "pixels-32")) == 59
    assert isinstance(ctx.front, QuietFront)
    assert ctx.front.warnings == ["1 file(s) cannot be used and are left out: 1 x truncated."]
    (flag,) = read_flags(ctx.folder.stage("check") / "flags.csv")
    assert (flag.path, flag.rule) == ("down/007.png", "truncated")


def test_the_recipes_size_wins_and_classes_can_be_dropped(make_context: MakeContext, bars_dataset: Path) -> None:
    recipe = Recipe(pack=Pack(size_px=20), check=Check(drop_classes=("slant",)))

    checked = check.run(make_context("check", bars_dataset, recipe))

    assert checked.sizes_px == (20,)
    assert checked.classes == ("across", "down")


def grown(dataset: Path, ctx: StageContext) -> None:
    """Three files more, one file another, and check's folder set aside as a grown dataset's is."""
    for number in range(3):
        PillowImage.new("RGB", (24, 24), (80 * number, 9, 9)).save(dataset / "across" / f"new-{number}.png")
    PillowImage.new("RGB", (24, 24), "red").save(dataset / "down" / "003.png")
    ctx.folder.stage("check").rename(ctx.folder.earlier("check"))


def test_a_grown_dataset_is_checked_as_afresh_and_says_how_many_files_were_taken_over(
    make_context: MakeContext, bars_dataset: Path
) -> None:
    ctx = make_context("check", bars_dataset)
    check.run(ctx)
    grown(bars_dataset, ctx)
    again = check.run(ctx)
    taken = {name: (ctx.folder.stage("check") / name).read_bytes() for name in OUTCOME}

    assert again.n_images == 63
    assert [finding.text for finding in again.findings if finding.kind == "images taken over"] == [
        "59 of 63 files are unchanged since this run checked them before, and were taken over; 4 were decoded."
    ]
    assert not ctx.folder.earlier("check").exists()
    shutil.rmtree(ctx.folder.stage("check"))
    fresh = check.run(ctx)
    assert {name: (ctx.folder.stage("check") / name).read_bytes() for name in OUTCOME} == taken
    assert fresh.dataset_fingerprint == again.dataset_fingerprint
    assert "images taken over" not in {finding.kind for finding in fresh.findings}


@pytest.mark.parametrize(
    ("store", "spare"), [("auto", int(MODELS_MB * 1e6) + beside_bytes(63)), ("raw", beside_bytes(63))]
)
def test_what_was_set_aside_makes_room_where_the_disk_cannot_hold_both(
    make_context: MakeContext, bars_dataset: Path, monkeypatch: pytest.MonkeyPatch, store: str, spare: int
) -> None:
    ctx = make_context("check", bars_dataset, Recipe(pack=Pack(size_px=32, store=store)))
    check.run(ctx)
    grown(bars_dataset, ctx)
    taken = sum(path.stat().st_size for path in ctx.folder.earlier("check").rglob("*") if path.is_file())

    def usage(path: object) -> object:
        return shutil._ntuple_diskusage(0, 0, spare + (100 if ctx.folder.earlier("check").exists() else 100 + taken))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    again = check.run(ctx)

    assert (again.store, again.n_images) == ("raw", 63)
    assert "images taken over" not in {finding.kind for finding in again.findings}


def test_too_little_room_for_packed_pixels_is_said_aloud_and_nothing_else_changes(
    make_context: MakeContext, bars_dataset: Path
) -> None:
    outcomes = {}
    for most in (1000.0, 0.1):  # megabytes; 60 images of 32 px take 0.18
        recipe = Recipe(pack=Pack(size_px=32, max_disk_mb=most))
        for name, stage in (("check", check), ("split", split), ("pack", pack)):
            ctx = make_context(name, bars_dataset, recipe)
            shutil.rmtree(ctx.folder.stage(name), ignore_errors=True)
            ctx.folder.write_record(stage.run(ctx))
            if name == "check":
                warnings = ctx.front.warnings
        checked, packed = ctx.record(Checked), ctx.record(Packed)
        files = ("check/images.csv", "check/looks.npy", "split/split.csv", "pack/train-rows.npy", "pack/samples.png")
        contents = [(ctx.folder.root / file).read_bytes() for file in files]
        outcomes[checked.store] = (contents, packed.mean, packed.std, packed.per_part)
        if checked.store == "files":
            assert len(warnings) == 1
            assert "would take 0 MB, and pack.max_disk_mb allows 0 MB: nothing is packed" in warnings[0]
            assert packed.map_bytes == 0
            assert not list(ctx.folder.root.rglob("*.u8"))
    assert outcomes["raw"] == outcomes["files"]


def test_where_two_sizes_do_not_fit_the_larger_alone_is_packed_and_a_killed_check_stays_with_it(
    make_context: MakeContext, bars_dataset: Path
) -> None:
    small = make_context("check", bars_dataset, Recipe(pack=Pack(max_disk_mb=4.7)))  # 4.61 MB, and 0.18 at 32 px
    checked = check.run(small)
    assert (checked.store, checked.sizes_px) == ("raw", (160,))
    assert "pixels not packed" not in {finding.kind for finding in checked.findings}
    lines = small.output("scan.jsonl").read_bytes().splitlines(keepends=True)
    small.output("scan.jsonl").write_bytes(b"".join(lines[:2]))
    again = check.run(replace(small, recipe=Recipe(pack=Pack(max_disk_mb=1000))))
    assert again.sizes_px == (160,)


def test_the_fingerprint_is_of_contents_and_labels_in_any_order() -> None:
    images = [an_image(f"cat/{n}.png", "cat", f"{n}") for n in range(3)]
    before = check.content_fingerprint(images)

    assert check.content_fingerprint(images[::-1]) == before
    assert check.content_fingerprint(images[:-1]) != before
    assert check.content_fingerprint([an_image("cat/0.png", "cat", "other"), *images[1:]]) != before
    assert check.content_fingerprint([an_image("cat/0.png", "dog", "0"), *images[1:]]) != before


def test_a_dataset_without_a_readable_image_is_refused(make_context: MakeContext, bars_dataset: Path) -> None:
    for path in bars_dataset.rglob("*.png"):
        path.write_text("no image")

    with pytest.raises(DataError, match=r"none of the 60 image file.*60 x not an image"):
        check.run(make_context("check", bars_dataset))


def test_a_class_with_three_images_is_a_finding_that_stops(make_context: MakeContext, bars_dataset: Path) -> None:
    for number in range(3, 20):
        (bars_dataset / "slant" / f"{number:03}.png").unlink()

    checked = check.run(make_context("check", bars_dataset))

    assert [finding.kind for finding in checked.findings if finding.severity == "stop"] == ["too few images"]
    assert "'slant' has 3 (3 readable file(s))" in checked.findings[0].text


def test_odd_names_and_formats_pass_through_every_table(make_context: MakeContext, tmp_path: Path) -> None:
    names = ['a "quoted", one', "naïve\nline", "=1+1", "  spaces  "]
    for shade, label in enumerate(names):
        (tmp_path / "odd" / label).mkdir(parents=True)
        for number, suffix in enumerate((".png", ".webp", ".bmp", ".gif", ".tif")):
            PillowImage.new("RGB", (9, 9), (50 * shade, 30 * number, 9)).save(
                tmp_path / "odd" / label / f"{number}{suffix}"
            )

    ctx = make_context("check", tmp_path / "odd")
    checked = check.run(ctx)

    assert checked.n_images == 20
    assert {image.label for image in read_images(ctx.folder.stage("check") / "images.csv")} == set(names)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real datasets are not beside the repository")
def test_real_photos_with_exif_are_turned_upright(make_context: MakeContext, tmp_path: Path) -> None:
    with tarfile.open(SHARED / "sign_digits.tar.gz") as archive:
        wanted = [member for member in archive if member.name.split("/")[1:2] and member.name.split("/")[1] in "34567"]
        archive.extractall(tmp_path, wanted, filter="data")

    checked = check.run(make_context("check", tmp_path / "sign_digits"))

    found = {finding.kind: finding for finding in checked.findings}
    assert found.keys() >= {"EXIF orientation", "mixed sizes", "size outliers"}
    assert (found["size outliers"].severity, found["size outliers"].count) == ("warn", 3)
    assert "3 x 3024x3024; all of them are in class '7'" in found["size outliers"].text
    assert checked.shorter_side_px == (100, 100, 3024)
    assert checked.n_rejected == 0
