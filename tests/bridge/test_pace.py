"""The clock of a pruning, driven as fit drives it: what is measured, and what is cut."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from automl.bridge.pace import MEASURED, Pace, fitting_epochs
from automl.bridge.schedule import Plan, Schedule
from automl.errors import VariantFailed


@pytest.mark.parametrize(
    ("done", "step_s", "left_s", "epochs"),
    [(9, 1.0, 91.0, 10), (9, 1.0, 90.9, 9), (9, 1.0, 0.5, 0), (20, 1.0, 0.0, 2), (9, 1.0, -20.0, 0), (9, 0.0, 1.0, 99)],
)
def test_the_epochs_that_fit_are_whole_ones_at_the_measured_speed(done, step_s, left_s, epochs):
    assert fitting_epochs(99, steps=10, done=done, step_s=step_s, left_s=left_s) == epochs


def drive(epochs: int, steps: int, step_s: list[float], stop_at: float) -> tuple[Pace, Schedule, float]:
    """Pace and schedule at the end, and the time; the last of step_s goes on."""
    plan = Plan(sparsity=0.5, learning_rate=1e-3, epochs=epochs, steps=steps, label_smoothing=0.0, seed=3)
    now, schedule = 0.0, Schedule(plan)
    pace = Pace(schedule, steps=steps, stop_at=stop_at, clock=lambda: now, progress=lambda done, total: None)
    pace.model = SimpleNamespace(stop_training=False)
    for epoch in range(epochs):
        for step in range(steps):
            now += step_s[min(pace.done, len(step_s) - 1)]
            pace.on_train_batch_end(step)
            if pace.model.stop_training:
                break
        pace.on_epoch_end(epoch)
        if pace.model.stop_training:
            break
    return pace, schedule, now


@pytest.mark.parametrize(
    ("step_s", "stop_at", "done"),
    [
        ([60, 1], 200, 50),
        ([60, 1], 109, 50),
        ([60, 1], 82, 20),
        ([60] + [1] * 15 + [3], 109, 28),
        ([1] * 31 + [1e3], 50, 32),
    ],
    ids=[
        "time enough",
        "the first step is not taken for speed",
        "two fit",
        "three fit, then time is over",
        "it stands still",
    ],
)
def test_as_many_epochs_are_done_as_fit_and_all_masks_are_final(step_s, stop_at, done):
    pace, schedule, _ = drive(5, 10, step_s, stop_at)
    assert pace.done == done
    assert schedule.last_update <= done


def test_where_not_one_epoch_fits_the_measured_figures_are_said():
    with pytest.raises(
        VariantFailed,
        match=r"no time to prune: 9 of an epoch's 100 steps are done, the others take 228 s at 2\.5 s each, as "
        r"measured, and 120 s are left for them",
    ):
        drive(3, 100, [60, 2.5], stop_at=60 + MEASURED * 2.5 + 120)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_an_epoch_of_few_steps_is_not_refused_when_it_is_done(steps):
    pace, _, _ = drive(3, steps, [60, 1], stop_at=61)
    assert pace.done >= steps
