"""What of a dataset is not read: why, how often, which entries for example, and what its owner can do. Pure."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest
from typing import Final

from automl.types import N_EXAMPLES

OWN: Final = "folder of runs or bundles"
NOT_UTF8: Final = "name that is not UTF-8"
OUTWARD: Final = "link that leaves the dataset"
NO_FILE_LINK: Final = "link to a folder, or to nothing"
NO_FILE: Final = "not a regular file"
HIDDEN: Final = "hidden"
NO_SUFFIX: Final = "no suffix"
NO_SUFFIX_IMAGE: Final = "image without a suffix"
OUTSIDE: Final = "image outside the class folders"
SUFFIX: Final = "suffix ."
"""How the reason of every file of another suffix begins."""

JUNK: Final = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
TEXTS: Final = ("txt", "md", "rst", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "html", "log", "py", "ipynb")
"""Suffixes of files that lie beside images everywhere; nobody is surprised that they are no images."""
PICTURES: Final = frozenset(
    ("heic", "heif", "hif", "avif", "svg", "jxl", "jp2", "j2k", "jpf", "jpx", "jxr", "psd", "tga", "dcm",
     "pbm", "pgm", "ppm", "pnm",
     "3fr", "arw", "cr2", "cr3", "crw", "dng", "erf", "kdc", "mrw", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2",
     "rwl", "sr2", "srf", "srw", "x3f")
)  # fmt: skip
"""Suffixes of pictures that are not read; the last two lines are cameras' raw formats."""
BEGINNINGS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*")
BEGINNING_BYTES: Final = 16
"""By so many first bytes an image is told."""
KINDS_TOLD: Final = 8

ADVICE: Final = {  # why entries were passed over -> what to do; pictures and other files have theirs in `advice_on`
    NO_SUFFIX_IMAGE: "Give images without a suffix theirs, such as .jpg.",
    OUTSIDE: "Put images from outside into the folders of their classes, or move them out of the dataset; parts are "
    "called train, val and test.",
    NOT_UTF8: "Rename what has a name that is not UTF-8.",
    OUTWARD: "Put the files themselves where links leave the dataset, or give the folder that they lead to.",
    NO_FILE_LINK: "Put files where links lead to folders or to nothing.",
    NO_FILE: "Take out what is no regular file.",
    OWN: "Keep runs and bundles outside the dataset.",
}
CONVERT: Final = "Convert pictures of formats that are not read to JPEG or PNG."


@dataclass(slots=True, kw_only=True)
class PassedOver:
    """Entries of a dataset that are not read, gathered while it is listed."""

    counts: Counter[str] = field(default_factory=Counter)  # why -> how many
    paths: dict[str, list[str]] = field(default_factory=dict)  # why -> the first N_EXAMPLES, below the dataset's folder
    folders: dict[str, Counter[str]] = field(default_factory=dict)  # each folder -> what of it lies in it itself

    def add(self, path: str, reason: str) -> None:
        self.counts[reason] += 1
        first = self.paths.setdefault(reason, [])
        if len(first) < N_EXAMPLES:
            first.append(path)
        self.folders.setdefault(path.rpartition("/")[0], Counter())[reason] += 1

    def take_out(self, path: str, reason: str) -> None:
        """It is read after all."""
        self.counts[reason] -= 1
        self.paths[reason] = [other for other in self.paths.get(reason, ()) if other != path]

    def below(self, folder: str) -> PassedOver:
        """The same, seen from a folder of it; "" is the dataset's own."""
        prefix = f"{folder}/" if folder else ""
        return PassedOver(
            counts=Counter(self.counts),
            paths={
                why: [posixpath.relpath(path, folder or ".") for path in paths] for why, paths in self.paths.items()
            },
            folders={
                path.removeprefix(prefix): Counter(held)
                for path, held in self.folders.items()
                if path.startswith(prefix)
            },
        )

    def examples(self) -> tuple[str, ...]:
        """At most N_EXAMPLES paths that can be printed, those that may surprise first, each kind in its turn."""
        rows = [self.paths[reason] for reason in _in_order(+self.counts)]
        odd = sum(map(is_odd, +self.counts))
        turns = chain(*zip_longest(*rows[:odd]), *zip_longest(*rows[odd:]))
        return tuple(islice((path if path.isprintable() else repr(path) for path in turns if path), N_EXAMPLES))


def why_no_image(name: str, suffixes: frozenset[str]) -> str:
    """Why a file is no image by its name alone; "" where it is one by its suffix."""
    stem, dot, suffix = name.rpartition(".")
    if not (stem and dot):
        return NO_SUFFIX
    return "" if f".{suffix.lower()}" in suffixes else f"{SUFFIX}{suffix.lower()}"


def why_skipped(name: str) -> str:
    """Why neither a folder nor a file of this name is looked at; "" for the others."""
    if name.startswith("."):
        return HIDDEN
    return name if name.casefold() in JUNK else ""


def begins_as_image(start: bytes) -> bool:
    """Whether a file's first BEGINNING_BYTES are those of an image, of a format that is read or of HEIC and AVIF."""
    bitmap = start[:2] == b"BM" and start[6:10] == bytes(4)  # "BM" alone begins texts as well
    return start.startswith(BEGINNINGS) or bitmap or start[8:12] == b"WEBP" or start[4:8] == b"ftyp"


def is_picture(reason: str) -> bool:
    """Whether what was passed over is a picture, of a format or a name that is not read."""
    return reason == NO_SUFFIX_IMAGE or (reason.startswith(SUFFIX) and reason.removeprefix(SUFFIX) in PICTURES)


def is_odd(reason: str) -> bool:
    """Whether the owner of a dataset may not know that entries were passed over for this reason."""
    return reason != HIDDEN and reason.casefold() not in JUNK and reason.removeprefix(SUFFIX) not in TEXTS


def told(ignored: Mapping[str, int]) -> str:
    """What was passed over, in words, what may surprise first; names like frame.0001 can make thousands of suffixes."""
    order = _in_order(ignored)
    rest = order[KINDS_TOLD:]
    more = f" and {sum(ignored[reason] for reason in rest)} more of {len(rest)} other kinds" if rest else ""
    return ", ".join(f"{ignored[reason]} x {reason}" for reason in order[:KINDS_TOLD]) + more


def advice_on(ignored: Mapping[str, int]) -> str:
    """What to do about each kind that may surprise; "" where none does."""
    return " ".join(dict.fromkeys(_advice_on(reason) for reason in _in_order(ignored) if is_odd(reason)))


def _advice_on(reason: str) -> str:
    if reason in ADVICE:
        return ADVICE[reason]
    return CONVERT if is_picture(reason) else "See that no file of another kind was meant as an image."


def _in_order(ignored: Mapping[str, int]) -> list[str]:
    """Pictures first, then what else may surprise, the most frequent of each first."""
    ranks = {reason: 0 if is_picture(reason) else 1 if is_odd(reason) else 2 for reason in ignored}
    return sorted(ignored, key=lambda reason: (ranks[reason], -ignored[reason], reason))
