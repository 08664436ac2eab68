"""Is there room, memory and a place to write, before anything long begins? Found in the first minute, not at night."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

import psutil

from automl.code import load_entry
from automl.errors import ResourceMissing, RunInUse, UsageError
from automl.recipe.model import Recipe
from automl.runs.events import datasets_published, read_events
from automl.runs.folder import RunFolder
from automl.runs.summary import summarise
from automl.stage_table import NEED_REPLACEABLE

MODELS_MB: Final = 600
"""Disk for checkpoints, variants, bundle and report: about twenty copies of the largest shipped backbone (24 MB)."""
BOTH: Final = 1.65
"""Two packed sizes, in maps of the larger one: the smaller edge is at most four fifths of it."""
MEMORY_MB: Final = 2500
"""Two Keras processes at a time (a stage and its trial), each 0.9 to 1.2 GB resident while training at 160 px."""


def pack_mb(n_images: int, size_px: int) -> float:
    """Megabytes of one uint8 RGB map."""
    return n_images * size_px * size_px * 3 / 1e6


def room_needed_mb(recipe: Recipe, n_images: int, *, models_mb: float = MODELS_MB) -> float:
    """Megabytes a run may write at most: its pixels at the largest size that the recipe allows, and its models."""
    pack = recipe.pack
    packed = pack_mb(n_images, max(pack.possible_px)) * (BOTH if pack.size_px == "auto" else 1)
    return {"raw": packed, "auto": min(packed, pack.max_disk_mb), "files": 0.0}[pack.store] + models_mb


def least_room_mb(recipe: Recipe, n_images: int, *, models_mb: float = MODELS_MB) -> float:
    """Megabytes without which a run cannot be done: where the recipe leaves it open, pixels need not be packed."""
    return models_mb if recipe.pack.store == "auto" else room_needed_mb(recipe, n_images, models_mb=models_mb)


def need_folder(folder: Path, what: str) -> None:
    """Make the folder, and prove that it can be written. Raises: ResourceMissing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ResourceMissing(
            f"{folder} cannot be written ({error.strerror}). Wanted: a folder for {what}. "
            "Give access to it, or name another folder."
        ) from error


def need_own(folder: RunFolder) -> None:
    """Raises: RunInUse: the run's folder holds things that are no run, which its stages would write over.

    The lock is the first file of every run. A dataset with a folder train/, say, has none.
    """
    if folder.is_run() or folder.lock.is_file() or not folder.root.is_dir():
        return
    found = min((path.name for path in folder.root.iterdir()), default=None)
    if found is not None:
        taken = f"{folder.root} holds {found!r} and is no run"
        raise RunInUse(
            f"{taken}. Wanted: a new or empty folder for this run, or a run to go on with. "
            "Choose another --name or --runs.",
            taken,
        )


def need_place(exports: Path, folder: RunFolder) -> None:
    """Raises: ResourceMissing: what stands where the bundle is to be published is no older bundle of the same data.

    Before check is done the data is not known, and not compared.
    """
    dataset = summarise(folder).get("dataset_fingerprint")
    datasets = {dataset, *datasets_published(read_events(folder.events_jsonl))} if dataset else set()
    load_entry(NEED_REPLACEABLE)(exports / folder.name, datasets)


def need_two_folders(runs: Path, exports: Path) -> None:
    """Raises: UsageError: runs and bundles would lie in one folder, each in the other's place."""
    if runs.resolve() == exports.resolve():
        raise UsageError(
            f"--runs and --exports are the same folder ({runs.resolve()}). Wanted: two, for a run and its bundle have "
            "one name. Correct one of them."
        )


def need_room(folder: Path, megabytes: float, what: str) -> None:
    """Raises: ResourceMissing: the disk under that folder has less room than this. Args: what: it is wanted for."""
    free = shutil.disk_usage(folder).free / 1e6
    if free < megabytes:
        raise ResourceMissing(
            f"the disk of {folder} has {free:,.0f} MB free. Wanted: {megabytes:,.0f} MB for {what}. "
            "Make room, choose another folder with --runs, or lower pack.max_size_px in the recipe."
        )


def need_memory(megabytes: float = MEMORY_MB) -> None:
    """Raises: ResourceMissing: less memory than this is free."""
    free = psutil.virtual_memory().available / 1e6
    if free < megabytes:
        raise ResourceMissing(
            f"{free:,.0f} MB of memory are free. Wanted: {megabytes:,.0f} MB for two Keras processes. "
            "Close other programs, then run the same command again."
        )
