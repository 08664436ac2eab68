"""Datasets as trees of files that are no pictures, and what a listing of them says."""

from __future__ import annotations

from pathlib import Path

from automl.types import Finding, Listing


def make(root: Path, *paths: str) -> Path:
    """Files that hold their own paths."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    return root


def listed_by(root: Path, manifests: dict[str, str], *images: str) -> Path:
    """Manifests by their paths, and images: images/1.png to 4.png, unless others are named."""
    make(root, *(images or (f"images/{n}.png" for n in range(1, 5))))
    for name, text in manifests.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def pairs(listing: Listing) -> list[tuple[str, str]]:
    """Each image and its label."""
    return [(file.path, file.label) for file in listing.files]


def finding_of(listing: Listing, kind: str) -> Finding:
    return next(finding for finding in listing.findings if finding.kind == kind)


LABELS = "path,label\nimages/1.png,cat\nimages/2.png,cat\nimages/3.png,dog\nimages/4.png,dog\n"
TWO = ("images/1.png", "images/2.png")
PAIRS = [("images/1.png", "cat"), ("images/2.png", "cat"), ("images/3.png", "dog"), ("images/4.png", "dog")]
