"""What a folder of up to 200,000 files costs outside of decoding: memory and CPU time of listing, tables and split.

    nice -n 19 .venv/bin/python benchmarks/listing.py --work FOLDER

Makes folders of hard links to a few small files below FOLDER, as 20 class folders, and as a manifest; then runs,
each in a process of its own: the listing with its fingerprint, as the command does it, of both; of the folders the
stages check and split, with a stand-in for decoding that makes up facts and 32 px of noise from the file's name (1 in
100 is rejected, 1 in 100 a copy of another), and without the comparison of all pairs of hashes; and that comparison, of
as many random hashes, which alone grows with the square. Peak memory is the process's own (anonymous pages, sampled;
pages of a file, as a pixel map's, are given back at any time) beside the system's figure for all of it. CPU time is
without imports and without the stand-in's own.
Rows are appended to benchmarks/listing.jsonl; steps that are there already for the same code and CPU are not run again.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click

ROWS = Path(__file__).with_suffix(".jsonl")
SIZES = (25_000, 50_000, 100_000, 200_000)
LAYOUTS = ("folders", "manifest")
STEPS = ("list", "check", "split", "near")
CLASSES, SIZE_PX, LINKS_A_FILE = 20, 32, 20_000  # ext4 takes 65,000 links a file
CODE = ("bundle/resize.py", "types.py", "data/*.py", "stages/check.py", "stages/split.py")


@click.command()
@click.option("--work", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--files", "sizes", type=int, multiple=True, default=SIZES)
@click.option("--step", "steps", type=click.Choice(STEPS), multiple=True, default=STEPS)
def main(work: Path, sizes: tuple[int, ...], steps: tuple[str, ...]) -> None:
    """Measure what is missing, print all rows of this code and CPU."""
    import automl
    from automl.compressors.measure import describe_cpu

    package = Path(automl.__file__).parent
    sources = [ast.unparse(ast.parse(path.read_text())) for name in CODE for path in sorted(package.glob(name))]
    key = {"code": hashlib.sha256("".join(sources).encode()).hexdigest()[:12], "cpu": describe_cpu()}
    for n in sizes:
        for layout in LAYOUTS:
            of_layout = STEPS if layout == "folders" else ("list",)  # the other steps see no difference
            wanted = [step for step in of_layout if step in steps and not _done(key, n, layout, step)]
            if not wanted:
                continue
            if "split" in wanted and "check" not in wanted:
                wanted.insert(0, "check")  # whose files it reads
            root = make_dataset(work / f"{layout}-{n}", n, layout)
            for step in wanted:
                row = {**key, "files": n, "layout": layout, "step": step, **_measured(step, root, n)}
                with ROWS.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            shutil.rmtree(root.parent)
    tell(key)


def make_dataset(folder: Path, n: int, layout: str) -> Path:
    """Hard links: CLASS/0000001.jpg, or images/0000001.jpg and labels.csv."""
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "set"
    root.mkdir(parents=True)
    sources = []
    for number in range(-(-n // LINKS_A_FILE)):
        sources.append(folder / f"source-{number}.jpg")
        sources[-1].write_bytes(b"\xff\xd8\xff" + bytes(1000 + number))
    labels = [f"class {number:02}" for number in range(CLASSES)]
    for name in labels if layout == "folders" else ("images",):
        (root / name).mkdir()
    lines = ["path,label"]
    for number in range(n):
        label = labels[number % CLASSES]
        path = f"{label if layout == 'folders' else 'images'}/{number:07}.jpg"
        os.link(sources[number // LINKS_A_FILE], root / path)
        lines.append(f"{path},{label}")
    if layout == "manifest":
        (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def step_list(root: Path, n: int) -> Callable[[], None]:
    from automl.data.layouts import list_dataset, listing_fingerprint

    def work() -> None:
        listing = list_dataset(root)
        listing_fingerprint(listing)
        assert len(listing.files) == n

    return work


def step_check(root: Path, n: int) -> Callable[[], None]:
    from automl.data import scan
    from automl.stages import check

    check.shorter_sides_px = lambda *given: []
    scan._look_at = stand_in

    def work() -> None:
        context = _context("check", root)
        context.folder.write_record(check.run(context))

    return work


def step_split(root: Path, n: int) -> Callable[[], None]:
    from automl.data import near
    from automl.stages import split

    near._candidates = lambda views, mirrored: iter(())

    return lambda: split.run(_context("split", root)) and None


def step_near(root: Path, n: int) -> Callable[[], None]:
    import numpy as np

    from automl.data.near import Views, _candidates

    hashes, mirrors = np.random.default_rng(n).integers(0, 2**64, (2, n), np.uint64)
    views = Views(
        hashes=hashes, mirrors=mirrors, flat=np.zeros(n, np.bool_),
        thumbs=np.broadcast_to(np.float16(0), (n, SIZE_PX, SIZE_PX)),
    )  # fmt: skip

    def work() -> None:
        for mirrored in (False, True):
            for _ in _candidates(views, mirrored):
                pass

    return work


def stand_in(root: Path, file: object, **_: object) -> object:
    """Made-up facts of a file, as decoding it would give them."""
    import numpy as np

    from automl.bundle.resize import Header
    from automl.data.looks import LOOKS
    from automl.data.scan import Decoded
    from automl.types import Rejected

    number = int(file.path.rpartition("/")[2].removesuffix(".jpg"))
    if number % 100 == 7:
        return Rejected(path=file.path, label=file.label, reason="truncated", detail="image file is truncated")
    seen = number - CLASSES if number % 100 == 57 else number  # a copy of another one of its class
    noise = hashlib.shake_128(str(seen).encode()).digest(SIZE_PX * SIZE_PX * 3)
    looks = np.zeros((), LOOKS)
    for at, name in enumerate(LOOKS.names):
        looks[name] = 40 + noise[at] / 2
    looks["sharpness"] = 0.3 + noise[0] / 500
    header = Header(400 + noise[1] % 100, 300, "RGB", "JPEG", turned=number % 50 == 3, transparent=False)
    pixels = np.frombuffer(noise, np.uint8).reshape(SIZE_PX, SIZE_PX, 3)
    return Decoded(
        sha256=hashlib.sha256(noise).hexdigest(), header=header, animated=False, pixels=(pixels,), looks=looks
    )


def _context(stage: str, root: Path) -> object:
    from automl.recipe.model import Pack, Recipe
    from automl.runs.folder import RunFolder
    from automl.runtime.context import StageContext

    class Front:
        def progress(self, done: int, total: int, text: str) -> None: ...
        def warn(self, text: str) -> None: ...

    return StageContext(
        folder=RunFolder(root.parent / "runs" / "listing"), stage=stage, recipe=Recipe(pack=Pack(size_px=SIZE_PX)),
        dataset=root, exports=root.parent / "exports", weights=None, deadline_at=None, front=Front(),
    )  # fmt: skip


def _measured(step: str, root: Path, n: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--one", step, str(root), str(n)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _one(step: str, root: Path, n: int) -> None:
    """The measured process."""
    work = globals()[f"step_{step}"](root, n)
    without = _stand_in_s(root, n) if step == "check" else 0.0
    peak = [_status_mb("RssAnon")]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            peak[0] = max(peak[0], _status_mb("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = _cpu_s()
    work()
    spent = _cpu_s() - started
    stop.set()
    watcher.join()
    whole = _status_mb("VmHWM")  # ru_maxrss would count what the parent had
    print(
        json.dumps({"cpu_s": round(spent - without, 2), "peak_mb": round(peak[0]), "peak_with_files_mb": round(whole)})
    )


def _stand_in_s(root: Path, n: int) -> float:
    """CPU seconds that the stand-in alone takes for n files."""
    from types import SimpleNamespace

    few = [SimpleNamespace(path=f"x/{number:07}.jpg", label="x") for number in range(4000)]
    stand_in(root, few[0])
    started = _cpu_s()
    for file in few:
        stand_in(root, file)
    return (_cpu_s() - started) * n / len(few)


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _rows(key: dict[str, object]) -> list[dict]:
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    return [row for row in rows if key.items() <= row.items()]


def _done(key: dict[str, object], n: int, layout: str, step: str) -> bool:
    return bool(_rows({**key, "files": n, "layout": layout, "step": step}))


def tell(key: dict[str, object]) -> None:
    """The table of docs/measurements.md."""
    rows = _rows(key)
    sizes = sorted({row["files"] for row in rows})
    print(f"| step | layout | {' | '.join(f'{n:,}' for n in sizes)} | time a file, most : fewest |")
    print("|" + " --- |" * (len(sizes) + 3))
    for step in STEPS:
        for layout in LAYOUTS:
            of = {row["files"]: row for row in rows if (row["step"], row["layout"]) == (step, layout)}
            if len(of) < 2:
                continue
            cells = [f"{of[n]['peak_mb']} MB, {of[n]['cpu_s']:.1f} s" if n in of else "" for n in sizes]
            low, high = min(of), max(of)
            ratio = (of[high]["cpu_s"] / high) / (of[low]["cpu_s"] / low)
            print(f"| {step} | {layout} | {' | '.join(cells)} | {ratio:.2f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _one(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
