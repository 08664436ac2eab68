"""A check without a run: the first stages in a scratch folder that is gone afterwards, and what they found."""

from __future__ import annotations

import contextlib
import csv
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from automl.errors import AutomlError, DataError, Interrupted, Terminated, UsageError
from automl.finding_table import KIND_NAMES, NOT_SPLIT
from automl.recipe.load import LoadedRecipe
from automl.records import Checked, Parted
from automl.runs.atomic import TEMPORARY
from automl.runs.begin import Request, address_of
from automl.runs.dataset import is_brought
from automl.runs.events import now_iso
from automl.runs.folder import RunFolder
from automl.runs.pipeline import execute
from automl.runs.refused import GO_ON, in_words
from automl.runs.scratch import scratch
from automl.runs.stops import how_to_go_on, judged_data
from automl.runtime.children import Children
from automl.types import PARTS

LAST: Final = "split"
NAME: Final = "check"  # of the run in the scratch folder
PAGE: Final = "automl.stages.check_page:write_page"
CLEAN: Final = "automl.stages.clean:write_clean"
OUR_PAGE: Final = b'<meta name="generator" content="automl check '
"""In the head of each page that a check wrote: such a one is replaced unasked."""
HEAD_BYTES: Final = 4096  # of a page: they hold that mark
TOLD: Final = ("stage started", "stage done", "progress")
"""Events of the scratch run that are passed on: its name and folder are nobody's affair, its warnings are findings."""

Hear = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What a check is asked for."""

    dataset: Path
    recipe: LoadedRecipe
    exports: Path  # of bundles, which are no class where it lies in the dataset
    html: Path | None = None  # where to write the page
    fix: Path | None = None  # where to write the cleaned manifest
    force: bool = False  # a file that is there is replaced, whatever it is


def check_dataset(request: CheckRequest, hear: Hear) -> dict[str, Any]:
    """Look at every file of a dataset, and cut it as a run would. The dataset is only read.

    Returns: what `--json` prints: state ("done"; "stopped": a run would end; "failed": a file could not be written, and
        `error` says why), the dataset's facts, findings.
    Raises: UsageError: a file has no place where it is to be written; DataError: the dataset cannot even be listed or
        read.
    """
    _need_page(request)
    _need_manifest(request)
    with _scratch() as folder:
        run = Request(
            dataset=request.dataset,
            recipe=request.recipe,
            name=NAME,
            runs=folder.root.parent,
            exports=request.exports,
            last=LAST,
        )
        execute(run, lambda event: hear(event) if event["event"] in TOLD else None)
        facts = _facts(request, folder)
        facts |= _written(request, folder, facts)
    return facts


def _facts(request: CheckRequest, folder: RunFolder) -> dict[str, Any]:
    checked, parted = folder.record(Checked), folder.record(Parted)
    findings = judged_data((*checked.findings, *parted.findings), request.recipe.recipe.check)
    ending = [finding for finding in findings if finding.severity == "stop"]
    is_split = all(finding.kind != NOT_SPLIT for finding in parted.findings)
    flagged: dict[str, list[dict[str, str]]] = {}
    for row in _rows(folder.stage("check") / "flags.csv"):
        if (kind := row.pop("rule")) in KIND_NAMES:  # else it is the reason for which a file was rejected
            flagged.setdefault(kind, []).append(row)
    none = dict.fromkeys(PARTS, 0)  # of a class none of whose files can be read
    parts = {label: parted.per_class.get(label, none) if is_split else {} for label in checked.classes}
    return {
        "dataset": address_of(request.dataset),
        "recipe": request.recipe.name,
        "state": "stopped" if ending else "done",
        "exit_code": DataError.exit_code if ending else 0,
        "layout": checked.layout,
        "images": checked.n_images,
        "rejected": _rows(folder.stage("check") / "rejected.csv"),
        "flagged": flagged,
        "classes": list(checked.classes),
        "per_class": {label: {"images": checked.per_class.get(label, 0), **parts[label]} for label in checked.classes},
        "parts": dict(parted.per_part) if is_split else {},
        "given": list(parted.given),
        "left_out": parted.left_out if is_split else None,
        "leakage": dict(parted.leakage) if is_split else {},
        "shorter_side_px": list(checked.shorter_side_px),
        "size_px": list(checked.sizes_px),
        "modes": checked.modes,
        "formats": checked.formats,
        "dataset_fingerprint": checked.dataset_fingerprint,
        "findings": [{**asdict(finding), "paths": list(finding.paths)} for finding in findings],
        "advice": how_to_go_on(ending, request.recipe.recipe.check) if ending else "",
    }


def _rows(table: Path) -> list[dict[str, str]]:
    """The rows of a table that a stage of this check has just written."""
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _written(request: CheckRequest, folder: RunFolder, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write what is asked for. Returns: where, and what; a file that fails costs itself alone, not what was found."""
    jobs: dict[str, tuple[Path, str, dict[str, str]]] = {}
    if request.html is not None:
        page = {"page": str(request.html.absolute()), "dataset": str(facts["dataset"]), "created": now_iso()}
        jobs["html"] = (request.html, PAGE, {**page, "version": metadata.version("automl")})
    if request.fix is not None:
        jobs["fix"] = (request.fix, CLEAN, {"manifest": str(request.fix.absolute())})
    told: dict[str, Any] = {}
    failed: list[tuple[str, int]] = []
    for name, (path, entry, arguments) in jobs.items():
        try:
            told[name] = _write(request, folder, entry, arguments)
        except (Interrupted, Terminated):
            raise
        except AutomlError as error:
            failed.append((f"--{name} {path}: {_without_run(str(error), folder)}", error.exit_code))
    if failed:
        told |= {"state": "failed", "error": " ".join(text for text, _ in failed), "exit_code": failed[0][1]}
    return told


def _write(request: CheckRequest, folder: RunFolder, entry: str, arguments: Mapping[str, str]) -> object:
    """Have a child write a file: pixels and tables are no matter of the front. Returns: what is told of it.

    Raises: AutomlError: it cannot be written.
    """
    common = {"run": str(folder.root), "recipe": request.recipe.recipe.model_dump(mode="json")}
    try:
        with Children(folder.root / "forkserver.log", lambda _: None) as children:
            return children.run("plain", entry, {**common, **arguments}, log=folder.log_txt)["told"]
    except OSError as error:
        raise in_words(error, folder.root, remedy="") from error


@contextlib.contextmanager
def _scratch() -> Iterator[RunFolder]:
    """A run's folder below the system's temporary one; whatever ends the check, nothing of it stays.

    After SIGKILL that is the next check's work. But for a fault of ours: then the log stays, which the message names.
    """
    with scratch("automl-check-") as place:
        folder = RunFolder(place.resolve() / NAME)
        try:
            yield folder
        except AutomlError as error:
            error.args = (_without_run(str(error), folder),)
            raise
        except OSError as error:
            raise in_words(error, folder.root, remedy="") from error


def _without_run(text: str, folder: RunFolder) -> str:
    """A message as it fits a command that leaves no run behind."""
    words = text.replace(GO_ON, "").replace("choose another folder with --runs", "name another folder by TMPDIR")
    if str(folder.log_txt) in words and folder.log_txt.is_file():
        handle, kept = tempfile.mkstemp(prefix="automl-check-", suffix=".log")
        os.close(handle)
        Path(kept).write_bytes(folder.log_txt.read_bytes())
        words = words.replace(str(folder.log_txt), kept)
    return words.strip()


def _need_page(request: CheckRequest) -> None:
    """Raises: UsageError: the page cannot be written there."""
    path = request.html
    if path is None:
        return
    _need_name(path, "--html", (".html", ".htm"), "a page")
    if not _is_our_page(path):
        _need_new(path, "--html", force=request.force)
    _need_place(path, "--html")


def _is_our_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return OUR_PAGE in file.read(HEAD_BYTES)
    except OSError:
        return False


def _need_manifest(request: CheckRequest) -> None:
    """Raises: UsageError: the manifest cannot be written there, or would not be read from there as it is meant."""
    path = request.fix
    if path is None:
        return
    _need_name(path, "--fix", (".csv",), "a manifest")
    if is_brought(request.dataset):
        raise UsageError(
            f"--fix {path}: {request.dataset} is an archive or a name, and a manifest must lie with the images. "
            "Wanted: a folder. Unpack the archive, or export the dataset, and check its folder."
        )
    if not request.dataset.exists():
        return  # which is told in a moment, and with what is wanted
    dataset, place = request.dataset.resolve(), path.absolute().resolve()
    root = dataset if dataset.is_dir() else dataset.parent
    beside = root.parent / f"{root.name}-clean.csv"
    if not root.is_relative_to(path.absolute().parent.resolve()):
        raise UsageError(
            f"--fix {path}: a manifest's paths lead into its own folder, and {root} is none of those. Wanted: a file "
            f"in a folder above it, for example {beside}."
        )
    if path.absolute().parent.resolve() == dataset:
        raise UsageError(
            f"--fix {path}: the next run would find it in {dataset}, and read the whole folder by it. Wanted: a file "
            f"in a folder above that one, for example {beside}."
        )
    if place == dataset:
        raise UsageError(f"--fix {path} is the dataset's own manifest. Wanted: another file. Choose another name.")
    _need_new(path, "--fix", force=request.force)
    _need_place(path, "--fix")


def _need_name(path: Path, option: str, suffixes: tuple[str, ...], what: str) -> None:
    """Raises: UsageError: no file that is written there could be read as what it is."""
    if path.suffix.lower() not in suffixes or (path.exists() and not path.is_file()):
        raise UsageError(
            f"{option} {path}: that is no file for {what}. Wanted: a name that ends in {suffixes[0]}. Correct it."
        )
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.absolute().parent}. Make it, or choose another.")


def _need_new(path: Path, option: str, *, force: bool) -> None:
    """Raises: UsageError: a file is there, and nobody allowed to replace it."""
    if path.exists() and not force:
        raise UsageError(f"{option} {path}: the file exists. Wanted: a new one. Choose another name, or add --force.")


def _need_place(path: Path, option: str) -> None:
    """Prove that a file can be written beside it, as it will be. Raises: UsageError."""
    folder = path.absolute().parent
    try:
        with tempfile.NamedTemporaryFile(prefix=TEMPORARY, suffix=f"-{path.name}", dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"{option} {path}: no file can be written there ({error.strerror}). Wanted: a folder and a name that can "
            "be written. Give access to the folder, make room on its disk, or choose another."
        ) from error
