"""The laws of folds and subsets."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.nets.folds import assign_folds, stratified_subset

labels_of_images = st.lists(st.integers(0, 4), min_size=2, max_size=80).map(lambda one: np.array(one, np.int64))


@settings(deadline=None, max_examples=50)
@given(labels=labels_of_images, folds=st.integers(2, 8), seed=st.integers(1, 99))
def test_folds_are_of_one_size_and_share_every_class_evenly(labels: np.ndarray, folds: int, seed: int) -> None:
    fold = assign_folds(labels, folds, seed=seed)
    made = min(folds, len(labels))
    assert set(fold) == set(range(made))
    sizes = np.bincount(fold, minlength=made)
    assert sizes.max() - sizes.min() <= 1
    for label in np.unique(labels):
        counts = np.bincount(fold[labels == label], minlength=made)
        assert counts.max() - counts.min() <= 1


@settings(deadline=None, max_examples=50)
@given(labels=labels_of_images, most=st.integers(1, 90), seed=st.integers(1, 99))
def test_a_subset_holds_each_class_by_its_share(labels: np.ndarray, most: int, seed: int) -> None:
    rows = stratified_subset(labels, most, seed=seed)
    assert len(rows) == min(most, len(labels))
    assert list(rows) == sorted(set(rows))
    for label in np.unique(labels):
        wanted = (labels == label).sum() * len(rows) / len(labels)
        assert abs((labels[rows] == label).sum() - wanted) <= 1.5
