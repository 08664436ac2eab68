"""A run is struck in each of its stages, at a random moment: killed, interrupted, out of room, of rights, of memory.

Each time the next run goes on, and in the end all is as in an undisturbed run. `make test` has a short form of it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import random
import re
import time
from collections.abc import Sequence

import pytest

from automl.runs.refused import without_redo
from automl.stage_table import STAGE_NAMES
from tests.killing import EXITS, Place, done_files, temporaries
from tests.run_results import differences
from tests.tiny_disk import NoTinyDisk, TinyDisk

GO_ON = "Run the same command again to go on: what was finished is kept."
VICTIMS = ("front", "child", "everything")
SIGNALS = ("Ctrl-C", "SIGTERM")
TRIES = 4
"""A stage that was over before it was struck is thrown away and struck again, earlier."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("killed")).prepare()


@pytest.fixture(scope="module")
def undisturbed(place):
    """What a run leaves that nobody struck, and the seconds of its stages."""
    ended = place.run("undisturbed")
    assert ended.code == 0, ended.stderr
    done = done_files(place.run_folder("undisturbed"))
    return place.results("undisturbed"), {stage: json.loads(text)["seconds"] for stage, text in done.items()}


def seeded(who: str) -> random.Random:
    """Other random numbers each time; a failure shows the seed."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"{who}: seed {seed}")
    return random.Random(seed)


def strike_each(place, who: str, strikes: Sequence[tuple[str, str]], seconds) -> None:
    """Start the run again and again, and strike it in these stages."""
    rng = seeded(who)
    for stage, how in strikes:
        share, again = rng.uniform(0.1, 0.9), ()
        for _ in range(TRIES):
            running = place.start(who, *again)
            running.wait_for(stage)
            time.sleep(share * seconds[stage])
            running.strike(stage, how)
            ended = running.end()
            print(f"{how} in {stage} at {share:.0%}: exit {ended.code}, all gone after {ended.gone_s:.2f} s")
            after = done_files(running.folder)
            if stage not in after:
                break
            share, again = share / 2, ("--redo", stage)
        else:
            raise AssertionError(f"{stage} was over before it was struck, {TRIES} times")
        assert ended.code == EXITS[how], ended.stderr
        assert running.before == after, "done.json of an earlier stage was touched"
        assert tuple(after) == tuple(sorted(STAGE_NAMES[: STAGE_NAMES.index(stage)]))
        assert "Traceback" not in ended.stderr
        if how == "child":
            assert f"the stage {stage!r} failed: the process was killed (signal 9)" in ended.message
            assert (without_redo(GO_ON) if again else GO_ON) in ended.message
        if how in SIGNALS:
            assert "What was finished is kept; to go on: automl run" in ended.message


def go_to_the_end(place, who: str, undisturbed) -> None:
    """Run on, and compare."""
    before = done_files(place.run_folder(who))
    ended = place.run(who)
    assert ended.code == 0, ended.stderr
    after = done_files(place.run_folder(who))
    assert {stage: after[stage] for stage in before} == before
    assert temporaries(place.folder(who)) == []
    assert differences(place.results(who), undisturbed) == []


def test_a_run_struck_in_five_ways_ends_like_the_undisturbed_one(place, undisturbed):
    strikes = [
        ("pick", "child"),
        ("tune", "Ctrl-C"),
        ("train", "everything"),
        ("compress", "SIGTERM"),
        ("report", "front"),
    ]
    strike_each(place, "five", strikes, undisturbed[1])
    go_to_the_end(place, "five", undisturbed[0])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("turn", range(len(VICTIMS)))
def test_a_run_killed_once_in_each_stage_ends_like_the_undisturbed_one(place, undisturbed, turn):
    strikes = [(stage, VICTIMS[(number + turn) % len(VICTIMS)]) for number, stage in enumerate(STAGE_NAMES)]
    strike_each(place, f"killed-{turn}", strikes, undisturbed[1])
    go_to_the_end(place, f"killed-{turn}", undisturbed[0])


def refuse_each(place, who: str, faults: Sequence[dict[str, str]], text: str) -> None:
    """Run into each of these faults; each time it is told, no finished stage is lost, and nothing is published."""
    for fault in faults:
        before = done_files(place.run_folder(who))
        ended = place.run(who, faults=[fault])
        assert ended.code == 5, (fault, ended.stderr)
        print(f"{fault['where']}: {ended.message}")
        assert re.search(text, ended.message), (fault, ended.message)
        assert ended.message.count(GO_ON) == 1
        assert "Traceback" not in ended.stderr
        after = done_files(place.run_folder(who))
        assert {stage: after[stage] for stage in before} == before
        if not (place.run_folder(who) / "report" / "record.json").exists():  # else the bundle was published before
            assert not list(place.folder(who).glob("exports/*"))


FULL = (
    r"No space left on device: /.*(runs/bars|Wanted: room on that disk, which has [\d,.]+ MB free).*"
    r"The whole run takes at most 600 MB, of which it has \d+"
)
FULL_BEFORE = (
    r"the stage 'check' failed: the disk of .* has 0\.\d MB free\. "
    r"Wanted: [\d,.]+ MB for (the pixel maps and )?the tables of"
)
FULL_OUTSIDE = (
    r"the stage 'report' failed: the bundle cannot be published as .*\(.*No space left on device.*\). Wanted: a"
)
READ_ONLY = r"Read-only file system: /.*runs/bars.* Wanted: a file system that can be written"


def test_a_full_disk_in_children_and_in_the_front_is_told_with_figures_and_the_run_resumes(place, undisturbed):
    place.copy_until("evaluate", "undisturbed", "full")
    fault = functools.partial(place.fault, "full", "full")
    faults = [
        fault("evaluate/", child=True),
        fault("evaluate/.tmp-", once="evaluate/record.json"),  # done.json
        fault(".tmp-", once="evaluate/done.json"),  # run.json
        fault("events.jsonl"),
        fault("report/", child=True),
    ]
    refuse_each(place, "full", faults, FULL)
    go_to_the_end(place, "full", undisturbed[0])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_disk_that_is_full_once_in_each_stage_changes_nothing_in_the_end(place, undisturbed):
    stages = [place.fault("full", "full-10", f"{stage}/", child=True) for stage in STAGE_NAMES]
    inner = {  # a full disk that a stage's own child meets is not that child's failure
        "tune": place.fault("full", "full-10", "tune/trial-1", child=True),
        "compress": place.fault("full", "full-10", "compress/", child=True, once="compress/int8_minmax.log"),
    }
    faults = [
        fault for stage, own in zip(STAGE_NAMES, stages, strict=True) for fault in (own, inner.get(stage)) if fault
    ]
    refuse_each(place, "full-10", faults, FULL)
    go_to_the_end(place, "full-10", undisturbed[0])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("room", ["none", "some"])
def test_a_real_disk_that_fills_up_in_each_stage_changes_nothing_in_the_end(place, undisturbed, room):
    who = f"tiny-{room}"
    rng = seeded(who)
    (place.root / who).mkdir()
    try:
        disk = TinyDisk.mount(place.root / who)
    except NoTinyDisk as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    with disk:
        tiny = dataclasses.replace(place, disk=disk)
        for stage in STAGE_NAMES:
            running = tiny.start(who)
            running.wait_for_begin(stage)
            before = done_files(running.folder)
            written = sum(path.stat().st_size for path in (place.run_folder("undisturbed") / stage).rglob("*"))
            disk.fill(0 if room == "none" else int(rng.uniform(0.1, 0.9) * written))  # for a part of what it writes
            ended = running.end()
            print(f"{stage}: {ended.message}")
            assert ended.code == 5, ended.stderr
            assert re.search(f"{FULL}|{FULL_BEFORE}|{FULL_OUTSIDE}", ended.message), ended.message
            assert re.search(r"has \d(\.\d)? MB free|with room for 0\.\d MB", ended.message), ended.message
            assert "Traceback" not in ended.stderr
            assert done_files(running.folder) == before
            disk.make_room()
        disk.forbid_writing()
        ended = tiny.run(who)
        assert (ended.code, "cannot be written (Read-only file system). Wanted:" in ended.message) == (5, True)
        disk.make_room()
        go_to_the_end(tiny, who, undisturbed[0])


def test_a_run_folder_that_cannot_be_written_is_told_at_the_start_and_in_mid_run(place, undisturbed):
    place.copy_until("report", "undisturbed", "read-only")
    ended = place.run("read-only", faults=[place.fault("read-only", "read-only", "")])
    assert ended.code == 5, ended.stderr
    assert re.search(r"runs/bars cannot be written \(Read-only file system\). Wanted: a folder for", ended.message)
    faults = [
        place.fault("read-only", "read-only", "report/", child=True),
        place.fault("read-only", "read-only", "", once="report/record.json"),
    ]
    refuse_each(place, "read-only", faults, READ_ONLY)
    go_to_the_end(place, "read-only", undisturbed[0])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_stage_that_runs_out_of_memory_says_so_and_goes_on_when_there_is_more(place, undisturbed):
    place.copy_until("train", "undisturbed", "memory")
    refuse_each(place, "memory", [place.fault("memory", "memory", "train/", child=True)], "memory ran out")
    go_to_the_end(place, "memory", undisturbed[0])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_trial_and_a_variant_that_run_out_of_memory_cost_themselves_alone(place, undisturbed):
    place.copy_until("tune", "undisturbed", "little")
    fault = functools.partial(place.fault, "memory", "little", child=True)
    ended = place.run("little", faults=[fault("tune/trial-1.log"), fault("compress/int8_minmax.log")])
    assert ended.code == 0, ended.stderr
    assert re.search("warning: trial 1 failed, its log is trial-1.log: .*memory ran out", ended.stderr)
    assert re.search("warning: the variant int8_minmax is left out: .*memory ran out", ended.stderr)
    facts = json.loads((place.run_folder("little") / "run.json").read_text())
    assert (facts["trials"], facts["best_trial"], facts["chosen"]) == (2, 2, "fp32")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ctrl_c_and_sigterm_in_each_stage_change_nothing_in_the_end(place, undisturbed):
    strikes = [(stage, SIGNALS[number % 2]) for number, stage in enumerate(STAGE_NAMES)]
    strike_each(place, "signals", strikes, undisturbed[1])
    go_to_the_end(place, "signals", undisturbed[0])
