"""The whole path on a small dataset, once; then what a user may do around it: again, twice at a time, wrong."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from automl.bundle.checksums import verify_checksums
from automl.runs.events import read_events
from automl.stage_table import STAGE_NAMES
from tests.conftest import write_bars

RECIPE = """
extends: demo
split: {validation: 0.25, test: 0.25}
tune: {trials: 2, minutes: 1, epochs: 1}
train: {epochs: 3, patience: 3}
compress: {calibration_images: 8, latency_repeats: 10}
"""


def automl(*arguments: str | Path, cwd: Path, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "automl", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **more)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, a broken file in it, a recipe, and nothing else."""
    place = tmp_path_factory.mktemp("place")
    write_bars(place / "bars", per_class=40, size_px=24)
    (place / "bars" / "down" / "broken.png").write_bytes((place / "bars" / "down" / "000.png").read_bytes()[:300])
    (place / "bars" / "slant" / "notes.txt").write_text("not an image")
    (place / "small.yaml").write_text(RECIPE)
    return place


@pytest.fixture(scope="module")
def finished(place: Path) -> dict:
    """The undisturbed run, with its summary; its folders are place/runs and place/exports."""
    done = automl("run", "bars", "--recipe", "small.yaml", "--name", "whole", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    return {"facts": json.loads(done.stdout), "stderr": done.stderr}


def test_one_command_ends_with_a_bundle_and_says_what_it_measured(place, finished):
    facts = finished["facts"]
    assert facts["state"] == "done"
    assert list(facts["stages"]) == list(STAGE_NAMES)
    assert facts["images"] == 120
    assert facts["rejected"] == 1
    assert facts["backbone"] == "smallnet"
    accuracy = facts["metrics"]["test"]["accuracy"]
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert accuracy["value"] > 0.6
    assert {"fp32", "int8_minmax"} <= {variant["name"] for variant in facts["variants"]}
    assert facts["chosen"] in {variant["name"] for variant in facts["variants"]}
    bundle = Path(facts["bundle"])
    assert bundle == place / "exports" / "whole"
    wanted = {
        "model.onnx",
        "labels.txt",
        "bundle.json",
        "predict.py",
        "golden",
        "MODEL_CARD.md",
        "report.html",
        "SHA256SUMS",
    }
    assert wanted <= {path.name for path in bundle.iterdir()}
    assert Path(facts["report"]).is_file()
    assert json.loads((place / "runs" / "whole" / "run.json").read_text()) == facts


def test_bundle_json_repeats_metrics_variants_and_the_choice(finished):
    facts = finished["facts"]
    bundle = json.loads((Path(facts["bundle"]) / "bundle.json").read_text())
    assert bundle["chosen"] == facts["chosen"]
    assert bundle["metrics"]["test"]["accuracy"] == facts["metrics"]["test"]["accuracy"]
    assert [variant["name"] for variant in bundle["variants"]] == [variant["name"] for variant in facts["variants"]]


def test_what_is_no_terminal_gets_plain_lines_and_none_of_tensorflows_noise(place, finished):
    lines = finished["stderr"].splitlines()
    assert all(line.isprintable() for line in lines)
    assert not re.search("oneDNN|cuda|TensorFlow binary|WARNING: All log", finished["stderr"])
    assert any("warning:" in line and "random weights" in line for line in lines)
    assert (place / "runs" / "whole" / "log.txt").exists()


def test_the_broken_file_is_quarantined_with_its_reason(place, finished):
    rejected = (place / "runs" / "whole" / "check" / "rejected.csv").read_text()
    assert "down/broken.png" in rejected
    assert "truncated" in rejected


def test_run_again_all_ten_stages_are_skipped_in_under_three_seconds(place, finished):
    began = time.monotonic()
    again = automl("run", "bars", "--recipe", "small.yaml", "--name", "whole", "--json", cwd=place)
    assert again.returncode == 0, again.stderr
    assert time.monotonic() - began < 3
    assert again.stderr.count("was finished before") == 10
    facts = json.loads(again.stdout)
    assert facts["stages"] == finished["facts"]["stages"]
    assert facts["metrics"] == finished["facts"]["metrics"]


def test_a_bundle_that_is_gone_or_damaged_is_published_again_and_a_file_of_the_users_stops_that(place, finished):
    command = ["run", "bars", "--recipe", "small.yaml", "--name", "whole", "--json"]
    bundle = place / "exports" / "whole"
    for spoil, fault in (
        (lambda: shutil.rmtree(bundle), "exports/whole is missing"),
        (lambda: (bundle / "model.onnx").write_bytes(b"cut"), "model.onnx has changed"),
    ):
        spoil()
        again = automl(*command, cwd=place)
        assert again.returncode == 0, again.stderr
        assert "the finished stage 'report' is repeated: " in again.stderr
        assert fault in again.stderr
        assert again.stderr.count("was finished before") == 9
        assert verify_checksums(bundle) == []
    (bundle / "thesis.txt").write_text("precious")
    refused = automl(*command, "--redo", "report", cwd=place)
    assert (refused.returncode, "holds 'thesis.txt'" in refused.stderr) == (5, True)
    assert "run the same command again without --redo" in refused.stderr
    assert (bundle / "thesis.txt").read_text() == "precious"
    (bundle / "thesis.txt").unlink()
    assert automl(*command, cwd=place).returncode == 0


def test_a_name_in_use_with_other_settings_is_refused_with_the_setting(place, finished):
    other = automl("run", "bars", "--recipe", "small.yaml", "--name", "whole", "--set", "train.epochs=4", cwd=place)
    assert other.returncode == 2
    assert "train.epochs: was 3, is 4" in other.stderr
    assert "--redo tune" in other.stderr
    assert "Traceback" not in other.stderr


def _copy(place: Path, name: str) -> Path:
    """The finished run under another name."""
    return Path(shutil.copytree(place / "runs" / "whole", place / "runs" / name))


def test_redo_does_what_a_changed_setting_touches_again_and_says_why(place, finished):
    folder = _copy(place, "changed")
    before = {stage: (folder / stage / "done.json").read_bytes() for stage in STAGE_NAMES}
    command = ["run", "bars", "--recipe", "small.yaml", "--name", "changed", "--set", "compress.latency_repeats=12"]
    kept = automl(*command, "--redo", "evaluate", cwd=place)
    assert kept.returncode == 2
    assert "--redo evaluate would keep what compress made" in kept.stderr
    item = folder / "compress" / "fp32.json"
    item.unlink()  # --redo throws all of compress away, and the first variant brings it back
    front = _start(place, "changed", *command[6:], "--redo", "compress", "--deadline", "9h")
    _wait_until(front, item.exists, "no variant was done")
    front.terminate()
    _, stderr = front.communicate(timeout=20)
    assert "done again from compress with compress.latency_repeats: was 10, is 12" in stderr
    hint = stderr.rpartition("to go on: ")[2].strip()
    assert hint == shlex.join(["automl", *command])
    begun = item.read_bytes()
    done = automl(*shlex.split(hint)[1:], cwd=place)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^until \d\d:\d\d, the deadline of the interrupted command; --deadline gives", done.stderr, re.M)
    assert item.read_bytes() == begun, "what was finished since was thrown away"
    after = {stage: (folder / stage / "done.json").read_bytes() for stage in STAGE_NAMES}
    assert [stage for stage in STAGE_NAMES if before[stage] != after[stage]] == [*STAGE_NAMES[6:]]
    again = automl(*command, cwd=place)
    assert (again.returncode, "the deadline of" in again.stderr) == (0, False), "a finished run has none"


def test_redo_of_a_run_that_is_not_there_is_refused(place):
    refused = automl("run", "bars", "--recipe", "small.yaml", "--name", "fresh", "--redo", "train", cwd=place)
    assert refused.returncode == 2
    assert "there is no run 'fresh'" in refused.stderr
    assert not (place / "runs" / "fresh").exists()


def test_a_dataset_is_never_taken_for_the_runs_own_folder(place):
    for part in ("train", "test"):
        shutil.copytree(place / "bars", place / "parts" / part)
    before = sorted(place.glob("parts/**/*"))
    refused = automl("run", "parts", "--recipe", "small.yaml", "--name", "parts", "--runs", ".", cwd=place)
    assert refused.returncode == 2
    assert "parts holds 'test' and is no run" in refused.stderr
    assert sorted(place.glob("parts/**/*")) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("record.json", "{", "", "record.json has changed"),
        ("record.json", '"fp32"', '"fp64"', "record.json has changed"),
        ("done.json", "{", "", "done.json cannot be understood"),
    ],
    ids=["cut", "odd", "done"],
)
def test_a_stage_whose_record_was_damaged_is_done_again(place, finished, file, old, new, why):
    folder = _copy(place, "damaged")
    path = folder / "evaluate" / file
    path.write_text(path.read_text().replace(old, new))
    soon = ["--deadline", "0.1s"]  # three stages are done again, and take longer
    shown = automl("run", "bars", "--recipe", "small.yaml", "--name", "damaged", "--json", *soon, cwd=place)
    shutil.rmtree(folder)
    assert shown.returncode == 0, shown.stderr
    assert f"the finished stage 'evaluate' is repeated: {why}" in shown.stderr
    assert "pydantic" not in shown.stderr
    facts = json.loads(shown.stdout)
    assert facts["metrics"] == finished["facts"]["metrics"]
    late = (
        r"ended \d+ s after the deadline: evaluate, export, report ended after it, and without them there is no bundle"
    )
    assert re.fullmatch(late, facts["warnings"][-1])
    assert f"warning: {facts['warnings'][-1]}" in shown.stderr


@pytest.mark.parametrize("damage", ["", '{"schema": 1, "settings": {}}', None], ids=["cut", "odd", "gone"])
def test_a_run_without_its_run_json_is_refused_everywhere_with_the_same_words_and_can_be_removed(
    place, finished, damage
):
    folder = _copy(place, "lost")
    (folder / "run.json").unlink()
    if damage is not None:
        (folder / "run.json").write_text(damage)
    for command in (["run", "bars", "--recipe", "small.yaml", "--name", "lost"], ["runs", "show", "lost"]):
        refused = automl(*command, cwd=place)
        assert refused.returncode == 2
        assert "run.json cannot be understood" in refused.stderr
        assert "`automl runs clean lost" in refused.stderr
    assert "unreadable" in automl("runs", "list", cwd=place).stdout
    unasked = automl("runs", "clean", "lost", cwd=place)
    assert (unasked.returncode, "--yes" in unasked.stderr) == (2, True)
    closed = subprocess.run(
        f"{sys.executable} -m automl runs clean lost <&-", shell=True, cwd=place, capture_output=True, check=False
    )
    assert (closed.returncode, b"--yes" in closed.stderr) == (2, True)
    assert automl("runs", "clean", "lost", "--yes", cwd=place).returncode == 0
    assert not folder.exists()


def test_a_run_that_was_refused_before_a_stage_was_finished_takes_other_settings(place):
    for allowed in ("0.0", "0.001"):
        refused = automl(
            "run", "bars", "--recipe", "small.yaml", "--name", "again", "--set", f"check.max_rejected={allowed}",
            cwd=place,
        )  # fmt: skip
        assert refused.returncode == 3, refused.stderr
        assert "check.max_rejected = " + f"{float(allowed):g}" in refused.stderr


def test_predict_answers_from_the_bundle_without_keras(place, finished):
    shown = automl("predict", finished["facts"]["bundle"], "bars/across", "--json", cwd=place)
    assert shown.returncode == 0, shown.stderr
    answers = json.loads(shown.stdout)
    assert len(answers) == 40
    code = f"import automl, sys; automl.predict({finished['facts']['bundle']!r}, ['bars/down/000.png'])"
    check = subprocess.run(
        [sys.executable, "-c", code + "; assert not {'keras', 'tensorflow'} & set(sys.modules)"],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert check.returncode == 0, check.stderr


def test_runs_are_listed_shown_and_cleaned(place, finished):
    rows = json.loads(automl("runs", "list", "--json", cwd=place).stdout)
    row = next(row for row in rows if row["name"] == "whole")
    assert (row["state"], row["stages"]) == ("done", 10)
    assert "accuracy" in automl("runs", "show", "whole", cwd=place).stdout
    unknown = automl("runs", "show", "other", cwd=place)
    assert unknown.returncode == 2
    assert "there is no run named 'other'" in unknown.stderr
    assert "whole" in unknown.stderr


def _start(place: Path, name: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "automl", "run", "bars", "--recipe", "small.yaml", "--name", name, *more]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_for(process: subprocess.Popen[str], folder: Path, stage: str) -> None:
    """Until that stage has begun."""

    def begun() -> bool:
        started = [event for event in read_events(folder / "events.jsonl") if event["event"] == "stage started"]
        return any(event["stage"] == stage for event in started)

    _wait_until(process, begun, f"{stage} did not begin")


def _wait_until(process: subprocess.Popen[str], true: Callable[[], bool], fault: str) -> None:
    for _ in range(6000):
        if true():
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    raise AssertionError(fault)


def test_a_second_process_on_the_same_run_is_told_who_holds_it(place, finished):
    front = _start(place, "held")
    with front:
        _wait_for(front, place / "runs" / "held", "check")
        second = automl("run", "bars", "--recipe", "small.yaml", "--name", "held", cwd=place)
        assert second.returncode == 6
        assert f"is being worked on by process {front.pid}" in second.stderr
        front.kill()
        front.communicate(timeout=20)


def _images(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(folder.name) + count)
    for number in range(count):
        PillowImage.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(folder / f"{number}.png")


def _no_such_folder(place):
    return ["absent"], 3, "absent"


def _empty_folder(place):
    (place / "empty").mkdir()
    return ["empty"], 3, "empty"


def _one_class(place):
    _images(place / "one" / "only", 5)
    return ["one"], 3, "only"


def _class_of_three(place):
    _images(place / "three" / "a", 8)
    _images(place / "three" / "b", 3)
    return ["three"], 3, "'b' with 3"


def _nothing_readable(place):
    for label in ("a", "b"):
        (place / "noise" / label).mkdir(parents=True)
        for number in range(5):
            (place / "noise" / label / f"{number}.png").write_bytes(b"no image")
    return ["noise"], 3, "can be read"


def _unknown_recipe(place):
    return ["bars", "--recipe", "quik"], 2, "quick"


def _unknown_key(place):
    return ["bars", "--set", "tune.trails=3"], 2, "tune.trials"


def _wrong_type(place):
    return ["bars", "--set", "tune.trials=many"], 2, "tune.trials"


def _out_of_range(place):
    return ["bars", "--set", "split.test=0.9"], 2, "split.test"


def _bad_deadline(place):
    return ["bars", "--deadline", "soon"], 2, "90s, 3m, 2h"


def _bad_name(place):
    return ["bars", "--name", "../up"], 2, "--name"


def _runs_cannot_be_written(place):
    (place / "a-file").write_text("")
    return ["bars", "--runs", "a-file/runs"], 5, "cannot be written"


def _exports_cannot_be_written(place):
    (place / "b-file").write_text("")
    return ["bars", "--name", "noexports", "--exports", "b-file/exports"], 5, "cannot be written"


def _place_of_the_bundle_is_taken(place):
    (place / "taken" / "mine").mkdir(parents=True)
    (place / "taken" / "mine" / "thesis.txt").write_text("precious")
    return ["bars", "--name", "mine", "--exports", "taken"], 5, "exists and is no bundle"


def _runs_and_exports_in_one_folder(place):
    return ["bars", "--runs", "one-folder", "--exports", "./one-folder/"], 2, "are the same folder"


def _no_runs_named(place):
    return ["bars", "--runs", ""], 2, "--runs is empty"


def _no_dataset_named(place):
    return [""], 2, "DATASET is empty"


def _weights_no_folder(place):
    return ["bars", "--weights", "small.yaml"], 2, "small.yaml is not a folder"


def _deadline_before_the_probe(place):
    return ["bars", "--name", "late", "--deadline", "1s"], 4, "deadline"


def _weights_of_another_net(place):
    import h5py

    (place / "weights").mkdir()
    with h5py.File(place / "weights" / "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", "w") as file:
        file["other/kernel"] = np.zeros((3, 3))
    _images(place / "large" / "a", 8)
    _images(place / "large" / "b", 8)
    settings = ["--set", "backbones=[mobilenetv3small]", "--set", "pack.size_px=64"]
    return ["large", "--weights", "weights", *settings], 2, "mobilenetv3small"


def _weights_a_web_page(place):
    (place / "pages").mkdir()
    page = place / "pages" / "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"
    page.write_text("<!DOCTYPE html><title>Sign in</title>")
    settings = ["--set", "backbones=[mobilenetv3small]", "--set", "pack.size_px=64"]
    return ["bars", "--name", "page", "--weights", "pages", *settings], 2, "it is a web page"


def _weights_of_no_net(place):
    settings = ["--set", "backbones=[mobilenetv3small]", "--set", "pack.size_px=64"]
    return (
        ["bars", "--name", "none", "--weights", "bars", *settings],
        2,
        "bars holds no weights of any backbone, but 'across'",
    )


WRONG = (
    _no_such_folder, _no_dataset_named, _runs_and_exports_in_one_folder, _no_runs_named,
    _empty_folder, _one_class, _class_of_three, _nothing_readable, _unknown_recipe,
    _unknown_key, _wrong_type, _out_of_range, _bad_deadline, _bad_name, _runs_cannot_be_written,
    _exports_cannot_be_written, _place_of_the_bundle_is_taken, _deadline_before_the_probe, _weights_no_folder,
    _weights_of_another_net, _weights_a_web_page, _weights_of_no_net,
)  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.__name__.strip("_"))
def test_bad_input_gets_one_clear_message_an_exit_code_and_no_traceback(place, case):
    arguments, code, text = case(place)
    shown = automl("run", *arguments, "--json", cwd=place)
    assert shown.returncode == code, shown.stderr
    message = shown.stderr.rpartition("automl: ")[2]
    assert text in message
    assert re.search("[Ww]anted|looks like|did you mean", message), "it must say what would be right"
    assert "Traceback" not in shown.stderr
    assert not shown.stdout or json.loads(shown.stdout)["exit_code"] == code
