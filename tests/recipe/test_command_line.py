"""Settings from a shell, and settings that a message offers to be pasted into one."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from automl.errors import RecipeError
from automl.recipe.command_line import as_typed, set_option
from automl.recipe.load import load_recipe


def dropped(setting: str) -> tuple[str, ...]:
    return load_recipe("quick", [as_typed(setting)]).recipe.check.drop_classes


@pytest.mark.parametrize("text", ["7", "01", "null", "1e3", "~", "true", "no", "-5", ".5", ".inf", "b c", "0x10"])
def test_a_word_on_the_command_line_is_text_whatever_it_looks_like(text: str) -> None:
    assert dropped(f"check.drop_classes={text}") == (text,)
    assert dropped(f"check.drop_classes=[{text}, b]") == (text, "b")
    assert dropped(f'check.drop_classes=["{text}"]') == (text,)


def test_keys_that_list_no_words_are_typed_as_ever() -> None:
    for setting in ("tune.trials=4", "export.description=b", "tune={trials: 2}", "check.drop_classes=[a", "nonsense"):
        assert as_typed(setting) == setting
    assert dropped("check.drop_classes=[]") == ()


@pytest.mark.parametrize("text", ["[no, 01]", "7", "1e3", "null", "[a, true]"])
def test_in_a_file_a_name_that_yaml_reads_as_something_else_is_to_be_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"check: {{drop_classes: {text}}}\n")

    with pytest.raises(RecipeError, match=r'check\.drop_classes .*found .*; put quotes around a name .*, as in "01"'):
        load_recipe(str(path))
    path.write_text('check: {drop_classes: [no, "01"]}\n')
    assert load_recipe(str(path)).recipe.check.drop_classes == ("no", "01")


def test_quotes_are_no_remedy_for_a_list_in_a_list() -> None:
    with pytest.raises(RecipeError) as caught:
        dropped("check.drop_classes=[[a]]")
    assert "put quotes" not in str(caught.value)


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=4, unique=True))
@example(["01"])
@example(["don't"])
@example(["a, b"])
@example(["a, b", "[c]"])
@example(['say "x"', "#", "a: b", "猫", " "])
def test_an_offered_option_pasted_into_a_shell_gives_the_very_words(words: list[str]) -> None:
    option, setting = shlex.split(set_option("check.drop_classes", words))

    assert option == "--set"
    assert dropped(setting) == tuple(words)


def test_an_offered_option_has_no_quotes_that_are_not_needed() -> None:
    assert set_option("check.drop_classes", ["b"]) == "--set check.drop_classes=b"
    assert set_option("check.allow", ["dark images"]) == "--set 'check.allow=dark images'"
    assert set_option("check.allow", ["dark images", "weights"]) == "--set 'check.allow=[dark images, weights]'"
