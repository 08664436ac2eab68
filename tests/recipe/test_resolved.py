"""The resolved recipe in a run's folder: written, it reads back as the same recipe."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import RecipeError
from automl.recipe.keys import KEYS, Schema
from automl.recipe.load import LoadedRecipe, load_recipe, read_resolved, recipe_yaml
from automl.recipe.model import Recipe
from automl.recipe.shipped import shipped_recipes
from automl.recipe.yaml_text import YamlFault, parse_yaml, scalar_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = {"backbones": ["mobilenetv2", "smallnet"], "compress.variants": ["fp32", "int8_minmax"]}


def allowed_values(key: str, schema: Schema) -> st.SearchStrategy[Any]:  # noqa: PLR0911  # one a kind of schema
    """Any value within the limits of a key."""
    if key in NAMES:
        return st.lists(st.sampled_from(NAMES[key]), min_size=1, unique=True)
    if "anyOf" in schema:
        return st.one_of([allowed_values(key, option) for option in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    if "prefixItems" in schema:
        return st.lists(allowed_values(key, schema["prefixItems"][0]), min_size=2, max_size=2).map(sorted)
    if schema["type"] == "array":
        return st.lists(allowed_values(key, schema["items"]), min_size=schema.get("minItems", 0), unique=True)
    if schema["type"] == "boolean":
        return st.booleans()
    if schema["type"] == "string":
        return TEXT
    if schema["type"] == "integer":
        return st.integers(schema["minimum"], schema.get("maximum", 10**12))
    low, high = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    return st.floats(
        schema.get("minimum", low), schema.get("maximum", high or 1e12),
        exclude_min=low is not None, exclude_max=high is not None,
    )  # fmt: skip


@st.composite
def recipes(draw: st.DrawFn) -> LoadedRecipe:
    tree: dict[str, Any] = {}
    for key, schema in KEYS.items():
        branch = tree
        *sections, name = key.split(".")
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = draw(allowed_values(key, schema))
    tree["split"]["fold"] = min(tree["split"]["fold"], max(1, tree["split"]["folds"]))  # besides its own limits
    origins = {key: draw(st.sampled_from(["default", "--set", "file a: #\n'b"])) for key in KEYS}
    return LoadedRecipe(name=draw(TEXT), recipe=Recipe.model_validate(tree), origins=origins)


@pytest.fixture(scope="module", autouse=True)
def known_names() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("automl.recipe.load._NAMED", {key: lambda names=names: names for key, names in NAMES.items()})
        yield


@given(loaded=recipes())
@settings(deadline=None, max_examples=40)
def test_a_resolved_recipe_reads_back_as_the_same_recipe(
    loaded: LoadedRecipe, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "resolved.yaml"
    path.write_text(recipe_yaml(loaded), encoding="utf-8", newline="")
    assert read_resolved(path) == loaded.recipe


def test_every_setting_stands_on_its_line_with_its_origin_behind_it() -> None:
    lines = recipe_yaml(load_recipe("demo", ["export.description='a: b'"], seed=4)).splitlines()
    assert "seed: 4  # --seed" in lines
    assert "  size_px: 32  # recipe demo" in lines
    assert '  description: "a: b"  # --set' in lines
    assert "    learning_rate: [0.0001, 0.003]  # default" in lines
    assert sum("  # " in line for line in lines) == len(KEYS)


def test_other_yaml_readers_understand_the_resolved_recipe() -> None:
    text = recipe_yaml(load_recipe("demo"))
    assert yaml.safe_load(text) == load_recipe("demo").recipe.model_dump(mode="json")


def test_a_resolved_recipe_that_was_damaged_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe_yaml(load_recipe("demo")).replace("trials: 3", "trials: many"), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"tune.trials .*recipe.yaml.* found 'many', wanted an integer"):
        read_resolved(path)


SCALARS = st.one_of(
    st.booleans(), st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False), TEXT
)


@given(value=st.one_of(SCALARS, st.lists(SCALARS)))
@settings(deadline=None)
def test_any_scalar_or_list_stands_on_one_line_and_reads_back_with_its_type(value: object) -> None:
    text = scalar_text(value)
    assert "\n" not in text
    assert repr(parse_yaml(f"key: {text}  # comment\n")) == repr({"key": value})


@given(text=st.one_of(st.text(), st.text("[]{}&*!:,-#'\"|> \n\tab1.e", max_size=40)))
@settings(deadline=None, max_examples=300)
def test_any_text_is_read_or_refused_with_a_yaml_fault(text: str) -> None:
    with contextlib.suppress(YamlFault):
        json.dumps(parse_yaml(text))


def test_the_shipped_recipes_are_read_by_other_yaml_readers_alike() -> None:
    for path in shipped_recipes().values():
        assert yaml.safe_load(path.read_text(encoding="utf-8")) == parse_yaml(path.read_text(encoding="utf-8"))
