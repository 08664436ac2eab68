"""Whether the weights on this machine are what they claim to be: checksums, and whether their networks take them."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from automl.errors import AutomlError
from automl.nets.catalogue import BACKBONES, Backbone, WeightsFile
from automl.nets.fetch import START, no_weights, stated_fault
from automl.nets.listing import LISTING, Entry, read_listing
from automl.nets.weights import Place, need_known, places
from automl.runtime.children import Children
from automl.weights.stock import Hear

LOAD: Final = "automl.stages.load_weights:load_weights"

Load = Callable[[Backbone, Path, bool], str]  # topped or not; why the network does not take the file; "": it does


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """One file that claims to be some backbone's weights, judged."""

    file: str  # path
    where: str  # the place's name
    backbones: tuple[str, ...]  # whose weights it claims to be; (): of none in the catalogue
    sha256: str  # "": it cannot be read
    stated_by: str  # who says what it must be: "weights.yaml" or "Keras"; "": nobody
    ok: bool
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a file must be."""

    path: Path
    where: str
    rows: tuple[Backbone, ...]
    entry: Entry | None  # of weights.yaml; None: it was told by its name
    served: WeightsFile | None  # under this name by Keras; None: it was told by weights.yaml
    topped: bool  # it has ImageNet's top as well


def verify_stock(folder: Path | None, hear: Hear) -> tuple[Verified, ...]:
    """Judge every weights file in every place.

    Args:
        folder: --weights.
        hear: called with progress.
    Raises: WrongWeights: a folder or its weights.yaml is wrong as a whole.
    """
    looked = places(folder)
    for place in looked:
        if place.named == "--weights":
            need_known(place)
    claims = tuple(claim for place in looked for claim in claims_in(place))
    with tempfile.TemporaryDirectory(prefix="automl-weights-") as scratch:
        log = Path(scratch) / "log.txt"
        with Children(log, lambda _: None) as children:

            def load(row: Backbone, path: Path, topped: bool) -> str:
                arguments = {"backbone": row.name, "path": str(path), "topped": topped}
                try:
                    return str(children.run("keras", LOAD, arguments, log=log)["fault"])
                except AutomlError as error:  # a damaged file may kill the process that reads it
                    return f"{path} cannot be the weights of {row.name}: {error}"

            return tuple(judged(claims, load, hear))


def claims_in(place: Place) -> Iterator[Claim]:
    """All files that claim to be weights: those of weights.yaml, then those under names that Keras gives."""
    entries = read_listing(place.path)
    for entry in entries:
        rows = tuple(row for row in BACKBONES if row.pretrained and entry.fits(row))
        path = place.path / entry.file
        yield Claim(path=path, where=place.named, rows=rows, entry=entry, served=None, topped=entry.topped)
    listed = {entry.file for entry in entries}
    for row in BACKBONES:
        for file in row.files:
            path, topped = place.path / file.name, file in row.topped_files
            if file.name not in listed and path.is_file():
                yield Claim(path=path, where=place.named, rows=(row,), entry=None, served=file, topped=topped)


def judged(claims: Sequence[Claim], load: Load, hear: Hear) -> Iterator[Verified]:
    """Judge one after the other; a network is only built for a file whose bytes are right."""
    hear({"event": "stage started", "stage": "verify", "does": f"{len(claims)} file(s): checksums, then the networks"})
    for number, claim in enumerate(claims):
        hear({"event": "progress", "stage": "verify", "done": number, "total": len(claims), "text": claim.path.name})
        found = _bytes_judged(claim)
        faults = (load(row, claim.path, claim.topped) for row in claim.rows) if found.ok else iter(())
        fault = next((fault for fault in faults if fault), found.fault)
        yield replace(found, ok=not fault, fault=fault)


def _bytes_judged(claim: Claim) -> Verified:
    checksum, fault = "", ""
    try:
        if claim.entry is not None and Path(claim.entry.file).name != claim.entry.file:
            raise FileNotFoundError(errno.ENOENT, f"it does not lie beside {LISTING}")
        if not claim.path.is_file():
            raise FileNotFoundError(errno.ENOENT, "there is no such file")
        with claim.path.open("rb") as file:
            fault = no_weights(file.read(START))
            file.seek(0)
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
            if claim.served is not None:
                fault = stated_fault(claim.served, file) or fault
    except OSError as error:
        fault = error.strerror or str(error)
    if claim.entry is not None and claim.entry.sha256 not in ("", checksum) and checksum:
        fault = f"its sha256 is {checksum}, and {LISTING} says {claim.entry.sha256}"
    stated_by = LISTING if claim.entry is not None and claim.entry.sha256 else ""
    if claim.served is not None and claim.served.stated:
        stated_by = "Keras"
    return Verified(
        file=str(claim.path),
        where=claim.where,
        backbones=tuple(row.name for row in claim.rows),
        sha256=checksum,
        stated_by=stated_by,
        ok=not fault,
        fault=fault,
    )
