"""The search as a stage: kills, failures, budgets; the trials are synthetic, KerasTuner and the journal are real."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from automl.recipe.model import Recipe, Train, Tune
from automl.records import Checked, Packed, Picked, Tuned
from automl.runtime.context import ChildEnded, StageContext
from automl.search.budget import GRACE_S
from automl.search.journal import history, read
from automl.stage_table import ChildKind
from automl.stages.trial import Arguments
from automl.stages.tune import TRIAL, run
from automl.training.defaults import default_settings
from automl.types import BackboneScore, Epoch, Interval, Network, WeightsFound
from tests.conftest import MakeContext, QuietFront

SECONDS = 10.0  # what a synthetic trial takes
N_TRAIN = 100


class Killed(BaseException):
    """Stands for a kill: nothing of ours may catch it."""


@dataclass
class SyntheticFront(QuietFront):
    """Trials without training: the accuracy follows from the settings, and a clock moves by SECONDS for each."""

    clock: float = 0.0
    kill_at: int | None = None  # the trial in which the process dies
    ends: dict[int, ChildEnded] = field(default_factory=dict)  # how certain trials end instead
    jobs: list[dict[str, Any]] = field(default_factory=list)
    together: int = 0  # most children at a time
    alive: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    meet: threading.Barrier | None = None  # children wait here for each other

    def run_child(
        self, kind: ChildKind, entry: str, arguments: Mapping[str, object], log: Path, limit_s: float | None
    ) -> ChildEnded:
        assert (kind, entry) == ("keras", TRIAL)
        job: dict[str, Any] = {**arguments, "log": log.name, "limit_s": limit_s}
        with self.lock:
            self.jobs.append(job)
            self.alive += 1
            self.together = max(self.together, self.alive)
        if job["number"] == self.kill_at:
            raise Killed
        if self.meet:
            self.meet.wait(timeout=20)
        with self.lock:
            self.alive -= 1
            self.clock += SECONDS
        return self.ends.get(job["number"]) or succeeded(accuracy_of(job["values"]))

    @property
    def numbers(self) -> list[int]:
        return [job["number"] for job in self.jobs]


def accuracy_of(values: Mapping[str, Any]) -> float:
    return float(0.9 - (math.log10(values["learning_rate"]) + 3) ** 2 / 5)


def succeeded(accuracy: float, *, loss: float = 0.4, stopped: bool = False) -> ChildEnded:
    first = Epoch(number=1, loss=0.5, accuracy=0.8, validation_loss=loss, validation_accuracy=accuracy, seconds=2.0)
    epochs = [asdict(first), asdict(replace(first, number=2, loss=float("nan")))]
    result = {"accuracy": accuracy, "loss": loss, "seconds": SECONDS - 1, "epochs": epochs, "stopped": stopped}
    return ChildEnded(ok=True, result=result, error="", exit_code=0, timed_out=False, seconds=SECONDS)


def died(error: str, *, timed_out: bool = False) -> ChildEnded:
    return ChildEnded(ok=False, result={}, error=error, exit_code=-9, timed_out=timed_out, seconds=SECONDS)


Tuning = Callable[..., tuple[StageContext, SyntheticFront]]


@pytest.fixture
def tuning(make_context: MakeContext, tmp_path: Path) -> Tuning:
    """A tune stage with its inputs; called again, the same run in a new process. Keywords: fields of the front."""

    def make(
        tune: dict[str, Any] | None = None, train: dict[str, Any] | None = None, *, pretrained: bool = True,
        deadline_at: float | None = None, **front: Any,
    ) -> tuple[StageContext, SyntheticFront]:  # fmt: skip
        recipe = Recipe(tune=Tune(**{"trials": 5, **(tune or {})}), train=Train(**(train or {})))
        synthetic = SyntheticFront(**front)
        ctx = replace(
            make_context("tune", tmp_path, recipe),
            front=synthetic,
            deadline_at=deadline_at,
            now=lambda: synthetic.clock,
        )
        for record in records(pretrained=pretrained):
            ctx.folder.write_record(record)
        return ctx, synthetic

    return make


def records(*, pretrained: bool) -> tuple[Checked, Packed, Picked]:
    weights = WeightsFound(backbone="mobilenetv2", source="folder" if pretrained else "random", path="", sha256="")
    network = Network(backbone="mobilenetv2", size_px=96, classes=("cat", "dog"))
    half = Interval(value=0.5, low=0.4, high=0.6)
    score = BackboneScore(
        backbone="mobilenetv2", weights=weights, params_m=2.2, size_px=96, n_features=1600, images_s=100.0,
        knn_accuracy=0.5, probe_accuracy=half, probe_c=0.003, n_images=100, seconds=2.0, top1=None,
    )  # fmt: skip
    per_part: dict[Any, int] = {"train": N_TRAIN, "validation": 20, "test": 30}
    return (
        Checked(layout="classes", root="", classes=("cat", "dog"), n_images=155, n_rejected=0, per_class={},
                sizes_px=(96,), shorter_side_px=(96, 96, 96), modes={}, formats={}, findings=(),
                dataset_fingerprint="", images_s=1.0),
        Packed(sizes_px=(96,), per_part=per_part, map_bytes=0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        Picked(ranking=(score,), chosen="mobilenetv2", reason="", network=network, weights=weights,
               start="first/model.weights.h5", probe_accuracy=0.5, probe_loss=0.7, flip_is_safe=True,
               flip_accuracy=0.5, warnings=()),
    )  # fmt: skip


def values_of(tuned: Tuned) -> list[dict[str, Any]]:
    return [trial.values for trial in tuned.trials]


def test_the_defaults_go_first_and_the_best_trials_settings_win(tuning: Tuning) -> None:
    ctx, front = tuning()
    tuned = run(ctx)
    defaults = default_settings(ctx.recipe.train, n_images=N_TRAIN, pretrained=True, flip=True)
    assert front.numbers == [1, 2, 3, 4, 5]
    first = tuned.trials[0].values
    assert first == {name: getattr(defaults, name) for name in first}
    assert list(first) == ["learning_rate", "weight_decay", "dropout", "augmentation", "unfrozen"]
    best = max(tuned.trials, key=lambda trial: trial.accuracy or 0)
    assert tuned.best == best.number
    assert tuned.settings == replace(defaults, **best.values)
    assert tuned.reason == f"trial {best.number} of 5 did best on validation; all 5 trials were run"
    assert [trial.seconds for trial in tuned.trials] == [SECONDS] * 5


def test_a_trial_is_given_the_files_of_the_stages_before_and_its_own_settings(tuning: Tuning) -> None:
    ctx, front = tuning({"trials": 1, "epochs": 3, "trial_minutes": 2}, {"epochs": 9})
    tuned = run(ctx)
    (job,) = front.jobs
    root = ctx.folder.root
    assert job["settings"]["epochs"] == 3
    assert tuned.settings.epochs == 9
    assert job["settings"]["learning_rate"] == job["values"]["learning_rate"]
    assert job["network"] == {"backbone": "mobilenetv2", "size_px": 96, "classes": ("cat", "dog"), "dropout": 0.0}
    assert job["start"] == str(root / "pick/first/model.weights.h5")
    assert job["pixels"] == str(root / "check/pixels-96")
    assert (job["pack"], job["folder"]) == (str(root / "pack"), str(root / "tune/trial-1"))
    assert (job["task"], job["seed"], job["log"]) == ("classification", ctx.recipe.seed, "trial-1.log")
    assert (job["stop_at"], job["limit_s"]) == (120, 120 + GRACE_S)
    # The body's own class has to accept all of it, as JSON.
    names = {field.name for field in fields(Arguments)}
    assert names == job.keys() - {"log", "limit_s"}
    TypeAdapter(Arguments).validate_json(json.dumps({name: job[name] for name in names}))


@pytest.mark.parametrize("kill_at", [1, 2, 4])
def test_a_search_killed_in_a_trial_goes_on_as_the_undisturbed_one_would(
    tuning: Tuning, kill_at: int, tmp_path: Path
) -> None:
    ctx, _ = tuning(kill_at=kill_at)
    with pytest.raises(Killed):
        run(ctx)
    ctx, front = tuning(clock=500.0)
    resumed = run(ctx)
    assert front.numbers == list(range(kill_at, 6))
    (tmp_path / "runs/tiny/tune/journal.jsonl").unlink()
    undisturbed, _ = tuning()
    assert resumed == run(undisturbed)


def test_a_finished_search_runs_no_trial_again(tuning: Tuning) -> None:
    ctx, _ = tuning()
    first = run(ctx)
    ctx, front = tuning()
    assert run(ctx) == first
    assert front.jobs == []


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (died("killed by signal 9"), "killed by signal 9"),
        (died("", timed_out=True), "killed after 10 s: it did not stop at its limit"),
        (succeeded(float("nan")), "its scores are not finite: accuracy nan, loss 0.4"),
        (succeeded(0.9, loss=float("inf")), "its scores are not finite: accuracy 0.9, loss inf"),
        (replace(succeeded(0.9), result={"accuracy": 0.9}), "its result cannot be read: Field required"),
    ],
)
def test_a_trial_that_fails_is_one_failed_line_and_costs_only_itself(
    tuning: Tuning, end: ChildEnded, error: str
) -> None:
    ctx, front = tuning(ends={2: end})
    tuned = run(ctx)
    assert [trial.state for trial in tuned.trials] == ["finished", "failed", "finished", "finished", "finished"]
    failed = tuned.trials[1]
    assert (failed.accuracy, failed.loss, failed.seconds, failed.epochs) == (None, None, SECONDS, ())
    assert failed.error == error
    assert front.warnings == [f"trial 2 failed, its log is trial-2.log: {error}"]
    assert history(read(ctx.output("journal.jsonl"))).trials == tuned.trials
    undisturbed, _ = tuning()
    ctx.output("journal.jsonl").unlink()
    assert values_of(run(undisturbed)) == values_of(tuned)


def test_after_three_failures_in_a_row_the_search_ends_and_the_defaults_stand(tuning: Tuning) -> None:
    ctx, front = tuning(ends={number: died("out of memory") for number in (1, 2, 3)})
    tuned = run(ctx)
    assert front.numbers == [1, 2, 3]
    assert tuned.best is None
    assert tuned.settings == default_settings(ctx.recipe.train, n_images=N_TRAIN, pretrained=True, flip=True)
    assert tuned.reason == (
        "no trial succeeded, so the settings are the defaults; 3 trials in a row failed, the last one: out of memory"
    )


def test_a_trial_that_its_limit_cut_short_counts_with_its_best_epoch(tuning: Tuning) -> None:
    ctx, _ = tuning({"trials": 2}, ends={2: succeeded(0.99, stopped=True)})
    tuned = run(ctx)
    assert (tuned.best, tuned.trials[1].state, tuned.trials[1].accuracy) == (2, "cut short", 0.99)


def test_epochs_that_diverged_after_the_best_one_are_not_kept(tuning: Tuning) -> None:
    ctx, _ = tuning({"trials": 1})
    assert [epoch.number for epoch in run(ctx).trials[0].epochs] == [1]


def test_a_restart_does_not_reset_the_searchs_minutes(tuning: Tuning) -> None:
    minutes = {"trials": 50, "minutes": 0.8}  # 48 s: four trials of 10 s, and no time for a fifth
    ctx, _ = tuning(minutes, kill_at=3)
    ctx.folder.rehearsal_json.write_text('{"seconds": {"mobilenetv2": 4}}')
    with pytest.raises(Killed):
        run(ctx)
    ctx, front = tuning(minutes, clock=90_000.0)
    tuned = run(ctx)
    assert front.numbers == [3, 4]
    assert tuned.reason.endswith("tune.minutes leave 8 s, and a trial takes 10 s")


def test_the_deadline_keeps_time_for_the_stages_after_the_search(tuning: Tuning) -> None:
    # Kept back: 5 s, three exports of 4 s and 6 x 50 images at 100/s; 4 s for the training's start and its 20 epochs,
    # each of 3 x 100 images at 100/s, then of 2 s as measured.
    tail_s, start_s = 5 + 3 * 4 + 3, 4
    trial_s = 4 + 4 * 3  # as guessed; three must fit
    deadline_at = tail_s + start_s + 60 + 3 * trial_s
    ctx, front = tuning({"trials": 50}, deadline_at=deadline_at)
    ctx.folder.rehearsal_json.write_text('{"seconds": {"mobilenetv2": 4}}')
    tuned = run(ctx)
    assert front.jobs[0]["stop_at"] == pytest.approx(3 * trial_s)
    assert front.jobs[1]["stop_at"] == pytest.approx(deadline_at - (tail_s + start_s + 40))
    assert front.numbers == [1, 2, 3, 4, 5, 6]
    assert tuned.reason.endswith("the deadline leaves 8 s, and a trial takes 10 s")


def test_without_time_for_a_trial_the_defaults_stand(tuning: Tuning) -> None:
    ctx, front = tuning(deadline_at=100.0)
    tuned = run(ctx)
    assert front.jobs == []
    assert (tuned.best, tuned.trials) == (None, ())
    assert tuned.reason == (
        "no trial succeeded, so the settings are the defaults; the deadline leaves 0 s, and a trial takes 32 s"
    )


def test_parallel_trials_run_together_each_number_once_and_never_more_than_allowed(tuning: Tuning) -> None:
    ctx, front = tuning({"trials": 6, "parallel": 3}, meet=threading.Barrier(3))
    tuned = run(ctx)
    assert sorted(front.numbers) == [1, 2, 3, 4, 5, 6]
    assert front.together == 3
    assert [trial.number for trial in tuned.trials] == [1, 2, 3, 4, 5, 6]
    ctx.output("journal.jsonl").unlink()
    alone, _ = tuning({"trials": 6})
    assert values_of(run(alone)) == values_of(tuned)


@pytest.mark.parametrize(("setting", "flip"), [("auto", True), ("on", True), ("off", False)])
def test_mirroring_follows_the_recipe_and_where_it_says_auto_the_probe(
    tuning: Tuning, setting: str, flip: bool
) -> None:
    ctx, front = tuning({"trials": 1}, {"flip": setting})
    assert run(ctx).settings.flip is flip
    assert front.jobs[0]["settings"]["flip"] is flip


def test_a_network_with_random_weights_trains_whole_in_every_trial(tuning: Tuning) -> None:
    ctx, front = tuning(pretrained=False)
    run(ctx)
    assert {job["settings"]["unfrozen"] for job in front.jobs} == {1.0}


def test_the_search_ends_when_every_point_was_tried(tuning: Tuning) -> None:
    one: dict[str, Any] = {"learning_rate": (1e-3, 1e-3), "weight_decay": (1e-3, 1e-3), "dropout": (0.1, 0.1),
                           "augmentation": (0.1, 0.1), "unfrozen": (0.5, 1.0)}  # fmt: skip
    ctx, front = tuning({"space": one})
    tuned = run(ctx)
    assert len(front.jobs) == 2
    assert tuned.reason.endswith("every point of the search space was tried")


def test_progress_tells_the_best_so_far_and_the_trial_that_runs(tuning: Tuning) -> None:
    ctx, front = tuning({"trials": 2})
    run(ctx)
    assert front.ticks[0] == (
        0, 2, "trial 1: learning rate 0.0003, weight decay 0.01, dropout 0.2, augmentation 0.5, unfrozen 0.5",
    )  # fmt: skip
    assert front.ticks[1][:2] == (1, 2)
    assert front.ticks[1][2].startswith("best 0.845, trial 2: learning rate ")
