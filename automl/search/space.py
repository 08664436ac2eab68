"""The search space: from the recipe's ranges to KerasTuner's HyperParameters, and from proposed values to settings."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Final

import keras_tuner

from automl.recipe.model import Space
from automl.search.journal import Values
from automl.types import FitSettings

LOGARITHMIC: Final = frozenset({"learning_rate", "weight_decay"})
RANGES: Final = ("learning_rate", "weight_decay", "dropout", "augmentation")


def search_space(space: Space, *, pretrained: bool) -> Any:
    """KerasTuner's HyperParameters for these ranges.

    Args:
        pretrained: the backbone starts from trained weights. One with random weights always trains all its layers,
            so that nothing is to be searched there.
    """
    parameters = keras_tuner.HyperParameters()
    for name in RANGES:
        low, high = getattr(space, name)
        parameters.Float(name, low, high, sampling="log" if name in LOGARITHMIC else "linear")
    if pretrained:
        parameters.Choice("unfrozen", [float(share) for share in space.unfrozen])
    return parameters


def values_of(settings: FitSettings, parameters: Any) -> dict[str, float | int | bool | str]:
    """The settings as values of the space: those that it searches."""
    settings_by_name = asdict(settings)
    return {parameter.name: settings_by_name[parameter.name] for parameter in parameters.space}


def settings_of(values: Values, defaults: FitSettings) -> FitSettings:
    """The settings that proposed values mean; what the space does not search stays as in the defaults.

    Raises: TypeError: a value is named that no setting has.
    """
    return replace(defaults, **values)  # type: ignore[arg-type]  # names and types come from the space above
