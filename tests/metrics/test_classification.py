"""Scores: agreement with scikit-learn, what happens to absent classes, and speed."""

from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from automl.metrics.classification import score

NAMES = ("ant", "bee", "cat", "dog", "elk")


@st.composite
def scored(draw):
    """float32 probabilities (n, 5) and int64 labels (n,), with absent classes and equal probabilities among them."""
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = rng.integers(0, draw(st.integers(1, 5)), n)
    logits = rng.normal(0, 1, (n, 5)) + draw(st.floats(0, 6)) * np.eye(5)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities.astype(np.float32), labels


@settings(deadline=None, max_examples=60)
@given(data=scored())
def test_every_figure_agrees_with_scikit_learn(data):
    probabilities, labels = data
    found = score(probabilities, labels, NAMES, bootstrap=100, seed=1)
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, n = metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(5), zero_division=0
    )
    assert found.n == len(labels)
    assert found.accuracy.value == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found.macro_f1.value == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    truth = np.clip(probabilities[np.arange(len(labels)), labels], np.finfo(np.float32).eps, 1)
    assert found.log_loss == pytest.approx(-np.log(truth.astype(float)).mean(), rel=1e-5)
    assert [row.precision for row in found.per_class] == pytest.approx(precision)
    assert [row.recall for row in found.per_class] == pytest.approx(recall)
    assert [row.f1 for row in found.per_class] == pytest.approx(f1)
    assert [row.n for row in found.per_class] == list(n)
    assert found.confusion == tuple(map(tuple, metrics.confusion_matrix(labels, predicted, labels=range(5)).tolist()))


@settings(deadline=None, max_examples=40)
@given(data=scored(), seed=st.integers(1, 2**31 - 1))
def test_values_lie_within_their_intervals_and_the_order_of_images_does_not_matter(data, seed):
    probabilities, labels = data
    found = score(probabilities, labels, NAMES, bootstrap=100, seed=seed)
    turned = score(probabilities[::-1], labels[::-1], NAMES, bootstrap=100, seed=seed)
    assert (found.accuracy, found.macro_f1, found.per_class) == (turned.accuracy, turned.macro_f1, turned.per_class)
    for interval in (found.accuracy, found.macro_f1):
        assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_the_log_loss_is_scikit_learns():
    rng = np.random.default_rng(5)
    probabilities = rng.dirichlet(np.ones(5), 200)
    labels = np.arange(200) % 5
    found = score(probabilities, labels, NAMES, bootstrap=100, seed=1)
    assert found.log_loss == pytest.approx(metrics.log_loss(labels, probabilities))


def test_a_class_that_neither_occurs_nor_is_predicted_does_not_count():
    probabilities = np.eye(5, dtype=np.float32)[[0, 1, 1, 2]]
    found = score(probabilities, np.array([0, 1, 1, 2]), NAMES, bootstrap=100, seed=1)
    assert found.macro_f1.value == 1
    assert (found.per_class[4].n, found.per_class[4].f1) == (0, 0)


def test_a_certain_mistake_costs_much_and_not_infinity():
    found = score(np.array([[0.0, 1.0]], dtype=np.float32), np.array([0]), ("a", "b"), bootstrap=100, seed=1)
    assert found.log_loss == pytest.approx(15.94, abs=0.01)


def test_a_perfect_score_is_not_called_certain():
    labels = np.arange(60) % 5
    found = score(np.eye(5, dtype=np.float32)[labels], labels, NAMES, bootstrap=100, seed=1)
    assert (found.accuracy.value, found.macro_f1.value) == (1, 1)
    assert found.accuracy.low == found.macro_f1.low == pytest.approx(0.94, abs=0.01)


def test_the_interval_of_macro_f1_agrees_with_resampling_the_images_one_by_one():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 120)
    predicted = np.where(rng.random(120) < 0.7, labels, rng.integers(0, 3, 120))
    picks = rng.integers(0, 120, (600, 120))
    by_hand = [metrics.f1_score(labels[pick], predicted[pick], average="macro") for pick in picks]
    found = score(np.eye(3)[predicted], labels, NAMES[:3], bootstrap=2000, seed=1).macro_f1
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(by_hand, [2.5, 97.5])), abs=0.02)


def test_2000_resamples_of_2000_images_of_100_classes_take_less_than_a_second():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 100, 2000)
    probabilities = rng.dirichlet(np.ones(100), 2000)
    probabilities[np.arange(2000), labels] += 0.02
    start = process_time()
    score(probabilities, labels, [str(number) for number in range(100)], bootstrap=2000, seed=1)
    assert process_time() - start < 1


@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        (np.zeros((0, 2)), np.zeros(0, dtype=int), "at least one row"),
        (np.ones((2, 3)) / 3, np.array([0, 1]), "one column a class"),
        (np.ones((2, 2)) / 2, np.array([0, 2]), "labels from 0 to 2"),
        (np.array([[np.nan, 1.0]]), np.array([0]), "not finite"),
    ],
)
def test_arrays_that_cannot_be_scored_are_refused(probabilities, labels, words):
    with pytest.raises(ValueError, match=words):
        score(probabilities, labels, ("a", "b"), bootstrap=100, seed=1)
