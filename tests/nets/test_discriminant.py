"""The probe of few images against scikit-learn's discriminant, and what its views, weights and sureness do."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import shrunk_covariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from automl.nets.discriminant import (
    NOISE_LOSS,
    SHRINKAGES,
    best_sureness,
    discriminants,
    fit_few,
    is_few,
    loss_at,
)
from automl.nets.logistic import log_losses, rotate
from automl.nets.probe import ProbeFit, fit_probe
from tests.nets.test_probe import clouds


def fit(features: np.ndarray, labels: np.ndarray, n_classes: int, **more: np.ndarray) -> ProbeFit:
    return fit_few(features, labels, n_classes, folds=5, neighbours=5, seed=1, **more)


def standardised(features: np.ndarray) -> np.ndarray:
    x: np.ndarray = ((features - features.mean(axis=0)) / features.std(axis=0)).astype(np.float32)
    return x


@pytest.mark.parametrize(("n", "d"), [(200, 30), (60, 150)], ids=["more images", "more features"])
def test_its_scores_are_scikit_learns_but_for_the_prior(n: int, d: int) -> None:
    features, labels = clouds(n, d, 4)
    x = standardised(features)
    rotated = rotate(x)
    found = list(discriminants(rotated.z, labels, 4, np.ones(n), d=d))
    for shrinkage, (kernel, bias) in zip(SHRINKAGES, found, strict=True):
        reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
        # scikit-learn shrinks each class' covariance by itself; with one covariance that is the same, but it divides
        # features by their spread within the classes first, so it is asked with what it shrinks by.
        means = np.stack([x[labels == label].mean(axis=0) for label in range(4)])
        within = x - means[labels]
        covariance = shrunk_covariance(within.T @ within / n, shrinkage=shrinkage)
        directions = np.linalg.solve(covariance.astype(np.float64), means.T.astype(np.float64))
        wanted = x @ directions - 0.5 * (means.T * directions).sum(axis=0)
        np.testing.assert_allclose(rotated.z @ kernel + bias, wanted, atol=2e-3 * np.abs(wanted).max())
        assert (reference.fit(x, labels).predict(x) == wanted.argmax(axis=1)).mean() > 0.95


def test_it_is_right_more_often_than_logistic_regression_where_the_classes_share_a_wide_direction() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(0, 0.4, (4, 40))
    wide = rng.normal(0, 1, (5, 40))  # noise that all classes have in common, far wider than they are apart

    def images(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(n) % 4
        noise = rng.normal(0, 4, (n, 5)) @ wide + rng.normal(0, 0.5, (n, 40))
        return (centres[labels] + noise).astype(np.float32), labels

    features, labels = images(60)
    held, truth = images(1000)
    few = fit(features, labels, 4)
    logistic = fit_probe(features, labels, 4, folds=5, neighbours=5, seed=1)
    right = (few.probe.predict(held).argmax(axis=1) == truth).mean()
    assert right > (logistic.probe.predict(held).argmax(axis=1) == truth).mean() + 0.05
    assert few.out_of_fold.mean() == pytest.approx(right, abs=0.12)


def test_a_feature_that_is_all_but_dead_in_the_training_images_outweighs_no_other() -> None:
    whole, classes = clouds(420, 30, 2, apart=1.0)
    features, labels, held, truth = whole[:20], classes[:20], whole[20:], classes[20:]
    dead = np.zeros((20, 1), np.float32)
    dead[0] = 1e-4
    alive = np.random.default_rng(1).exponential(1.0, (400, 1)).astype(np.float32)
    plain = fit(features, labels, 2).probe.predict(held).argmax(axis=1)
    beside = fit(np.hstack([features, dead]), labels, 2).probe.predict(np.hstack([held, alive])).argmax(axis=1)
    assert (plain == beside).mean() > 0.98
    assert (plain == truth).mean() > 0.9


def test_the_answers_are_less_sure_than_is_best_by_so_much_loss_alone() -> None:
    features, labels = clouds(80, 20, 4, apart=0.6)
    found = fit(features, labels, 4)
    scores = np.log(found.held_out.astype(np.float64))
    prior = np.zeros(4)
    lowest = loss_at(best_sureness(scores, labels, prior, None), scores, labels, prior, None)
    told = log_losses(found.held_out, labels).mean()
    assert lowest + 0.5 * NOISE_LOSS < told <= lowest + 1.2 * NOISE_LOSS
    np.testing.assert_array_equal(found.out_of_fold, found.held_out.argmax(axis=1) == labels)


def test_sureness_has_an_end_where_all_are_right() -> None:
    scores = np.eye(2)[np.arange(10) % 2] * 3
    sure = best_sureness(scores, np.arange(10) % 2, np.zeros(2), None)
    assert 0.5 < sure < 5
    assert best_sureness(np.zeros((4, 2)), np.arange(4) % 2, np.zeros(2), None) == 1.0


def test_a_weight_of_two_is_an_image_that_is_there_twice() -> None:
    features, labels = clouds(40, 10, 2)
    weights = np.where(np.arange(40) < 20, 2, 1).astype(np.float32)
    x = standardised(features)
    rotated = rotate(x)
    twice = np.repeat(np.arange(40), weights.astype(int))
    once = list(discriminants(rotated.z, labels, 2, weights.astype(np.float64), d=10))
    again = list(discriminants(rotated.z[twice], labels[twice], 2, np.ones(len(twice)), d=10))
    for (kernel, bias), (other, other_bias) in zip(once, again, strict=True):
        np.testing.assert_allclose(kernel, other, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(bias, other_bias, rtol=1e-4, atol=1e-5)


def test_an_image_of_weight_nothing_teaches_nothing() -> None:
    whole, classes = clouds(460, 10, 2, apart=2.0)
    features, labels, held, truth = whole[:60], classes[:60], whole[60:], classes[60:]
    wrong = np.arange(60) // 2 % 5 < 3  # three in five of each class: without weights the lie wins
    told = np.where(wrong, 1 - labels, labels)
    weights = np.where(wrong, 0, 1).astype(np.float32)
    right = [
        (fit(features, told, 2, **more).probe.predict(held).argmax(axis=1) == truth).mean()
        for more in ({}, {"weights": weights})
    ]
    assert right[0] < 0.5
    assert right[1] > 0.9


def test_views_go_where_their_image_goes_and_the_images_alone_are_judged() -> None:
    rng = np.random.default_rng(5)
    labels = np.arange(40) % 2
    features = rng.normal(size=(40, 30)).astype(np.float32)  # they say nothing of the class
    views = np.stack([features, features])  # a fold that held its images' views would know each image
    found = fit(features, labels, 2, views=views)
    assert found.out_of_fold.shape == (40,)
    assert found.held_out.shape == (40, 2)
    assert found.out_of_fold.mean() < 0.75


def test_views_that_vary_as_new_images_do_are_worth_something() -> None:
    rng = np.random.default_rng(6)
    centres = rng.normal(0, 0.4, (3, 20))
    labels = np.arange(15) % 3
    jitter = rng.normal(0, 1, (6, 20))  # what a crop changes

    def seen(own: np.ndarray) -> np.ndarray:
        return (own + rng.normal(0, 2, (len(own), 6)) @ jitter).astype(np.float32)

    images = centres[labels] + rng.normal(0, 0.5, (15, 20))
    truth = np.arange(900) % 3
    held = seen(centres[truth] + rng.normal(0, 0.5, (900, 20)))
    views = np.stack([seen(images), seen(images)])
    alone, more = fit(seen(images), labels, 3), fit(seen(images), labels, 3, views=views)
    right = [(one.probe.predict(held).argmax(axis=1) == truth).mean() for one in (alone, more)]
    assert right[1] > right[0] + 0.03


def test_classes_of_one_image_and_images_that_are_all_alike_are_fitted_without_a_number_that_is_none() -> None:
    features, labels = clouds(9, 12, 4)
    rare = np.array([0, 0, 0, 0, 1, 1, 1, 2, 3])
    for one, own in ((features, rare), (np.ones((9, 12), np.float32), rare), (features[:4], np.arange(4))):
        found = fit(one, own, 4)
        for values in (found.probe.kernel, found.probe.bias, found.probe.scale, found.held_out):
            assert np.isfinite(values).all()
        assert (found.probe.scale > 0).all()
    # A share of the learning curve may lack a class.
    assert np.isfinite(fit(features[:6], np.array([0, 0, 1, 1, 2, 2]), 4).probe.bias).all()
    assert labels.max() == 3


def test_few_are_25_a_class_on_average() -> None:
    assert is_few(50, 2)
    assert not is_few(51, 2)


def test_being_less_sure_changes_no_class_where_the_classes_have_different_numbers_of_images() -> None:
    whole, classes = clouds(1020, 20, 2, apart=0.3)
    some = np.concatenate([np.flatnonzero(classes == 0)[:15], np.flatnonzero(classes == 1)[:7]])
    features, labels, held = whole[some], classes[some], whole[40:]
    surest = fit_few(features, labels, 2, folds=5, neighbours=5, seed=1, noise_loss=0.0)
    found = fit(features, labels, 2)
    np.testing.assert_array_equal(found.probe.predict(held).argmax(axis=1), surest.probe.predict(held).argmax(axis=1))
    np.testing.assert_array_equal(found.out_of_fold, surest.out_of_fold)
    assert found.probe.predict(held).max(axis=1).mean() < surest.probe.predict(held).max(axis=1).mean() - 0.02
