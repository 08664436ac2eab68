"""Where packed pixels lie: one decision, taken once, at the beginning of check. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from automl.data.store import Kind
from automl.types import Finding

Wish = Literal["auto", "raw", "files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which kind of store, and why it is not raw maps where the recipe left it open."""

    kind: Kind
    why: str = ""  # the beginning of a sentence; "": nothing had to give way


RAW: Final = Choice(kind="raw")


def raw_bytes(n_images: int, sizes_px: Sequence[int]) -> int:
    """What raw maps of so many images take of the disk."""
    return n_images * sum(3 * size * size for size in sizes_px)


def choose_store(
    wish: Wish, *, n_images: int, sizes_px: Sequence[int], free_bytes: int, spare_bytes: int, max_bytes: float
) -> Choice:
    """Raw maps where they fit; else nothing is packed, and pictures are decoded from the dataset's files.

    Both kinds give the same pixels, so only room and time depend on it. Re-encoded JPEG would be a third kind, and is
    none (docs/design.md, decision 4).

    Args:
        wish: the recipe's pack.store; "auto" leaves it open.
        n_images: files that may turn out to be images.
        free_bytes: of the run's disk.
        spare_bytes: of these, what the rest of the run takes.
        max_bytes: the recipe's pack.max_disk_mb.
    """
    if wish != "auto":
        return Choice(kind=wish)
    wanted = raw_bytes(n_images, sizes_px)
    if wanted > max_bytes:
        return Choice(kind="files", why=f"{_needed(wanted)}, and pack.max_disk_mb allows {max_bytes / 1e6:,.0f} MB")
    if wanted > free_bytes - spare_bytes:
        return Choice(
            kind="files",
            why=f"{_needed(wanted)}, and the disk has {free_bytes / 1e6:,.0f} MB free, {spare_bytes / 1e6:,.0f} MB of "
            "which the rest of the run needs",
        )
    return Choice(kind="raw")


def finding_of(choice: Choice, *, n_images: int, seconds_an_image: float) -> Finding | None:
    """What is said where the maps had to give way; None: they did not.

    Args: seconds_an_image: wall time of decoding, as check took it.
    """
    if not choice.why:
        return None
    return Finding(
        kind="pixels not packed",
        severity="warn",
        text=f"{choice.why}: nothing is packed, and the {n_images} images are decoded from the dataset's files again "
        f"whenever they are read; each pass over them takes about {n_images * seconds_an_image:,.0f} s.",
        count=n_images,
        advice="The result is the same. For speed free room or raise pack.max_disk_mb, or lower pack.max_size_px, then "
        "run again with --redo check. Leave the dataset's files as they are until the run is done.",
    )


def _needed(wanted: int) -> str:
    return f"the packed pixels would take {wanted / 1e6:,.0f} MB"
