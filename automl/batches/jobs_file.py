"""The jobs file: which datasets, under which names, by which recipes. Read whole; all its faults are told at once.

jobs:
  - dataset: flowers                # relative to this file's folder
  - dataset: dogcat
    name: pets                      # default: the dataset's folder
    recipe: best                    # default: quick; or a file, relative to this file's folder
    set: {tune.trials: 4}           # as --set does; also nested, or a list of "tune.trials=4"
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from automl.code import load_entry
from automl.errors import RecipeError, UsageError
from automl.recipe.load import LoadedRecipe, leaves, load_recipe
from automl.recipe.shipped import shipped_recipes
from automl.recipe.yaml_text import YamlFault, parse_yaml, scalar_text
from automl.runs.folder import NAME, name_from
from automl.stage_table import IS_NAMED

MAX_BYTES: Final = 1_000_000  # some 10,000 jobs
MAX_FAULTS: Final = 40  # that are listed; a recipe file with a fault, used by every job, has as many
MAX_SHOWN: Final = 60  # characters of a wrong value in a message
DEFAULT_RECIPE: Final = "quick"
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One dataset and what is to be made of it, with nothing left to be found wrong but the dataset."""

    name: str  # of the run and its bundle
    dataset: Path  # absolute, without ".."
    recipe: LoadedRecipe


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    dataset: str = Field(min_length=1, description="the path of a folder, as text")
    name: str | None = Field(
        None,
        pattern=f"^{NAME.pattern}$",
        description="1 to 80 letters, digits, '.', '_' and '-', the first a letter or digit, as text",
    )
    recipe: str = Field(DEFAULT_RECIPE, min_length=1, description="a recipe's name, or the path of a file, as text")
    set: dict[str, Any] | list[str] = Field(
        default_factory=dict, description='a mapping such as {tune.trials: 4}, or a list such as ["tune.trials=4"]'
    )


class _Entries(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    jobs: list[Any] = Field(min_length=1, description="a list of jobs, each with a `dataset`")


def load_jobs(path: Path) -> tuple[Job, ...]:
    """Read and check the whole file; no dataset is looked at.

    Raises: UsageError: there are faults; all of them are listed, each with its job, what was found and wanted.
    """
    faults: list[str] = []
    entries = [_entry(number, raw, faults) for number, raw in enumerate(_list_of_jobs(path, faults), 1)]
    datasets = [_dataset(entry.dataset, path.parent) for entry in entries]
    names = [entry.name or name_from(dataset) for entry, dataset in zip(entries, datasets, strict=True)]
    if not faults:  # a name that is itself a fault would be compared by its default
        faults += _repeated_names(names)
    recipes = [_recipe(number, entry, path.parent, faults) for number, entry in enumerate(entries, 1)]
    if faults:
        count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        shown = faults[:MAX_FAULTS] + ([f"and {len(faults) - MAX_FAULTS} more"] if len(faults) > MAX_FAULTS else [])
        raise UsageError(
            f"The jobs file {path} has {count}, and no job was started:\n"
            + "".join(f"  {fault}\n" for fault in shown)
            + "Correct this and run again; `automl batch --help` shows how a jobs file is written."
        )
    return tuple(
        Job(name=name, dataset=dataset, recipe=recipe)
        for name, dataset, recipe in zip(names, datasets, recipes, strict=True)
        if recipe is not None
    )


def _dataset(written: str, folder: Path) -> Path:
    """A path is relative to the jobs file; a name such as tfds:mnist stays as it is."""
    return Path(written) if load_entry(IS_NAMED)(Path(written)) else _settled(folder / written)


def _settled(path: Path) -> Path:
    """Absolute and without "..", under the name it was given, also where that is a link's: reports tell the name."""
    try:
        return path.resolve() if path.name == ".." else path.parent.resolve() / path.name
    except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, a loop of links: its own job will tell
        return path.absolute()


def _list_of_jobs(path: Path, faults: list[str]) -> list[Any]:
    """What stands under `jobs`, not yet looked at."""
    content = _read(path, faults)
    if faults:
        return []
    if not isinstance(content, Mapping):
        faults.append(f"found {_shown(content)}, wanted the key `jobs` with {_wanted(_Entries, 'jobs')}")
        return []
    checked, wrong = _checked(_Entries, content)
    faults += wrong.values()
    return [] if "jobs" in wrong else list(checked.jobs)


def _entry(number: int, raw: object, faults: list[str]) -> _Entry:
    """One job; what is wrong is left out of it, so that the rest is looked at all the same."""
    if not isinstance(raw, Mapping):
        keys = ", ".join(_Entry.model_fields)
        faults.append(f"job {number}: found {_shown(raw)}, wanted a mapping with the keys {keys}")
        raw = {"dataset": "."}
    entry, wrong = _checked(_Entry, raw)
    faults += [f"job {number}, {fault}" for fault in wrong.values()]
    return entry


def _checked(model: type[M], raw: Mapping[Any, Any]) -> tuple[M, dict[str, str]]:
    """The values that are right (defaults for the others), and by key what is wrong with the others, in words."""
    try:
        return model.model_validate(raw), {}
    except ValidationError as error:
        wrong: dict[str, str] = {}  # each branch of a union tells of the same value: the first is kept
        for fault in error.errors(include_url=False):
            key = str(fault["loc"][0])
            wrong.setdefault(key, _in_words(model, key, fault["type"], raw.get(key)))
    right = {key: value for key, value in raw.items() if key not in wrong}
    return model.model_construct(**{"dataset": ".", **right}), wrong


def _read(path: Path, faults: list[str]) -> object:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe, say, would be waited for without end
            faults.append("it is no regular file; wanted a YAML file")
            return None
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            faults.append(f"found more than {MAX_BYTES:,} bytes, wanted a list of jobs")
            return None
        return parse_yaml(data.decode())
    except OSError as error:
        faults.append(f"it cannot be read: {error.strerror}; wanted a YAML file")
    except UnicodeDecodeError as error:
        faults.append(f"found a byte at {error.start} that is not UTF-8, wanted a YAML file in UTF-8")
    except YamlFault as error:
        faults.append(f"{error}; wanted YAML")
    return None


def _in_words(model: type[BaseModel], key: str, kind: str, found: object) -> str:
    """One fault that pydantic found."""
    if kind == "extra_forbidden":
        known = list(model.model_fields)
        near = get_close_matches(key, known, n=1, cutoff=0.5)
        return f"{_shown_key(key)}: found an unknown key, " + (
            f"did you mean {near[0]}?" if near else f"wanted {'one of ' if len(known) > 1 else ''}{', '.join(known)}"
        )
    return f"{key}: found {_shown(found)}, wanted {_wanted(model, key)}"


def _recipe(number: int, entry: _Entry, folder: Path, faults: list[str]) -> LoadedRecipe | None:
    """The job's recipe; None where it has faults."""
    pairs = entry.set if isinstance(entry.set, list) else _pairs(entry.set, number, faults)
    try:
        return load_recipe(_recipe_from(entry.recipe, folder), pairs, folder=folder)
    except RecipeError as error:
        faults += [f"job {number}, recipe {_shown_key(entry.recipe)}: {fault}" for fault in error.faults]
    return None


def _recipe_from(name_or_file: str, folder: Path) -> str:
    """A file's path is relative to the jobs file; a name stays as it is."""
    is_file = "/" in name_or_file or Path(name_or_file).suffix in {".yaml", ".yml"} or (folder / name_or_file).is_file()
    return str(folder / name_or_file) if is_file and name_or_file not in shipped_recipes() else name_or_file


def _pairs(given: Mapping[str, object], number: int, faults: list[str]) -> list[str]:
    """As --set takes them: "a.b=value" each, the value in YAML."""
    pairs: dict[str, str] = {}
    for key, value in leaves(given):
        if key in pairs:
            faults.append(f"job {number}, set: found {_shown_key(key)} a second time, wanted once")
        pairs[key] = f"{key}={scalar_text(value)}"
    return list(pairs.values())


def _repeated_names(names: list[str]) -> list[str]:
    first: dict[str, int] = {}
    faults = []
    for number, name in enumerate(names, 1):
        if first.setdefault(name, number) != number:
            faults.append(f"job {number}, name: found {name!r}, which is job {first[name]}'s; wanted a name of its own")
    return faults


def _wanted(model: type[BaseModel], key: str) -> str:
    return model.model_fields[key].description or ""


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def _shown_key(key: str) -> str:
    return key if key.isprintable() and len(key) <= MAX_SHOWN else _shown(key)
