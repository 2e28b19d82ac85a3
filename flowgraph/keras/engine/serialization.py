"""Layers as plain data, and back.

    {"class_name": "Dense", "config": {"name": "dense_1", "units": 10, ...}}

Only classes of the library and those that the user names in ``custom_objects`` are ever made.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

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


#: What files say about who wrote them.
WRITTEN_BY = {"keras_version": "2.2.4", "backend": "tensorflow"}


def wrapped(model: Any) -> dict[str, Any]:
    """A model as plain data, with the release that it is for."""
    return {**serialize(model), **WRITTEN_BY}


def json_of(data: Any, **kwargs: Any) -> str:
    """Plain data as JSON; NumPy's numbers and arrays, shapes and names of functions are known."""
    return json.dumps(data, default=_plain, **kwargs)


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "as_list"):  # a TensorShape
        return value.as_list()
    if hasattr(value, "get_config"):
        return serialize(value)
    if hasattr(value, "__name__"):
        return value.__name__
    raise TypeError(f"a config holds {value!r} ({type(value).__name__}), which JSON cannot")


def own_objects(model: Any) -> dict[str, Any]:
    """The classes and functions of a model that are not the library's, by the names of configs."""
    found: dict[str, Any] = {}
    for layer in _all_layers(model):
        for value in (layer, *vars(layer).values()):
            thing = value if inspect.isfunction(value) else type(value)
            known = thing.__module__.startswith("flowgraph.")
            if not known and (inspect.isfunction(value) or hasattr(value, "get_config")):
                found[thing.__name__] = thing
    return found


def _all_layers(model: Any) -> list[Any]:
    return [model] + [found for layer in model._sublayers() for found in _all_layers(layer)]
