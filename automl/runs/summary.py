"""The facts of a run in one object: what `--json` prints, run.json holds, and the console's table shows."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any, TypeVar

from automl.errors import StageFailed
from automl.records import Checked, Compressed, Evaluated, Exported, Packed, Parted, Picked, Reported, Trained, Tuned
from automl.runs.done import is_as_written, read_done
from automl.runs.events import read_events, warnings_said
from automl.runs.folder import RunFolder
from automl.stage_table import STAGES
from automl.types import Scores

R = TypeVar("R")


def summarise(folder: RunFolder) -> dict[str, Any]:
    """Everything that the finished stages of a run say, as JSON values; what is not there yet is absent.

    So is a stage whose record is not as it was written: the pipeline finds that out, and does it again.
    """
    done = {stage.name: found for stage in STAGES if (found := read_done(folder.done_json(stage.name)))}
    facts: dict[str, Any] = {"stages": {name: {"seconds": found.seconds} for name, found in done.items()}}

    def record(kind: type[R]) -> R | None:
        stage = folder.stage_of(kind)
        path = folder.record_json(stage)
        written = done[stage].files.get(path.name) if stage in done else None
        if written is None or not path.is_file() or not is_as_written(path, written):
            return None
        with contextlib.suppress(StageFailed):  # of another version
            return folder.record(kind)
        return None

    if checked := record(Checked):
        facts["dataset_fingerprint"] = checked.dataset_fingerprint
        facts["images"] = checked.n_images
        facts["rejected"] = checked.n_rejected
        facts["classes"] = list(checked.classes)
    if parted := record(Parted):
        facts["parts"] = dict(parted.per_part)
    if packed := record(Packed):
        facts["size_px"] = list(packed.sizes_px)
    if picked := record(Picked):
        facts["backbone"] = picked.chosen
        facts["weights"] = asdict(picked.weights)
        facts["shortlist"] = [asdict(one) for one in picked.shortlist]
        facts["taken_over"] = list(picked.taken_over)
        facts["baselines"] = [{"name": one.name, "validation": asdict(one.accuracy)} for one in picked.baselines]
        facts["learning_curve"] = [asdict(point) for point in picked.learning_curve]
        facts["more_data"] = picked.more_data
    if tuned := record(Tuned):
        facts["trials"] = len(tuned.trials)
        facts["best_trial"] = tuned.best
    if trained := record(Trained):
        facts["winner"] = trained.winner
        facts["metrics"] = {"validation": {"accuracy": asdict(trained.validation_accuracy)}}
    if compressed := record(Compressed):
        facts["variants"] = [asdict(variant) for variant in compressed.variants]
        facts["chosen"] = compressed.chosen
    if evaluated := record(Evaluated):
        facts["metrics"] = {
            "test": _headline(evaluated.scores[evaluated.chosen]),
            "test_fp32": _headline(evaluated.scores["fp32"]),
            "validation": _headline(evaluated.validation),
        }
        tested = {one.baseline: {"test": asdict(one.accuracy), "gain": asdict(one.gain)} for one in evaluated.against}
        facts["baselines"] = [{**one, **tested.get(one["name"], {})} for one in facts.get("baselines", ())]
        facts["unbeaten"] = evaluated.unbeaten
    if exported := record(Exported):
        facts["gate"] = asdict(exported.gate)
    if reported := record(Reported):
        facts["bundle"] = reported.bundle
        facts["report"] = reported.report
    said = warnings_said(read_events(folder.events_jsonl))
    facts["warnings"] = list(dict.fromkeys(text for stage in done for text in said.get(stage, ())))
    return facts


def _headline(scores: Scores) -> dict[str, Any]:
    return {
        "n": scores.n,
        "accuracy": asdict(scores.accuracy),
        "macro_f1": asdict(scores.macro_f1),
        "log_loss": scores.log_loss,
    }
