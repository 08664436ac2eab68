"""A process that meets hostile input and says what became of it: one JSON object on its last line.

    python -m tests.hostile.meet WORK SEED IMAGES ROUNDS [FOLDER]

Below WORK: outside/ (nothing there may change), set/ (the hostile folder), run/ (what the tool writes). The images are
spoilt photos, real ones of FOLDER or made up; archives and manifests of each kind are met ROUNDS times.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import socket
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from automl.data import scan
from automl.data.archives import extract
from automl.data.findings import ADVICE
from automl.data.flags import read_flags
from automl.data.images import read_images, read_rejected
from automl.data.layouts import list_dataset, listing_fingerprint
from automl.errors import AutomlError
from automl.recipe.model import Check, Pack, Recipe
from automl.runs.folder import RunFolder
from automl.runtime.context import StageContext
from automl.stages import check
from automl.types import N_EXAMPLES
from tests.conftest import QuietFront
from tests.hostile import archives, tables
from tests.hostile.images import FORMATS, SUFFIX, hostile_files, saved
from tests.photos import a_photo

SIZE_PX, MEGAPIXELS, GOOD = 48, 4.0, 12
GREY_LEVELS = 8.0  # by which a photo that went through JPEG, WEBP or a palette may differ on average


@dataclass
class Met:
    """What is told of all that was met."""

    faults: list[str] = field(default_factory=list)
    files: int = 0
    rejected: dict[str, int] = field(default_factory=dict)  # reason -> how many
    archives: dict[str, int] = field(default_factory=dict)  # refused, whole
    tables: dict[str, int] = field(default_factory=dict)
    slowest_s: dict[str, dict[str, float]] = field(default_factory=dict)  # of each: the slowest kind, its CPU seconds
    grown_mb: dict[str, int] = field(default_factory=dict)  # the kind while which memory grew most, and by how much

    def expect(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)

    @contextlib.contextmanager
    def timed(self, of: str, kind: str) -> Iterator[None]:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before_mb = _status_mb("VmRSS")
        started = time.thread_time()
        yield
        spent = time.thread_time() - started
        grown = round(_status_mb("VmHWM") - before_mb)
        if grown > next(iter(self.grown_mb.values()), 0):
            self.grown_mb = {kind: grown}
        if spent > next(iter(self.slowest_s.get(of, {"": 0.0}).values())):
            self.slowest_s[of] = {kind: round(spent, 2)}


def main(work: Path, seed: int, n_images: int, rounds: int, folder: Path | None) -> Met:
    met = Met()
    draw = random.Random(seed)
    photos = _photos(draw, folder)
    (work / "outside").mkdir(parents=True)
    (work / "outside" / "secret.png").write_bytes(saved(photos[0], "PNG"))
    os.sync = lambda: None  # a power cut is none of this
    for step in (_meet_folder, _meet_archives, _meet_tables):
        here = snapshot(work)
        step(work, draw, photos, n_images if step is _meet_folder else rounds, met)
        left = snapshot(work)
        changed = {path for path in here.keys() | left.keys() if here.get(path) != left.get(path)}
        met.expect(not changed, f"{step.__name__} changed what is no run's: {sorted(changed)[:5]}")
    return met


def snapshot(work: Path) -> dict[str, str]:
    """Every entry below the folder but what runs write and what this script makes, and what is in it."""
    found = {}
    for path in sorted(work.rglob("*")):
        top = path.relative_to(work).parts[0]
        mode = path.lstat().st_mode
        if top in ("run", "set", "archives", "tables"):
            continue
        found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(mode) else str(mode)
    return found


def _photos(draw: random.Random, folder: Path | None) -> list[PillowImage.Image]:
    if folder is None:
        return [PillowImage.fromarray(a_photo(number, 72, 54)) for number in range(GOOD)]
    found = []
    for path in draw.sample(sorted(folder.rglob("*.jpg")), 40):
        with PillowImage.open(path) as opened:
            photo = opened.convert("RGB")
        photo.thumbnail((200, 200))
        found.append(photo)
    return found


def _meet_folder(work: Path, draw: random.Random, photos: list[PillowImage.Image], n: int, met: Met) -> None:
    root = work / "set"
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
    expected: dict[str, PillowImage.Image] = {}
    for number in range(2 * GOOD):
        path = f"{('cat', 'dog')[number % 2]}/good-{number:02}.png"
        expected[path] = photos[number % len(photos)]
        (root / path).write_bytes(saved(expected[path], "PNG"))
    hostile = {}
    for number, file in enumerate(hostile_files(draw.randrange(2**32), n, photos)):
        path = f"{('cat', 'dog')[number % 2]}/{number:04}.{file.suffix}"
        (root / path).write_bytes(file.data)
        hostile[path] = file
    odd, ignored = _odd_entries(root, work, saved(photos[0], "PNG"))
    here = snapshot(root)

    ctx = _context(work / "run", root)
    pixels: dict[str, Any] = {}
    with _watched(met, hostile, pixels):
        check.run(ctx)

    met.expect(snapshot(root) == here, "the dataset itself was changed")
    images = {image.path: image for image in read_images(ctx.output("images.csv"))}
    rejected = {file.path: file for file in read_rejected(ctx.output("rejected.csv"))}
    flags = {(flag.path, flag.rule) for flag in read_flags(ctx.output("flags.csv"))}
    met.files, met.rejected = len(hostile), dict(Counter(file.reason for file in rejected.values()))
    met.expect(images.keys() | rejected.keys() == expected.keys() | hostile.keys() | odd, "files without an outcome")
    met.expect(not images.keys() & rejected.keys(), "files with two outcomes")
    met.expect(all(file.reason in ADVICE for file in rejected.values()), f"reasons without advice: {met.rejected}")
    met.expect(all((file.path, file.reason) in flags for file in rejected.values()), "rejected files not in flags.csv")
    for path, file in hostile.items():
        outcome = "rejected" if path in rejected else "whole"
        met.expect(file.fate in ("either", outcome), f"{file.kind} ({path}) is {outcome}, wanted: {file.fate}")
        if file.fate == "whole" and path in pixels:
            apart = np.abs(pixels[path].astype(int) - squashed(photos[file.photo])).mean()
            met.expect(apart < GREY_LEVELS, f"{file.kind} ({path}) has other pixels, {apart:.0f} grey levels off")
    for path, photo in expected.items():
        right = path in pixels and np.array_equal(pixels[path], squashed(photo))
        met.expect(right, f"the good file {path} has not its own pixels")
    met.expect(ignored <= {path for flag in _ignored(root) for path in flag}, f"not passed over: {ignored}")


def squashed(photo: PillowImage.Image) -> Any:
    """What a plain file of this photo becomes, by Pillow alone."""
    return np.asarray(photo.resize((SIZE_PX, SIZE_PX), PillowImage.Resampling.BICUBIC, reducing_gap=2.0))


def _odd_entries(root: Path, work: Path, png: bytes) -> tuple[set[str], set[str]]:
    """Entries that are no plain files, and names that are odd. Returns: images among them; reasons of the others."""
    cat = root / "cat"
    os.mkfifo(cat / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(cat):
        listener.bind("socket.png")
    (cat / "loop.png").symlink_to("loop.png")
    (cat / "up").symlink_to("..")
    (cat / "there.png").symlink_to("back.png")
    (cat / "back.png").symlink_to("there.png")
    (cat / "out.png").symlink_to(work / "outside" / "secret.png")
    (cat / "zero.png").symlink_to("/dev/zero")
    (cat / "nothing.png").symlink_to("none.png")
    (cat / "folder.png").mkdir()
    Path(os.fsdecode(os.fsencode(cat) + b"/\xff\xfe.png")).write_bytes(png)
    names = ["line\nend.png", "esc\x1b[2J\x07.png", "x" * 251 + ".png", "-rf.png", "quote\",'.png", " .png", "é.png"]
    for name in names:
        (cat / name).write_bytes(png)
    return {f"cat/{name}" for name in names}, {
        "not a regular file",
        "name that is not UTF-8",
        "link that leaves the dataset",
        "link to a folder, or to nothing",
    }


def _ignored(root: Path) -> list[list[str]]:
    return [list(list_dataset(root).ignored)]


@contextlib.contextmanager
def _watched(met: Met, hostile: dict[str, Any], pixels: dict[str, Any]) -> Iterator[None]:
    """The decoder as it is, each file's time taken and its pixels kept."""
    plain = scan._look_at

    def look_at(root: Path, file: Any, **more: Any) -> Any:
        with met.timed("image", hostile[file.path].kind if file.path in hostile else "good"):
            found = plain(root, file, **more)
        if isinstance(found, scan.Decoded):
            pixels[file.path] = found.pixels[0]
        return found

    scan._look_at = look_at
    try:
        yield
    finally:
        scan._look_at = plain


def _context(run: Path, dataset: Path) -> StageContext:
    config = Check(max_rejected=1.0, max_megapixels=MEGAPIXELS)
    return StageContext(
        folder=RunFolder(run / "runs" / "hostile"), stage="check", dataset=dataset, exports=run / "exports",
        recipe=Recipe(check=config, pack=Pack(size_px=SIZE_PX)), weights=None, deadline_at=None, front=QuietFront(),
    )  # fmt: skip


def _meet_archives(work: Path, draw: random.Random, photos: list[PillowImage.Image], rounds: int, met: Met) -> None:
    files = {
        f"set/{label}/{number:02}.{SUFFIX[format_]}": saved(photos[number % len(photos)], format_)
        for label in ("cat", "dog")
        for number, format_ in enumerate(FORMATS)
    }
    (work / "archives").mkdir()
    outcomes: Counter[str] = Counter()
    for number, kind in enumerate(archives.KINDS * rounds):
        archive = work / "archives" / f"{number:04}{kind.suffix}"
        archive.write_bytes(kind.make(draw, files))
        run = work / "run" / f"archive-{number}"
        run.mkdir(parents=True)
        name = f"archive {number}, {kind.name!r} ({kind.suffix})"

        def meet(archive: Path = archive, run: Path = run) -> dict[str, bytes]:
            root = extract(archive, run / "dataset")
            listing = list_dataset(root)
            return {file.path: (Path(listing.root) / file.path).read_bytes() for file in listing.files}

        outcome, found = _outcome(met, "archive", name, archive.name, meet)
        outcomes[outcome] += 1
        met.expect(
            kind.fate in ("either", outcome),
            f"{name} is {outcome} ({list(found)[:9] if outcome == 'whole' else found}), wanted: {kind.fate}",
        )
        if outcome == "refused":
            met.expect(not any(run.iterdir()), f"{name} was refused and left {sorted(run.rglob('*'))[:3]}")
        elif kind.fate == "whole":
            wanted = {path.removeprefix("set/"): content for path, content in files.items()}
            met.expect(found == wanted, f"{name} holds other files than were packed")
        met.expect(not [p for p in run.rglob("*") if p.is_symlink()], f"{name} made links")
        archive.unlink()
    met.archives = dict(outcomes)


def _meet_tables(work: Path, draw: random.Random, photos: list[PillowImage.Image], rounds: int, met: Met) -> None:
    outcomes: Counter[str] = Counter()
    for number, kind in enumerate(tables.KINDS * rounds):
        root = work / "tables" / str(number)
        (root / "images").mkdir(parents=True)
        for path in tables.IMAGES:
            (root / path).write_bytes(b"\x89PNG")
        (root / "images" / "out.png").symlink_to(work / "outside" / "secret.png")
        (root / kind.file).write_bytes(kind.make(draw))
        name = f"manifest {kind.name!r}"

        def meet(root: Path = root) -> Any:
            listing = list_dataset(root)
            listing_fingerprint(listing)
            return listing

        outcome, found = _outcome(met, "manifest", name, kind.file, meet, any_name=True)
        outcomes[outcome] += 1
        if outcome == "refused":
            met.expect(kind.rows <= 0, f"{name} is refused: {found}")
            met.expect(kind.said in found, f"{name}: {kind.said!r} is not in {found[:300]!r}")
            continue
        said = {finding.kind for finding in found.findings}
        met.expect(kind.rows in (-1, len(found.files)), f"{name}: {len(found.files)} files, wanted: {kind.rows}")
        met.expect(kind.rows == -1 or not kind.said or kind.said in said, f"{name}: {kind.said!r} is not in {said}")
        met.expect({file.path for file in found.files} <= set(tables.IMAGES), f"{name}: files that are none")
        met.expect(all(len(finding.paths) <= N_EXAMPLES for finding in found.findings), f"{name}: too many examples")
        met.expect(all(len(finding.text) < 3000 for finding in found.findings), f"{name}: a sentence without end")
    met.tables = dict(outcomes)


def _outcome(
    met: Met, of: str, name: str, file: str, meet: Callable[[], Any], *, any_name: bool = False
) -> tuple[str, Any]:
    """What came of it: ("whole", what was returned) or ("refused", the message); any other error is a fault."""
    try:
        with met.timed(of, name):
            return "whole", meet()
    except AutomlError as error:
        text = str(error)
        met.expect(any_name or file in text, f"{name}: the message does not name the file: {text[:200]!r}")
        met.expect(len(text) < 3000, f"{name}: a message of {len(text)} characters")
        return "refused", text
    except Exception as error:  # noqa: BLE001  # exactly this is looked for
        met.faults.append(f"{name} ends with {type(error).__name__}: {str(error)[:200]}")
        return "broken", ""


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    given = sys.argv[1:]
    print(json.dumps(asdict(main(Path(given[0]), *map(int, given[1:4]), Path(given[4]) if given[4:] else None))))
