"""What check says of small made-up sets, whole: tests/golden/findings/NAME.txt.

Refresh with: AUTOML_REFRESH_GOLDEN=1 python -m pytest tests/data/test_golden_findings.py; then review the difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageFilter

from automl.data.flags import read_flags
from automl.recipe.model import Check, Recipe
from automl.stages import check
from automl.types import Finding
from tests.conftest import MakeContext

GOLDEN = Path(__file__).parents[1] / "golden" / "findings"
EDGE = 48


def _photo(seed: int) -> PillowImage.Image:
    """Coloured blots with sharp edges and grain."""
    rng = np.random.default_rng(seed)
    coarse = PillowImage.fromarray(rng.integers(30, 220, (6, 6, 3), dtype=np.uint8))
    blots = np.asarray(coarse.resize((EDGE, EDGE), PillowImage.Resampling.NEAREST), float)
    return PillowImage.fromarray((blots + rng.normal(0, 4, blots.shape)).clip(0, 255).astype(np.uint8))


def _photos(root: Path, per_class: int = 15) -> None:
    for shift, label in enumerate(("cat", "dog")):
        (root / label).mkdir(parents=True)
        for number in range(per_class):
            _photo(100 * shift + number).save(root / label / f"{number:02}.png")


def clean(root: Path) -> None:
    _photos(root)


def spoilt(root: Path) -> None:
    """One of everything."""
    _photos(root)
    cat, dog = root / "cat", root / "dog"
    photo = _photo(1000)
    (cat / "empty.png").write_bytes(b"")
    (cat / "page.jpg").write_text("<html>404</html>")
    whole = (cat / "03.png").read_bytes()
    (cat / "cut.png").write_bytes(whole[: len(whole) // 2])
    PillowImage.new("RGB", (EDGE, EDGE), (9, 70, 200)).save(cat / "constant.png")
    photo.point(lambda level: level // 8).save(dog / "dark.png")
    photo.point(lambda level: 255 - (255 - level) // 12).save(dog / "bright.png")
    photo.point(lambda level: 120 + level // 20).save(cat / "flat.png")
    photo.filter(ImageFilter.GaussianBlur(6)).save(cat / "blurred.png")
    photo.resize((EDGE * 5, EDGE)).save(dog / "strip.png")
    for number in range(5):
        _photo(2000 + number).resize((EDGE * 6, EDGE * 6)).save(dog / f"large-{number}.png")
    _photo(3000).save(cat / "named.jpg", format="PNG")
    _photo(3001).save(cat / "frames.webp", save_all=True, append_images=[photo], lossless=True)
    exif = PillowImage.Exif()
    exif[274] = 6
    _photo(3002).save(dog / "turned.png", exif=exif)
    for mode in ("1", "L", "P", "RGBA"):
        _photo(3003 + ord(mode[0])).convert(mode).save(dog / f"mode-{mode}.png")
    _photo(3400).convert("CMYK").save(dog / "mode-CMYK.tif")
    deep = np.asarray(_photo(3500).convert("L")).astype(np.uint16) * 257
    PillowImage.fromarray(deep).save(dog / "mode-16.png")


def drawings(root: Path) -> None:
    """One bit, hardly any ink: no picture is odd among its like."""
    for shift, label in enumerate(("alpha", "beta"), start=1):
        (root / label).mkdir(parents=True)
        for number in range(15):
            ink = np.full((EDGE, EDGE), 255, np.uint8)
            ink[8 + number : 11 + number, 6:40] = 0
            ink[6:40, 8 + shift * (number + 1) : 10 + shift * (number + 1)] = 0
            PillowImage.fromarray(ink).convert("1").save(root / label / f"{number:02}.png")


def nights(root: Path) -> None:
    """All dark, smooth and grey: so is the set."""
    for shift, label in enumerate(("north", "south")):
        (root / label).mkdir(parents=True)
        for number in range(15):
            soft = _photo(5000 + 100 * shift + number).convert("L").filter(ImageFilter.GaussianBlur(3))
            soft.point(lambda level: level // 6).save(root / label / f"{number:02}.png")


def thumbnails_of_one_class(root: Path) -> None:
    """Six of a class come from elsewhere: another size."""
    _photos(root, per_class=35)
    for number in range(6):
        path = root / "dog" / f"{number:02}.png"
        PillowImage.open(path).resize((EDGE // 4, EDGE // 4)).save(path)


SETS = (clean, spoilt, drawings, nights, thumbnails_of_one_class)


@pytest.mark.parametrize("write", SETS, ids=lambda write: write.__name__)
def test_check_says_of_a_made_up_set_what_its_golden_file_says(
    make_context: MakeContext, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    root = tmp_path / write.__name__
    write(root)
    ctx = make_context("check", root, Recipe(check=Check(max_rejected=0.5)))

    found = _told(ctx.folder.stage("check"), check.run(ctx).findings)

    golden = GOLDEN / f"{write.__name__}.txt"
    if os.environ.get("AUTOML_REFRESH_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(found)
    assert found == golden.read_text()


def _told(folder: Path, findings: tuple[Finding, ...]) -> str:
    """Findings as paragraphs, then the lines of flags.csv."""
    paragraphs = []
    for finding in findings:
        paragraphs.append(f"{finding.severity}: {finding.kind} ({finding.count})\n  {finding.text}\n")
        paragraphs += [f"  -> {finding.advice}\n"] if finding.advice else []
        paragraphs += [f"  {path}\n" for path in finding.paths]
    flags = [f"{flag.path} | {flag.label} | {flag.rule} | {flag.value}\n" for flag in read_flags(folder / "flags.csv")]
    return "".join([*paragraphs, "\nflags.csv\n", *flags])
