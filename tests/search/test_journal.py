"""The journal: whatever a kill leaves of it is a prefix of what happened, and the next line repairs it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import StageFailed
from automl.search.journal import Ended, Line, Started, append, history, read
from automl.types import Epoch, Trial

FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.dictionaries(st.sampled_from(["learning_rate", "dropout", "unfrozen"]), st.floats(0, 1), max_size=3)
EPOCHS = st.builds(
    Epoch, number=st.integers(1, 9), loss=FINITE, accuracy=FINITE, validation_loss=FINITE, validation_accuracy=FINITE,
    seconds=FINITE,
)  # fmt: skip
TRIALS = st.builds(
    Trial, number=st.integers(1, 50), values=VALUES, state=st.sampled_from(["finished", "failed", "cut short"]),
    accuracy=st.none() | FINITE, loss=st.none() | FINITE, seconds=FINITE,
    epochs=st.lists(EPOCHS, max_size=2).map(tuple), error=st.text(st.characters(exclude_categories=["Cs"])),
)  # fmt: skip
LINES = st.lists(
    st.builds(Started, number=st.integers(1, 50), values=VALUES, searched_s=FINITE)
    | st.builds(Ended, trial=TRIALS, searched_s=FINITE),
    min_size=1,
    max_size=4,
)


def trial(number: int) -> Trial:
    return Trial(number=number, values={"dropout": 0.5}, state="finished", accuracy=0.9, loss=0.3, seconds=2.0,
                 epochs=(), error="")  # fmt: skip


@given(lines=LINES, data=st.data())
@settings(deadline=None, max_examples=40)
def test_a_journal_cut_at_any_byte_is_a_prefix_and_goes_on_from_there(lines: list[Line], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        for line in lines:
            append(path, line)
        assert read(path) == tuple(lines)
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole)), label="bytes left")])
        left = read(path)
        assert left == tuple(lines[: len(left)])
        append(path, lines[-1])
        assert read(path) == (*left, lines[-1])


def test_only_the_line_that_was_cut_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for number in (1, 2, 3):
        append(path, Ended(trial=trial(number), searched_s=number))
    path.write_bytes(path.read_bytes()[:-1])
    assert [trial.number for trial in history(read(path)).trials] == [1, 2]


def test_a_line_that_was_damaged_and_not_cut_is_told_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    append(path, Started(number=1, values={}, searched_s=0.0))
    path.write_bytes(path.read_bytes().replace(b"number", b"nmuber") * 2)
    with pytest.raises(StageFailed, match=r"journal.jsonl, line 1 cannot be read: .*nmuber.* --redo tune"):
        read(path)


def test_a_journal_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert history(read(tmp_path / "journal.jsonl")).trials == ()


def test_nan_never_reaches_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with pytest.raises(ValueError, match="not JSON compliant"):
        append(path, Started(number=1, values={"dropout": float("nan")}, searched_s=0.0))
    assert not path.exists()


def test_the_history_tells_ended_and_unfinished_trials_by_number_and_the_time_searched() -> None:
    started = [Started(number=number, values={"dropout": number / 10}, searched_s=number) for number in (1, 2, 3, 4)]
    lines = [*started, Ended(trial=trial(3), searched_s=9.0), Ended(trial=trial(1), searched_s=12.5)]
    found = history(lines)
    assert [trial.number for trial in found.trials] == [1, 3]
    assert found.unfinished == (started[1], started[3])
    assert found.searched_s == 12.5
