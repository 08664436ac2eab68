"""check: open and decode every file once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median_low

import PIL

from automl.data.archives import opened, unread_in
from automl.data.findings import find_in_check, refuse_unreadable
from automl.data.flags import rejected_flags, write_flags
from automl.data.images import write_images, write_rejected
from automl.data.layouts import list_dataset
from automl.data.looks import read_looks
from automl.data.marks import Pictures
from automl.data.reuse import Earlier, finding_of_reuse, open_earlier
from automl.data.rules import apply_rules, findings_of, flags_of
from automl.data.scan import beside_bytes, choose_sizes_px, own_size_px, scan, shorter_sides_px
from automl.data.scan_journal import JOURNAL, begun_choice, inputs_of
from automl.data.store_choice import Choice, choose_store, finding_of, raw_bytes
from automl.records import Checked
from automl.runs.done import read_done
from automl.runtime.context import StageContext
from automl.stage_table import STAGES
from automl.types import Image

VERSION = f"{STAGES[0].version}, Pillow {PIL.__version__}"
"""What decoded a file; an earlier check of another version is not taken over."""
MAX_THREADS = 16  # each may hold one decoded picture of check.max_megapixels


def run(ctx: StageContext) -> Checked:
    """Decode the dataset, quarantine what cannot be read, and say what is in it.

    Writes: images.csv, rejected.csv, flags.csv, pixels-SIZE/, looks.npy; scan.jsonl and looks.raw, by which a killed
        scan goes on, and one of a grown dataset takes over what has not changed.
    Raises: DataError: nothing can be listed or read; RecipeError: an unknown class is to be dropped;
        ResourceMissing: the disk has too little room.
    """
    config, wish = ctx.recipe.check, ctx.recipe.pack
    listing = list_dataset(
        opened(ctx.dataset, ctx.folder.dataset),
        config.drop_classes,
        own=(ctx.folder.root.parent, ctx.exports),
        data=ctx.recipe.data,
        max_missing=config.max_rejected,
        passed_over=unread_in(ctx.dataset, ctx.folder.dataset),
    )
    folder = ctx.output(JOURNAL).parent
    threads = min(len(os.sched_getaffinity(0)), MAX_THREADS)
    sides = shorter_sides_px(Path(listing.root), listing.files, config.max_megapixels, threads)
    own_px = own_size_px(sides, wish.size_px, wish.max_size_px)
    wanted = choose_sizes_px(own_px, wish.size_px, wish.max_size_px)
    tell = partial(inputs_of, listing, max_megapixels=config.max_megapixels, version=f"{VERSION}, seen at {own_px} px")
    sizes, choice = _begun(folder, wanted, tell) or _choose_sizes(ctx, len(listing.files), wanted)
    inputs = tell(sizes)
    earlier = _open_earlier(ctx, inputs, sizes if choice.kind == "raw" else ())
    found = scan(
        listing,
        folder,
        inputs=inputs,
        sizes_px=sizes,
        looks_px=own_px,
        max_megapixels=config.max_megapixels,
        threads=threads,
        progress=lambda done, total: ctx.progress(done, total, "images decoded"),
        choice=choice,
        earlier=earlier.take if earlier else lambda file: None,
    )
    shutil.rmtree(ctx.folder.earlier("check"), ignore_errors=True)
    refuse_unreadable(found)
    pictures = Pictures(
        images=found.images,
        looks=read_looks(ctx.output("looks.npy").parent, len(found.images)),
        turned=frozenset(found.turned),
        transparent=frozenset(found.transparent),
        animated=frozenset(found.animated),
    )
    marked = apply_rules(pictures)
    seconds_an_image = found.seconds / max(1, found.n_files - found.reused)
    said = (
        finding_of(choice, n_images=len(found.images), seconds_an_image=seconds_an_image),
        finding_of_reuse(found.reused, found.n_files),
    )
    odd = (*(finding for finding in said if finding), *findings_of(pictures, marked))
    findings = find_in_check(listing, found, config, odd)
    for finding in findings:
        if finding.severity == "warn":
            ctx.warn(finding.text)
    images = found.images
    write_images(ctx.output("images.csv"), images)
    write_rejected(ctx.output("rejected.csv"), found.rejected)
    write_flags(ctx.output("flags.csv"), (*flags_of(pictures, marked), *rejected_flags(found.rejected)))
    return Checked(
        layout=listing.layout,
        root=listing.root,
        classes=listing.classes,
        n_images=len(images),
        n_rejected=len(found.rejected),
        per_class=_counts([image.label for image in images]),
        sizes_px=sizes,
        shorter_side_px=_smallest_median_largest([min(image.width_px, image.height_px) for image in images]),
        modes=_counts([image.mode for image in images]),
        formats=_counts([image.format for image in images]),
        findings=findings,
        dataset_fingerprint=content_fingerprint(images),
        images_s=found.n_files / found.seconds,
        store=choice.kind,
    )


def _begun(
    folder: Path, wanted: tuple[int, ...], tell: Callable[[tuple[int, ...]], dict[str, object]]
) -> tuple[tuple[int, ...], Choice] | None:
    """The sizes and the store that a killed check has files in; None: there is none. Args: tell: the scan's inputs."""
    for sizes in (wanted, wanted[-1:]):
        if choice := begun_choice(folder, tell(sizes)):
            return sizes, choice
    return None


def _choose_sizes(ctx: StageContext, n_files: int, wanted: tuple[int, ...]) -> tuple[tuple[int, ...], Choice]:
    """All wanted sizes where they fit; else the largest alone, packed or not."""
    choice = _choose(ctx, n_files, wanted)
    if choice.kind == "raw" or len(wanted) == 1:
        return wanted, choice
    return wanted[-1:], _choose(ctx, n_files, wanted[-1:])


def _choose(ctx: StageContext, n_files: int, sizes_px: Sequence[int]) -> Choice:
    """Where the pixels will lie; what an earlier check left makes room where the disk cannot hold both."""

    def choose(free_bytes: int) -> Choice:
        return choose_store(
            ctx.recipe.pack.store,
            n_images=n_files,
            sizes_px=sizes_px,
            free_bytes=free_bytes,
            spare_bytes=int(ctx.models_mb * 1e6) + beside_bytes(n_files),
            max_bytes=ctx.recipe.pack.max_disk_mb * 1e6,
        )

    earlier, free = ctx.folder.earlier("check"), shutil.disk_usage(ctx.folder.root).free
    taken = sum(path.stat().st_size for path in earlier.rglob("*") if path.is_file())
    choice, alone = choose(free), choose(free + taken)
    full = choice.kind == "raw" and free < raw_bytes(n_files, sizes_px) + beside_bytes(n_files)
    if taken and (full or choice != alone):
        shutil.rmtree(earlier)
        return alone
    return choice


def _open_earlier(ctx: StageContext, inputs: dict[str, object], packed: Sequence[int]) -> Earlier | None:
    """What a check of this run decoded before the dataset grew; one that is of no use is removed."""
    folder = ctx.folder.earlier("check")
    if not folder.is_dir():
        return None
    done = read_done(folder / "done.json")
    checksums = None if done is None else {name: file.sha256 for name, file in done.files.items()}
    earlier = open_earlier(folder, inputs, packed, checksums)
    if earlier is None:
        shutil.rmtree(folder)
    return earlier


def content_fingerprint(images: Sequence[Image]) -> str:
    """sha256 over path, label and content of all readable files, in the order of their paths."""
    rows = sorted((image.path, image.label, image.sha256) for image in images)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _counts(values: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _smallest_median_largest(sides: Sequence[int]) -> tuple[int, int, int]:
    return min(sides), median_low(sides), max(sides)
