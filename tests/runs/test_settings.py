import pytest

from automl.errors import RunInUse
from automl.runs.settings import changes, flatten, refuse_other_settings


def test_nested_settings_become_dotted_keys_and_lists_stay_whole():
    assert flatten({"a": {"b": 1, "c": (1, 2)}, "d": "x"}) == {"a.b": 1, "a.c": [1, 2], "d": "x"}


def test_each_changed_setting_is_told_with_both_values():
    assert changes({"seed": 1, "old": 2}, {"seed": 2, "new": 3}) == [
        "new: was 'not set', is 3",
        "old: was 2, is 'not set'",
        "seed: was 1, is 2",
    ]


def test_a_name_in_use_with_other_settings_is_refused_and_with_the_same_is_not():
    refuse_other_settings("flowers", {"seed": 1}, {"seed": 1})
    with pytest.raises(
        RunInUse, match=r"'flowers' exists and was begun with other settings:\n  seed: was 1, is 2\n.*--name"
    ):
        refuse_other_settings("flowers", {"seed": 1}, {"seed": 2})
