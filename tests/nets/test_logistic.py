"""The solver's own laws; tests/nets/test_probe.py compares it with scikit-learn."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.nets.logistic import fit_logistic, fit_path, log_losses, predict_rotated, rotate


def test_log_loss_counts_no_probability_as_nothing() -> None:
    found = log_losses(np.array([[0.0, 1.0], [0.5, 0.5]], np.float32), np.array([0, 1]))
    np.testing.assert_allclose(found, [-np.log(1e-7), np.log(2)], rtol=1e-6)


@settings(deadline=None, max_examples=20)
@given(n=st.integers(12, 60), d=st.integers(2, 90), n_classes=st.integers(2, 4), seed=st.integers(1, 99))
def test_a_path_of_fits_finds_what_each_fit_finds_alone(n: int, d: int, n_classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    x = (rng.normal(size=(n, d)) + rng.normal(size=(n_classes, d))[labels]).astype(np.float32)
    data, grid = rotate(x), (0.001, 0.01, 0.03, 0.3)  # steps of unlike length
    path = list(fit_path(data, labels, n_classes, grid, tolerance=1e-6))
    assert len(path) == len(grid)
    for c, found in zip(grid, path, strict=True):
        alone = fit_logistic(data, labels, n_classes, c, None, tolerance=1e-6)
        np.testing.assert_allclose(predict_rotated(data.z, found), predict_rotated(data.z, alone), atol=1e-3)


@settings(deadline=None, max_examples=20)
@given(n=st.integers(2, 60), d=st.integers(1, 90), seed=st.integers(1, 99))
def test_principal_axes_keep_the_inner_products(n: int, d: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    data = rotate(x)
    whole = np.square(x).sum()
    assert np.abs(data.z @ data.z.T - x @ x.T).max() < 1e-4 * whole
    assert np.square(data.z @ data.basis.T - x).sum() < 1e-4 * whole  # axes of a millionth of the power are left out
    np.testing.assert_allclose(data.power, np.square(data.z).mean(axis=0), atol=1e-4 * whole / n)
