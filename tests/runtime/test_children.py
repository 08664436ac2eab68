import os
import re
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from automl.errors import DataError, DiskFull, ResourceMissing, StageFailed
from automl.runtime.children import Children

PROBES = "tests.runtime.probes:"


@pytest.fixture
def heard():
    return []


@pytest.fixture
def children(tmp_path, heard):
    with Children(tmp_path / "forkserver.log", heard.append) as children:
        yield children


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(true, seconds=10.0):
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


def test_a_plain_child_returns_its_result_has_no_keras_and_its_output_goes_to_its_log(children, tmp_path, capfd):
    result = children.run("plain", PROBES + "echo", {"x": [1, "two"]}, log=tmp_path / "log.txt")
    assert result["x"] == [1, "two"]
    assert result["pid"] != os.getpid()
    assert result["keras"] is False
    assert sorted((tmp_path / "log.txt").read_text().splitlines()) == ["said on stdout", "said on the descriptor"]
    assert capfd.readouterr() == ("", "")


def test_keras_children_have_keras_in_memory_and_nothing_of_its_noise_reaches_the_user(children, tmp_path, capfd):
    first = children.run("keras", PROBES + "echo", {}, log=tmp_path / "log.txt")
    assert first["keras"] is True
    began = time.monotonic()
    second = children.run("keras", PROBES + "echo", {}, log=tmp_path / "log.txt")
    assert time.monotonic() - began < 3  # importing Keras alone takes longer
    assert first["pid"] != second["pid"]
    assert capfd.readouterr() == ("", "")


def test_an_interruption_while_a_child_starts_leaves_no_child_to_find_out_by_itself(tmp_path, monkeypatch, capfd):
    started = []
    begin = SpawnProcess.start

    def start(process):
        begin(process)
        started.append(process)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # pytest may have others, which hold nothing

    monkeypatch.setattr(SpawnProcess, "start", start)
    with pytest.raises(KeyboardInterrupt), Children(tmp_path / "forkserver.log", lambda _: None) as children:
        children.run("plain", PROBES + "echo", {}, log=tmp_path / "log.txt")
    with pytest.raises(ValueError, match="closed"):  # reaped: the front has waited for its end
        started[0].is_alive()
    assert capfd.readouterr() == ("", "")


def test_progress_and_warnings_of_a_child_are_heard_in_order(children, heard, tmp_path):
    children.run("plain", PROBES + "report", {}, log=tmp_path / "log.txt")
    assert [(m["say"], m.get("done"), m["text"]) for m in heard] == [
        ("progress", 0, "item 0"),
        ("progress", 1, "item 1"),
        ("progress", 2, "item 2"),
        ("warning", None, "something odd"),
    ]


@pytest.mark.parametrize(
    ("function", "kind", "text"),
    [
        ("refuse", DataError, "^the folder is empty$"),
        ("crash", StageFailed, r"^ValueError: a fault of ours \(the whole story is in .*log.txt\)$"),
        (
            "full_disk",
            DiskFull,
            r"No space left on device: /some/file. Wanted: room on that disk, which has [\d,.]+ MB free. .*command",
        ),
        (
            "no_memory",
            ResourceMissing,
            r"memory ran out \(MemoryError.*MB are free now. Wanted: more memory.*same command",
        ),
        ("abort", StageFailed, "killed by SIGABRT, after it had said that memory ran out; its log is .*same command"),
        ("out_of_memory", StageFailed, "killed .signal 9., most likely because memory ran out; its log is"),
        ("leave", StageFailed, "exit code 3 and without a result; its log is"),
    ],
)
def test_a_failing_child_raises_its_own_error_in_the_front(children, tmp_path, function, kind, text):
    with pytest.raises(kind, match=text) as caught:
        children.run("plain", PROBES + function, {}, log=tmp_path / "log.txt")
    assert type(caught.value) is kind


def test_a_child_whose_log_cannot_be_opened_says_so_and_not_on_the_users_terminal(children, tmp_path, capfd):
    (tmp_path / "log.txt").mkdir()
    with pytest.raises(StageFailed, match=r"IsADirectoryError: Is a directory: .*log.txt. Run the same command again"):
        children.run("plain", PROBES + "echo", {}, log=tmp_path / "log.txt")
    assert capfd.readouterr() == ("", "")


def test_a_child_whose_result_cannot_be_written_says_where_there_was_no_room(children, tmp_path):
    with pytest.raises(StageFailed, match=r"its result could not be written into .*automl-scratch-.*another TMPDIR"):
        children.run("plain", PROBES + "lose_the_result_folder", {}, log=tmp_path / "log.txt")


def test_the_error_of_a_childs_child_comes_with_its_kind_and_without_advice_to_run_the_command_again(
    children, tmp_path
):
    asked = {"folder": str(tmp_path), "functions": ["full_disk", "no_memory", "leave", "echo"]}
    ended = children.run("plain", PROBES + "ask_for", asked, log=tmp_path / "log.txt")
    kinds = {name: kind for name, (kind, _) in ended.items()}
    assert kinds == {"full_disk": "DiskFull", "no_memory": "ResourceMissing", "leave": "StageFailed", "echo": ""}
    assert not any("same command" in text for _, text in ended.values())


def test_a_childs_children_are_run_by_the_front_and_their_failures_cost_only_themselves(children, tmp_path):
    result = children.run("plain", PROBES + "ask_for_two", {"folder": str(tmp_path)}, log=tmp_path / "log.txt")
    assert result["good"]["x"] == 1
    assert "a fault of ours" in result["bad"]
    assert result["slow"] is True
    assert not alive(int((tmp_path / "pids").read_text()))


def test_the_children_of_a_killed_child_do_not_outlive_it(children, tmp_path):
    with pytest.raises(StageFailed, match="signal 9"):
        children.run("plain", PROBES + "ask_and_die", {"folder": str(tmp_path)}, log=tmp_path / "log.txt")
    assert not alive(int((tmp_path / "pids").read_text()))


FRONT = """
import sys
from pathlib import Path
from automl.runtime.children import Children
folder = Path(sys.argv[1])
with Children(folder / "forkserver.log", lambda _: None) as children:
    arguments = {"pids": str(folder / "pids"), "log": str(folder / "inner.txt")}
    children.run(sys.argv[2], "tests.runtime.probes:" + sys.argv[3], arguments, log=folder / "log.txt")
"""


@pytest.mark.parametrize(
    ("kind", "what"),
    [("plain", "sleep"), ("keras", "sleep"), ("keras", "hold"), ("plain", "hold"), ("plain", "ask_and_wait")],
)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_child_outlives_a_front_that_ends_in_any_way(tmp_path, kind, what, how):
    front = subprocess.Popen(
        [sys.executable, "-c", FRONT, str(tmp_path), kind, what], stderr=subprocess.PIPE, text=True
    )
    with front:
        wait_until((tmp_path / "pids").exists, 60)
        wait_until(lambda: (tmp_path / "pids").read_text().endswith("\n"))
        child = int((tmp_path / "pids").read_text())
        helpers = _processes_below(front.pid)
        assert child in helpers
        front.send_signal(how)
        stderr = front.communicate(timeout=20)[1]
    assert how == signal.SIGKILL or stderr.rstrip().endswith("KeyboardInterrupt")
    wait_until(lambda: not any(alive(pid) for pid in [child, *helpers]))


def _processes_below(pid: int) -> list[int]:
    """All descendants: the forkserver and the resource tracker among them."""
    parents = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                stat = (path / "stat").read_text()
            except OSError:
                continue
            parents[int(path.name)] = int(re.split(r"\) . ", stat)[1].split()[0])
    found = [pid]
    for child in sorted(parents):
        above = child
        while above in parents and above != pid:
            above = parents[above]
        if above == pid and child != pid:
            found.append(child)
    return found[1:]
