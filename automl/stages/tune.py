"""tune: a search for the best settings; each trial is a child process, and the journal is the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from automl.data.store import store_name
from automl.records import Checked, Packed, Picked, Tuned
from automl.runtime.context import ChildEnded, StageContext
from automl.search import journal
from automl.search.budget import GRACE_S, Budget, Over, Pace, best_trial, next_trial
from automl.search.journal import Ended, Started
from automl.search.oracle import propose
from automl.search.space import search_space, settings_of, values_of
from automl.training.defaults import default_settings
from automl.types import Epoch, FitSettings, Trial

TRIAL: Final = "automl.stages.trial:run_trial"
JOURNAL: Final = "journal.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What the body of a trial returns."""

    accuracy: float  # on validation, of the best epoch
    loss: float
    seconds: float
    epochs: tuple[Epoch, ...]
    stopped: bool  # by its time limit


_RESULT: Final = TypeAdapter(TrialResult)


def run(ctx: StageContext) -> Tuned:
    """Search for the settings that train best.

    The defaults, known to be good, are the first trial; KerasTuner proposes the others. A trial that fails, is killed
    or hangs costs itself alone. Run again after a kill, ended trials stand, and an unfinished one runs again under its
    number, with its values. Where no trial succeeds the settings are the defaults: train weighs them against the probe.

    Reads: the records of check, pack and pick. Writes: journal.jsonl, and of each trial trial-N/ and trial-N.log.
    Raises: StageFailed: the journal was damaged.
    """
    plan = _plan(ctx)
    trials, over = _search(plan, ctx.output(JOURNAL))
    best = best_trial(trials)
    if not trials:
        ctx.warn(f"no trial was run: {over.reason}. {more_time(ctx, 'tune.minutes')}, --redo tune searches")
    if best:
        reason = f"trial {best.number} of {len(trials)} did best on validation; {over.reason}"
    else:
        reason = f"no trial succeeded, so the settings are the defaults; {over.reason}"
    return Tuned(
        trials=trials,
        best=best.number if best else None,
        settings=settings_of(best.values, plan.defaults) if best else plan.defaults,
        reason=reason,
        oracle=ctx.recipe.tune.oracle,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What stays the same during a search."""

    ctx: StageContext
    checked: Checked
    packed: Packed
    picked: Picked
    defaults: FitSettings
    parameters: Any  # KerasTuner's HyperParameters
    budget: Budget

    def left_s(self, trials: Sequence[Trial]) -> float:
        """Until the deadline, less what the stages after this one need."""
        train, pace = self.ctx.recipe.train, pace_of(self.ctx)
        training_s = pace.training_s(trials, epochs=train.epochs, at_most_s=train.minutes * 60)
        return self.ctx.seconds_left() - training_s - pace.tail_s


def pace_of(ctx: StageContext) -> Pace:
    """How fast the chosen backbone is on this machine, for the time to keep back."""
    picked, per_part = ctx.record(Picked), ctx.record(Packed).per_part
    score = next(score for score in picked.ranking if score.backbone == picked.chosen)
    return Pace(
        n_train=per_part["train"],
        n_held_out=per_part["validation"] + per_part["test"],
        images_s=score.images_s,
        export_s=ctx.folder.rehearsed_s(picked.chosen),
    )


def _plan(ctx: StageContext) -> _Plan:
    checked, packed, picked = ctx.record(Checked), ctx.record(Packed), ctx.record(Picked)
    tune, train = ctx.recipe.tune, ctx.recipe.train
    pretrained = picked.weights.source != "random"
    return _Plan(
        ctx=ctx,
        checked=checked,
        packed=packed,
        picked=picked,
        defaults=default_settings(
            train,
            n_images=packed.per_part["train"],
            pretrained=pretrained,
            flip=picked.flip_is_safe if train.flip == "auto" else train.flip == "on",
        ),
        parameters=search_space(tune.space, pretrained=pretrained),
        budget=Budget(trials=tune.trials, search_s=tune.minutes * 60, trial_s=tune.trial_minutes * 60),
    )


def more_time(ctx: StageContext, key: str) -> str:
    """How a user gives a stage more of it: the run keeps its deadline unless another is given."""
    return "With a later --deadline" if ctx.deadline_at is not None else f"With more {key}"


def _search(plan: _Plan, path: Path) -> tuple[tuple[Trial, ...], Over]:
    """Run trials until no further one may start. This thread owns journal and KerasTuner; the pool's only wait."""
    ctx = plan.ctx
    past = journal.history(journal.read(path))
    trials, unfinished = past.trials, list(past.unfinished)
    begun_at = ctx.now() - past.searched_s  # as if nothing had interrupted it
    running: dict[Future[ChildEnded], Started] = {}
    with ThreadPoolExecutor(max_workers=ctx.recipe.tune.parallel) as pool:
        while True:
            over = None
            while over is None and len(running) < ctx.recipe.tune.parallel:
                following = _next(plan, trials, list(running.values()), unfinished, ctx.now() - begun_at)
                if isinstance(following, Over):
                    over = following
                    continue
                started, limit_s = following
                if started in unfinished:
                    unfinished.remove(started)
                else:
                    journal.append(path, started)
                _tell(plan, trials, started)
                running[pool.submit(_run_trial, plan, started, limit_s)] = started
            if over and not running:
                return trials, over
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                trial = ended_trial(running.pop(future), future.result())
                journal.append(path, Ended(trial=trial, searched_s=ctx.now() - begun_at))
                trials = tuple(sorted((*trials, trial), key=lambda trial: trial.number))
                if trial.error:
                    ctx.warn(f"trial {trial.number} failed, its log is trial-{trial.number}.log: {trial.error}")


def _next(
    plan: _Plan, trials: Sequence[Trial], running: Sequence[Started], unfinished: Sequence[Started], searched_s: float
) -> tuple[Started, float] | Over:
    """The trial to start now, with its seconds; one that a kill interrupted goes before a new one."""
    n_started = len(trials) + len(running)
    allowed = next_trial(
        plan.budget,
        trials,
        n_started=n_started,
        searched_s=searched_s,
        left_s=plan.left_s(trials),
        guess_s=pace_of(plan.ctx).trial_s(plan.ctx.recipe.tune.epochs),
    )
    if isinstance(allowed, Over):
        return allowed
    if unfinished:
        return unfinished[0], allowed.limit_s
    number = n_started + 1
    values = _values(plan, trials, running, number=number)
    if values is None:
        return Over(reason="every point of the search space was tried")
    return Started(number=number, values=values, searched_s=searched_s), allowed.limit_s


def _values(plan: _Plan, trials: Sequence[Trial], running: Sequence[Started], *, number: int) -> journal.Values | None:
    """The values of a new trial; None: the space is exhausted."""
    if number == 1:
        return values_of(plan.defaults, plan.parameters)
    recipe = plan.ctx.recipe
    proposal = propose(
        recipe.tune.oracle,
        plan.parameters,
        trials,
        number=number,
        seed=recipe.seed,
        running=[started.values for started in running],
    )
    if proposal is None:
        return None
    if proposal.note:
        plan.ctx.warn(f"trial {number}: {proposal.note}")
    return proposal.values


def _run_trial(plan: _Plan, started: Started, limit_s: float) -> ChildEnded:
    ctx, network = plan.ctx, plan.picked.network
    settings = replace(settings_of(started.values, plan.defaults), epochs=ctx.recipe.tune.epochs)
    arguments = {
        "number": started.number,
        "values": dict(started.values),
        "settings": asdict(settings),
        "task": ctx.recipe.task,
        "network": asdict(network),
        "own": str(ctx.folder.backbones),
        "start": str(ctx.input("pick", plan.picked.start)),
        "pixels": str(ctx.input("check", store_name(network.size_px))),
        "pack": str(ctx.folder.stage("pack")),
        "folder": str(ctx.output(f"trial-{started.number}")),
        "seed": ctx.recipe.seed,
        "stop_at": ctx.now() + limit_s,
    }
    return ctx.run_child("keras", TRIAL, arguments, log=f"trial-{started.number}.log", limit_s=limit_s + GRACE_S)


def ended_trial(started: Started, ended: ChildEnded) -> Trial:
    """What became of a trial: pure. Scores that are missing or not finite make it a failed one."""
    error = ended.error
    if ended.timed_out:
        error = f"killed after {ended.seconds:.0f} s: it did not stop at its limit"
    elif ended.ok:
        try:
            result = _RESULT.validate_python(ended.result)
        except ValidationError as fault:
            error = f"its result cannot be read: {fault.errors(include_url=False)[0]['msg']}"
        else:
            if math.isfinite(result.accuracy) and math.isfinite(result.loss):
                return Trial(
                    number=started.number,
                    values=dict(started.values),
                    state="cut short" if result.stopped else "finished",
                    accuracy=result.accuracy,
                    loss=result.loss,
                    seconds=max(result.seconds, ended.seconds),  # the latter with the start of the process
                    epochs=tuple(epoch for epoch in result.epochs if _finite(epoch)),
                    error="",
                )
            error = f"its scores are not finite: accuracy {result.accuracy}, loss {result.loss}"
    return Trial(
        number=started.number,
        values=dict(started.values),
        state="failed",
        accuracy=None,
        loss=None,
        seconds=ended.seconds,
        epochs=(),
        error=error,
    )


def _finite(epoch: Epoch) -> bool:
    """An epoch that diverged after the best one has no place in a journal, which is JSON."""
    return all(map(math.isfinite, (epoch.loss, epoch.accuracy, epoch.validation_loss, epoch.validation_accuracy)))


def _tell(plan: _Plan, trials: Sequence[Trial], started: Started) -> None:
    best = best_trial(trials)
    so_far = f"best {best.accuracy:.3f}, " if best else ""
    values = ", ".join(
        f"{name.replace('_', ' ')} {value:.2g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"
        for name, value in started.values.items()
    )
    plan.ctx.progress(len(trials), plan.budget.trials, f"{so_far}trial {started.number}: {values}")
