from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl.bundle.checksums import verify_checksums
from automl.data.images import Assigned, write_rejected, write_split, write_suspects
from automl.data.pack import write_index
from automl.errors import ResourceMissing
from automl.recipe.model import Export, Recipe, Tune
from automl.records import Reported
from automl.report.facts import Facts, Setting
from automl.runs.atomic import write_json
from automl.runs.events import append_event
from automl.runtime.context import StageContext
from automl.stages.report import gather, run
from tests.conftest import MakeContext
from tests.report.pieces import picture
from tests.report.samples import usual
from tests.stores import write_store

RUN_JSON = {
    "name": "tiny",
    "created": "2026-11-21T09:43:00+00:00",
    "recipe": "quick",
    "versions": {"automl": "0.1.0", "keras": "3.15.1"},
    "hardware": {"host": "a-private-name", "cores": 2, "memory_gb": 24.9},
    "stages": {"check": {"seconds": 8.2}, "split": {"seconds": 0.6}},
}


@pytest.fixture
def before(make_context: MakeContext, tmp_path: Path) -> StageContext:
    """A run that is finished up to export, its pictures 16 px."""
    context = make_context("report", tmp_path / "flowers", Recipe(tune=Tune(trials=6)))
    write_run(context, usual(size_px=16))
    return context


def write_run(context: StageContext, facts: Facts) -> None:
    for record in (
        facts.checked, facts.parted, facts.packed, facts.picked, facts.tuned, facts.trained, facts.compressed,
        facts.evaluated, facts.exported,
    ):  # fmt: skip
        context.folder.write_record(record)
    pixels = np.stack([picture(number % 40, 16) for number in range(facts.checked.n_images)])
    write_store(context.folder.stage("check"), pixels)
    write_rejected(context.input("check", "rejected.csv"), facts.rejected)
    write_suspects(context.input("pick", "suspects.csv"), facts.suspects)
    assigned = [Assigned(path=path, label="iris", part="train", row=row) for row, path in enumerate(doubted(facts))]
    write_split(context.input("split", "split.csv"), assigned)
    n_classes = len(facts.checked.classes)
    write_index(context.folder.stage("pack"), "train", np.arange(5 * n_classes), np.arange(5 * n_classes) // 5)
    bundle = context.input("export", "bundle")
    bundle.mkdir()
    (bundle / "bundle.json").write_text("{}")
    (bundle / "model.onnx").write_bytes(b"model")
    write_json(context.folder.run_json, RUN_JSON)


def doubted(facts: Facts) -> list[str]:
    """The paths whose pictures the suspects' part shows."""
    return list(facts.suspect_pictures)


def published(context: StageContext) -> str:
    return (context.exports / "tiny" / "report.html").read_text()


def test_the_run_keeps_the_full_page_and_the_bundle_gets_one_without_pictures(before):
    reported = run(before)
    own = Path(reported.report).read_text()
    assert own.count("<img") == 7 * 5 + len(usual().evaluated.mistakes) + len(doubted(usual()))
    assert "<img" not in published(before)
    assert str(before.folder.root) not in published(before)
    assert "a-private-name" not in own
    before.folder.write_record(reported)
    assert before.record(Reported) == reported


def test_pictures_go_into_the_bundle_where_the_recipe_allows_it(before):
    run(replace(before, recipe=Recipe(export=Export(pictures=True))))
    assert "<img" in published(before)


def test_the_published_bundle_is_whole_and_the_runs_copy_untouched(before):
    reported = run(before)
    assert Path(reported.bundle) == before.exports / "tiny"
    assert verify_checksums(Path(reported.bundle)) == []
    assert list(reported.checksums) == ["bundle.json", "model.onnx", "report.html"]
    assert [path.name for path in sorted(before.input("export", "bundle").iterdir())] == ["bundle.json", "model.onnx"]


def test_the_stage_can_be_run_again_and_says_the_same(before):
    assert run(before) == run(before)


def test_the_page_says_where_when_and_with_what(before):
    made = gather(before).made
    assert made.dataset == "flowers"
    assert made.settings == (Setting(key="tune.trials", value="6", default="8"),)
    assert made.hardware == {"processor": "AMD EPYC 7B13, AVX2", "cores": "2", "memory": "24.9 GB"}
    assert made.stage_seconds == {"check": 8.2, "split": 0.6}


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_a_run_json_that_lacks_all_is_no_reason_to_fail(before, content):
    before.folder.run_json.unlink()
    if content is not None:
        before.folder.run_json.write_text(content)
    run(before)
    assert verify_checksums(before.exports / "tiny") == []


def test_warnings_of_an_attempt_that_was_repeated_are_forgotten(before):
    for event in (
        {"event": "stage started", "stage": "tune"},
        {"event": "warning", "stage": "tune", "text": "first attempt"},
        {"event": "stage started", "stage": "tune"},
        {"event": "warning", "stage": "tune", "text": "second attempt"},
        {"event": "warning", "stage": "export", "text": "the bundle is unverified"},
    ):
        append_event(before.folder.events_jsonl, event)
    assert gather(before).made.warnings == ("second attempt",)


def test_exports_that_cannot_be_written_are_told_and_the_runs_page_is_kept(before):
    before.exports.write_text("a file")
    with pytest.raises(ResourceMissing, match="cannot be published"):
        run(before)
    assert before.input("report", "report.html").exists()


def test_the_stage_needs_no_keras():
    code = (
        "import sys, automl.stages.report; "
        "assert not {'keras', 'tensorflow', 'sklearn', 'onnxruntime', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
