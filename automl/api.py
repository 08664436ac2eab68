"""The tool for Python users: typed, nothing printed. The command line is a thin layer over this file.

Every function raises the errors of automl/errors.py, whose messages say what was found, what was wanted, what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.recipe.command_line import as_typed
from automl.recipe.load import load_recipe, pairs_of
from automl.recipe.model import Recipe
from automl.runs.begin import Request
from automl.runs.checking import CheckRequest, check_dataset
from automl.runs.deadline import parse_deadline
from automl.runs.folder import RunFolder, name_from
from automl.runs.inventory import RunRow, list_runs, remove_runs, show_run
from automl.runs.pipeline import execute
from automl.runtime.doctor import Answer, examine

if TYPE_CHECKING:
    from automl.bundle.predict import Prediction
    from automl.weights.bundle import Carried
    from automl.weights.stock import Stocked
    from automl.weights.verify import Verified

__all__ = [
    "Answer", "Carried", "RunRow", "Stocked", "Verified", "batch", "bundle_weights", "check", "default_name", "doctor",
    "fetch_weights", "import_weights", "list_runs", "list_weights", "predict", "remove_runs", "run", "show_run",
    "verify_weights",
]  # fmt: skip

RUNS = Path("runs")
EXPORTS = Path("exports")


def run(
    dataset: str | Path,
    *,
    recipe: str | Path = "quick",
    settings: Mapping[str, object] | Sequence[str] = (),
    name: str | None = None,
    runs: str | Path = RUNS,
    exports: str | Path = EXPORTS,
    weights: str | Path | None = None,
    deadline: str | None = None,
    seed: int | None = None,
    redo: str | None = None,
    hear: Callable[[Mapping[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """From a folder of images to a verified bundle. The same call again resumes an interrupted run.

    Args:
        dataset: a folder of images: one folder a class, or train/ (val/, test/) folders of classes, or with a manifest;
            or the manifest itself; or a .zip or .tar of these; or a name, "tfds:NAME" or "hf:NAME", where the package
            of that catalogue is installed.
        recipe: a shipped recipe's name, or a YAML file.
        settings: what to change in it: {"tune.trials": 4}, or ["tune.trials=4"] as on the command line.
        name: of the run and its bundle; default: the dataset's and the recipe's names.
        runs, exports: folders of all runs, and of all bundles.
        weights: a folder with pretrained weights, looked into before the Keras cache and the network.
        deadline: "90s", "3m", "2h" from now, or "07:00"; default: that of the interrupted call that this goes on with.
        seed: same seed, same result; default: the recipe's.
        redo: a stage's name: throw it and all after it away, and do them again. To go on after that, leave it out.
        hear: is called with each event and with progress, in this thread.
    Returns: the object that run.json holds: name, state, metrics, variants, chosen, bundle, report and more.
    Raises: AutomlError; its exit_code is the command's.
    """
    pairs = pairs_of(settings) if isinstance(settings, Mapping) else [as_typed(setting) for setting in settings]
    loaded = load_recipe(str(recipe), pairs, seed)
    request = Request(
        dataset=Path(dataset),
        recipe=loaded,
        name=name if name is not None else default_name(Path(dataset), loaded.name),
        runs=Path(runs),
        exports=Path(exports),
        weights=None if weights is None else Path(weights),
        deadline_at=None if deadline is None else parse_deadline(deadline, datetime.now().astimezone()),
        redo=redo,
    )
    return execute(request, hear or (lambda _: None))


def check(
    dataset: str | Path,
    *,
    recipe: str | Path = "quick",
    settings: Mapping[str, object] | Sequence[str] = (),
    html: str | Path | None = None,
    fix: str | Path | None = None,
    force: bool = False,
    hear: Callable[[Mapping[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """What is in a dataset, and what is wrong with it: the first stages of a run, which leave no run behind.

    Args:
        dataset, recipe, settings: as of `run`.
        html: a page with pictures of what was found is written there; an earlier page of a check is replaced.
        fix: a manifest is written there, in a folder above the dataset's or beside the manifest that it is, without
            broken files, copies, contradictions and leaks, the spellings of labels merged. Images are never touched.
        force: `html` and `fix` replace any file.
        hear: is called with each stage and with progress, in this thread.
    Returns: the object that `automl check --json` prints: state ("stopped" where a run would end before training,
        "failed" where html or fix could not be written in the end, as `error` says), layout, counts, findings (the
        gravest first, each with examples), all rejected files, all flagged pictures by kind, and more.
    Raises: AutomlError: UsageError: html or fix has no place there; DataError: the dataset cannot be listed or read.
    """
    pairs = pairs_of(settings) if isinstance(settings, Mapping) else [as_typed(setting) for setting in settings]
    request = CheckRequest(
        dataset=Path(dataset),
        recipe=load_recipe(str(recipe), pairs, None),
        exports=EXPORTS,
        html=None if html is None else Path(html),
        fix=None if fix is None else Path(fix),
        force=force,
    )
    return check_dataset(request, hear or (lambda _: None))


def batch(
    jobs: str | Path,
    *,
    until: str | None = None,
    deadline: str | None = None,
    runs: str | Path = RUNS,
    exports: str | Path = EXPORTS,
    weights: str | Path | None = None,
    strict: bool = False,
    hear: Callable[[Mapping[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """One run after another, by a jobs file; a job that fails costs itself alone. The same call again goes on.

    Args:
        jobs: a YAML file: `jobs:` and a list of {dataset, name, recipe, set}; paths in it are relative to its folder.
        until: a time of day such as "07:00"; deadline: "90s", "3m", "8h" from now. One of them: when the batch must
            have ended; the time left is shared among the jobs left.
        runs, exports: folders of all runs, and of all bundles.
        weights: a folder with pretrained weights, looked into before the Keras cache and the network.
        strict: start nothing where any dataset cannot be listed.
        hear: is called with each job's and run's event and with progress, in this thread.
    Returns: the object that batch.json holds: state ("done", or "failed": not all jobs are done), jobs, page and more.
    Raises: AutomlError: UsageError: the file has faults; DataError: strict, and a dataset is refused; RunLocked.
    """
    from automl.batches.loop import BatchRequest, execute_batch

    request = BatchRequest(
        jobs_file=Path(jobs),
        until=until,
        deadline=deadline,
        runs=Path(runs),
        exports=Path(exports),
        weights=None if weights is None else Path(weights),
        strict=strict,
    )
    return execute_batch(request, hear or (lambda _: None))


def default_name(dataset: Path, recipe: str) -> str:
    """A run's name when none is given: DATASET-RECIPE, with what a name cannot hold replaced by '-'."""
    return f"{name_from(dataset)}-{recipe}"[:80]


def predict(bundle: str | Path, inputs: Sequence[str | Path]) -> list[Prediction]:
    """What a bundle says of images, or of all images in folders. onnxruntime alone; no Keras.

    Raises: UsageError: no bundle there; DataError: no image there.
    """
    from automl.bundle.use import predict_images

    return predict_images(Path(bundle), [Path(path) for path in inputs])


def doctor(*, weights: str | Path | None = None, runs: str | Path = RUNS) -> list[Answer]:
    """Whether `run` can work here: one answer for each question, the failed ones not ok."""
    return examine(None if weights is None else Path(weights), RunFolder(Path(runs)).root)


def list_weights(
    *,
    recipe: str | Path = "quick",
    settings: Mapping[str, object] | Sequence[str] = (),
    weights: str | Path | None = None,
) -> tuple[Stocked, ...]:
    """Every backbone's pretrained weights: here, or where they could be had. Those that the recipe needs come first.

    Args: recipe, settings, weights: as of `run`.
    Raises: RecipeError; WrongWeights: a folder or its weights.yaml is wrong.
    """
    from automl.weights.stock import list_stock

    return list_stock(_recipe(recipe, settings), _path(weights))


def fetch_weights(
    *,
    recipe: str | Path = "quick",
    settings: Mapping[str, object] | Sequence[str] = (),
    weights: str | Path | None = None,
    to: str | Path | None = None,
    hear: Callable[[Mapping[str, Any]], None] | None = None,
) -> tuple[Stocked, ...]:
    """Download the weights that a recipe needs and are not here; resumable, and compared with Keras' checksums.

    Args:
        recipe, settings, weights: as of `run`; `weights.download: false` binds runs alone.
        to: a folder to put them in, and the only one that counts then; default: Keras' cache.
        hear: is called with progress, in this thread.
    Returns: one for each that is needed; `state` "failed" and `fault` tell what could not be had.
    Raises: RecipeError; WrongWeights: a folder or its weights.yaml is wrong; DiskFull.
    """
    from automl.weights.stock import fetch_stock

    return fetch_stock(_recipe(recipe, settings), _path(weights), _path(to), hear or (lambda _: None))


def bundle_weights(
    out: str | Path,
    *,
    recipe: str | Path = "quick",
    settings: Mapping[str, object] | Sequence[str] = (),
    weights: str | Path | None = None,
    force: bool = False,
    hear: Callable[[Mapping[str, Any]], None] | None = None,
) -> tuple[Carried, ...]:
    """Write the weights that a recipe needs into a tar, with checksums, licences and sources.

    Args:
        out: the tar.
        recipe, settings, weights: as of `run`; what is not here is downloaded first, if the recipe allows that.
        force: a file that is there is replaced.
        hear: is called with progress, in this thread.
    Raises: UsageError: out is there, or nothing is needed; FetchFailed: weights can be had nowhere; WrongWeights.
    """
    from automl.weights.bundle import bundle_stock

    return bundle_stock(
        _recipe(recipe, settings), _path(weights), Path(out), force=force, hear=hear or (lambda _: None)
    )


def import_weights(
    source: str | Path,
    *,
    to: str | Path | None = None,
    force: bool = False,
    hear: Callable[[Mapping[str, Any]], None] | None = None,
) -> tuple[Carried, ...]:
    """Put the weights of a bundle where runs find them, once every one of them was compared with its checksum.

    Args:
        source: a tar of `bundle_weights`, or a folder with a weights.yaml that states sha256 and size of each file.
        to: a folder; default: that of $AUTOML_WEIGHTS, else Keras' cache.
        force: files of the same name and other bytes are replaced.
        hear: is called with progress, in this thread.
    Raises: WrongWeights: it is damaged or hostile, and nothing was kept; UsageError: there is none, or a file would be
        replaced; DiskFull.
    """
    from automl.weights.bring import import_stock

    return import_stock(Path(source), _path(to), force=force, hear=hear or (lambda _: None))


def verify_weights(
    *, weights: str | Path | None = None, hear: Callable[[Mapping[str, Any]], None] | None = None
) -> tuple[Verified, ...]:
    """Compare every weights file that a run could find with its stated checksum, and load it into its network.

    Args:
        weights: as of `run`.
        hear: is called with progress, in this thread.
    Returns: one for each file; those that are wrong are not `ok`, and `fault` says why.
    Raises: WrongWeights: a folder or its weights.yaml is wrong as a whole.
    """
    from automl.weights.verify import verify_stock

    return verify_stock(_path(weights), hear or (lambda _: None))


def _recipe(recipe: str | Path, settings: Mapping[str, object] | Sequence[str]) -> Recipe:
    pairs = pairs_of(settings) if isinstance(settings, Mapping) else list(settings)
    return load_recipe(str(recipe), pairs, None).recipe


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
