"""Layers as plain data, and back.

    {"class_name": "Dense", "config": {"name": "dense_1", "units": 10, ...}}

Only classes of the library and those that the user names in ``custom_objects`` are ever made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowgraph.keras.engine.base_layer import LAYERS
from flowgraph.keras.utils.generic_utils import deserialize_keras_object


def serialize(layer: Any) -> dict[str, Any]:
    """The class name and the config of a layer.

    Args:
        layer: a layer or model.
    """
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer, or model, of plain data.

    Args:
        config: as ``serialize`` gives it.
        custom_objects: name -> class or function, for those of one's own.

    Raises:
        ValueError: there is no class of that name.
    """
    return deserialize_keras_object(config, LAYERS, custom_objects, "layer")
