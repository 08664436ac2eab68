"""Recipes from names, files, --set and --seed: what they become, and what is said of each fault."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from automl.compressors.table import COMPRESSOR_NAMES
from automl.errors import RecipeError
from automl.nets.catalogue import BACKBONES
from automl.recipe.keys import KEYS
from automl.recipe.load import LoadedRecipe, load_recipe, pairs_of
from automl.recipe.model import Recipe
from automl.recipe.shipped import shipped_recipes


@pytest.fixture(autouse=True)
def known_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults' names, whatever the tables hold."""
    defaults = Recipe()
    names = {
        "backbones": (*defaults.backbones, "smallnet"),
        "compress.variants": (*defaults.compress.variants, "pruned_int8"),
    }
    monkeypatch.setattr("automl.recipe.load._NAMED", {key: lambda names=names[key]: names for key in names})


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def faults_of(name_or_file: str, settings: tuple[str, ...] = (), seed: int | None = None) -> list[str]:
    """The faults that are told, one a line."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(name_or_file, settings, seed)
    return [line.strip() for line in str(caught.value).splitlines()[1:-1]]


def test_later_layers_go_over_earlier_ones_and_every_value_tells_its_origin(tmp_path: Path) -> None:
    path = write(tmp_path, "extends: quick\nseed: 5\ntrain:\n  epochs: 3\n  patience: 2\n")
    loaded = load_recipe(path, ["train.epochs=4", "train.epochs=7"], seed=9)
    assert (loaded.recipe.tune.trials, loaded.origins["tune.trials"]) == (3, "recipe quick")
    assert (loaded.recipe.train.patience, loaded.origins["train.patience"]) == (2, f"file {path}")
    assert (loaded.recipe.train.epochs, loaded.origins["train.epochs"]) == (7, "--set")
    assert (loaded.recipe.seed, loaded.origins["seed"]) == (9, "--seed")
    assert (loaded.recipe.train.warmup, loaded.origins["train.warmup"]) == (Recipe().train.warmup, "default")
    assert loaded.origins.keys() == KEYS.keys()
    assert loaded.name == "mine"


def test_all_faults_are_told_at_once_each_with_key_found_and_wanted(tmp_path: Path) -> None:
    path = write(tmp_path, "tune:\n  trials: 0\n  oracle: tpe\ntrain:\n  epoch: 3\npack: 5\n")
    assert faults_of(path, ("train.warmup=x", "compress"), seed=0) == [
        f"train.epoch (file {path}): found an unknown key, did you mean train.epochs?",
        f"pack (file {path}): found 5, wanted a mapping of keys",
        "--set: found 'compress', wanted KEY=VALUE, as in tune.trials=4",
        "seed (--seed): found 0, wanted an integer from 1 to 2,147,483,647",
        f"tune.trials (file {path}): found 0, wanted an integer from 1 to 1,000",
        f"tune.oracle (file {path}): found 'tpe', wanted one of random, bayesian",
        "train.warmup (--set): found 'x', wanted a number of at least 0 and below 1",
    ]


@pytest.mark.parametrize(
    ("unknown", "hint"),
    [
        ("tune.trial=1", "did you mean tune.trials?"),
        ("learning_rate=1", "did you mean tune.space.learning_rate?"),
        ("trian.epochs=1", "did you mean train.epochs?"),
        ("weights.zzz=1", "wanted one of weights.pretrained, weights.download, weights.pixels"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_known_one(unknown: str, hint: str) -> None:
    assert faults_of("quick", (unknown,)) == [f"{unknown[:-2]} (--set): found an unknown key, {hint}"]


def test_an_unknown_recipe_is_answered_with_the_nearest_name_and_the_list() -> None:
    assert faults_of("balance") == [
        "found no recipe named 'balance', wanted one of balanced, best, demo, quick; did you mean balanced?; or a file"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed: 1\nseed: 2\n", "line 2, column 1: found the key 'seed' a second time"),
        ("tune: [1\nseed: 2\n", "line 2, column 5: expected ',' or ']', but got ':'"),
        ("- seed\n", "found ['seed'], wanted a mapping of keys"),
        ("# nothing but a comment\n", "found nothing, wanted a mapping of keys"),
        ("tune:\n", "found nothing, wanted a mapping of keys"),
        ("tune: {trials: 2}\ntune.trials: 3\n", "found a second time, once as a dotted key; wanted once"),
        ("extends: quickly\n", "found 'quickly', wanted one of balanced, best, demo, quick; did you mean quick?"),
        ("seed: &a 1\n", "line 1, column 7: found anchors (&) and aliases (*) are not used here"),
        ("seed: !!python/name:os.system\n", "line 1, column 7: found tags (!) are not used here"),
        ("# " + "x" * 70_000, "found more than 65,536 bytes, wanted a recipe"),
        ("tune: {minutes: .inf}\n", "found inf, wanted a number above 0 and at most 10,000"),
        ("tune: {trials: '3'}\n", "found '3', wanted an integer from 1 to 1,000"),
        ("tune: {space: {dropout: [0.4, 0.1]}}\n", "found [0.4, 0.1], wanted a list [low, high], each"),
        ("tune: {space: {learning_rate: [0, 0.1]}}\n", "found [0, 0.1], wanted a list [low, high], each"),
        ("pack: {size_px: big}\n", "found 'big', wanted auto or an integer from 16 to 1,024"),
        ("backbones: [mobilenetv3]\n", "found 'mobilenetv3', wanted one of mobilenetv3small, mobilenetv2,"),
        ("backbones: [smallnet, smallnet]\n", "wanted a list, each item text, each once, at least 1"),
        ("compress: {variants: [int8_minmx]}\n", "did you mean int8_minmax?"),
    ],
)  # fmt: skip
def test_a_file_with_a_fault_is_told_in_its_words(text: str, told: str, tmp_path: Path) -> None:
    (fault,) = faults_of(write(tmp_path, text))
    assert told in fault


def test_a_file_that_is_missing_or_not_text_is_told(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.yaml")
    assert faults_of(missing) == [f"file {missing}: cannot be read: No such file or directory"]
    (tmp_path / "noise.yaml").write_bytes(b"seed: 1 # \xff")
    assert "found a byte at 10 that is not UTF-8" in faults_of(str(tmp_path / "noise.yaml"))[0]


def test_a_word_that_yaml_1_1_would_read_as_false_stays_a_word(tmp_path: Path) -> None:
    loaded = load_recipe(write(tmp_path, "train: {flip: off}\ntune: {space: {learning_rate: [1e-4, 1e-3]}}\n"))
    assert loaded.recipe.train.flip == "off"
    assert loaded.recipe.tune.space.learning_rate == (1e-4, 1e-3)


def test_an_unknown_name_is_answered_from_the_real_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert faults_of("quick", ("backbones=[smallnt]", "compress.variants=[int8_minmx]")) == [
        f"backbones (--set): found 'smallnt', wanted one of {len(BACKBONES)} names (docs/cli.md lists them); "
        "did you mean smallnet or mobilenet or convnextsmall?; or the path of a .keras file, or hub:PRESET",
        f"compress.variants (--set): found 'int8_minmx', wanted one of {', '.join(COMPRESSOR_NAMES)}; "
        "did you mean int8_minmax?",
    ]


def test_one_word_stands_for_a_list_of_it_wherever_words_are_listed(tmp_path: Path) -> None:
    loaded = load_recipe(write(tmp_path, "backbones: smallnet\n"), ["check.allow=rejected files", "check.stop_on=warn"])
    assert loaded.recipe.backbones == ("smallnet",)
    assert loaded.recipe.check.allow == ("rejected files",)
    assert loaded.recipe.check.stop_on == ("warn",)


def test_set_takes_values_in_yaml_and_whole_sections() -> None:
    loaded = load_recipe("quick", ["backbones=[smallnet]", "tune={trials: 2, minutes: 1.5}", "pack.size_px=64"])
    assert loaded.recipe.backbones == ("smallnet",)
    assert (loaded.recipe.tune.trials, loaded.recipe.tune.minutes, loaded.recipe.pack.size_px) == (2, 1.5, 64)


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_says_only_what_differs_from_the_defaults_below_its_purpose_and_command(name: str) -> None:
    loaded = load_recipe(name)
    own = {key for key, origin in loaded.origins.items() if origin == f"recipe {name}"}
    assert own == {key for key in KEYS if value_at(loaded, key) != value_at(DEFAULTS, key)}
    header = shipped_recipes()[name].read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    assert re.fullmatch(r"# .+\.", header[0])
    assert {f"# Command: automl run DATASET --recipe {name}", f"# Command: automl {name}"} & set(header)


DEFAULTS = LoadedRecipe(name="defaults", recipe=Recipe(), origins={})


def value_at(loaded: LoadedRecipe, key: str) -> object:
    value: object = loaded.recipe
    for name in key.split("."):
        value = getattr(value, name)
    return value


def test_the_shipped_recipes_are_the_four_promised() -> None:
    assert list(shipped_recipes()) == ["balanced", "best", "demo", "quick"]


def test_the_demo_recipe_never_asks_the_network_and_keeps_350_digits_for_the_test() -> None:
    demo = load_recipe("demo").recipe
    assert not demo.weights.download
    assert not demo.weights.pretrained
    assert 1797 * demo.split.test >= 350


@pytest.mark.parametrize("text", ["", "# 3", "Photos # 3", "12", "yes: no", "null", "[a]", "'", "a=b", "on"])
def test_settings_of_a_python_caller_arrive_as_they_are(text):
    pairs = pairs_of({"export.description": text, "tune": {"trials": 2}})
    recipe = load_recipe("quick", pairs).recipe
    assert (recipe.export.description, recipe.tune.trials) == (text, 2)


def test_none_is_no_text():
    with pytest.raises(RecipeError, match=r"export\.description .*wanted text"):
        load_recipe("quick", pairs_of({"export.description": None}))
