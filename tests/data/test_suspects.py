"""Label errors, outliers and near duplicates on made-up features, each planted, and the laws they obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data import suspects
from automl.data.suspects import (
    ALIKE,
    MOST_OUTLIERS,
    evenly,
    find_label_errors,
    find_outliers,
    find_twins,
    seconds_needed,
)


def sure(labels: np.ndarray, n_classes: int, *, seed: int = 1) -> np.ndarray:
    """Probabilities of a good probe: the label's class at .7 to .95."""
    rng = np.random.default_rng(seed)
    own = rng.uniform(0.7, 0.95, len(labels))
    rest = rng.dirichlet(np.ones(n_classes), len(labels))
    rest[np.arange(len(labels)), labels] = 0
    rest *= ((1 - own) / rest.sum(axis=1))[:, None]
    rest[np.arange(len(labels)), labels] = own
    return rest.astype(np.float32)


def pictures(n: int, d: int, *, seed: int = 1) -> np.ndarray:
    """Features of images of five kinds: positive, as pooled activations are, and no two alike."""
    rng = np.random.default_rng(seed)
    kinds = rng.uniform(0, 1, (5, d))
    return (kinds[np.arange(n) % 5] + rng.exponential(0.5, (n, d))).astype(np.float32)


def strange(n: int, d: int) -> np.ndarray:
    """Features of pictures of no kind: a few that no other image has so large."""
    return np.where(np.random.default_rng(9).random((n, d)) < 0.1, 6.0, 0.1).astype(np.float32)


def test_planted_flips_are_doubted_and_the_class_they_came_from_is_suggested() -> None:
    truth = np.arange(200) % 4
    labels = truth.copy()
    labels[[3, 50, 111]] = (truth[[3, 50, 111]] + 1) % 4
    probabilities = sure(truth, 4)
    probabilities[[3, 50, 111]] = 0.01 + 0.96 * np.eye(4)[truth[[3, 50, 111]]]
    found = find_label_errors(probabilities, labels)
    assert {error.row: error.suggested for error in found} == {row: int(truth[row]) for row in (3, 50, 111)}


def test_the_label_that_is_least_probable_comes_first() -> None:
    truth = np.zeros(40, np.int64)
    truth[20:] = 1
    probabilities = sure(truth, 2)
    labels = truth.copy()
    labels[[2, 5, 9]] = 1
    for row, own in ((2, 0.04), (5, 0.01), (9, 0.02)):
        probabilities[row] = (1 - own, own)
    found = find_label_errors(probabilities, labels)
    assert [error.row for error in found] == [5, 9, 2]
    assert [error.own_probability for error in found] == pytest.approx([0.01, 0.02, 0.04])


def test_a_probe_that_has_not_decided_doubts_no_label() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.full(6, 20.0), 300).astype(np.float32)  # every class near 1 in 6
    labels = rng.integers(0, 6, 300)
    assert (probabilities.argmax(axis=1) != labels).mean() > 0.7
    assert find_label_errors(probabilities, labels) == ()


def test_a_class_that_is_always_sure_asks_for_more_than_a_half() -> None:
    """The threshold is the class's own mean: .6 is no sign of a class whose images have .9."""
    labels = np.repeat([0, 1], 50)
    probabilities = np.where(labels[:, None] == np.arange(2), 0.9, 0.1).astype(np.float32)
    probabilities[0] = (0.4, 0.6)
    assert find_label_errors(probabilities, labels) == ()
    probabilities[0] = (0.05, 0.95)
    assert [error.row for error in find_label_errors(probabilities, labels)] == [0]


def test_a_class_without_images_is_endured() -> None:
    labels = np.arange(30) % 2
    assert find_label_errors(sure(labels, 3), labels) == ()


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(1, 10_000), n_flips=st.integers(0, 6))
def test_the_order_of_images_and_of_classes_does_not_matter(seed: int, n_flips: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.arange(60) % 3
    labels = truth.copy()
    labels[:n_flips] = (truth[:n_flips] + 1) % 3
    probabilities = sure(truth, 3, seed=seed)
    images, classes = rng.permutation(60), rng.permutation(3)
    plain = {(error.row, error.suggested) for error in find_label_errors(probabilities, labels)}
    place = np.argsort(classes)
    turned = find_label_errors(probabilities[images][:, classes], place[labels[images]])
    assert {(int(images[error.row]), int(classes[error.suggested])) for error in turned} == plain
    assert all(labels[row] != suggested for row, suggested in plain)


def test_foreign_pictures_are_the_farthest_and_no_more_than_a_hundredth_is_named() -> None:
    features = pictures(600, 64)
    foreign = [17, 300, 444]
    features[foreign] = strange(3, 64)
    found = find_outliers(features)
    assert {outlier.row for outlier in found[:3]} == set(foreign)
    assert len(found) <= np.ceil(MOST_OUTLIERS * 600)
    assert [one.distance for one in found] == sorted((one.distance for one in found), reverse=True)


def test_twenty_foreign_pictures_of_one_kind_do_not_hide_behind_each_other() -> None:
    features = pictures(2000, 48)
    rng = np.random.default_rng(4)
    features[:20] = np.where(np.arange(48) < 6, 8, 0) + rng.uniform(0, 0.2, (20, 48))
    assert {outlier.row for outlier in find_outliers(features)} == set(range(20))


def test_images_that_differ_evenly_have_no_outliers_and_neither_have_few() -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    assert find_outliers(np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)) == ()
    assert find_outliers(pictures(30, 8)) == ()


def test_above_the_reference_the_same_pictures_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    features = pictures(900, 64)
    features[[7, 500]] = strange(2, 64)
    monkeypatch.setattr(suspects, "REFERENCE", 300)
    monkeypatch.setattr(suspects, "BLOCK", 128)
    assert {outlier.row for outlier in find_outliers(features)[:2]} == {7, 500}


def brute(features: np.ndarray) -> dict[tuple[int, int], float]:
    x = (features - features.mean(axis=0)) / features.std(axis=0)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosine = unit @ unit.T
    pairs = zip(*np.triu_indices(len(x), 1), strict=True)
    return {(int(i), int(j)): float(cosine[i, j]) for i, j in pairs if cosine[i, j] >= ALIKE}


@settings(deadline=None, max_examples=12)
@given(
    seed=st.integers(1, 10_000), n=st.integers(20, 90), d=st.integers(8, 120), noise=st.sampled_from((0.01, 0.15, 0.3))
)
def test_twins_are_those_of_comparing_every_pair_in_full(seed: int, n: int, d: int, noise: float) -> None:
    features = pictures(n, d, seed=seed)
    rng = np.random.default_rng(seed)
    for first, second in ((0, n - 1), (3, 7), (5, n // 2)):
        features[second] = features[first] + rng.normal(0, noise, d)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suspects, "AXES", 6)
        patch.setattr(suspects, "BLOCK", 32)
        found = find_twins(features)
    wanted = brute(features)
    near = {pair for pair, cosine in wanted.items() if cosine > ALIKE + 1e-4}
    assert near <= {(one.first, one.second) for one in found} <= set(brute_near(features))
    assert all(abs(one.similarity - wanted.get((one.first, one.second), one.similarity)) < 1e-4 for one in found)
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)


def brute_near(features: np.ndarray) -> set[tuple[int, int]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "ALIKE", ALIKE - 1e-4)
        return set(brute(features))


def test_a_set_of_one_picture_many_times_is_bounded() -> None:
    features = np.tile(pictures(1, 32), (300, 1)) + np.random.default_rng(2).normal(0, 1e-3, (300, 32))
    features[0] += 1
    assert 0 < len(find_twins(features.astype(np.float32))) <= suspects.TWINS * 300


def test_a_dead_feature_and_equal_images_are_endured() -> None:
    features = pictures(50, 16)
    features[:, 4] = 3.0
    features[9] = features[30]
    (twins,) = find_twins(features)
    assert (twins.first, twins.second) == (9, 30)
    assert twins.similarity == pytest.approx(1)
    assert find_twins(np.ones((40, 8), np.float32)) == ()
    assert find_twins(features[:1]) == ()


def test_too_many_images_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.repeat(pictures(30, 16), 2, axis=0)
    assert len(find_twins(features)) >= 30
    monkeypatch.setattr(suspects, "MOST_COMPARED", 59)
    assert find_twins(features) == ()


@given(n=st.integers(1, 300_000), d=st.integers(1, 4000))
def test_the_time_that_is_reckoned_with_grows_with_the_features(n: int, d: int) -> None:
    assert 0 < seconds_needed(n, d) <= seconds_needed(n, d + 1)


@given(n=st.integers(1, 5000), most=st.integers(1, 5000))
def test_rows_that_stand_for_all_are_even_and_not_more_than_asked(n: int, most: int) -> None:
    rows = evenly(n, most)
    assert len(rows) == min(n, most)
    assert rows[0] == 0
    assert rows[-1] <= n - 1
    assert (np.diff(rows) > 0).all()
