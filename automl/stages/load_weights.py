"""Does a network take the numbers of a file? Asked in a child, for HDF5's library may die of a damaged one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.errors import WrongWeights
from automl.nets.build import check_weights_fit
from automl.nets.catalogue import backbone_named
from automl.types import WeightsFound


def load_weights(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Args: arguments: {"backbone", "path", "topped"}. Returns: {"fault"}: why the network does not take it, or ""."""
    row = backbone_named(arguments["backbone"])
    try:
        path, topped = arguments["path"], arguments["topped"]
        found = WeightsFound(backbone=row.name, source="folder", path=path, sha256="", topped=topped)
        check_weights_fit(row, found)
    except WrongWeights as error:
        return {"fault": str(error)}
    except RuntimeError as error:  # as HDF5's library has it of damaged files
        return {"fault": f"{arguments['path']} cannot be the weights of {row.name}: {error}"}
    return {"fault": ""}
