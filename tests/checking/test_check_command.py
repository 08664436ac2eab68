"""`automl check` from outside: what it says of made-up sets, what it writes, and what it leaves behind.

Refresh the golden files with: AUTOML_REFRESH_GOLDEN=1 python -m pytest tests/checking; then review the difference.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import termios
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from automl import api
from automl.cli.main import cli
from automl.errors import AutomlError, DataError, RecipeError, UsageError
from automl.recipe.load import load_recipe
from automl.runs import pipeline
from automl.runs.begin import Request
from automl.runs.pipeline import execute
from tests.checking.made_up_sets import SETS, bmp, hopeless, leaking, listed, put, uneven
from tests.conftest import write_bars
from tests.photos import a_photo
from tests.tiny_disk import NoTinyDisk, TinyDisk

GOLDEN = Path(__file__).parents[1] / "golden" / "check"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, for this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def kinds(facts: Mapping[str, Any], severity: str = "") -> set[str]:
    return {finding["kind"] for finding in facts["findings"] if severity in ("", finding["severity"])}


def contents(root: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("write", SETS, ids=lambda write: write.__name__)
def test_json_of_a_made_up_set_is_its_golden_file_and_the_set_is_only_read(
    tmp_path: Path, temporary: Path, write: Callable[[Path], None]
) -> None:
    root = tmp_path / write.__name__
    write(root)
    before = contents(root)

    ended = CliRunner().invoke(cli, ["check", str(root), "--json"])

    facts = json.loads(ended.stdout)
    assert facts["dataset"] == str(root)
    assert facts["exit_code"] == (3 if kinds(facts, "stop") else 0)
    assert ended.exit_code == 1 if facts["exit_code"] else ended.exit_code == 0  # main() makes 3 of the error
    assert not ended.exception or isinstance(ended.exception, DataError)
    told = json.dumps({**facts, "dataset": root.name, "dataset_fingerprint": ""}, indent=2, ensure_ascii=False) + "\n"
    golden = GOLDEN / f"{write.__name__}.json"
    if os.environ.get("AUTOML_REFRESH_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(told)
    assert told == golden.read_text()
    assert contents(root) == before
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([root.name, "temporary"])


GONE = {
    "conflicting labels", "exact duplicates", "same images in train and test", "same images in train and validation",
    "near copies in train and test", "near copies in train and validation", "labels that differ by spelling",
    "rejected files", "paths with two labels", "missing files", "empty labels", "refused paths", "paths listed twice",
}  # fmt: skip


@pytest.mark.parametrize(
    ("write", "wanted", "reasons"),
    [
        (
            leaking,
            {"conflicting labels", "exact duplicates", "same images in train and test",
             "near copies in train and test"},
            {"conflicting labels", "exact duplicate", "same image in another part", "near copy in another part"},
        ),
        (
            listed,
            {"labels that differ by spelling", "rejected files", "paths with two labels", "missing files"},
            {"cannot be used: truncated", "paths with two labels", "missing files", "empty labels", "refused paths",
             "paths listed twice"},
        ),
    ],
    ids=["leaking", "listed"],
)  # fmt: skip
def test_the_fixed_manifest_has_none_of_those_findings_any_more(
    tmp_path: Path, write: Callable[[Path], None], wanted: set[str], reasons: set[str]
) -> None:
    root = tmp_path / "set"
    write(root)
    before = contents(root)
    out = tmp_path / "clean.csv"

    first = api.check(root, fix=out)
    again = api.check(out)

    assert wanted <= kinds(first)
    assert kinds(again) & GONE == set()
    assert first["fix"]["left_out"].keys() | first["fix"]["rows_left_out"].keys() == reasons
    assert again["images"] == first["fix"]["images"] == len(out.read_text().splitlines()) - 1
    assert again["given"] == first["given"]
    assert contents(root) == before
    with pytest.raises(UsageError, match=r"clean\.csv: the file exists.*--force"):
        api.check(root, fix=out)
    out.write_text("mine")
    assert api.check(root, fix=out, force=True)["fix"] == first["fix"]
    assert out.read_text() != "mine"


def test_the_page_shows_the_examples_as_pictures_needs_no_network_and_escapes_names(tmp_path: Path) -> None:
    root = tmp_path / "<b>set"
    leaking(root)
    twice = root / "train" / "dog" / "twice.bmp"
    twice.rename(twice.with_name("<img src=x onerror=alert(1)>.bmp"))

    facts = api.check(root, html=tmp_path / "page.html")

    page = (tmp_path / "page.html").read_text()
    assert facts["html"] == str(tmp_path / "page.html")
    assert all(f"<strong>{kind}</strong>" in page for kind in kinds(facts))
    assert page.count("data:image/jpeg;base64,") >= 12
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.bmp" in page
    assert "<b>set" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "Content-Security-Policy" in page
    assert len(page) < 2_000_000


def test_a_check_needs_no_weights_wherever_they_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_WEIGHTS", str(tmp_path / "absent"))
    write_bars(tmp_path / "bars", per_class=12, size_px=24)
    assert api.check(tmp_path / "bars")["state"] == "done"


def test_a_person_reads_facts_classes_and_findings_the_gravest_first(tmp_path: Path) -> None:
    hopeless(tmp_path / "set")

    ended = CliRunner().invoke(cli, ["check", "set"])

    lines = ended.stdout.splitlines()
    assert lines[1] == "layout    folder per class: cat/, cow/, dog/"
    assert "images    26 readable, 46 not; 3 classes" in lines
    assert "parts     cannot be cut" in lines
    found = [line.split()[0] for line in lines if re.match(r"  (stop|warn|note) ", line)]
    assert found[:3] == ["stop", "stop", "stop"]
    assert sorted(found, key=("stop", "warn", "note").index) == found
    assert any(line.startswith("       -> Add images") for line in lines)
    assert isinstance(ended.exception, DataError)
    assert "a run would stop here: classes without images, too few images, rejected files" in str(ended.exception)
    assert "accept" not in str(ended.exception)  # classes without images would stop all the same


def test_json_lists_every_rejected_and_every_marked_file_and_a_person_is_told_how_many_more_there_are(
    tmp_path: Path,
) -> None:
    for at in range(120):
        constant = np.full((32, 32, 3), 60 + at, dtype=np.uint8)
        put(tmp_path / "set", f"{'cat' if at % 2 else 'dog'}/{at:03}.bmp", bmp(a_photo(at, 32, 32)))
        if at < 25:
            put(tmp_path / "set", f"{'cat' if at % 2 else 'dog'}/grey{at:02}.bmp", bmp(constant))
        if at < 22:
            put(tmp_path / "set", f"dog/broken{at:02}.bmp", bmp(a_photo(at, 32, 32))[:900])
        if at < 23:
            put(tmp_path / "set", f"dog/copy{at:02}.bmp", bmp(a_photo(at, 32, 32)))

    facts = json.loads(CliRunner().invoke(cli, ["check", "set", "--json"]).stdout)
    lines = [*CliRunner().invoke(cli, ["check", "set"]).stdout.splitlines(), ""]

    def last_line_of(kind: str) -> str:
        begun = next(
            at for at, line in enumerate(lines) if line.startswith(f"  warn {kind}  ") or f"note {kind} " in line
        )
        return lines[lines.index("", begun) - 1].strip()

    assert [row["path"] for row in facts["rejected"]] == [f"dog/broken{at:02}.bmp" for at in range(22)]
    assert {row["reason"] for row in facts["rejected"]} == {"truncated"}
    assert all("truncated" in row["detail"] for row in facts["rejected"])
    assert {row["path"].rpartition("/")[2] for row in facts["flagged"]["constant images"]} == {
        f"grey{at:02}.bmp" for at in range(25)
    }
    assert "truncated" not in facts["flagged"]
    assert last_line_of("rejected files") == "and 19 more: see --json"
    assert last_line_of("constant images") == "and 22 more: see --json"
    assert last_line_of("exact duplicates") == "and more: see --html or --json"  # 20 of them are listed there


def test_a_class_of_which_no_file_can_be_read_stands_in_the_table_beside_the_others(tmp_path: Path) -> None:
    write_bars(tmp_path / "set", per_class=12, size_px=16)
    for path in (tmp_path / "set" / "down").iterdir():
        path.write_bytes(path.read_bytes()[:40])

    ended = CliRunner().invoke(cli, ["check", "set", "--set", "check.max_rejected=0.9"])

    assert isinstance(ended.exception, DataError)
    assert re.search(r"^down +0 +0 +0 +0$", ended.stdout, re.MULTILINE)
    assert "classes without images" in ended.stdout


def test_many_classes_are_bounded_and_names_cannot_command_the_terminal(tmp_path: Path) -> None:
    uneven(tmp_path / "set")
    for number in range(40):
        (tmp_path / "set" / "Latin" / f"character{number}").mkdir(exist_ok=True)
        source = tmp_path / "set" / "Greek" / "character0" / "00.bmp"
        for copy in range(4):
            data = bytearray(source.read_bytes())
            data[200 + number] ^= 255
            data[400 + copy] ^= 255
            name = f"{number}-{copy}\x1b[31m.bmp"
            (tmp_path / "set" / "Latin" / f"character{number}" / name).write_bytes(data)

    ended = CliRunner().invoke(cli, ["check", "set", "--set", "data.level=2", "--set", "split.near=false"])

    assert "\x1b" not in ended.stdout
    table = ended.stdout.split("\n\n")[1].splitlines()
    assert len(table) == 21
    assert sum("more)" in line for line in table) == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"html": "page.txt"}, r"--html page\.txt: that is no file for a page.*ends in \.html"),
        ({"html": "none/page.html"}, r"there is no folder .*none"),
        ({"fix": "clean.tsv"}, r"--fix clean\.tsv: that is no file for a manifest"),
        ({"fix": "elsewhere/clean.csv"}, r"a manifest's paths lead into its own folder.*for example .*set-clean\.csv"),
        ({"fix": "clean.csv", "dataset": "set.zip"}, r"set\.zip is an archive.*Unpack"),
        ({"fix": "set/labels.csv", "dataset": "set/labels.csv", "force": True}, r"is the dataset's own manifest"),
        ({"fix": "set/clean.csv", "force": True}, r"the next run would find it in .*for example .*set-clean\.csv"),
        ({"html": "mine.html"}, r"--html mine\.html: the file exists\..*--force"),
        ({"html": "/proc/page.html"}, r"--html /proc/page\.html: no file can be written there \(.*Give access"),
        ({"fix": f"{'x' * 250}.csv"}, r"--fix x*\.csv: no file can be written there \(File name too long\)"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_opened(
    tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "labels.csv").write_text("path,label\n")
    (tmp_path / "mine.html").write_text("<html>mine</html>")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        packed.writestr("a/1.png", "x")

    with pytest.raises(UsageError, match=match):
        api.check(**{"dataset": "set", **options})


def test_an_earlier_page_is_replaced_unasked_and_any_other_file_by_force_alone(tmp_path: Path) -> None:
    write_bars(tmp_path / "set", per_class=8, size_px=16)
    page = tmp_path / "page.html"

    api.check("set", html=page)
    first = page.read_text()
    put(tmp_path / "set", "down/another.bmp", bmp(a_photo(1, 32, 32)))
    api.check("set", html=page)
    second = page.read_text()
    page.write_text("mine")
    with pytest.raises(UsageError, match="the file exists"):
        api.check("set", html=page)
    assert page.read_text() == "mine"
    api.check("set", html=page, force=True)

    assert second != first
    assert page.read_text().startswith("<!doctype html>")


def test_a_manifest_that_cannot_be_written_in_the_end_costs_neither_the_findings_nor_the_page(tmp_path: Path) -> None:
    for label in ("cat", "dog"):  # every picture is in both classes
        for at in range(8):
            put(tmp_path / "set", f"{label}/{at}.bmp", bmp(a_photo(at, 32, 32)))
    asked = ["check", "set", "--html", "page.html", "--fix", "clean.csv"]

    as_text = CliRunner().invoke(cli, asked)
    as_json = CliRunner().invoke(cli, [*asked, "--json"])

    wrong = "--fix clean.csv: .* was not written: what stays is 0 image.*Wanted: two classes"
    assert "conflicting labels" in as_text.stdout
    assert isinstance(as_text.exception, AutomlError)
    assert as_text.exception.exit_code == 3
    assert re.search(f"a run would stop here: classes without images.*{wrong}", str(as_text.exception))
    facts = json.loads(as_json.stdout)
    assert "conflicting labels" in kinds(facts)
    assert (facts["state"], facts["exit_code"]) == ("failed", 3)
    assert re.search(wrong, facts["error"])
    assert "fix" not in facts
    assert not (tmp_path / "clean.csv").exists()
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_a_page_that_cannot_be_written_in_the_end_does_not_keep_the_manifest_from_it(tmp_path: Path) -> None:
    write_bars(tmp_path / "set", per_class=8, size_px=16)

    def hear(event: Mapping[str, Any]) -> None:
        if event["event"] == "stage done" and event["stage"] == "split":
            (tmp_path / "page.html").mkdir()

    facts = api.check("set", html="page.html", fix="clean.csv", hear=hear)

    assert (facts["state"], facts["exit_code"]) == ("failed", 5)
    assert re.search(r"^--html page\.html: .*Is a directory", facts["error"])
    assert "again to go on" not in facts["error"]
    assert facts["fix"]["file"] == str(tmp_path / "clean.csv")
    assert facts["images"] == len((tmp_path / "clean.csv").read_text().splitlines()) - 1


def test_what_cannot_be_listed_is_one_clear_line_and_json_says_it_too(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        for at in range(4):
            (tmp_path / "set" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / folder / f"{at}.png").write_bytes(b"x")

    ended = CliRunner().invoke(cli, ["check", "set", "--json"])

    told = json.loads(ended.stdout)
    assert (told["state"], told["exit_code"]) == ("failed", 3)
    assert "task not supported yet: segmentation" in told["error"]
    assert "\n" not in told["error"]


def test_the_summary_of_the_manifest_tells_images_and_rows_apart_and_the_images_add_up(tmp_path: Path) -> None:
    listed(tmp_path / "set")
    with (tmp_path / "set" / "labels.csv").open("a") as rows:
        rows.write("images/20.bmp,sad,test,p20\nimages/20.bmp,sad,val,p20\n")  # and in train, where it is first

    ended = CliRunner().invoke(cli, ["check", "set", "--fix", "clean.csv"])

    fix = api.check("set", fix="clean.csv", force=True)["fix"]
    counts = {why: facts["count"] for why, facts in fix["left_out"].items()}
    assert counts == {"cannot be used: truncated": 1, "paths with two labels": 1}
    assert fix["of"] - fix["images"] == sum(counts.values())
    assert {why: facts["count"] for why, facts in fix["rows_left_out"].items()} == {
        "missing files": 1, "refused paths": 1, "empty labels": 1, "paths listed twice": 1, "paths in two parts": 2,
    }  # fmt: skip
    n_rows = len((tmp_path / "set" / "labels.csv").read_text().splitlines()) - 1
    rows_of_two_labels = 2
    n_left = sum(facts["count"] for facts in fix["rows_left_out"].values())
    assert n_rows == fix["of"] - 1 + rows_of_two_labels + n_left
    assert "clean.csv: 59 of 61 images stay\nimages left out, for " in ended.stdout
    assert re.search(r"^rows left out, for +rows +for one$", ended.stdout, re.MULTILINE)
    assert re.search(r"^paths in two parts +2 ", ended.stdout, re.MULTILINE)


def test_a_run_is_offered_with_the_checks_own_words_and_only_where_nothing_would_stop_it(tmp_path: Path) -> None:
    leaking(tmp_path / "set")
    words = ["--set", "split.near=false", "--set", "check.drop_classes=[]"]

    def told(*more: str) -> str:
        return CliRunner().invoke(cli, ["check", "set", "--fix", "clean.csv", "--force", *words, *more]).stdout

    trained, few, dark = told(), told("--set", "check.min_images_per_class=48"), told("--set", "check.stop_on=[note]")

    assert f"train it  automl run {tmp_path / 'clean.csv'} --set split.near=false\n" in trained
    assert "stops     too few images: 1 class(es) have fewer" not in trained
    assert "stops     too few images: 2 class(es) have fewer" in few
    assert "train it" not in few + dark
    assert "stops     mixed sizes" in dark
    assert "stops     exact duplicates" not in dark


def test_the_option_that_is_offered_to_leave_a_class_out_can_be_pasted_and_keeps_what_was_left_out(
    tmp_path: Path,
) -> None:
    for at in range(48):
        put(tmp_path / "set", f"{at % 2:02}/{at:02}.bmp", bmp(a_photo(at, 32, 32)))
    for at in range(2):
        put(tmp_path / "set", f"that's [odd], too/{at:02}.bmp", bmp(a_photo(100 + at, 32, 32)))
        put(tmp_path / "set", f"007/{at:02}.bmp", bmp(a_photo(200 + at, 32, 32)))

    settings: list[str] = []
    for _ in range(2):
        (finding,) = (row for row in api.check("set", settings=settings)["findings"] if row["kind"] == "too few images")
        option, *settings = shlex.split(finding["advice"].partition("give ")[2].partition(" to leave")[0])
        assert option == "--set"
    facts = api.check("set", settings=settings)

    assert facts["classes"] == ["00", "01"]
    assert facts["state"] == "done"


def test_a_class_whose_name_is_a_number_is_dropped_by_that_name(tmp_path: Path) -> None:
    for at in range(36):
        put(tmp_path / "set", f"{at % 3:02}/{at:02}.bmp", bmp(a_photo(at, 32, 32)))

    ended = CliRunner().invoke(cli, ["check", "set", "--set", "check.drop_classes=01", "--json"])

    assert json.loads(ended.stdout)["classes"] == ["00", "02"]


def test_folds_of_a_dataset_that_gives_its_validation_part_are_refused_before_a_file_is_opened(tmp_path: Path) -> None:
    for at in range(16):
        put(tmp_path / "set", f"{'val' if at % 4 == 3 else 'train'}/{'cat' if at % 2 else 'dog'}/{at:02}.bmp", b"x")
        put(tmp_path / "set", f"{'val' if at % 4 == 3 else 'train'}/{'dog' if at % 2 else 'cat'}/{at:02}.bmp", b"x")
    heard: list[Mapping[str, Any]] = []

    with pytest.raises(RecipeError, match=r"split\.folds is 3, and the dataset gives its own validation part .*val/"):
        api.check("set", settings=["split.folds=3"], hear=heard.append)

    assert heard == []


def test_an_archive_is_checked_as_its_folder_is(tmp_path: Path) -> None:
    leaking(tmp_path / "set")
    (tmp_path / "set" / "train" / "moth").mkdir()
    (tmp_path / "set" / "train" / "moth" / "1.avif").write_bytes(b"x")
    (tmp_path / "set" / "readme.txt").write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        for path in sorted((tmp_path / "set").rglob("*.*")):
            packed.write(path, path.relative_to(tmp_path))

    of_archive, of_folder = api.check(tmp_path / "set.zip"), api.check(tmp_path / "set")

    assert of_archive["dataset"] == str(tmp_path / "set.zip")
    assert of_archive["findings"] == of_folder["findings"]
    assert {"folders without images", "ignored files"} <= kinds(of_archive)


@contextlib.contextmanager
def while_scanning(temporary: Path, **popen: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The command at work on the folder `set`, once it has begun to decode."""
    command = [sys.executable, "-m", "automl", "check", "set"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, env=environment, **popen) as process:
        patience = time.monotonic() + 60
        while not list(temporary.glob("automl-check-*/check/check/scan.jsonl")) and time.monotonic() < patience:
            time.sleep(0.02)
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_stays_after_an_interruption(tmp_path: Path, temporary: Path, number: int) -> None:
    listed(tmp_path / "set")
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests themselves may be under nohup
    with while_scanning(temporary, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert b"Traceback" not in said
    assert list(temporary.iterdir()) == []


def test_what_a_killed_check_left_is_removed_by_the_next_one_and_what_is_in_use_is_not(
    tmp_path: Path, temporary: Path
) -> None:
    listed(tmp_path / "set")
    with while_scanning(temporary, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.send_signal(signal.SIGSTOP)
        at_work = set(temporary.iterdir())
        api.check("set")
        beside = set(temporary.iterdir())
        process.kill()
        process.communicate(timeout=60)
    after = set(temporary.iterdir())
    api.check("set")

    assert {path.name.rpartition("-")[0] for path in at_work} == {"automl-check", "automl-scratch"}
    assert at_work == beside == after
    assert list(temporary.iterdir()) == []


def test_nothing_stays_after_the_terminal_was_closed(tmp_path: Path, temporary: Path) -> None:
    listed(tmp_path / "set")
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    master, slave = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    own: dict[str, Any] = {"start_new_session": True, "preexec_fn": take_terminal}
    with while_scanning(temporary, stdin=slave, stdout=slave, stderr=slave, **own) as process:
        os.close(slave)
        os.close(master)
        process.wait(timeout=60)

    assert process.returncode == 129
    assert list(temporary.iterdir()) == []  # no log of a fault either


def test_a_check_under_nohup_outlives_its_terminal(tmp_path: Path, temporary: Path) -> None:
    listed(tmp_path / "set")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with while_scanning(temporary, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.send_signal(signal.SIGHUP)
        said, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert b"finding(s)" in said


def test_nothing_stays_where_nobody_reads_the_progress_any_more(tmp_path: Path, temporary: Path) -> None:
    listed(tmp_path / "set")
    reading, writing = os.pipe()
    with while_scanning(temporary, stderr=writing, stdout=writing) as process:
        os.close(reading)
        os.close(writing)
        process.wait(timeout=60)

    assert process.returncode == 141
    assert list(temporary.iterdir()) == []


def test_a_small_temporary_disk_is_asked_for_no_more_than_a_check_writes_and_is_no_finding_of_the_data(
    tmp_path: Path,
) -> None:
    listed(tmp_path / "set")
    (tmp_path / "small").mkdir()
    try:
        disk = TinyDisk.mount(tmp_path / "small")
    except NoTinyDisk as error:
        pytest.skip(f"no disk of its own: {error}")

    def check(room_bytes: int) -> subprocess.CompletedProcess[str]:
        disk.fill(room_bytes)
        words = [*disk.prefix, sys.executable, "-m", "automl", "check", str(tmp_path / "set"), "--json"]
        environment = {**os.environ, "TMPDIR": str(tmp_path / "small")}
        return subprocess.run(words, capture_output=True, text=True, env=environment, check=False)

    with disk:
        enough, too_little = check(2**20), check(2**17)

    assert enough.returncode == 0, enough.stderr
    assert "pixels not packed" not in kinds(json.loads(enough.stdout))
    assert too_little.returncode == 5
    assert re.search(
        r"0\.1 MB free\. Wanted: 0\.4 MB for the tables of 60 files\. Make room or name another folder by TMPDIR\.$",
        too_little.stderr.strip(),
    )


def test_where_the_check_keeps_its_pixels_is_told_neither_in_findings_nor_on_the_page(tmp_path: Path) -> None:
    write_bars(tmp_path / "set", per_class=8, size_px=16)
    unpacked = {"pack.max_disk_mb": 0.001, "check.stop_on": ["pixels not packed"]}

    facts = api.check("set", settings=unpacked, html="page.html")

    assert facts["state"] == "done"
    assert "pixels not packed" not in kinds(facts)
    assert "pixels not packed" not in (tmp_path / "page.html").read_text()


class Enough(Exception):
    """The test has seen what it wanted."""


def test_a_run_that_a_finding_stops_ends_before_training_and_goes_on_once_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaking(tmp_path / "set")
    monkeypatch.setattr(pipeline, "rehearse", lambda *_: None)
    heard: list[Mapping[str, Any]] = []

    def hear(event: Mapping[str, Any]) -> None:
        heard.append(event)
        if event["event"] == "stage started" and event["stage"] == "pack":
            raise Enough

    def run(*settings: str) -> None:
        heard.clear()
        request = Request(
            dataset=tmp_path / "set",
            recipe=load_recipe("demo", settings),
            name="set",
            runs=tmp_path / "runs",
            exports=tmp_path / "exports",
        )
        execute(request, hear)

    least = "check.min_images_per_class=48"  # as many files, but some are copies of others
    with pytest.raises(DataError, match=r"(?s)stop a run:\n  too few images: .*check\.allow=too few images") as caught:
        run(least)
    assert caught.value.exit_code == 3
    stored = json.loads((tmp_path / "runs" / "set" / "run.json").read_text())
    assert (stored["state"], stored["exit_code"], list(stored["stages"])) == ("failed", 3, ["check"])

    with pytest.raises(DataError, match="too few images"):
        run(least)
    assert [event["stage"] for event in heard if event["event"] == "stage skipped"] == ["check"]

    with pytest.raises(Enough):
        run(least, "check.allow=[too few images]")
    assert [event["stage"] for event in heard if event["event"] == "stage skipped"] == ["check"]
    assert any(event["event"] == "warning" and "let pass by the recipe" in event["text"] for event in heard)

    with pytest.raises(DataError, match="stop a run:\n  same images in train and test"):
        run(least, "check.allow=[too few images]", "check.stop_on=[same images in train and test]")

    with pytest.raises(DataError, match="'dog' has 45"):  # other settings, and what they touch is done again
        run("check.min_images_per_class=47")
    assert not [event for event in heard if event["event"] == "stage skipped"]
    photo = (tmp_path / "set" / "train" / "dog" / "44.bmp").read_bytes()
    put(tmp_path / "set", "train/dog/another.bmp", photo[:54] + photo[:53:-1])
    with pytest.raises(DataError, match="'dog' has 46"):  # and so it is when the dataset was worked on
        run("check.min_images_per_class=47")
