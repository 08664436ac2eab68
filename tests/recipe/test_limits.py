"""Limits are data: wrong values are derived from the model's own JSON schema, and each must be refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from automl.errors import RecipeError
from automl.recipe.keys import KEYS, Schema
from automl.recipe.load import load_recipe


def wrong_values(schema: Schema) -> Iterator[str]:
    """Values, as --set takes them, that this schema forbids."""
    if "anyOf" in schema:
        yield from ("null", "{a: 1}", "[]", "none-of-these", *numbers_outside(schema["anyOf"][-1]))
    elif "const" in schema or "enum" in schema:
        yield from ("none-of-these", "3", "true", "null")
    elif schema["type"] == "array":
        item = (schema.get("prefixItems") or [schema["items"]])[0]
        yield from ("3", "null", "{a: 1}", "[null]", *(["[]"] if "minItems" in schema else []))
        yield from [] if item["type"] == "string" else ["text"]
        yield from (f"[{wrong}, {wrong}]" for wrong in wrong_values(item))
    elif schema["type"] == "boolean":
        yield from ("1", "yes", "null", "[true]")
    elif schema["type"] == "string":
        yield from ("3", "true", "null", "[text]")
    else:
        yield from ("text", "'3'", "true", "null", "[1]", ".nan", ".inf", "-.inf", *numbers_outside(schema))
        if schema["type"] == "integer":
            yield "3.5"


def numbers_outside(schema: Schema) -> Iterator[str]:
    """The numbers next to each bound, on its wrong side."""
    step: Any = 1 if schema["type"] == "integer" else 1e-6
    for bound, offset in (("minimum", -step), ("exclusiveMinimum", 0), ("maximum", step), ("exclusiveMaximum", 0)):
        if bound in schema:
            yield str(schema[bound] + offset)


CASES = [(key, wrong) for key, schema in KEYS.items() for wrong in wrong_values(schema)]


def test_the_cases_cover_every_key() -> None:
    assert {key for key, _ in CASES} == KEYS.keys()
    assert len(CASES) > 300


@pytest.mark.parametrize(("key", "wrong"), CASES)
def test_a_value_beyond_the_limits_is_refused_and_the_message_names_the_key(key: str, wrong: str) -> None:
    with pytest.raises(RecipeError, match=rf"\n  {key} \(--set\): found .*, wanted ") as caught:
        load_recipe("quick", [f"{key}={wrong}"])
    assert str(caught.value).startswith("The recipe quick has a fault:")


@pytest.mark.parametrize("key", [key for key, schema in KEYS.items() if "prefixItems" in schema])
def test_a_range_whose_lower_end_is_above_the_upper_is_refused(key: str) -> None:
    with pytest.raises(RecipeError, match=rf"{key} .* the lower end first"):
        load_recipe("quick", [f"{key}=[0.4, 0.3]"])
    assert load_recipe("quick", [f"{key}=[0.3, 0.3]"]).origins[key] == "--set"


@pytest.mark.parametrize(("folds", "fold", "fits"), [(0, 1, True), (3, 3, True), (3, 4, False), (0, 2, False)])
def test_a_fold_is_one_of_the_folds(folds: int, fold: int, fits: bool) -> None:
    settings = [f"split.folds={folds}", f"split.fold={fold}"]
    if fits:
        assert load_recipe("quick", settings).recipe.split.fold == fold
    else:
        with pytest.raises(RecipeError, match=rf"split\.fold \(--set\): found {fold}, wanted .* within split\.folds"):
            load_recipe("quick", settings)
