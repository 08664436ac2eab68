"""The probe against scikit-learn, its choice of regularisation, and its weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from automl.nets import probe
from automl.nets.folds import stratified_subset
from automl.nets.logistic import SHIPPED, fit_logistic, rotate
from automl.nets.probe import GRID, ProbeFit, choose_c, fit_probe


def clouds(n: int, d: int, n_classes: int, *, apart: float = 1.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian clouds with correlated features of different sizes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    centres = rng.normal(0, apart, (n_classes, d))
    mixing = rng.normal(0, 1, (d, d)) / np.sqrt(d)
    features = (centres[labels] + rng.normal(0, 1, (n, d))) @ mixing * rng.uniform(0.1, 10, d) + 5
    return features.astype(np.float32), labels.astype(np.int64)


def fit(features: np.ndarray, labels: np.ndarray, n_classes: int, *, folds: int = 5) -> ProbeFit:
    return fit_probe(features, labels, n_classes, folds=folds, neighbours=5, seed=1)


@pytest.mark.parametrize(("n", "d"), [(200, 30), (60, 150)], ids=["more images", "more features"])
def test_it_predicts_what_scikit_learn_predicts_with_the_same_c(n: int, d: int) -> None:
    features, labels = clouds(n, d, 3, apart=0.3)
    fitted = fit(features, labels, 3)
    standardised = ((features - fitted.probe.mean) / fitted.probe.scale).astype(np.float64)
    reference = LogisticRegression(C=fitted.c, tol=1e-8, max_iter=5000).fit(standardised, labels)
    np.testing.assert_allclose(fitted.probe.predict(features), reference.predict_proba(standardised), atol=1e-3)


def test_the_same_seed_gives_the_same_probe() -> None:
    features, labels = clouds(90, 40, 3)
    one, two = fit(features, labels, 3), fit(features, labels, 3)
    np.testing.assert_array_equal(one.probe.kernel, two.probe.kernel)
    np.testing.assert_array_equal(one.out_of_fold, two.out_of_fold)
    assert (one.grid, one.c) == (two.grid, two.c)


def test_features_that_know_nothing_are_right_by_chance_out_of_fold() -> None:
    features, labels = np.random.default_rng(6).normal(size=(400, 100)).astype(np.float32), np.arange(400) % 4
    fitted = fit(features, labels, 4)
    assert abs(fitted.out_of_fold.mean() - 0.25) < 0.1
    assert fitted.probe.predict(features).argmax(axis=1).tolist() != labels.tolist()


def test_every_image_has_probabilities_of_a_fit_that_had_not_seen_it() -> None:
    """Labels of pure chance: a fit that had seen them would be right (the test before this one)."""
    features, labels = np.random.default_rng(6).normal(size=(400, 100)).astype(np.float32), np.arange(400) % 4
    fitted = fit(features, labels, 4)
    np.testing.assert_allclose(fitted.held_out.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(fitted.held_out.argmax(axis=1) == labels, fitted.out_of_fold)


def test_images_beyond_the_subset_are_held_out_by_a_fit_on_the_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MOST_IMAGES", 120)
    features, labels = clouds(200, 30, 3, apart=0.3)
    fitted = fit(features, labels, 3)
    chosen = stratified_subset(labels, 120, seed=1)
    others = np.setdiff1d(np.arange(200), chosen)
    assert len(fitted.out_of_fold) == 120
    standardised = ((features - fitted.probe.mean) / fitted.probe.scale).astype(np.float64)
    reference = LogisticRegression(C=fitted.c, tol=1e-8, max_iter=5000).fit(standardised[chosen], labels[chosen])
    np.testing.assert_allclose(fitted.held_out[others], reference.predict_proba(standardised[others]), atol=1e-3)
    seen = np.abs(fitted.held_out - fitted.probe.predict(features))[others]
    assert seen.max() > 0.03  # the probe itself has seen them


def test_a_dead_feature_and_a_class_without_images_are_endured() -> None:
    features, labels = clouds(60, 20, 2, apart=2.0)
    features[:, 3] = 7.0
    labels[0] = 2  # a class of one image; of the fourth there is none
    fitted = fit(features, labels, 4)
    probabilities = fitted.probe.predict(features)
    assert np.isfinite(probabilities).all()
    assert (probabilities[1:].argmax(axis=1) == labels[1:]).mean() > 0.9
    assert probabilities[:, 3].max() < 0.2


def test_features_too_small_for_keras_to_standardise_are_dead() -> None:
    """Those of an untrained MobileNetV2 spread by 1e-12: a head would not have followed the probe."""
    features, labels = clouds(60, 20, 2, apart=2.0)
    features -= features.mean(axis=0)
    assert (fit(features, labels, 2).probe.scale != 1).all()
    tiny = fit(features * np.float32(1e-12), labels, 2).probe
    np.testing.assert_array_equal(tiny.scale, 1)
    assert np.isfinite(tiny.predict(features * np.float32(1e-12))).all()


def test_three_images_are_enough_for_a_fit_of_five_folds() -> None:
    features, labels = clouds(3, 4, 2)
    assert np.isfinite(fit(features, labels, 2).probe.predict(features)).all()


def right(*hits: int, n: int = 400) -> list[np.ndarray]:
    return [np.arange(n) < hit for hit in hits]


def losses(*means: float, n: int = 400) -> list[np.ndarray]:
    return [np.full(n, mean) for mean in means]


def test_the_strongest_regularisation_within_noise_of_the_best_is_chosen() -> None:
    assert choose_c(losses(0.58, 0.55, 0.5), right(320, 358, 360)) == 1
    assert choose_c(losses(0.58, 0.55, 0.5), right(357, 358, 360)) == 0  # less than a point


def test_regularisation_that_makes_the_probe_unsure_is_not_chosen() -> None:
    assert choose_c(losses(0.9, 0.55, 0.5), right(360, 360, 360)) == 1


def test_where_accuracy_and_sureness_disagree_the_surest_is_chosen() -> None:
    assert choose_c(losses(0.2, 0.9, 0.95), right(300, 350, 360)) == 0


def test_the_grid_runs_from_strong_to_weak_and_is_reported_whole() -> None:
    assert list(GRID) == sorted(GRID)
    features, labels = clouds(60, 10, 2)
    assert [fold.c for fold in fit(features, labels, 2).grid] == list(GRID)


def test_integer_weights_are_repeated_rows() -> None:
    features, labels = clouds(120, 12, 3, apart=0.4)
    times = np.random.default_rng(2).integers(0, 4, len(labels))
    weighted = fit_probe(features, labels, 3, weights=times.astype(np.float32), folds=5, neighbours=5, seed=1)
    again = np.repeat(np.arange(len(labels)), times)
    x = ((features - weighted.probe.mean) / weighted.probe.scale).astype(np.float32)[again]
    repeated = fit_logistic(rotate(x), labels[again], 3, weighted.c, None, tolerance=SHIPPED)
    kernel = rotate(x).basis @ repeated[:-1]

    assert (times == 0).sum() > 10
    np.testing.assert_allclose(weighted.probe.mean, features[again].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(weighted.probe.scale, features[again].std(axis=0), rtol=1e-4)
    np.testing.assert_allclose(weighted.probe.kernel, kernel, atol=2e-4)
    unweighted = fit(features, labels, 3)
    assert np.abs(weighted.probe.predict(features) - unweighted.probe.predict(features)).max() > 0.01


def test_weights_are_scikit_learns_sample_weights() -> None:
    features, labels = clouds(150, 20, 3, apart=0.3)
    weights = np.random.default_rng(3).uniform(0.1, 4, len(labels)).astype(np.float32)
    fitted = fit_probe(features, labels, 3, weights=weights, folds=5, neighbours=5, seed=1)
    x = ((features - fitted.probe.mean) / fitted.probe.scale).astype(np.float64)
    reference = LogisticRegression(C=fitted.c, tol=1e-8, max_iter=5000).fit(x, labels, sample_weight=weights)
    np.testing.assert_allclose(fitted.probe.predict(features), reference.predict_proba(x), atol=1e-3)


def test_weights_of_one_give_the_probe_without_weights() -> None:
    features, labels = clouds(90, 40, 3)
    ones = fit_probe(features, labels, 3, weights=np.ones(90, np.float32), folds=5, neighbours=5, seed=1)
    plain = fit(features, labels, 3)
    assert ones.c == plain.c
    np.testing.assert_allclose(ones.probe.predict(features), plain.probe.predict(features), atol=1e-4)


def test_mislabelled_images_of_weight_zero_teach_nothing() -> None:
    features, labels = clouds(300, 10, 2, apart=2.0)
    wrong = np.arange(len(labels)) % 5 < 3  # three in five: without weights the lie wins
    told = np.where(wrong, 1 - labels, labels)
    weights = np.where(wrong, 0, 1).astype(np.float32)
    knowing = fit_probe(features, told, 2, weights=weights, folds=5, neighbours=5, seed=1)
    believing = fit(features, told, 2)
    assert (knowing.probe.predict(features).argmax(axis=1) == labels).mean() > 0.9
    assert (believing.probe.predict(features).argmax(axis=1) == labels).mean() < 0.3


def test_the_choice_of_c_listens_to_weights() -> None:
    first = np.arange(100) < 50
    losses = [np.where(first, 3.0, 0.0), np.where(first, 0.0, 3.0)]  # each is right on its own half
    right = [loss < 1 for loss in losses]
    weights = np.where(first, 9, 1).astype(np.float32)
    assert choose_c(losses, right, weights) == 1
    assert choose_c(losses, right, 10 - weights) == 0
