"""A dataset that is an archive or a name: its files are put into the run's folder, once, and listed there."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from automl.code import load_entry
from automl.errors import AutomlError, DeadlinePassed, RunInUse, StageFailed
from automl.recipe.model import Recipe
from automl.runs.begin import Request, changed_settings, list_dataset_of, was_stopped
from automl.runs.done import read_done
from automl.runs.folder import RunFolder
from automl.runs.inventory import read_run_json
from automl.runtime.children import Children
from automl.stage_table import (
    ARCHIVE_CHANGED,
    ARCHIVE_FILES,
    EXTRACT,
    IS_ARCHIVE,
    IS_EXPORTED,
    IS_NAMED,
    LEFT_OUT,
    NAMED_FILES,
    OPENED,
)
from automl.types import Listing

Hear = Callable[[Mapping[str, Any]], None]


BODY: Final = "automl.runtime.stage_body:run_export"


def is_brought(dataset: Path) -> bool:
    """Whether a dataset's files are put into the run's folder: those of an archive, or of a name."""
    return is_named(dataset) or bool(load_entry(IS_ARCHIVE)(dataset))


def is_named(dataset: Path) -> bool:
    return bool(load_entry(IS_NAMED)(dataset))


def files_in(dataset: Path, folder: RunFolder) -> int:
    """How many files of an archive or a name are, or would be, put into the run's folder; 0: it is not known yet.

    Raises: DataError: the archive is damaged or hostile; UsageError: it is no such name, or its package is missing.
    """
    count = load_entry(NAMED_FILES if is_named(dataset) else ARCHIVE_FILES)(dataset, folder.dataset)
    assert isinstance(count, int)
    return count


def refuse_dataset(dataset: Path, recipe: Recipe, folder: RunFolder, *, own: Sequence[Path]) -> None:
    """Raises: DataError: the dataset is of no use, as far as its names tell; RecipeError: an unknown class is dropped.

    Of an archive the members are judged alone, of a name its form: nothing is written before its run begins.
    """
    if is_brought(dataset):
        files_in(dataset, folder)
    else:
        list_dataset_of(dataset, recipe, own=own)


def listing_of_brought(request: Request, folder: RunFolder, hear: Hear) -> Listing:
    """Put the files of an archive or a name into the run's folder, unless they are there, and list them."""
    return (listing_of_named if is_named(request.dataset) else listing_of_archive)(request, folder, hear)


def listing_of_named(request: Request, folder: RunFolder, hear: Hear) -> Listing:
    """Export the dataset of a name into the run's folder, unless it is there, and list what came of it.

    It is exported once: what the catalogue holds under that name later is for another run.
    Raises: RunInUse: the run has other settings; UsageError: its package is missing; DataError: there is no such
        dataset, or what is in it is refused, then a run that was not begun keeps nothing of it; DeadlinePassed.
    """
    changed_settings(request, folder)
    name = str(request.dataset)

    def relay(message: Mapping[str, Any]) -> None:
        hear({"event": "warning" if message["say"] == "warning" else "progress", "stage": "fetch", **message})

    left = None if request.deadline_at is None else request.deadline_at - time.time()
    try:
        if not load_entry(IS_EXPORTED)(request.dataset, folder.dataset):
            with Children(folder.root / "forkserver.log", relay) as children:
                arguments = {"dataset": name, "folder": str(folder.dataset)}
                children.run("plain", BODY, arguments, log=folder.log_txt, limit_s=left)
        root = load_entry(OPENED)(request.dataset, folder.dataset)
        assert isinstance(root, Path)
        own = (request.runs, request.exports)
        return list_dataset_of(root, request.recipe.recipe, own=own, small=request.last is not None)
    except AutomlError as error:
        if not folder.is_run():
            _leave_nothing(folder)
        if isinstance(error, StageFailed) and request.deadline_at is not None and time.time() >= request.deadline_at:
            raise DeadlinePassed(
                f"the deadline came before {name} was downloaded. Wanted: time for it. Run the same command again, "
                "with a later --deadline: what its package has already is kept."
            ) from error
        error.args = (str(error).replace(str(folder.dataset / "files"), name),)  # the name that the user knows
        raise


def remarks_on(dataset: Path, folder: RunFolder) -> tuple[str, ...]:
    """What the export of a name did without, in words."""
    if not is_named(dataset):
        return ()
    found = load_entry(LEFT_OUT)(folder.dataset)
    assert isinstance(found, tuple)
    return tuple(f"{dataset}: left out: {text}" for text in found)


def listing_of_archive(request: Request, folder: RunFolder, hear: Hear) -> Listing:
    """Extract the archive into the run's folder, unless it is there, and list what came of it.

    Raises: RunInUse: the run has other settings, or its stages have read another archive; DataError: the archive, or
        what is in it, is refused. Then a run that was not begun keeps nothing of it.
    """
    changed_settings(request, folder)
    if (
        request.redo != "check"
        and not was_stopped(folder, read_run_json(folder))
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

    began = time.monotonic()
    began_extracting = False

    def progress(done: int, total: int) -> None:
        nonlocal began_extracting
        if not began_extracting:  # what was extracted before is no stage on the console
            began_extracting = True
            hear({"event": "stage started", "stage": "extract", "does": f"extract {request.dataset.name}"})
        hear({"event": "progress", "stage": "extract", "done": done, "total": total, "text": "files extracted"})

    root = folder.dataset
    try:
        extracted = load_entry(EXTRACT)(request.dataset, folder.dataset, progress)
        assert isinstance(extracted, Path)
        root = extracted
        own = (request.runs, request.exports)
        listing = list_dataset_of(root, request.recipe.recipe, own=own, small=request.last is not None)
    except AutomlError as error:
        if not folder.is_run():
            _leave_nothing(folder)
        error.args = (str(error).replace(str(root), str(request.dataset)),)  # the name that the user knows
        raise
    if began_extracting:
        hear({"event": "stage done", "stage": "extract", "seconds": time.monotonic() - began})
    return listing


def _leave_nothing(folder: RunFolder) -> None:
    """Take back what was written for a run that was not begun; its lock is ours."""
    shutil.rmtree(folder.dataset, ignore_errors=True)
    folder.lock.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it may hold things of its owner
        folder.root.rmdir()
