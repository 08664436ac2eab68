"""The gate: what is right passes, and every way of being wrong is refused with its figures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.bundle.gate import TOLERANCE, Evidence, judge
from automl.bundle.predict import Predictor, find_images
from automl.bundle.resize import load_pixels
from automl.errors import GateRefused
from tests.bundle.tiny_bundles import COLOURS, SIZE_PX


def evidence_of(n: int = 60, accuracy: float = 0.9, seed: int = 3, classes: int = 3) -> Evidence:
    """Three equal answers to n files, right for that share of them."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    named = np.where(np.arange(n) < round(accuracy * n), labels, (labels + 1) % classes)
    probabilities = (
        rng.dirichlet(np.ones(classes), n).astype(np.float32) / 2 + np.eye(classes, dtype=np.float32)[named] / 2
    )
    return Evidence(
        part="validation",
        paths=tuple(f"{number}.png" for number in range(n)),
        labels=labels,
        trained=probabilities,
        packed=probabilities,
        used=probabilities,
        selftest_max_difference=0.0,
        selftest_faults=(),
    )


def test_equal_answers_that_are_mostly_right_pass_with_their_figures():
    seen = judge(evidence_of(), variant="fp32", max_accuracy_drop=0.01)
    assert (seen.verdict, seen.n_files, seen.same_class, seen.ties) == ("passed", 60, 60, 0)
    assert (seen.max_difference, seen.accuracy) == (0, pytest.approx(0.9))


def test_rounding_is_forgiven_and_a_tie_is_counted():
    evidence = evidence_of()
    trained = evidence.trained + np.float32(2e-4)
    trained[0] = [0.5003, 0.4997, 0]
    used = evidence.used.copy()
    used[0] = [0.4998, 0.5002, 0]
    seen = judge(replace(evidence, trained=trained, packed=used, used=used), variant="fp32", max_accuracy_drop=0.01)
    assert (seen.same_class, seen.ties) == (59, 1)
    assert 4e-4 < seen.max_difference <= TOLERANCE


@settings(deadline=None, max_examples=60)
@given(row=st.integers(0, 59), by=st.floats(1.1e-3, 0.2), variant=st.sampled_from(["fp32", "int8_minmax"]))
def test_one_probability_beyond_the_tolerance_is_refused_and_the_file_named(row, by, variant):
    evidence = evidence_of()
    used = evidence.used.copy()
    used[row, 0] += by
    with pytest.raises(GateRefused, match=rf"'{row}\.png'"):
        judge(replace(evidence, used=used), variant=variant, max_accuracy_drop=0.01)


def test_a_number_that_is_none_is_refused():
    evidence = evidence_of()
    used = evidence.used.copy()
    used[5, 1] = np.nan
    with pytest.raises(GateRefused, match="differ by up to nan"):
        judge(replace(evidence, used=used), variant="fp32", max_accuracy_drop=0.01)


def test_fp32_must_give_what_keras_gives_and_a_compressed_variant_need_not():
    evidence = evidence_of()
    rough = replace(evidence, trained=np.roll(evidence.trained * 0.9 + 0.03, 0, axis=0))
    assert judge(rough, variant="int8_minmax", max_accuracy_drop=0.01).max_difference > TOLERANCE
    with pytest.raises(GateRefused, match="predict.py against the trained network"):
        judge(rough, variant="fp32", max_accuracy_drop=0.01)


def test_a_compressed_variant_may_lose_what_the_budget_allows_and_not_surely_more():
    good, bad = evidence_of(n=100, accuracy=0.95), evidence_of(n=100, accuracy=0.6)
    fallen = replace(bad, trained=good.trained)
    with pytest.raises(GateRefused, match=r"accuracy fell from 0\.950 to 0\.600"):
        judge(fallen, variant="int8_minmax", max_accuracy_drop=0.01)
    assert judge(fallen, variant="int8_minmax", max_accuracy_drop=0.4).same_class == 65
    slightly = replace(evidence_of(n=100, accuracy=0.93), trained=good.trained)
    assert judge(slightly, variant="int8_minmax", max_accuracy_drop=0.01).verdict == "passed"  # 2 of 100: noise


@pytest.mark.parametrize("n", [19, 20])
def test_fewer_than_20_files_are_unverified(n):
    assert judge(evidence_of(n=n), variant="fp32", max_accuracy_drop=0.01).verdict == (
        "unverified" if n < 20 else "passed"
    )


def test_no_file_at_all_is_refused():
    with pytest.raises(GateRefused, match="no held-out file"):
        judge(evidence_of(n=0), variant="fp32", max_accuracy_drop=0.01)


def test_a_collapsed_model_is_refused_though_the_agreement_is_perfect():
    evidence = evidence_of(n=100)
    labels = np.where(np.arange(100) < 90, 0, 1)  # always saying class 0 is right nine times of ten
    always = np.tile(np.float32([0.8, 0.1, 0.1]), (100, 1))
    collapsed = replace(evidence, labels=labels, trained=always, packed=always, used=always)
    with pytest.raises(GateRefused, match=r"accuracy 0\.900 is chance level"):
        judge(collapsed, variant="fp32", max_accuracy_drop=0.01)


def test_guessing_is_refused_and_a_good_model_of_unbalanced_classes_is_not():
    rng = np.random.default_rng(9)
    evidence = evidence_of(n=90)
    with pytest.raises(GateRefused, match="chance level"):
        judge(replace(evidence, labels=rng.permutation(evidence.labels)), variant="fp32", max_accuracy_drop=0.01)
    labels = np.where(np.arange(100) < 95, 0, 1)
    named = labels.copy()
    named[[0, 95, 96]] = [1, 0, 0]  # 97 right of 100; the larger class alone is 95
    answers = np.eye(3, dtype=np.float32)[named]
    rare = replace(evidence_of(n=100), labels=labels, trained=answers, packed=answers, used=answers)
    assert judge(rare, variant="fp32", max_accuracy_drop=0.01).accuracy == pytest.approx(0.97)


def test_a_failed_selftest_is_refused():
    with pytest.raises(GateRefused, match=r"self-test: wide\.png differs by 0\.2"):
        judge(
            replace(evidence_of(), selftest_faults=("wide.png differs by 0.2",)), variant="fp32", max_accuracy_drop=0.01
        )


# The user's side, in a process of its own, on bundles whose preprocessing was spoilt


def answer_of_user(bundle: Path, files: list[Path], target: Path) -> subprocess.CompletedProcess[str]:
    """Run use_bundle as the front would: in a fresh process."""
    arguments = {"bundle": str(bundle), "files": [str(file) for file in files], "probabilities": str(target)}
    program = (
        "import json, sys\n"
        "from automl.bundle.gate import use_bundle\n"
        "print(json.dumps(use_bundle(json.loads(sys.argv[1]))))\n"
    )
    command = [sys.executable, "-c", program, json.dumps(arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def evidence_from(bundle: Path, pictures: Path, tmp_path: Path) -> Evidence:
    """The trained network's and the model's answers by the right preprocessing, the user's by the bundle's own."""
    files = find_images([pictures])
    done = answer_of_user(bundle, files, tmp_path / "used.npy")
    assert done.returncode == 0, done.stderr
    tested = json.loads(done.stdout)
    packed = Predictor(bundle).run(np.stack([load_pixels(file.read_bytes(), SIZE_PX) for file in files]))
    return Evidence(
        part="validation",
        paths=tuple(map(str, files)),
        labels=np.array([COLOURS.index(file.parent.name) for file in files]),
        trained=packed,
        packed=packed,
        used=np.load(tmp_path / "used.npy"),
        selftest_max_difference=tested["max_difference"],
        selftest_faults=tuple(tested["faults"]),
    )


def test_an_honest_bundle_passes_and_nothing_is_left_in_it(bundle, pictures, tmp_path):
    before = sorted(bundle.rglob("*"))
    seen = judge(evidence_from(bundle, pictures, tmp_path), variant="fp32", max_accuracy_drop=0.01)
    assert (seen.verdict, seen.n_files, seen.same_class, seen.accuracy) == ("passed", 30, 30, 1)
    assert seen.selftest_max_difference == 0
    assert sorted(bundle.rglob("*")) == before


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("resize.py", "np.array(upright, dtype=np.uint8)", "np.array(upright, dtype=np.uint8)[..., ::-1]"),
        ("resize.py", "Image.Resampling.BICUBIC", "Image.Resampling.NEAREST"),
        ("predict.py", '{"image": pixels}', '{"image": (pixels / 255).astype("uint8")}'),
        ("predict.py", "np.stack(good)", "np.stack(good[::-1])"),
    ],
    ids=["blue and red swapped", "another resize", "normalised twice", "rows in another order"],
)
@pytest.mark.parametrize("variant", ["fp32", "int8_minmax"])
def test_wrong_preprocessing_is_refused(bundle, pictures, tmp_path, file, right, wrong, variant):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    code = (copy / file).read_text()
    assert code.count(right) == 1
    (copy / file).write_text(code.replace(right, wrong))
    evidence = evidence_from(copy, pictures, tmp_path)
    without_selftest = replace(evidence, selftest_faults=())
    with pytest.raises(GateRefused, match="predict.py on the original files against the same model"):
        judge(without_selftest, variant=variant, max_accuracy_drop=0.01)
    assert evidence.selftest_faults


def test_a_framework_in_the_users_process_is_refused(bundle, pictures, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    stub = "import sys, types\nsys.modules['keras'] = types.ModuleType('keras')\n"
    (copy / "resize.py").write_text((copy / "resize.py").read_text().replace("import io\n", f"import io\n{stub}", 1))
    done = answer_of_user(copy, find_images([pictures]), tmp_path / "used.npy")
    assert done.returncode != 0
    assert "keras is loaded where a bundle is used" in done.stderr


def test_a_file_that_is_gone_is_named(bundle, tmp_path):
    done = answer_of_user(bundle, [tmp_path / "gone.png"], tmp_path / "used.npy")
    assert done.returncode != 0
    assert "gone.png" in done.stderr
    assert "Put it back" in done.stderr
