"""KerasTuner behind one ask: each test meets a fault of it that docs/design.md lists under decision 5."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Literal

import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.recipe.model import Space
from automl.search.oracle import BAYESIAN_RANDOM, oracle_seed, propose
from automl.search.space import RANGES, search_space
from automl.types import Trial

Kind = Literal["random", "bayesian"]
KINDS: tuple[Kind, ...] = ("random", "bayesian")
WIDE = Space()
FULL = search_space(WIDE, pretrained=True)
SMALL = keras_tuner.HyperParameters()  # with fewer dimensions the Gaussian process answers many times sooner
SMALL.Float("learning_rate", *WIDE.learning_rate, sampling="log")
SMALL.Float("dropout", *WIDE.dropout)
POINTS = keras_tuner.HyperParameters()
POINTS.Choice("unfrozen", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])


def trial(number: int, values: dict[str, Any], accuracy: float | None) -> Trial:
    return Trial(number=number, values=values, state="failed" if accuracy is None else "finished", accuracy=accuracy,
                 loss=accuracy and 0.3, seconds=1.0, epochs=(), error="")  # fmt: skip


def smooth(values: dict[str, Any]) -> float:
    """An accuracy with its summit inside the space."""
    return float(0.9 - (np.log10(values["learning_rate"]) + 3) ** 2 / 5 - (values["dropout"] - 0.2) ** 2)


def searched(kind: Kind, parameters: Any, count: int, *, seed: int = 1) -> list[Trial]:
    """That many trials, one after the other."""
    trials: list[Trial] = []
    for number in range(1, count + 1):
        proposal = propose(kind, parameters, trials, number=number, seed=seed)
        assert proposal is not None
        trials.append(trial(number, proposal.values, smooth(proposal.values)))
    return trials


@pytest.fixture(scope="module")
def eight_bayesian() -> list[Trial]:
    return searched("bayesian", SMALL, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_trials_give_the_same_point_in_whatever_order_they_are_told(
    kind: Kind, eight_bayesian: list[Trial]
) -> None:
    point = propose(kind, SMALL, eight_bayesian, number=9, seed=1)
    shuffled = random.Random(3).sample(eight_bayesian, k=8)
    random.seed(99)
    np.random.seed(99)  # whatever global generators hold must not matter
    assert propose(kind, SMALL, shuffled, number=9, seed=1) == point


def test_a_search_that_goes_on_after_a_kill_proposes_what_the_undisturbed_one_did(eight_bayesian: list[Trial]) -> None:
    for told in (5, 7):
        proposal = propose("bayesian", SMALL, eight_bayesian[:told], number=told + 1, seed=1)
        assert proposal is not None
        assert proposal.values == eight_bayesian[told].values


def test_proposals_lie_within_the_ranges_in_types_that_json_knows(eight_bayesian: list[Trial]) -> None:
    by_chance = searched("random", FULL, 8)
    guided = propose("bayesian", FULL, by_chance, number=9, seed=1)
    assert guided is not None
    for values in (guided.values, *(told.values for told in (*by_chance, *eight_bayesian))):
        json.dumps(values)
        assert {type(value) for value in values.values()} == {float}
        assert values.get("unfrozen", 1.0) in WIDE.unfrozen
        for name in RANGES:
            low, high = getattr(WIDE, name)
            assert low <= values.get(name, low) <= high


def test_a_failed_trial_or_one_whose_score_is_not_finite_teaches_nothing(eight_bayesian: list[Trial]) -> None:
    scores = (None, float("nan"), float("inf"), float("-inf"))
    bad = [trial(9 + n, {"learning_rate": 3e-3, "dropout": n / 10}, score) for n, score in enumerate(scores)]
    without = propose("bayesian", SMALL, eight_bayesian, number=13, seed=1)
    assert propose("bayesian", SMALL, [*eight_bayesian, *bad], number=13, seed=1) == without


def test_the_gaussian_process_learns_where_the_summit_is(eight_bayesian: list[Trial]) -> None:
    guided = [smooth(told.values) for told in eight_bayesian[BAYESIAN_RANDOM:]]
    by_chance = [smooth(told.values) for told in searched("random", SMALL, 50, seed=3)]
    assert np.mean(guided) > np.median(by_chance)


@given(seed=st.integers(1, 2**31 - 1), number=st.integers(1, 1000), draw=st.integers(0, 19))
@settings(deadline=None)
def test_an_oracles_seed_is_never_0_and_far_from_its_neighbours(seed: int, number: int, draw: int) -> None:
    here = oracle_seed(seed, number, draw)
    assert 1 <= here < 2**31
    for near in (oracle_seed(seed + 1, number, draw), oracle_seed(seed, number + 1, draw)):
        assert abs(here - near) > len(FULL.space)  # KerasTuner samples its k-th parameter with seed + k


def test_searches_with_neighbouring_seeds_share_no_sample() -> None:
    one, two = (
        {value for told in searched("random", FULL, 6, seed=seed) for value in told.values.values()} for seed in (1, 2)
    )
    assert one & two <= set(WIDE.unfrozen)


@pytest.mark.parametrize("kind", KINDS)
def test_no_point_is_proposed_twice_and_an_exhausted_space_says_so(kind: Kind) -> None:
    trials: list[Trial] = []
    while proposal := propose(kind, POINTS, trials, number=len(trials) + 1, seed=2):
        trials.append(
            trial(len(trials) + 1, proposal.values, 0.9 - 0.1 * abs(float(proposal.values["unfrozen"]) - 0.5))
        )
    shares = [told.values["unfrozen"] for told in trials]
    assert len(shares) == len(set(shares))
    assert len(shares) >= 7  # 20 draws hit the last of 8 points with a chance of 93 %


def test_a_point_that_runs_or_failed_is_not_proposed_again() -> None:
    shares = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    failed = [trial(number, {"unfrozen": share}, None) for number, share in enumerate(shares[:4], start=1)]
    running = [{"unfrozen": share} for share in shares[4:]]
    for seed in range(1, 6):
        proposal = propose("random", POINTS, failed, number=8, seed=seed, running=running)
        assert proposal is None or proposal.values["unfrozen"] == 0.8


def test_scores_that_look_like_noise_are_told_of() -> None:
    points = searched("random", SMALL, BAYESIAN_RANDOM + 8)
    noise = np.random.default_rng(5).normal(0.8, 0.01, len(points))
    proposal = propose(
        "bayesian", SMALL,
        [trial(told.number, told.values, float(score)) for told, score in zip(points, noise, strict=True)],
        number=len(points) + 1, seed=1,
    )  # fmt: skip
    assert proposal is not None
    assert proposal.note.startswith("the scores look like noise")


def test_defaults_outside_the_space_are_told_as_the_nearest_point_of_it() -> None:
    ended = [trial(number, {"unfrozen": number / 10}, number / 10) for number in range(1, 7)]

    def after(share: float) -> object:
        return propose("bayesian", POINTS, [*ended, trial(7, {"unfrozen": share}, 0.2)], number=8, seed=1)

    assert after(0.94) == after(0.8)
    rates = keras_tuner.HyperParameters()
    rates.Float("weight_decay", 1e-5, 1e-2, sampling="log")
    ended = [trial(number, {"weight_decay": 0.0}, 0.5) for number in range(1, 7)]  # its logarithm would be an error
    assert propose("bayesian", rates, ended, number=7, seed=1) is not None


def test_an_ask_writes_no_file_prints_nothing_and_leaves_the_space_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = FULL.get_config()
    searched("random", FULL, 2)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert FULL.get_config() == before
