"""Nearest neighbours against scikit-learn."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from automl.nets.neighbours import knn_accuracy, nearest_classes
from tests.nets.test_probe import clouds


def test_nearest_neighbours_leave_the_image_itself_out() -> None:
    features, labels = clouds(600, 12, 3, apart=0.4)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    nearest = KNeighborsClassifier(n_neighbors=2).fit(unit, labels).kneighbors(unit, return_distance=False)[:, 1]
    assert knn_accuracy(features, labels, neighbours=1) == (labels[nearest] == labels).mean()
    assert knn_accuracy(features[:3], labels[:3], neighbours=5) == 0.0


def test_new_images_get_the_class_that_most_of_the_nearest_known_ones_have() -> None:
    features, labels = clouds(900, 12, 3, apart=0.4)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    found = nearest_classes(features[:200], labels[:200], features[200:], neighbours=5)
    distances, nearest = KNeighborsClassifier(n_neighbors=5).fit(unit[:200], labels[:200]).kneighbors(unit[200:])
    votes = np.zeros((700, 3))
    np.add.at(votes, (np.arange(700)[:, None], labels[:200][nearest]), 1 + 1e-3 * (1 - distances**2 / 2))
    np.testing.assert_array_equal(found, votes.argmax(axis=1))
    assert len(nearest_classes(features[:3], labels[:3], features[3:9], neighbours=5)) == 6
