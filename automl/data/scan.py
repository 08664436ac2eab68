"""The one decoding pass: every file is opened, hashed, decoded whole, looked at, and resized into the stores of pixels.

Readable files take the rows of each store (data/store.py) in the order of the listing, and looks.raw has one row of
LOOKS for each. Every chunk of files is committed: pixels and looks
first, synced; then one line of scan.jsonl, synced. A killed scan so loses one chunk at most.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median_low
from typing import IO, Final, Literal

import numpy as np
from numpy.typing import NDArray

from automl.bundle.resize import Header, ImageFault, Picture, Pixels, load_picture, shorter_side_px, squash
from automl.data.looks import LOOKS, RAW_NAME, measure, write_looks
from automl.data.scan_journal import JOURNAL, NOTHING, Scan, joined, line_of, read_journal
from automl.data.store import RawWriter, StoreFacts, rows_per_shard, store_name, whole_rows, write_facts
from automl.data.store_choice import RAW, Choice, raw_bytes
from automl.errors import ResourceMissing
from automl.runs.atomic import named_in_errors, write_bytes
from automl.types import Image, ListedFile, Listing, Rejected

LADDER_PX: Final = (32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 512)
ENLARGED_PX: Final = 160  # small images are enlarged to it
SMALL_PX: Final = 64  # images under it are packed for the small net as well
SEARCHED_PX: Final = (96, 128, 160, 224)  # between two of these pick decides by a probe
SMALLER: Final = 0.8  # of the larger edge; what is larger saves too little time to be compared
CHUNK_FILES: Final = 256
CHUNK_BYTES: Final = 64 * 2**20  # decoded pixels that wait for a chunk's end
BESIDE_BYTES: Final = 2**18  # of disk, for what check and split write besides maps, however few the files
BESIDE_FILE_BYTES: Final = 2048  # and for each file; measured: 500 with short paths, 1,100 with paths of 200 bytes
METADATA_LIMITS: Final = ("MAX_TEXT_CHUNK", "MAX_TEXT_MEMORY")  # of Pillow's PNG decoder, as its messages name them
BYTES_PER_PIXEL: Final = 8  # 16 bits in 4 channels: no single picture stored plain takes more


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """One readable file, its pixels at every size that is packed."""

    sha256: str
    header: Header
    animated: bool
    pixels: tuple[Pixels, ...]
    looks: NDArray[np.void]  # one row of LOOKS
    reused: bool = False  # an earlier scan had decoded it


def own_size_px(shorter_sides_px: Sequence[int], size_px: int | Literal["auto"], max_size_px: int) -> int:
    """The edge that shows what the images hold: the recipe's, or the smallest rung at or above the median shorter side.

    Args:
        shorter_sides_px: of the images, in any order; empty: the smallest rung.
        size_px: the recipe's wish. max_size_px: auto never chooses more.
    """
    if size_px != "auto":
        return size_px
    middle = median_low(shorter_sides_px) if shorter_sides_px else 0
    return min(next((rung for rung in LADDER_PX if rung >= middle), LADDER_PX[-1]), max_size_px)


def choose_sizes_px(own_px: int, size_px: int | Literal["auto"], max_size_px: int) -> tuple[int, ...]:
    """The edges of the square inputs that are packed, ascending: one, or two between which pick decides.

    "auto": the larger one is the images' own, but at least 160 px: ImageNet's backbones halve an image five times, and
    see more in a small one that is enlarged (docs/design.md, decision 7). Below it lies the next of SEARCHED_PX, up to
    four fifths of it; for images under 64 px their own, if it is as much smaller: the small net sees it.
    Args: own_px: of own_size_px.
    """
    if size_px != "auto":
        return (size_px,)
    large = max(own_px, min(ENLARGED_PX, max_size_px))
    below = SEARCHED_PX if own_px >= SMALL_PX else (own_px,)
    small = max((size for size in below if size <= SMALLER * large), default=large)
    return tuple(sorted({small, large}))


def possible_sizes_px(size_px: int | Literal["auto"], max_size_px: int) -> tuple[int, ...]:
    """All that choose_sizes_px may come to, whatever the images, ascending."""
    owns = [size_px] if size_px != "auto" else [min(rung, max_size_px) for rung in LADDER_PX]
    return tuple(sorted({size for own_px in owns for size in choose_sizes_px(own_px, size_px, max_size_px)}))


def shorter_sides_px(root: Path, files: Sequence[ListedFile], max_megapixels: float, threads: int) -> list[int]:
    """The shorter sides by the files' headers alone; files that cannot be opened are left to the scan."""
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(lambda file: shorter_side_px(root / file.path, max_megapixels), files)
        return [side for side in found if side is not None]


def scan(
    listing: Listing,
    folder: Path,
    *,
    inputs: Mapping[str, object],
    sizes_px: Sequence[int],
    looks_px: int,
    max_megapixels: float,
    threads: int,
    progress: Callable[[int, int], None],
    choice: Choice = RAW,
    earlier: Callable[[ListedFile], Decoded | None] = lambda file: None,
) -> Scan:
    """Decode every listed file once and write a store of each size into the folder; goes on where it was killed.

    Writes: pixels-SIZE/, looks.npy (LOOKS, by row), and scan.jsonl and looks.raw, by which a killed scan goes on.
    Args:
        inputs: as `inputs_of` tells them.
        looks_px: edge that the images are looked at for; see own_size_px.
        earlier: what an earlier scan made of a file, where that still holds.
    Raises: ResourceMissing: the disk has too little room for the maps.
    """
    root, files = Path(listing.root), listing.files
    packed = tuple(sizes_px) if choice.kind == "raw" else ()
    journal = folder / JOURNAL
    so_far = _resumed(journal, {**inputs, "store": asdict(choice)}, folder, packed)
    check_room(folder, raw_bytes(len(files) - so_far.n_files, packed), len(files))
    sizes = _Sizes(largest=max(sizes_px), packed=packed, looks=looks_px)
    look = partial(_look_at, root, sizes=sizes, max_megapixels=max_megapixels)
    row_bytes = raw_bytes(1, packed) or 1
    step = max(1, min(CHUNK_FILES, CHUNK_BYTES // row_bytes))
    ticks = itertools.count(so_far.n_files + 1)
    with ExitStack() as stack:
        stack.enter_context(named_in_errors(folder))  # first: what a full disk refused is tried again by each close
        lines = stack.enter_context(journal.open("ab"))
        looks = stack.enter_context(_open_looks(folder / RAW_NAME, len(so_far.images)))
        stores = [
            stack.enter_context(closing(RawWriter(folder / store_name(size), size, len(so_far.images))))
            for size in packed
        ]
        pool = ThreadPoolExecutor(threads)
        stack.callback(pool.shutdown, cancel_futures=True)
        parts, n_files, n_images = [so_far], so_far.n_files, len(so_far.images)
        while n_files < len(files):
            started = time.perf_counter()
            outcomes = []
            chunk = files[n_files : n_files + step]
            for outcome in pool.map(lambda file: earlier(file) or look(file), chunk):
                outcomes.append(outcome)
                progress(next(ticks), len(files))
            seconds = time.perf_counter() - started
            found = _sorted_out(chunk, outcomes, first_row=n_images, seconds=seconds)
            _commit(lines, looks, stores, found, [outcome for outcome in outcomes if isinstance(outcome, Decoded)])
            parts.append(found)
            n_files, n_images = n_files + found.n_files, n_images + len(found.images)
    write_looks(folder, n_images)
    for size in sizes_px:
        facts = StoreFacts(
            kind=choice.kind,
            n_images=n_images,
            size_px=size,
            rows_per_shard=rows_per_shard(size) if packed else 0,
            root="" if packed else listing.root,
            max_megapixels=0.0 if packed else max_megapixels,
        )
        write_facts(folder / store_name(size), facts)
    return joined(parts)


def beside_bytes(n_files: int) -> int:
    """What check and split write of so many files besides the maps, at most."""
    return BESIDE_BYTES + BESIDE_FILE_BYTES * n_files


def check_room(folder: Path, map_bytes: int, n_files: int) -> None:
    """See that the folder's disk can take the maps, and all else of so many files. Raises: ResourceMissing."""
    free, wanted = shutil.disk_usage(folder).free, map_bytes + beside_bytes(n_files)
    if free < wanted:
        maps = "the pixel maps and " if map_bytes else ""
        smaller = ", take a smaller pack.size_px, or set pack.store: files" if map_bytes else ""
        raise ResourceMissing(
            f"the disk of {folder} has {free / 1e6:,.1f} MB free. Wanted: {wanted / 1e6:,.1f} MB for {maps}the tables "
            f"of {n_files:,} files. Make room or choose another folder with --runs{smaller}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """Edges in pixels that one file is decoded for."""

    largest: int
    packed: tuple[int, ...]
    looks: int


def _look_at(root: Path, file: ListedFile, *, sizes: _Sizes, max_megapixels: float) -> Decoded | Rejected:
    """Open, hash and decode one file; runs in the pool's threads."""
    try:
        if file.size_bytes > BYTES_PER_PIXEL * max_megapixels * 1e6:
            raise ImageFault("too many bytes", f"{file.size_bytes / 1e6:.0f} MB")
        data = (root / file.path).read_bytes()
        return _decoded(data, sizes, max_megapixels)
    except ImageFault as raised:
        fault = _told_apart(raised)
        return Rejected(path=file.path, label=file.label, reason=fault.reason, detail=fault.detail)
    except OSError as error:
        return Rejected(path=file.path, label=file.label, reason="cannot be read", detail=error.strerror or str(error))


def _told_apart(fault: ImageFault) -> ImageFault:
    """A whole PNG is no damaged one because a text or colour profile in it is longer than the decoder reads."""
    if any(limit in fault.detail for limit in METADATA_LIMITS):
        return ImageFault("too much metadata", fault.detail)
    return fault


def _decoded(data: bytes, sizes: _Sizes, max_megapixels: float) -> Decoded:
    """Decode once, for the largest size, and look. Raises: ImageFault.

    A large JPEG shrinks while it is decoded, further for a small square than for a large one. Where the steps differ
    it is decoded again, for each size must get the very pixels that `decode` gives a bundle of that size.
    """
    picture = load_picture(data, sizes.largest, max_megapixels)
    pixels = []
    for size in sizes.packed:
        same = _jpeg_step(picture.header, size) == _jpeg_step(picture.header, sizes.largest)
        pixels.append(squash(picture if same else load_picture(data, size, max_megapixels), size))
    return Decoded(
        sha256=hashlib.sha256(data).hexdigest(),
        header=picture.header,
        pixels=tuple(pixels),
        looks=measure(picture, sizes.looks),
        animated=_is_animated(picture),  # last: to look for a second frame may throw the first one away
    )


def _jpeg_step(header: Header, size_px: int) -> int:
    """By how much Pillow's `draft` shrinks a JPEG that keeps twice the size: 1, 2, 4 or 8; 1 for other formats."""
    if header.format not in {"JPEG", "MPO"}:
        return 1
    times = min(header.width_px, header.height_px) // (2 * size_px)
    return min(8, 1 << max(0, times.bit_length() - 1))


def _is_animated(picture: Picture) -> bool:
    """Whether there is a second frame or page. What a telephone puts behind its JPEG (MPO) is none."""
    try:
        return picture.header.format != "MPO" and bool(getattr(picture.opened, "is_animated", False))
    except Exception:  # noqa: BLE001  # the first frame is whole; what comes after it may be anything
        return False


def _sorted_out(
    files: Sequence[ListedFile], outcomes: Sequence[Decoded | Rejected], *, first_row: int, seconds: float
) -> Scan:
    """The chunk's readable and rejected files; the readable ones get their rows."""
    pairs = [(file, found) for file, found in zip(files, outcomes, strict=True) if isinstance(found, Decoded)]
    return Scan(
        images=tuple(
            Image(
                path=file.path,
                label=file.label,
                part=file.part,
                sha256=found.sha256,
                width_px=found.header.width_px,
                height_px=found.header.height_px,
                mode=found.header.mode,
                format=found.header.format,
                size_bytes=file.size_bytes,
                row=row,
                group=file.group,
                weight=file.weight,
            )
            for row, (file, found) in enumerate(pairs, start=first_row)
        ),
        rejected=tuple(found for found in outcomes if isinstance(found, Rejected)),
        turned=tuple(file.path for file, found in pairs if found.header.turned),
        transparent=tuple(file.path for file, found in pairs if found.header.transparent),
        animated=tuple(file.path for file, found in pairs if found.animated),
        mtimes_ns=tuple(file.mtime_ns for file, _ in pairs),
        reused=sum(found.reused for _, found in pairs),
        seconds=seconds,
    )


def _open_looks(path: Path, n_rows: int) -> IO[bytes]:
    """looks.raw, cut after the committed rows and open for the next ones."""
    file = path.open("ab")
    file.truncate(LOOKS.itemsize * n_rows)
    return file


def _commit(
    journal: IO[bytes], looks: IO[bytes], stores: Sequence[RawWriter], found: Scan, decoded: Sequence[Decoded]
) -> None:
    """Pixels and looks first, then the line that vouches for them."""
    for at, store in enumerate(stores):
        for image in decoded:
            store.write(image.pixels[at])
        store.sync()
    looks.write(b"".join(image.looks.tobytes() for image in decoded))
    _sync(looks)
    journal.write(line_of(found) + b"\n")
    _sync(journal)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _resumed(journal: Path, inputs: Mapping[str, object], folder: Path, packed: Sequence[int]) -> Scan:
    """What an earlier sitting committed for the same inputs; the journal is left ready to be appended to.

    Its first line names the inputs; other inputs, or a map that lacks committed rows, start it afresh.
    A cut last line is dropped.
    """
    head, found = read_journal(journal)
    if found is not None and head == inputs:
        there = [_rows_in(folder / RAW_NAME, LOOKS.itemsize)]
        there += [whole_rows(folder / store_name(size), size) for size in packed]
        if min(there) >= len(found.images):
            os.truncate(journal, journal.read_bytes().rfind(b"\n") + 1)
            return found
    write_bytes(journal, json.dumps(inputs).encode() + b"\n")
    return NOTHING


def _rows_in(path: Path, row_bytes: int) -> int:
    """Whole rows in the file."""
    return path.stat().st_size // row_bytes if path.exists() else 0
