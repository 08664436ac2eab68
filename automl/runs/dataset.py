"""A dataset that is an archive: its files are extracted into the run's folder, once, and listed there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl.code import load_entry
from automl.errors import AutomlError, RunInUse
from automl.recipe.model import Recipe
from automl.runs.begin import Request, changed_settings, list_dataset_of
from automl.runs.done import read_done
from automl.runs.folder import RunFolder
from automl.stage_table import ARCHIVE_CHANGED, ARCHIVE_FILES, EXTRACT, IS_ARCHIVE
from automl.types import Listing

Hear = Callable[[Mapping[str, Any]], None]


def is_archive(dataset: Path) -> bool:
    return bool(load_entry(IS_ARCHIVE)(dataset))


def files_in(archive: Path, folder: RunFolder) -> int:
    """How many files of an archive are, or would be, extracted. Raises: DataError: it is damaged or hostile."""
    count = load_entry(ARCHIVE_FILES)(archive, folder.dataset)
    assert isinstance(count, int)
    return count


def refuse_dataset(dataset: Path, recipe: Recipe, folder: RunFolder, *, own: Sequence[Path]) -> None:
    """Raises: DataError: the dataset is of no use, as far as its names tell; RecipeError: an unknown class is dropped.

    Of an archive the members are judged alone: nothing is written before its run begins.
    """
    if is_archive(dataset):
        files_in(dataset, folder)
    else:
        list_dataset_of(dataset, recipe, own=own)


def listing_of_archive(request: Request, folder: RunFolder, hear: Hear) -> Listing:
    """Extract the archive into the run's folder, unless it is there, and list what came of it.

    Raises: RunInUse: the run has other settings, or its stages have read another archive; DataError: the archive, or
        what is in it, is refused. Then a run that was not begun keeps nothing of it.
    """
    changed_settings(request, folder)
    if (
        request.redo != "check"
        and load_entry(ARCHIVE_CHANGED)(request.dataset, folder.dataset)
        and read_done(folder.done_json("check")) is not None
    ):
        found = f"{request.dataset} has changed since the run {folder.name!r} checked it"
        raise RunInUse(
            f"{found}. Wanted: the same archive, to go on with it; or --redo check, which decodes the new and "
            f"changed files and does all else again. Else choose another --name, or remove it by "
            f"`automl runs clean {folder.name}`.",
            found,
        )

    def progress(done: int, total: int) -> None:
        hear({"event": "progress", "stage": "extract", "done": done, "total": total, "text": "files extracted"})

    root = folder.dataset
    try:
        extracted = load_entry(EXTRACT)(request.dataset, folder.dataset, progress)
        assert isinstance(extracted, Path)
        root = extracted
        return list_dataset_of(root, request.recipe.recipe, own=(request.runs, request.exports))
    except AutomlError as error:
        if not folder.is_run():
            shutil.rmtree(folder.dataset, ignore_errors=True)
        error.args = (str(error).replace(str(root), str(request.dataset)),)  # the name that the user knows
        raise
