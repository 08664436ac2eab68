"""weights.yaml: which file of a folder holds the weights of which backbone, with checksum, licence and source.

A list of mappings: file, backbone (the Keras class), kwargs (what the class was called with), and, if stated, sha256,
size (bytes), licence, source. Whatever else an entry says is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from automl.errors import WrongWeights
from automl.nets.catalogue import Backbone
from automl.recipe.yaml_text import YamlFault, parse_yaml

LISTING: Final = "weights.yaml"
MAX_BYTES: Final = 1_000_000  # of a listing; that of eight files has 5,000
MAX_SHOWN: Final = 200  # characters of a wrong entry in a message
KERAS_DEFAULTS: Final = {"alpha": 1.0, "minimalistic": False}
"""What an entry means that does not say; other arguments: as in our rows."""
IMAGENET_CLASSES: Final = 1000
HEAD: Final = (
    "# Which file holds the weights of which backbone (a Keras class and its arguments), and where it is from.\n"
)
WANTED: Final = "a list of mappings, each with a file, a backbone and kwargs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file, as the listing describes it."""

    file: str  # its name in the listing's own folder
    backbone: str  # Keras class
    kwargs: Mapping[str, object] = field(default_factory=dict, hash=False)
    sha256: str = ""  # "": not stated
    size: int | None = None  # bytes; None: not stated
    licence: str = ""
    source: str = ""
    more: Mapping[str, object] = field(default_factory=dict, hash=False)  # the other keys

    @property
    def size_px(self) -> int | None:
        """Edge of the input that the class was called with; None where the entry does not say."""
        shape = self.kwargs.get("input_shape")
        edge = shape[0] if isinstance(shape, list) and shape else None
        return edge if isinstance(edge, int) else None

    @property
    def topped(self) -> bool:
        """Whether the file has a top besides; also where the entry does not say, for that is Keras' default."""
        return self.kwargs.get("include_top", True) is not False

    def fits(self, row: Backbone) -> bool:
        """Whether the file holds this backbone: same class, and the same arguments where both name them.

        A top, if it has one, must be ImageNet's.
        """
        return (
            self.backbone == row.keras_class
            and (not self.topped or self.kwargs.get("classes", IMAGENET_CLASSES) == IMAGENET_CLASSES)
            and all(
                self.kwargs.get(key, KERAS_DEFAULTS.get(key, value)) == value
                for key, value in row.arguments.items()
                if key != "include_top"
            )
        )


def read_listing(folder: Path) -> tuple[Entry, ...]:
    """The entries of the folder's weights.yaml; none where there is no such file. Raises: WrongWeights."""
    path = folder / LISTING
    if not path.exists():
        return ()
    if not path.is_file():
        raise WrongWeights(f"{path} cannot be read: it is no file. Correct or remove it.")
    facts = path.stat()
    return _read(path, facts.st_ino, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=8)  # asked for by each of some sixty backbones, and as many entries take 22 ms to read
def _read(path: Path, *_identity: int) -> tuple[Entry, ...]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise WrongWeights(f"{path} cannot be read: {error.strerror}. Correct or remove it.") from error
    return parse_listing(data, str(path))


def parse_listing(data: bytes, name: str) -> tuple[Entry, ...]:
    """The entries of a listing. Args: name: how messages call it. Raises: WrongWeights: it is none."""
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        entries = parse_yaml(data.decode())
    except (YamlFault, ValueError) as error:
        raise WrongWeights(f"{name} cannot be read: {error}. Correct or remove it.") from error
    if not isinstance(entries, list):
        raise WrongWeights(f"{name} holds a {type(entries).__name__}. Wanted: {WANTED}. Correct or remove it.")
    return tuple(_entry(entry, f"{name}, entry {number}") for number, entry in enumerate(entries, start=1))


def _entry(found: object, place: str) -> Entry:
    if not (
        isinstance(found, dict)
        and isinstance(found.get("file"), str)
        and isinstance(found.get("backbone"), str)
        and isinstance(found.get("kwargs", {}), dict)
    ):
        raise WrongWeights(f"{place}: {repr(found)[:MAX_SHOWN]}. Wanted: {WANTED}. Correct or remove it.")
    size = found.get("size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise WrongWeights(f"{place}: its size is {repr(size)[:MAX_SHOWN]}. Wanted: a number of bytes. Correct it.")
    known = ("file", "backbone", "kwargs", "sha256", "size", "licence", "source")
    return Entry(
        file=found["file"],
        backbone=found["backbone"],
        kwargs=found.get("kwargs", {}),
        sha256="" if found.get("sha256") is None else str(found["sha256"]).lower(),
        size=size,
        licence=str(found.get("licence") or ""),
        source=str(found.get("source") or ""),
        more={key: value for key, value in found.items() if key not in known},
    )


def listing_text(entries: Iterable[Entry]) -> str:
    """A listing that parse_listing reads back as the same entries."""
    return HEAD + "".join(_entry_text(entry) for entry in entries)


def _entry_text(entry: Entry) -> str:
    values: dict[str, object] = {"file": entry.file, "backbone": entry.backbone, "kwargs": dict(entry.kwargs)}
    stated = {"sha256": entry.sha256, "size": entry.size, "licence": entry.licence, "source": entry.source}
    values |= {key: value for key, value in stated.items() if value not in ("", None)}
    lines = [f"{json.dumps(key)}: {_json(value)}" for key, value in {**values, **entry.more}.items()]
    return "- " + "\n  ".join(lines) + "\n"


def _json(value: object) -> str:
    """JSON, which is YAML 1.2 but for characters that a YAML file may not hold as they are."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", lambda found: f"\\u{ord(found[0]):04x}", text)
