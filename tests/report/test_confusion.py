from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from automl.report.confusion import cells, most_confused

matrices = st.integers(2, 6).flatmap(lambda n: arrays.arrays(np.int64, (n, n), elements=st.integers(0, 50)))


@given(matrix=matrices)
@settings(max_examples=50, deadline=None)
def test_the_pairs_are_all_that_lies_beside_the_diagonal_the_largest_first(matrix):
    classes = [f"c{index}" for index in range(len(matrix))]
    pairs = most_confused(matrix.tolist(), classes)
    assert sum(pair.n for pair in pairs) == matrix.sum() - matrix.trace()
    assert [pair.n for pair in pairs] == sorted((pair.n for pair in pairs), reverse=True)
    assert all(pair.n == matrix[classes.index(pair.truth), classes.index(pair.predicted)] for pair in pairs)


@given(matrix=matrices)
@settings(max_examples=50, deadline=None)
def test_the_shares_of_a_row_add_up_to_one_or_the_class_has_no_image(matrix):
    for row, counts in zip(cells(matrix.tolist()), matrix, strict=True):
        assert sum(cell.share for cell in row) == pytest.approx(1 if counts.sum() else 0)
        assert [cell.n for cell in row] == counts.tolist()


def test_of_equal_pairs_the_one_that_matters_more_to_its_class_comes_first():
    matrix = [[8, 2, 0], [2, 2, 0], [0, 1, 9]]
    assert [(pair.truth, pair.predicted) for pair in most_confused(matrix, "abc")] == [
        ("b", "a"),
        ("a", "b"),
        ("c", "b"),
    ]
