"""Which point to try next: KerasTuner proposes, and everything round it is ours (docs/design.md, decision 5).

A fresh oracle answers each ask. It is told the ended trials, asked once, and thrown away: it writes no files, holds no
lock, and cannot be left half-written. Its seed follows from the search's seed and the trial's number alone, so that a
search that was killed goes on as the undisturbed one would.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

import keras_tuner
import threadpoolctl
from keras_tuner.engine.trial import Trial as TunerTrial
from keras_tuner.engine.trial import TrialStatus

from automl.search.journal import Values
from automl.types import Trial

DRAWS: Final = 20  # how often a point that was tried already is drawn again before the space counts as exhausted
BAYESIAN_RANDOM: Final = 6  # random trials before the Gaussian process: one more than the space has dimensions
COLLAPSED: Final = 1e-3  # a shorter length scale (the space is 0..1) means that no trial tells about any other point


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A point to try."""

    values: dict[str, float | int | bool | str]
    note: str  # what should be known of how it was found; "" where all is well


def propose(
    kind: Literal["random", "bayesian"],
    parameters: Any,
    ended: Sequence[Trial],
    *,
    number: int,
    seed: int,
    running: Sequence[Values] = (),
) -> Proposal | None:
    """A point that was not tried yet, for the trial of this number. The same arguments give the same point.

    Args:
        kind: which of KerasTuner's oracles.
        parameters: KerasTuner's HyperParameters.
        ended: trials so far, in any order; failed ones and scores that are not finite tell where not to go again,
            and nothing more.
        seed: the search's.
        running: values of trials that have not ended.
    Returns: None: no new point was found, the space is exhausted.
    """
    told = [trial for trial in sorted(ended, key=lambda trial: trial.number) if _finite(trial.accuracy)]
    tried = {_point(parameters, values) for values in (*(trial.values for trial in ended), *running)}
    note = ""
    for draw in range(DRAWS):
        oracle = _fresh_oracle(kind if draw == 0 else "random", parameters, seed=oracle_seed(seed, number, draw))
        for trial in told:
            _tell(oracle, parameters, trial)
        values = _ask(oracle)
        note = note or _collapse(oracle)
        if _point(parameters, values) not in tried:
            return Proposal(values=values, note=note)
        if kind == "bayesian":  # the same trials make it propose the same optimum for any seed
            note = "the Gaussian process proposed a point that was tried already, so that a random one stands in"
    return None


def oracle_seed(seed: int, number: int, draw: int) -> int:
    """A seed in [1, 2**31): far from those of its neighbours, and never 0.

    KerasTuner reads 0 as "random", and samples its k-th parameter with seed + k, so that neighbours share samples.
    """
    digest = sha256(f"{seed}/{number}/{draw}".encode()).digest()
    return 1 + int.from_bytes(digest[:8], "big") % (2**31 - 1)


def _fresh_oracle(kind: str, parameters: Any, *, seed: int) -> Any:
    common = {
        "objective": keras_tuner.Objective("accuracy", "max"),
        "max_trials": None,
        "hyperparameters": parameters.copy(),
        "allow_new_entries": False,
        "tune_new_entries": False,
        "seed": seed,
        "max_retries_per_trial": 0,
    }
    if kind == "bayesian":
        return keras_tuner.oracles.BayesianOptimizationOracle(num_initial_points=BAYESIAN_RANDOM, **common)
    return keras_tuner.oracles.RandomSearchOracle(**common)


def _tell(oracle: Any, parameters: Any, trial: Trial) -> None:
    """Put an ended trial where the oracle keeps its own; its update_trial would average scores of one step."""
    hyperparameters = parameters.copy()
    hyperparameters.values = _within(parameters, trial.values)
    told = TunerTrial(hyperparameters, trial_id=str(trial.number), status=TrialStatus.COMPLETED)
    told.score = trial.accuracy
    oracle.trials[told.trial_id] = told


def _ask(oracle: Any) -> dict[str, float | int | bool | str]:
    """The oracle's next point, in Python's own types.

    populate_space is the ask itself. create_trial round it writes files in place, takes a lock that it keeps after an
    exception, prints, and calls what Python has deprecated.
    """
    with (
        threadpoolctl.threadpool_limits(limits=1),  # 3.6 s an ask at 100 trials; 12-18 s with two BLAS threads
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(action="ignore"),  # sklearn's word on the collapse: _collapse sees it for itself
    ):
        values = oracle.populate_space("asked")["values"]
    return {name: value.item() if hasattr(value, "item") else value for name, value in values.items()}


def _collapse(oracle: Any) -> str:
    kernel = getattr(getattr(oracle, "gpr", None), "kernel_", None)  # kernel_ appears when it was fitted
    if kernel is not None and kernel.length_scale < COLLAPSED:
        return "the scores look like noise to the Gaussian process, so that its proposal is as good as a random one"
    return ""


def _within(parameters: Any, values: Values) -> dict[str, float | int | bool | str]:
    """The nearest point of the space: the defaults may lie outside, where KerasTuner's mapping to 0..1 fails."""
    inside: dict[str, float | int | bool | str] = {}
    for parameter in parameters.space:
        value = values.get(parameter.name, parameter.default)
        if isinstance(parameter, keras_tuner.engine.hyperparameters.Choice):
            inside[parameter.name] = min(parameter.values, key=lambda choice: abs(choice - value))
        else:
            inside[parameter.name] = min(max(float(value), parameter.min_value), parameter.max_value)
    return inside


def _point(parameters: Any, values: Values) -> tuple[float, ...]:
    """Where the values lie on each parameter's 0..1, to a hundredth: nearer points train alike."""
    inside = _within(parameters, values)
    return tuple(round(parameter.value_to_prob(inside[parameter.name]), 2) for parameter in parameters.space)


def _finite(score: float | None) -> bool:
    return score is not None and math.isfinite(score)
