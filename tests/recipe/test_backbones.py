"""Files of the user's own among a recipe's backbones: from where their paths are, and what a run calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.errors import RecipeError
from automl.recipe.backbones import hub_folder, is_own, own_name, settled
from automl.recipe.command_line import as_typed
from automl.recipe.load import load_recipe, pairs_of, read_resolved, recipe_yaml
from automl.recipe.model import Recipe

DEFAULTS = Recipe().backbones


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_path_in_a_recipe_is_relative_to_its_file_and_one_of_the_command_to_the_current_folder(here: Path) -> None:
    (here / "recipes").mkdir()
    (here / "recipes" / "mine.yaml").write_text("extends: quick\nbackbones: [smallnet, ../nets/a.keras, /b/c.keras]\n")
    loaded = load_recipe("recipes/mine.yaml")
    assert loaded.recipe.backbones == ("smallnet", str(here / "nets/a.keras"), "/b/c.keras")
    assert load_recipe("quick", ["backbones=nets/a.keras"]).recipe.backbones == (str(here / "nets/a.keras"),)
    elsewhere = load_recipe("quick", ["backbones=nets/a.keras"], folder=here / "recipes")
    assert elsewhere.recipe.backbones == (str(here / "recipes/nets/a.keras"),)


def test_custom_adds_a_file_to_the_recipes_candidates_wherever_it_stands(here: Path) -> None:
    loaded = load_recipe("quick", ["backbones.custom=a.keras"])
    assert loaded.recipe.backbones == (*DEFAULTS, str(here / "a.keras"))
    assert loaded.origins["backbones"] == "default and backbones.custom (--set)"
    both = ["backbones.custom=a.keras", "backbones=[smallnet]", "backbones.custom=[b.keras, a.keras]"]
    assert load_recipe("quick", both).recipe.backbones == ("smallnet", str(here / "a.keras"), str(here / "b.keras"))
    (here / "mine.yaml").write_text("backbones: {custom: a.keras}\n")
    assert load_recipe("mine.yaml").recipe.backbones == (*DEFAULTS, str(here / "a.keras"))
    (here / "mine.yaml").write_text("backbones: [smallnet]\nbackbones.custom: a.keras\n")
    assert load_recipe("mine.yaml").recipe.backbones == ("smallnet", str(here / "a.keras"))
    assert load_recipe("quick", pairs_of({"backbones": {"custom": "a.keras"}})).recipe == loaded.recipe


def test_the_resolved_recipe_holds_absolute_paths_and_is_read_back_from_anywhere(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_recipe("quick", pairs_of({"backbones.custom": "a b/#1: x.keras"}))
    (here / "recipe.yaml").write_text(recipe_yaml(loaded))
    monkeypatch.chdir("/")
    assert read_resolved(here / "recipe.yaml") == loaded.recipe
    assert loaded.recipe.backbones[-1] == str(here / "a b/#1: x.keras")


@pytest.mark.parametrize("path", ["01.keras", "[a].keras", "a: b.keras", "{x}.keras"])
def test_on_the_command_line_a_path_is_a_word(here: Path, path: str) -> None:
    for key in ("backbones.custom", "backbones"):
        loaded = load_recipe("quick", [as_typed(f"{key}='{path}'")])
        assert loaded.recipe.backbones[-1] == str(here / path)


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("backbones.custom=a.h5", "backbones.custom (--set): found 'a.h5', wanted the path of a .keras file"),
        ("backbones.custom=", "backbones.custom (--set): found nothing, wanted the path of a .keras file"),
        ("backbones.custom=[3]", "backbones.custom (--set): found 3, wanted the path of a .keras file"),
        ("backbones.costum=a.keras", "backbones.costum (--set): found an unknown key"),
        ("backbones=a.h5", "; or the path of a .keras file, or hub:PRESET"),
    ],
)  # fmt: skip
def test_what_is_no_keras_file_is_a_fault(setting: str, fault: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("quick", [setting])
    assert fault in str(caught.value)


def test_two_files_that_a_run_would_call_alike_are_a_fault_and_one_file_twice_is_one(here: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"a/m\.keras' and '.*b/m\.keras', which a run would both call m\.keras; wanted"
    ):
        load_recipe("quick", ["backbones=[a/m.keras, b/m.keras]"])
    with pytest.raises(RecipeError, match="each once"):
        load_recipe("quick", ["backbones=[a/m.keras, b/../a/m.keras]"])
    assert load_recipe("quick", ["backbones=a/m.keras", "backbones.custom=a/../a/m.keras"]).recipe.backbones == (
        str(here / "a/m.keras"),
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/x/model.keras", "model.keras"),
        ("My Net (v1.2).keras", "My-Net-v1-2.keras"),
        ("../../etc.keras", "etc.keras"),
        ("模型.keras", "own.keras"),
        ("MODEL.KERAS", "MODEL.keras"),
        ("a" * 200 + ".keras", "a" * 60 + ".keras"),
        ("a" * 59 + "-b.keras", "a" * 59 + ".keras"),
        ("hub:resnet_18_imagenet", "hub:resnet_18_imagenet"),
        ("hub:./nets/My preset v1.2/", "hub:My-preset-v1-2"),
        ("hub:/", "hub:own"),
    ],
)
def test_a_run_calls_it_by_a_name_that_is_safe_as_a_folders(path: str, name: str) -> None:
    assert is_own(path)
    assert own_name(path) == name == own_name(name)


def test_a_path_is_settled_however_it_is_spelled(here: Path) -> None:
    assert settled("~/a.keras", here) == str(Path.home() / "a.keras")
    assert settled("b/../a.keras", here) == str(here / "a.keras")
    assert settled("mobilenetv2", here) == "mobilenetv2"
    (here / "real").mkdir()
    (here / "link").symlink_to("real")
    (here / "real" / "a.keras").symlink_to("v3.keras")
    assert settled("link/a.keras", here) == str(here / "real/a.keras"), "the file's own name stays"
    assert settled("a\0.keras", here).endswith("a\0.keras")


def test_a_preset_is_a_name_or_a_folder_with_a_slash_in_its_path(here: Path) -> None:
    assert settled("hub:resnet_18_imagenet", here) == "hub:resnet_18_imagenet"
    assert settled("hub:./a", here) == settled("hub:b/../a/", here) == f"hub:{here}/a"
    assert settled("hub:/x/a", here) == "hub:/x/a"
    assert settled("hub:~/a", here) == f"hub:{Path.home()}/a"
    assert [hub_folder(entry) for entry in ("hub:a", "hub:/x/a", "hub:a.keras")] == [None, Path("/x/a"), None]
    (here / "mine.yaml").write_text("extends: quick\nbackbones: [hub:./a, hub:b, smallnet]\n")
    assert load_recipe("mine.yaml").recipe.backbones == (f"hub:{here}/a", "hub:b", "smallnet")
    loaded = load_recipe("quick", [as_typed("backbones.custom=hub:b")])
    assert loaded.recipe.backbones == (*DEFAULTS, "hub:b")
    (here / "resolved.yaml").write_text(recipe_yaml(loaded))
    assert read_resolved(here / "resolved.yaml") == loaded.recipe
    with pytest.raises(RecipeError, match=r"hub:.*/x/a' and 'hub:/y/a', which a run would both call hub:a; wanted"):
        load_recipe("quick", ["backbones=[hub:./x/a, hub:/y/a]"])
