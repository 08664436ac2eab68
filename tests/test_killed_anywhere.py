"""A run is struck in each of its stages, at a random moment: killed, interrupted, out of room, of rights, of memory.

Each time the next run goes on, and in the end all is as in an undisturbed run. `make test` has a short form of it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence

import pytest

from automl.stage_table import STAGE_NAMES
from tests.killing import EXITS, Place, differences, done_files, results, temporaries

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
    return results(place, "undisturbed"), {stage: json.loads(text)["seconds"] for stage, text in done.items()}


def strike_each(place, who: str, strikes: Sequence[tuple[str, str]], seconds) -> None:
    """Start the run again and again, and strike it in these stages."""
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)
    print(f"{who}: seed {seed}")
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
            assert GO_ON in ended.message
        if how in SIGNALS:
            assert "What was finished is kept; to go on: automl run" in ended.message


def go_to_the_end(place, who: str, undisturbed) -> None:
    """Run on, and compare."""
    before = done_files(place.run_folder(who))
    ended = place.run(who)
    assert ended.code == 0, ended.stderr
    after = done_files(place.run_folder(who))
    assert {stage: after[stage] for stage in before} == before
    assert temporaries(place.root / who) == []
    assert differences(results(place, who), undisturbed) == []


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
