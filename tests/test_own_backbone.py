"""A whole run with a backbone of the user's own: killed, its file lost, gone on with, and exported."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from automl.runs.events import read_events
from tests.conftest import write_bars
from tests.own_models import copy_of, remade, saved, sequential

RECIPE = """
extends: demo
backbones: [nets/sequential.keras]
weights: {pretrained: true}
split: {validation: 0.25, test: 0.25}
pack: {size_px: 24}
tune: {trials: 1, minutes: 1, epochs: 1}
train: {epochs: 2}
compress: {variants: [fp32, int8_minmax], calibration_images: 8, latency_repeats: 10}
"""


def command(*more: str) -> list[str]:
    return [sys.executable, "-m", "automl", "run", "bars", "--recipe", "small.yaml", "--name", "own", "--json", *more]


def stages_started(run: Path) -> list[str]:
    return [event["stage"] for event in read_events(run / "events.jsonl") if event["event"] == "stage started"]


def test_a_run_with_ones_own_backbone_outlives_a_kill_and_the_loss_of_its_file(tmp_path: Path) -> None:
    write_bars(tmp_path / "bars", per_class=40, size_px=24)
    (tmp_path / "nets").mkdir()
    file = copy_of(saved(sequential), tmp_path / "nets")
    (tmp_path / "small.yaml").write_text(RECIPE)

    run = tmp_path / "runs" / "own"
    with subprocess.Popen(command(), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as front:
        for _ in range(6000):
            if (run / "events.jsonl").exists() and "check" in stages_started(run):
                break
            assert front.poll() is None, front.stderr.read()
            time.sleep(0.02)
        front.kill()
    file.unlink()
    done = subprocess.run(command(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    facts = json.loads(done.stdout)
    assert (facts["state"], facts["backbone"]) == ("done", "sequential.keras")
    assert facts["settings"]["backbones"] == [str(file)]
    assert facts["warnings"] == []
    taken = json.loads((run / "backbones" / "sequential.keras" / "facts.json").read_text())
    bundle = json.loads((Path(facts["bundle"]) / "bundle.json").read_text())
    assert bundle["weights"] == {
        "source": "own",
        "file": "sequential.keras",
        "sha256": taken["sha256"],
        "licence": "unknown: the owner's",
    }
    assert bundle["gate"]["same_class"] == bundle["gate"]["n_files"] > 0
    card = (Path(facts["bundle"]) / "MODEL_CARD.md").read_text()
    assert "Backbone sequential.keras, brought with its weights by whoever made the model; licence" in card
    assert (Path(facts["bundle"]) / "model.onnx").stat().st_size < 100_000


def test_a_hostile_file_is_refused_in_one_message_by_the_command_of_the_readme(tmp_path: Path) -> None:
    write_bars(tmp_path / "bars", per_class=40, size_px=24)
    (tmp_path / "small.yaml").write_text(RECIPE.replace("backbones: [nets/sequential.keras]", "backbones: [smallnet]"))

    def spoil(config: dict) -> None:
        config["config"]["layers"][-1].update(class_name="Lambda")

    remade(saved(sequential), tmp_path / "bad.keras", edit=spoil)
    refused = subprocess.run(
        command("--set", "backbones.custom=bad.keras"), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2, refused.stderr
    message = refused.stderr.rpartition("automl: ")[2]
    assert message.startswith(
        f"{tmp_path}/bad.keras is refused: layer 'dense_1' is a 'Lambda' of module 'keras.layers'"
    )
    assert "Traceback" not in refused.stderr
    assert json.loads(refused.stdout)["exit_code"] == 2
