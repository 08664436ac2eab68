import pytest

from automl.errors import RunInUse
from automl.runs.settings import accept_changes, changes, flatten
from automl.stage_table import STAGE_NAMES


def test_nested_settings_become_dotted_keys_and_lists_stay_whole():
    assert flatten({"a": {"b": 1, "c": (1, 2)}, "d": "x"}) == {"a.b": 1, "a.c": [1, 2], "d": "x"}


def test_each_changed_setting_is_told_with_both_values():
    assert changes({"seed": 1, "old": 2}, {"seed": 2, "new": 3}) == [
        "new: was 'not set', is 3",
        "old: was 2, is 'not set'",
        "seed: was 1, is 2",
    ]


BEFORE = {"dataset": "a", "weights": None, "seed": 1, "train.epochs": 3, "compress.prefer": "size"}


def test_the_same_settings_are_gone_on_with():
    assert accept_changes("flowers", BEFORE, BEFORE, redo=None) == []


@pytest.mark.parametrize(
    ("changed", "first"),
    [
        ({"dataset": "b"}, "check"),
        ({"seed": 2}, "split"),
        ({"weights": "w"}, "pick"),
        ({"backbones": ["smallnet"]}, "pick"),
        ({"train.epochs": 4}, "tune"),
        ({"compress.prefer": "latency"}, "compress"),
        ({"compress.prefer": "latency", "train.epochs": 4}, "tune"),
        ({"unheard.of": 1}, "check"),
    ],
)
def test_other_settings_are_refused_with_the_stage_from_which_to_do_it_again(changed, first):
    now = {**BEFORE, **changed}
    with pytest.raises(
        RunInUse, match=r"'flowers' exists and was begun with other settings:\n  .*was .*, is "
    ) as refused:
        accept_changes("flowers", BEFORE, now, redo=None)
    assert f"--redo {first}," in str(refused.value)
    assert "--name" in str(refused.value)
    for stage in STAGE_NAMES:
        if STAGE_NAMES.index(stage) <= STAGE_NAMES.index(first):
            assert accept_changes("flowers", BEFORE, now, redo=stage) == changes(BEFORE, now)
        else:
            with pytest.raises(RunInUse, match=f"--redo {stage} would keep what {first} made"):
                accept_changes("flowers", BEFORE, now, redo=stage)
