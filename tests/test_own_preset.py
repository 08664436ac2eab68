"""A whole run with a KerasHub preset's folder among the recipe's backbones, to the bundle and what it says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("keras_hub", reason="pip install 'automl[hub]'")

from automl.nets.own.hub import folder_sum
from tests.conftest import write_bars
from tests.own_presets import preset, resnet

RECIPE = """
extends: demo
backbones: [hub:./nets/resnet]
weights: {pretrained: true}
split: {validation: 0.25, test: 0.25}
pack: {size_px: 48}
tune: {trials: 1, minutes: 1, epochs: 1}
train: {epochs: 4}
compress: {variants: [fp32, int8_minmax], calibration_images: 8, latency_repeats: 10}
"""


def test_a_preset_of_the_recipe_goes_all_the_way_into_a_bundle_that_names_it(tmp_path: Path) -> None:
    write_bars(tmp_path / "bars", per_class=40, size_px=48)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "resnet").symlink_to(preset(resnet))
    (tmp_path / "small.yaml").write_text(RECIPE)
    command = [sys.executable, "-m", "automl", "run", "bars", "--recipe", "small.yaml", "--name", "own", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    facts = json.loads(done.stdout)
    assert (facts["state"], facts["backbone"], facts["warnings"]) == ("done", "hub:resnet", [])
    assert facts["settings"]["backbones"] == [f"hub:{tmp_path}/nets/resnet"]
    bundle = Path(facts["bundle"])
    told = json.loads((bundle / "bundle.json").read_text())
    checksum = folder_sum(preset(resnet))
    assert told["weights"] == {
        "source": "own",
        "file": "hub:resnet",
        "sha256": checksum,
        "licence": "unknown: the owner's",
    }
    assert told["gate"]["same_class"] == told["gate"]["n_files"] > 0
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "Backbone hub:resnet, a KerasHub preset; licence of these weights: unknown: the owner's; sha256" in (
        card.replace("\\", "")
    )
    assert f"sha256 over the checksums of its files `{checksum}`" in card
    page = (tmp_path / "runs" / "own" / "report" / "report.html").read_text()
    assert "hub:resnet is a KerasHub preset, with its weights (licence: unknown: the owner&#39;s)" in page
    assert checksum[:16] in page
    for folder in (bundle, tmp_path / "runs" / "own" / "backbones"):
        assert not any(b"keras_hub" in path.read_bytes() for path in folder.rglob("*.json"))
