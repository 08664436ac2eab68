"""`automl batch` on three small datasets, one of them broken: killed, gone on with, and what it leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automl.runs.events import read_events
from tests.conftest import write_bars
from tests.report.outline import Outline

RECIPE = """
extends: demo
split: {validation: 0.25, test: 0.25}
tune: {trials: 1, minutes: 1, epochs: 1}
train: {epochs: 1, patience: 1}
compress: {variants: [fp32, int8_minmax], calibration_images: 8, latency_repeats: 10}
"""
JOBS = """
jobs:
  - {dataset: data/bars, recipe: small.yaml}
  - {dataset: data/one, recipe: small.yaml}
  - {dataset: data/bars, recipe: small.yaml, name: again, set: {seed: 7}}
"""


def automl(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "automl", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def wait_for(front: subprocess.Popen[str], folder: Path, stage: str) -> None:
    """Until that stage of that run has begun."""
    for _ in range(6000):
        events = read_events(folder / "events.jsonl")
        if any(event["event"] == "stage started" and event["stage"] == stage for event in events):
            return
        assert front.poll() is None, front.stderr.read()
        time.sleep(0.02)
    raise AssertionError(f"{stage} did not begin")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a jobs file, its recipe, a dataset, and one of a single class."""
    place = tmp_path_factory.mktemp("place")
    write_bars(place / "data" / "bars", per_class=24, size_px=24)
    shutil.copytree(place / "data" / "bars" / "down", place / "data" / "one" / "down")
    (place / "small.yaml").write_text(RECIPE)
    (place / "night.yaml").write_text(JOBS)
    return place


@pytest.fixture(scope="module")
def killed(place: Path) -> dict[Path, bytes]:
    """The batch, killed hard in its third job. Returns: the first job's done.json files."""
    command = [sys.executable, "-m", "automl", "batch", "night.yaml", "--deadline", "1h"]
    front = subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with front:
        wait_for(front, place / "runs" / "again", "pack")
        second = automl("batch", "night.yaml", cwd=place)
        assert second.returncode == 6, second.stderr
        assert f"the batch 'night' is being worked on by process {front.pid}" in second.stderr
        os.killpg(front.pid, signal.SIGKILL)
        front.communicate(timeout=20)
    return {path: path.read_bytes() for path in (place / "runs" / "bars").glob("*/done.json")}


@pytest.fixture(scope="module")
def finished(place: Path, killed: dict[Path, bytes]) -> subprocess.CompletedProcess[str]:
    """The same command again."""
    return automl("batch", "night.yaml", "--deadline", "1h", "--json", cwd=place)


def test_a_killed_batch_goes_on_and_what_was_finished_is_not_touched(place, killed, finished):
    assert len(killed) == 10
    assert all(path.read_bytes() == data for path, data in killed.items())
    assert "job 1/3 bars\n" in finished.stderr  # finished before: no share of the time is told
    assert "job 3/3 again, until " in finished.stderr
    assert "was finished before" in finished.stderr
    assert "10/10 report done" in finished.stderr
    assert finished.stderr.count("compress done") == 1


def test_the_broken_job_costs_itself_alone_and_the_exit_code_is_5(place, finished):
    assert finished.returncode == 5
    facts = json.loads(finished.stdout)
    assert facts["state"] == "failed"
    assert [(job["name"], job["state"], job["exit_code"]) for job in facts["jobs"]] == [
        ("bars", "done", 0), ("one", "refused", 3), ("again", "done", 0),
    ]  # fmt: skip
    assert "one class with images, 'down'" in facts["jobs"][1]["error"]
    for job in (facts["jobs"][0], facts["jobs"][2]):
        assert job["accuracy"]["low"] <= job["accuracy"]["value"] <= job["accuracy"]["high"]
        assert Path(job["bundle"]) == place / "exports" / job["name"]
        assert (place / "exports" / job["name"] / "model.onnx").is_file()
    assert "automl: 1 of 3 job(s) are not done: one. Wanted: all of them." in finished.stderr
    assert "Traceback" not in finished.stderr


def test_the_page_leads_to_every_report(place, finished):
    page = Path(json.loads(finished.stdout)["page"])
    assert page == place / "runs" / "_batches" / "night" / "batch.html"
    outline = Outline(page.read_text(encoding="utf-8"))
    assert outline.faults == []
    links = [address for address in outline.addresses if not address.startswith("data:")]
    assert len(links) == 2
    assert all((page.parent / link).is_file() for link in links)


def test_runs_are_listed_without_the_batch(place, finished):
    rows = json.loads(automl("runs", "list", "--json", cwd=place).stdout)
    assert [(row["name"], row["state"]) for row in rows] == [("again", "done"), ("bars", "done")]


def test_again_it_skips_in_seconds_and_ends_with_a_table(place, finished):
    began = time.monotonic()
    again = automl("batch", "data/../night.yaml", "--exports", "data/../exports", cwd=place)
    assert time.monotonic() - began < 5
    assert again.returncode == 5
    lines = again.stdout.splitlines()
    assert lines[0].split() == ["job", "state", "test", "accuracy", "variant", "MB", "ms", "min"]
    assert re.match(r"bars +done +[01]\.\d{3} \([01]\.\d{3}-[01]\.\d{3}\) +(fp32|int8_minmax) +\d\.\d\d ", lines[1])
    assert re.match(r"one +refused +0\.0$", lines[2])
    assert any(line.startswith(f"  one (exit code 3): {place}/data/one has one class") for line in lines)
    assert any(
        re.match(r"  bars: warning: the bundle is unverified: 1\d held-out file\(s\)", line) for line in lines
    ), lines
    assert lines[-1] == f"page  {place / 'runs' / '_batches' / 'night' / 'batch.html'}"
    assert "was finished before" not in again.stderr
    assert "10/10 report" not in again.stderr  # the same folder of exports, spelled otherwise


def interrupt_in_check(place: Path) -> tuple[int, str, dict[str, object]]:
    """A batch of one job, terminated in its first stage. Returns: exit code, stderr, the object on stdout."""
    events = place / "runs" / "third" / "events.jsonl"
    events.unlink(missing_ok=True)
    command = [sys.executable, "-m", "automl", "batch", "more.yaml", "--json"]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as front:
        wait_for(front, events.parent, "check")
        front.send_signal(signal.SIGTERM)
        stdout, stderr = front.communicate(timeout=20)
    return front.returncode, stderr, json.loads(stdout)


def test_an_interrupted_batch_says_how_to_go_on_and_a_deadline_holds_for_its_own_batch(place, finished):
    (place / "more.yaml").write_text("jobs: [{dataset: data/bars, recipe: small.yaml, name: third}]")
    batch_json, run_json = place / "runs/_batches/more/batch.json", place / "runs/third/run.json"
    code, stderr, told = interrupt_in_check(place)
    assert code == 143
    assert "What was finished is kept; to go on: automl batch more.yaml" in stderr
    facts = json.loads(batch_json.read_text())
    assert (told["state"], told["exit_code"], told["jobs"]) == ("interrupted", 143, facts["jobs"])
    assert (facts["state"], facts["jobs"][0]["state"]) == ("interrupted", "interrupted")

    late = automl("batch", "more.yaml", "--deadline", "0.01s", "--json", cwd=place)
    assert late.returncode == 5
    (job,) = json.loads(late.stdout)["jobs"]
    assert (job["state"], job["exit_code"]) == ("failed", 4)
    assert "the deadline came before there was a model that could be deployed" in job["error"]
    assert json.loads(run_json.read_text())["deadline_at"] is not None

    interrupt_in_check(place)
    assert json.loads(run_json.read_text())["deadline_at"] is None


def test_strict_starts_nothing_and_a_faulty_file_neither(place, finished):
    strict = automl("batch", "night.yaml", "--strict", "--json", cwd=place)
    assert strict.returncode == 3
    assert json.loads(strict.stdout)["exit_code"] == 3
    assert "--strict: 1 of 3 dataset(s) are refused" in strict.stderr
    (place / "other.yaml").write_text("jobs: [{dataset: data/one, name: bars, recipe: small.yaml}]")
    other = automl("batch", "other.yaml", "--json", cwd=place)
    assert other.returncode == 2
    assert json.loads(other.stdout)["jobs"] == []
    assert f"dataset: was '{place}/data/bars', is '{place}/data/one'" in other.stderr
    assert f"automl runs clean bars --runs {place}/runs" in other.stderr
    assert not (place / "runs" / "_batches" / "other").exists()
    (place / "bad.yaml").write_text("jobs: [{dataset: data/bars, recipe: quik}]")
    faulty = automl("batch", "bad.yaml", "--runs", "none", cwd=place)
    assert faulty.returncode == 2
    assert "job 1, recipe quik: found no recipe named 'quik'" in faulty.stderr
    assert not (place / "none").exists()


def test_the_api_is_the_same_from_python(place, finished):
    code = "import automl; print(automl.batch('night.yaml')['state'], callable(automl.batch))"
    shown = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False)
    assert shown.stdout == "failed True\n", shown.stderr
