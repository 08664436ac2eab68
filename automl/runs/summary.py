"""The facts of a run in one object: what `--json` prints, run.json holds, and the console's table shows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from automl.records import Checked, Compressed, Evaluated, Exported, Packed, Parted, Picked, Reported, Trained, Tuned
from automl.runs.done import read_done
from automl.runs.folder import RunFolder
from automl.stage_table import STAGES
from automl.types import Scores


def summarise(folder: RunFolder) -> dict[str, Any]:
    """Everything that the finished stages of a run say, as JSON values; what is not there yet is absent."""
    done = {stage.name: found for stage in STAGES if (found := read_done(folder.done_json(stage.name)))}
    facts: dict[str, Any] = {"stages": {name: {"seconds": found.seconds} for name, found in done.items()}}
    if "check" in done:
        checked = folder.record(Checked)
        facts["dataset_fingerprint"] = checked.dataset_fingerprint
        facts["images"] = checked.n_images
        facts["rejected"] = checked.n_rejected
        facts["classes"] = list(checked.classes)
    if "split" in done:
        facts["parts"] = dict(folder.record(Parted).per_part)
    if "pack" in done:
        facts["size_px"] = list(folder.record(Packed).sizes_px)
    if "pick" in done:
        picked = folder.record(Picked)
        facts["backbone"] = picked.chosen
        facts["weights"] = asdict(picked.weights)
    if "tune" in done:
        tuned = folder.record(Tuned)
        facts["trials"] = len(tuned.trials)
        facts["best_trial"] = tuned.best
    if "train" in done:
        trained = folder.record(Trained)
        facts["winner"] = trained.winner
        facts["metrics"] = {"validation": {"accuracy": asdict(trained.validation_accuracy)}}
    if "compress" in done:
        compressed = folder.record(Compressed)
        facts["variants"] = [asdict(variant) for variant in compressed.variants]
        facts["chosen"] = compressed.chosen
    if "evaluate" in done:
        evaluated = folder.record(Evaluated)
        facts["metrics"] = {
            "test": _headline(evaluated.scores[evaluated.chosen]),
            "test_fp32": _headline(evaluated.scores["fp32"]),
            "validation": _headline(evaluated.validation),
        }
    if "export" in done:
        facts["gate"] = asdict(folder.record(Exported).gate)
    if "report" in done:
        reported = folder.record(Reported)
        facts["bundle"] = reported.bundle
        facts["report"] = reported.report
    return facts


def _headline(scores: Scores) -> dict[str, Any]:
    return {
        "n": scores.n,
        "accuracy": asdict(scores.accuracy),
        "macro_f1": asdict(scores.macro_f1),
        "log_loss": scores.log_loss,
    }
