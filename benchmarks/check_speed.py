"""What check and pack cost against the barest Pillow loop that decodes and resizes the same files once.

    nice -n 19 .venv/bin/python benchmarks/check_speed.py FOLDER... [--wall]

Makes 2,000 photos of about 500 x 375 and 24 of 12 megapixels from the photos of the FOLDERs (dogcat, flowers),
seeded. Then, three times by turns: the loop (open, RGB, resize to 224 px, array) in one thread, and check and pack as
a run has them, in a process each, in a folder in memory where there is one. The ratio of their CPU times is taken at
any priority; that of their wall times only with --wall, on a machine that does nothing else: it tells the load. A row
each is appended to benchmarks/check_speed.jsonl; turns that are there already for the same code and CPU are not run
again.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click
from PIL import Image, ImageOps

import automl
from automl.compressors.measure import describe_cpu

ROWS = Path(__file__).with_suffix(".jsonl")
SEED, SIZE_PX, TURNS = 1, 224, 3
CASES = {"500 x 375": (500, 375, 2000), "12 megapixels": (4000, 3000, 24)}  # width, height, how many
CODE = ("bundle/resize.py", "data/scan.py", "data/looks.py", "data/marks.py", "data/rules.py", "data/findings.py",
        "data/pack.py", "data/store.py", "data/scan_journal.py", "stages/check.py", "stages/split.py",
        "stages/pack.py")  # fmt: skip


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--wall", is_flag=True, help="wall times are of an otherwise idle machine, and are told")
def main(folders: tuple[Path, ...], wall: bool) -> None:
    """Measure what is missing, print all rows of this code and CPU."""
    package = Path(automl.__file__).parent
    sources = (ast.unparse(ast.parse((package / name).read_text())) for name in CODE)  # without comments
    code = hashlib.sha256("".join(sources).encode()).hexdigest()[:12]
    key = {"code": code, "cpu": describe_cpu(), "idle": wall}
    with tempfile.TemporaryDirectory(dir=_memory()) as work:
        for case in CASES:
            done = [row for row in _rows(key) if row["case"] == case]
            if len(done) >= TURNS:
                continue
            photos = make_photos(folders, Path(work) / "photos", case)
            for turn in range(len(done), TURNS):
                row = {**key, "case": case, "turn": turn, "load": os.getloadavg()[0]}
                for what in ("bare", "ours"):
                    row[what] = _measured(what, photos, Path(work) / f"{what}-{turn}")
                with ROWS.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    tell(_rows(key), wall)


def make_photos(folders: tuple[Path, ...], root: Path, case: str) -> Path:
    """A dataset of two classes, each photo another cut of a real one."""
    width, height, n = CASES[case]
    sources = sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"}
    )
    draw = random.Random(SEED)
    root = root / case.replace(" ", "")
    for number in range(n):
        label = root / ("even", "odd")[number % 2]
        label.mkdir(parents=True, exist_ok=True)
        with Image.open(draw.choice(sources)) as opened:
            photo = opened.convert("RGB")
        size = (round(width * draw.uniform(0.95, 1.05)), round(height * draw.uniform(0.95, 1.05)))
        cut = ImageOps.fit(photo, size, Image.Resampling.BICUBIC, bleed=draw.uniform(0, 0.1))
        (ImageOps.mirror(cut) if draw.random() < 0.5 else cut).save(label / f"{number:04}.jpg", quality=90)
    return root


def bare(photos: Path) -> int:
    """The barest loop."""
    import numpy as np

    paths = sorted(photos.rglob("*.jpg"))
    out = np.empty((len(paths), SIZE_PX, SIZE_PX, 3), np.uint8)
    for at, path in enumerate(paths):
        with Image.open(path) as opened:
            out[at] = np.asarray(opened.convert("RGB").resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC))
    return len(paths)


def ours(photos: Path, work: Path) -> int:
    """check, split and pack as a run has them; nothing trains."""
    from automl.recipe.model import Pack, Recipe
    from automl.records import Checked
    from automl.runs.folder import RunFolder
    from automl.runtime.context import StageContext
    from automl.stages import check, pack, split

    class Front:
        def progress(self, done: int, total: int, text: str) -> None: ...
        def warn(self, text: str) -> None: ...

    recipe = Recipe(pack=Pack(size_px=SIZE_PX))
    folder = RunFolder(work / "runs" / "speed")
    for name, stage in (("check", check), ("split", split), ("pack", pack)):
        context = StageContext(
            folder=folder, stage=name, recipe=recipe, dataset=photos, exports=work / "exports", weights=None,
            deadline_at=None, front=Front(),
        )  # fmt: skip
        record = stage.run(context)
        context.folder.write_record(record)
    return folder.record(Checked).n_images


def _measured(what: str, photos: Path, work: Path) -> dict[str, float]:
    """CPU and wall seconds of one of both in a process of its own, imports left out."""
    command = [sys.executable, __file__, "--one", what, str(photos), str(work)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _one(what: str, photos: Path, work: Path) -> None:
    """The measured process: once over a few files first, so that everything is imported."""
    few = work / "few"
    for path in sorted(photos.rglob("*.jpg"), key=lambda path: path.name)[:16]:  # of both classes
        target = few / path.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    _run(what, few, work / "warm")
    cpu, wall = _cpu_s(), time.perf_counter()
    n = _run(what, photos, work / "measured")
    print(json.dumps({"cpu_s": _cpu_s() - cpu, "wall_s": time.perf_counter() - wall, "images": n}))


def _run(what: str, photos: Path, work: Path) -> int:
    return bare(photos) if what == "bare" else ours(photos, work)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _rows(key: dict[str, object]) -> list[dict]:
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    return [row for row in rows if all(row[name] == value for name, value in key.items())]


def _memory() -> str | None:
    """A folder in memory: a disk's own slowness is not what is measured."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def tell(rows: list[dict], wall: bool) -> None:
    """A line a case: medians over the turns, and their range."""
    click.echo(
        "| case | n | turns | CPU ms an image, bare | ours | CPU time / bare | wall time / bare |\n|" + " --- |" * 7
    )
    for case in CASES:
        own = [row for row in rows if row["case"] == case]
        cells = []
        for what in ("cpu_s", "wall_s"):
            ratios = [row["ours"][what] / row["bare"][what] for row in own]
            cells.append(f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        each = [1e3 * median(row[what]["cpu_s"] / row[what]["images"] for row in own) for what in ("bare", "ours")]
        click.echo(
            f"| {case} | {own[0]['ours']['images']} | {len(own)} | {each[0]:.2f} | {each[1]:.2f} | {cells[0]} "
            f"| {cells[1] if wall else 'not yet measured on an idle machine'} |"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _one(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
