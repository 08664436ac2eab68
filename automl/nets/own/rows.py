"""A name becomes a row in one place, whether the backbone stands in the catalogue or a user brought it. Light."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import TypeAdapter, ValidationError

from automl.errors import StageFailed
from automl.nets.catalogue import Backbone, Own, backbone_named
from automl.recipe.backbones import is_own, own_name
from automl.runs.atomic import write_bytes

ENTRY: Final = "automl.nets.own.build:build_own"
CONFIG: Final = "config.json"
WEIGHTS: Final = "model.weights.h5"
FACTS: Final = "facts.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What facts.json says of a run's copy of a user's backbone; it is written last, and commits the copy."""

    file: str  # the recipe's entry: an absolute path, or a preset
    sha256: str = ""  # of the file, or of what was read of the preset
    licence: str = ""
    pixels: str  # the recipe's weights.pixels when it was taken
    told: str = ""  # which pixel values it gets, and who says so, in words; "": it rescales them itself
    size_px: int = 0  # at which the counts below were made; 0: it could not be taken at all
    params_m: float = 0.0
    gmacs: float = 0.0
    taps: tuple[str, str] = ("", "")
    n_features: int = 0
    sizes_px: tuple[int, ...] = ()
    fault: str = ""


_FACTS: Final = TypeAdapter(Facts)


def row_named(name: str, own: Path | None = None) -> Backbone:
    """The row of a backbone.

    Args:
        name: of the catalogue, or of one that the user brought; or an entry of the recipe's `backbones`.
        own: the run's folder of the latter.
    Raises: KeyError: there is none in the catalogue; StageFailed: the run has no whole copy of the user's.
    """
    if not is_own(name):
        return backbone_named(name)
    folder = (own or Path()) / own_name(name)
    return as_row(folder, read_facts(folder))


def as_row(folder: Path, facts: Facts) -> Backbone:
    """What callers must know of a copy."""
    return Backbone(
        name=folder.name,
        family=folder.name,
        entry=ENTRY,
        arguments=MappingProxyType({"folder": folder}),
        keras_class="",
        weights_files=(),
        size_px=facts.size_px,
        least_px=min(facts.sizes_px, default=facts.size_px),
        params_m=facts.params_m,
        gmacs=facts.gmacs,
        top1=None,
        top1_source="nobody says",
        pixels="0..255",  # whatever it expects stands in its own graph
        taps=facts.taps,
        n_features=facts.n_features,
        licence=facts.licence,
        licence_source="nobody says",
        source=facts.file,
        own=Own(
            folder=folder,
            file=facts.file,
            sha256=facts.sha256,
            sizes_px=facts.sizes_px,
            told=facts.told,
            fault=facts.fault,
        ),
    )


def read_facts(folder: Path) -> Facts:
    """Raises: StageFailed: there is no whole copy."""
    path = folder / FACTS
    try:
        return _FACTS.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise StageFailed(
            f"{path} cannot be read. Wanted: what the rehearsal writes of a backbone of the user's own. --redo pick "
            "takes it from its file again."
        ) from error


def write_facts(folder: Path, facts: Facts) -> None:
    """Commit a copy whose other files are there."""
    write_bytes(folder / FACTS, _FACTS.dump_json(facts, indent=2))
