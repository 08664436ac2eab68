import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from automl.cli.main import cli, main

HEAVY = (
    "keras", "tensorflow", "tensorflow_model_optimization", "tf_keras", "polars", "sklearn", "matplotlib",
    "onnxruntime", "onnx", "numpy", "scipy", "pandas",
)  # fmt: skip
SHOW = """
import json, sys
import automl.cli.main as main
sys.argv = ["automl", *sys.argv[1:]]
try:
    main.main()
except SystemExit as end:
    code = end.code
print("\\n" + json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def start(*arguments: str) -> tuple[int, list[str], str]:
    shown = subprocess.run([sys.executable, "-c", SHOW, *arguments], capture_output=True, text=True, check=True)
    text, _, last = shown.stdout.rstrip().rpartition("\n")
    code, modules = json.loads(last)
    return code, modules, text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["batch", "--help"],
        ["runs", "list", "--help"],
        ["recipes", "list"],
        ["weights", "--help"],
        ["weights", "list"],
    ],
)
def test_help_loads_no_heavy_module(arguments):
    code, modules, text = start(*arguments)
    assert code == 0
    assert text
    assert "click" in modules
    assert not set(HEAVY) & set(modules)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["batch", "--help"]])
def test_help_takes_less_than_a_third_of_a_second_of_cpu_time(arguments):
    def cpu_seconds():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "automl", *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    cpu_seconds()  # byte code is compiled once, at the first start after an installation
    assert min(cpu_seconds() for _ in range(3)) < 0.3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 141), (["check", "--help"], 141), (["recipes", "list"], 141), (["check", "nowhere"], 3), (["rn"], 2)],
)
def test_nobody_reading_ends_a_command_without_a_word_by_one_code_unless_it_failed_before(tmp_path, arguments, code):
    reading, writing = os.pipe()
    os.close(reading)

    only_stdout = subprocess.run(
        [sys.executable, "-m", "automl", *arguments], stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path, check=False
    )
    both = subprocess.run(
        [sys.executable, "-m", "automl", *arguments], stdout=writing, stderr=writing, cwd=tmp_path, check=False
    )
    os.close(writing)

    assert (only_stdout.returncode, both.returncode) == (code, code)
    if code == 141:
        assert only_stdout.stderr == b""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", [["--help"], ["check", "--help"], ["recipes", "list"], ["runs", "list", "--json"]]
)
def test_output_that_a_full_disk_refuses_is_one_message_and_no_fault_of_ours(tmp_path, arguments, unbuffered):
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "automl", *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path, check=False,
        )  # fmt: skip

    assert ended.returncode == 5
    assert ended.stderr.startswith(
        "automl: the output cannot be written: No space left on device. Wanted: room for it."
    )
    assert len(ended.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_ours_ends_in_one_line_and_a_file_with_the_traceback(monkeypatch, capsys):
    def broken(**_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "main", broken)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 5
    shown = capsys.readouterr().err
    assert shown.startswith("automl: RuntimeError: a bug. This is a fault of automl; please report ")
    path = Path(shown.split()[-1])
    assert "RuntimeError: a bug" in path.read_text()
    path.unlink()
