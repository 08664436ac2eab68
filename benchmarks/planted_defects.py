"""What the rules of check find of defects planted into real photos, and what they call odd in the photos as they are.

    .venv/bin/python benchmarks/planted_defects.py FOLDER...

A FOLDER is a dataset of one folder a class (dogcat, flowers, sign_digits). Its photos are halved by the seed: rules
were tuned on the half `tune`, and the half `report` is what docs/measurements.md shows. Each defect is planted into a
25th of a half's photos (20 at most), which are put in the place of the originals; then all rules judge the half
together, as check does. Found is what the rule named (for broken files: what was rejected); false alarms are photos
without the defect that the same rule named. A row each is appended to benchmarks/planted_defects.jsonl, with a
checksum of the code that measures and judges; what is there already is not measured again. Prints the table of
docs/measurements.md.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageFilter, ImageOps

from automl.bundle import resize
from automl.data import looks, marks, rules
from automl.data.layouts import list_dataset
from automl.data.looks import read_looks
from automl.data.rules import apply_rules
from automl.data.scan import scan
from automl.data.scan_journal import Scan, inputs_of
from automl.types import ListedFile, Listing

ROWS = Path(__file__).with_suffix(".jsonl")
SEED, SIZE_PX = 1, 160
SHARE, MOST = 0.04, 20  # of a half's photos that a defect is planted into, and how many at most
KNOWN = frozenset(
    f"7/IMG_{number}.JPG" for number in (5874, 5935, 5978)
)  # sign_digits' own outliers: neither planted in nor false
REJECTED = "rejected"

Picture = Image.Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One way to spoil a photo."""

    name: str
    rule: str  # that is to find it
    plant: Callable[[Picture, bytes, random.Random], bytes]
    suffix: str = ".jpg"


def jpeg(picture: Picture, **more: object) -> bytes:
    return saved(picture, "JPEG", quality=90, **more)


def saved(picture: Picture, format_: str, **more: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=format_, **more)
    return file.getvalue()


def scaled(picture: Picture, times: float, around: float) -> bytes:
    """Every grey level brought nearer to, or farther from, one of them."""
    return jpeg(picture.point(lambda level: around + (level - around) * times))


def side(picture: Picture) -> int:
    return min(picture.size)


def damaged(data: bytes, draw: random.Random) -> bytes:
    start = 2 + draw.randrange(100)
    return data[:start] + draw.randbytes(400) + data[start + 400 :]


def smeared(picture: Picture, share: float) -> bytes:
    """As if the camera had moved sideways while the picture was taken."""
    length = max(2, round(share * side(picture)))
    values = np.pad(np.asarray(picture, np.float64), ((0, 0), (length, 0), (0, 0)), mode="edge").cumsum(axis=1)
    return jpeg(Image.fromarray(((values[:, length:] - values[:, :-length]) / length).astype(np.uint8)))


def strip(picture: Picture, times: float) -> bytes:
    width, height = picture.size
    thin = max(1, round(width / times))
    top = (height - thin) // 2
    return jpeg(picture.crop((0, top, width, top + thin)))


def page(picture: Picture) -> bytes:
    """A nearly empty page with the photo, very small, in a corner."""
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture.resize([max(1, edge // 6) for edge in picture.size]), (3, 3))
    return jpeg(white)


def even(picture: Picture, draw: random.Random, noise: float) -> bytes:
    colour = np.array([draw.randrange(20, 235) for _ in range(3)])
    grains = np.random.default_rng(draw.randrange(2**31)).normal(0, noise, (picture.height, picture.width, 1))
    return jpeg(Image.fromarray((colour + grains).round().clip(0, 255).astype(np.uint8)))


def other_size(picture: Picture, times: float) -> bytes:
    """Large photos much smaller, small ones much larger."""
    factor = times if side(picture) <= 150 else 1 / times
    return jpeg(picture.resize([max(1, round(edge * factor)) for edge in picture.size]))


def turned(picture: Picture) -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return jpeg(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)


DEFECTS = (
    Defect(name="zero size", rule=REJECTED, plant=lambda photo, data, draw: b""),
    Defect(name="a web page", rule=REJECTED, plant=lambda photo, data, draw: b"<html><body>404</body></html>"),
    Defect(
        name="truncated",
        rule=REJECTED,
        plant=lambda photo, data, draw: data[: int(len(data) * draw.uniform(0.3, 0.97))],
    ),
    Defect(name="damaged header", rule=REJECTED, plant=lambda photo, data, draw: damaged(jpeg(photo), draw)),
    Defect(
        name="100 megapixels",
        rule=REJECTED,
        plant=lambda photo, data, draw: saved(Image.new("1", (10_000, 10_000)), "PNG"),
    ),
    Defect(
        name="WEBP named .jpg",
        rule="misleading suffix",
        plant=lambda photo, data, draw: saved(photo, "WEBP", quality=80),
    ),
    Defect(
        name="animated GIF",
        rule="animated images",
        suffix=".gif",
        plant=lambda photo, data, draw: saved(photo, "GIF", save_all=True, append_images=[ImageOps.mirror(photo)]),
    ),
    Defect(name="EXIF turned", rule="EXIF orientation", plant=lambda photo, data, draw: turned(photo)),
    *(
        Defect(
            name=f"mode {mode}",
            rule="converted modes",
            suffix=suffix,
            plant=lambda photo, data, draw, mode=mode, suffix=suffix: saved(
                photo.convert(mode), "JPEG" if suffix == ".jpg" else "PNG" if suffix == ".png" else "TIFF"
            ),
        )
        for mode, suffix in (("1", ".png"), ("L", ".jpg"), ("P", ".png"), ("RGBA", ".png"), ("CMYK", ".jpg"))
    ),
    Defect(
        name="16 bits grey",
        rule="converted modes",
        suffix=".png",
        plant=lambda photo, data, draw: saved(
            Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257), "PNG"
        ),
    ),
    Defect(name="one colour", rule="constant images", plant=lambda photo, data, draw: even(photo, draw, 0)),
    Defect(name="one colour, noise", rule="constant images", plant=lambda photo, data, draw: even(photo, draw, 1)),
    Defect(
        name="light x 0.05 to 0.2",
        rule="dark images",
        plant=lambda photo, data, draw: scaled(photo, draw.uniform(0.05, 0.2), 0),
    ),
    Defect(
        name="nearly white",
        rule="bright images",
        plant=lambda photo, data, draw: scaled(photo, draw.uniform(0.05, 0.1), 255),
    ),
    Defect(
        name="light x 6 to 12, clipped",
        rule="bright images",
        plant=lambda photo, data, draw: scaled(photo, draw.uniform(6, 12), 0),
    ),
    Defect(
        name="contrast x 0.03 to 0.06",
        rule="low information",
        plant=lambda photo, data, draw: scaled(photo, draw.uniform(0.03, 0.06), 128),
    ),
    Defect(name="an empty page", rule="low information", plant=lambda photo, data, draw: page(photo)),
    Defect(
        name="blur, 1.5 to 4 % of the side",
        rule="blurry images",
        plant=lambda photo, data, draw: jpeg(
            photo.filter(ImageFilter.GaussianBlur(draw.uniform(0.015, 0.04) * side(photo)))
        ),
    ),
    Defect(
        name="motion, 5 to 10 %",
        rule="blurry images",
        plant=lambda photo, data, draw: smeared(photo, draw.uniform(0.05, 0.1)),
    ),
    Defect(
        name="light x 0.3 to 0.4",
        rule="brightness outliers",
        plant=lambda photo, data, draw: scaled(photo, draw.uniform(0.3, 0.4), 0),
    ),
    Defect(
        name="strips, 4 to 8 : 1", rule="odd aspect", plant=lambda photo, data, draw: strip(photo, draw.uniform(4, 8))
    ),
    Defect(
        name="5 to 8 times the size",
        rule="size outliers",
        plant=lambda photo, data, draw: other_size(photo, draw.uniform(5, 8)),
    ),
)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--half", type=click.Choice(["tune", "report", "both"]), default="both", help="which half is measured")
@click.option("--dry", is_flag=True, help="append no rows: print what is measured now, for tuning")
def main(folders: tuple[Path, ...], half: str, dry: bool) -> None:
    """Measure what is missing, print all rows of the present code."""
    files = [str(module.__file__) for module in (resize, looks, marks, rules)] + [__file__]
    code = hashlib.sha256("".join(map(without_comments, files)).encode()).hexdigest()[:12]
    rows = []
    for folder in folders:
        for name in ("tune", "report") if half == "both" else (half,):
            known = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() and not dry else []
            own = [row for row in known if (row["set"], row["half"], row["code"]) == (folder.name, name, code)]
            with tempfile.TemporaryDirectory() as work:
                bench = None
                for defect in DEFECTS:
                    row = next((row for row in own if row["defect"] == defect.name), None)
                    if row is None:
                        bench = bench or Bench(folder, name, Path(work))
                        row = {"set": folder.name, "half": name, "code": code, "seed": SEED, **bench.measure(defect)}
                        if not dry:
                            with ROWS.open("a") as file:
                                file.write(json.dumps(row) + "\n")
                    rows.append(row)
    tell(rows)


class Bench:
    """One half of a dataset, looked at once."""

    def __init__(self, folder: Path, half: str, work: Path) -> None:
        listing = list_dataset(folder)
        files = list(listing.files)
        random.Random(f"{folder.name}/{SEED}").shuffle(files)
        files = files[::2] if half == "tune" else files[1::2]
        self.listing = Listing(
            layout=listing.layout,
            root=listing.root,
            classes=listing.classes,
            files=tuple(sorted(files, key=lambda file: file.path)),
            ignored={},
        )
        self.work, self.half = work, half
        self.n_planted = min(MOST, round(SHARE * len(files)))
        self.clean, self.looks = looked_at(self.listing, work / "clean")

    def measure(self, defect: Defect) -> dict:
        """Plant one defect and judge the half."""
        draw = random.Random(f"{self.half}/{defect.name}/{SEED}")
        chosen = draw.sample([file for file in self.listing.files if file.path not in KNOWN], self.n_planted)
        root = self.work / defect.name.replace(" ", "-").replace(":", "")
        files = []
        for file in chosen:
            data = (Path(self.listing.root) / file.path).read_bytes()
            path = Path(file.path).with_suffix(defect.suffix)
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            with Image.open(io.BytesIO(data)) as opened:
                (root / path).write_bytes(defect.plant(ImageOps.exif_transpose(opened).convert("RGB"), data, draw))
            files.append(listed(root, path.as_posix(), file.label))
        planted, planted_looks = looked_at(
            Listing(layout="by hand", root=str(root), classes=self.listing.classes, files=tuple(files), ignored={}),
            self.work / f"look-{root.name}",
        )
        gone = {file.path for file in chosen}
        kept = [at for at, image in enumerate(self.clean.images) if image.path not in gone]
        pictures = marks.Pictures(
            images=[*(self.clean.images[at] for at in kept), *planted.images],
            looks=np.concatenate([self.looks[kept], planted_looks]),
            turned=frozenset(self.clean.turned + planted.turned),
            transparent=frozenset(self.clean.transparent + planted.transparent),
            animated=frozenset(self.clean.animated + planted.animated),
        )
        found = apply_rules(pictures)
        ours = {at: [kind for kind, own in found.items() if at in own] for at in range(len(kept), len(pictures.images))}
        right = (
            len(planted.rejected) if defect.rule == REJECTED else sum(defect.rule in kinds for kinds in ours.values())
        )
        other = Counter(kind for kinds in ours.values() if defect.rule not in kinds for kind in kinds)
        false = [] if defect.rule == REJECTED else [at for at in found[defect.rule] if at < len(kept)]
        return {
            "defect": defect.name,
            "rule": defect.rule,
            "planted": self.n_planted,
            "found": right,
            "named_otherwise": dict(other),
            "photos": len(kept),
            "false_alarms": len(self.clean.rejected)
            if defect.rule == REJECTED
            else sum(pictures.images[at].path not in KNOWN for at in false),
        }


def looked_at(listing: Listing, folder: Path) -> tuple[Scan, looks.Looks]:
    folder.mkdir(exist_ok=True)
    found = scan(
        listing,
        folder,
        inputs=inputs_of(listing, (SIZE_PX,), 64, "benchmark"),
        sizes_px=(SIZE_PX,),
        looks_px=SIZE_PX,
        max_megapixels=64,
        threads=len(os.sched_getaffinity(0)),
        progress=lambda done, total: None,
    )
    return found, read_looks(folder, len(found.images))


def listed(root: Path, path: str, label: str) -> ListedFile:
    facts = (root / path).stat()
    return ListedFile(path=path, label=label, part=None, size_bytes=facts.st_size, mtime_ns=facts.st_mtime_ns)


def without_comments(path: str) -> str:
    """A source file as far as it is run, so that no word of explanation has everything measured anew."""
    return ast.unparse(ast.parse(Path(path).read_text()))


def tell(rows: list[dict]) -> None:
    """A line a defect, the sets side by side."""
    for half in ("tune", "report"):
        sets = sorted({row["set"] for row in rows if row["half"] == half})
        if not sets:
            continue
        click.echo(f"\nHalf {half!r}: found of those planted (named by another rule), false alarms\n")
        click.echo("| planted | rule | " + " | ".join(sets) + " |\n|" + " --- |" * (2 + len(sets)))
        for defect in DEFECTS:
            cells = []
            for name in sets:
                (row,) = (row for row in rows if (row["set"], row["half"], row["defect"]) == (name, half, defect.name))
                other = ", ".join(f"{count} {kind}" for kind, count in row["named_otherwise"].items())
                named = f" ({other})" if other else ""
                cells.append(f"{row['found']} of {row['planted']}{named}, {row['false_alarms']} of {row['photos']}")
            click.echo(f"| {defect.name} | {defect.rule} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
