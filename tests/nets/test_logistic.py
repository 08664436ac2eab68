"""The solver's own laws; tests/nets/test_probe.py compares it with scikit-learn."""

from __future__ import annotations

import numpy as np

from automl.nets.logistic import log_losses


def test_log_loss_counts_no_probability_as_nothing() -> None:
    found = log_losses(np.array([[0.0, 1.0], [0.5, 0.5]], np.float32), np.array([0, 1]))
    np.testing.assert_allclose(found, [-np.log(1e-7), np.log(2)], rtol=1e-6)
