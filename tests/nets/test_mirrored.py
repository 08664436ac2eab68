"""When mirrored images may be trained on."""

from __future__ import annotations

import numpy as np

from automl.nets.mirrored import flip_is_safe
from tests.nets.rankings import answers


def test_flipping_is_safe_where_mirroring_costs_little_and_unsafe_where_it_costs_much() -> None:
    labels = np.arange(100) % 2
    assert flip_is_safe(answers(90, 100), answers(90, 100), labels, seed=1)
    assert flip_is_safe(answers(90, 100), answers(82, 100), labels, seed=1)
    assert not flip_is_safe(answers(90, 100), answers(70, 100), labels, seed=1)


def test_flipping_is_unsafe_where_one_class_of_many_is_no_longer_known() -> None:
    labels = np.repeat(np.arange(20), 10)
    mirrored = labels != 7
    assert not flip_is_safe(np.ones(200, bool), mirrored, labels, seed=1)
    assert flip_is_safe(np.ones(24, bool), labels[::8][:24] != 7, labels[::8][:24], seed=1)  # too few to say
