"""From ranges to KerasTuner's parameters, and from values to settings."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from automl.recipe.model import Space
from automl.search.space import search_space, settings_of, values_of
from automl.types import FitSettings

DEFAULTS = FitSettings(
    learning_rate=3e-4, weight_decay=1e-3, dropout=0.2, augmentation=0.5, flip=True, unfrozen=0.5,
    batchnorm="frozen", epochs=20,
    batch_size=32, warmup=0.1, label_smoothing=0.0, patience=6,
)  # fmt: skip


def test_the_space_has_the_recipes_ranges_and_the_rates_on_a_logarithmic_scale() -> None:
    by_name = {parameter.name: parameter for parameter in search_space(Space(), pretrained=True).space}
    assert list(by_name) == ["learning_rate", "weight_decay", "dropout", "augmentation", "unfrozen"]
    assert {name for name, found in by_name.items() if getattr(found, "sampling", "") == "log"} == {
        "learning_rate",
        "weight_decay",
    }
    assert (by_name["dropout"].min_value, by_name["dropout"].max_value) == Space().dropout
    assert tuple(by_name["unfrozen"].values) == Space().unfrozen


def test_a_network_with_random_weights_always_trains_whole() -> None:
    names = [parameter.name for parameter in search_space(Space(), pretrained=False).space]
    assert "unfrozen" not in names
    assert settings_of({"dropout": 0.1}, DEFAULTS).unfrozen == DEFAULTS.unfrozen


def test_settings_to_values_and_back_are_the_same_settings() -> None:
    parameters = search_space(Space(), pretrained=True)
    assert settings_of(values_of(DEFAULTS, parameters), DEFAULTS) == DEFAULTS


def test_values_replace_their_settings_and_no_other() -> None:
    changed = settings_of({"learning_rate": 0.01, "unfrozen": 1.0}, DEFAULTS)
    assert asdict(changed) == {**asdict(DEFAULTS), "learning_rate": 0.01, "unfrozen": 1.0}
    with pytest.raises(TypeError, match="momentum"):
        settings_of({"momentum": 0.9}, DEFAULTS)
