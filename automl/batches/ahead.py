"""What a batch does before its first job, so that none of them meets it at night: limits and weights of all recipes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl.batches.jobs_file import Job
from automl.code import load_entry
from automl.errors import FetchFailed, RecipeError, UsageError
from automl.stage_table import NEED_CANDIDATES
from automl.weights.stock import Stocked, stock_up

Hear = Callable[[Mapping[str, Any]], None]


def refuse_empty_recipes(jobs: Sequence[Job], weights: Path | None) -> None:
    """Raises: UsageError: the limits of some jobs' recipes leave no backbone; all of them are listed. WrongWeights."""
    refused = []
    for job in jobs:
        try:
            load_entry(NEED_CANDIDATES)(job.recipe.recipe, weights)
        except RecipeError as error:
            refused.append(f"  {job.name}: {'; '.join(error.faults)}\n")
    if refused:
        raise UsageError(
            f"the limits of {len(refused)} of {len(jobs)} job(s) leave no backbone, and no job was started:\n"
            + "".join(refused)
            + "Raise them, or name other backbones: docs/cli.md lists all with parameters and licences."
        )


def fetch_ahead(jobs: Sequence[Job], weights: Path | None, until: float | None, hear: Hear) -> dict[str, str]:
    """Find the weights that the jobs need, and fetch those that are not here, each once.

    Args:
        weights: --weights.
        until: wall time at which the fetching ends.
        hear: called with progress.
    Returns: by name those jobs that lack some: which, why, and what becomes of it, in a sentence.
    Raises: WrongWeights: a folder or its weights.yaml is wrong as a whole; DiskFull.
    """

    def in_time(event: Mapping[str, Any]) -> None:
        if until is not None and time.time() > until:
            raise FetchFailed("the time for it is over; the next command goes on with it, if it can")
        hear(event)

    stocks = stock_up([job.recipe.recipe for job in jobs], weights, in_time)
    told = {job.name: lacking(stock, job.recipe.recipe.backbones) for job, stock in zip(jobs, stocks, strict=True)}
    return {name: text for name, text in told.items() if text}


def lacking(stock: Sequence[Stocked], backbones: Sequence[str]) -> str:
    """What a job lacks of its weights; "" where all are here.

    Args: stock: of the backbones that need weights; backbones: all of the recipe.
    """
    absent = {one.backbone: one for one in stock if one.state not in ("here", "fetched")}
    if not absent:
        return ""
    forbidden = "not here, and the recipe forbids downloads"
    names = ", ".join(f"{name} ({one.fault or forbidden})" for name, one in absent.items())
    if any(one.state == "wrong" for one in absent.values()):
        return f"no weights for {names}: a wrong file ends the job"
    others = len(absent) < len(stock) or "smallnet" in backbones
    fate = "left out" if others else "replaced by smallnet, which nobody has trained"
    again = any(one.state == "failed" for one in absent.values())
    return f"no weights for {names}: {fate}" + (", unless they can be fetched when the job begins" if again else "")
