"""keras.models: Model and Sequential, and models from plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flowgraph.keras.engine.cloning import clone_model
from flowgraph.keras.engine.input_layer import Input
from flowgraph.keras.engine.model import Model
from flowgraph.keras.engine.saving import load_model, save_model
from flowgraph.keras.engine.sequential import Sequential
from flowgraph.keras.engine.serialization import deserialize

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "save_model",
]


def model_from_config(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of plain data, with new weights.

    Args:
        config: ``{"class_name": ..., "config": ...}``.
        custom_objects: name -> class or function, for those of one's own.

    Raises:
        TypeError: it is the config of a Sequential model alone, without its class.
        ValueError: a class is not known.
    """
    if not isinstance(config, Mapping):
        raise TypeError(
            "model_from_config takes {'class_name': ..., 'config': ...}; for what get_config() of "
            "a model gives, use from_config of its class"
        )
    return deserialize(config, custom_objects)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a JSON text, as ``to_json`` makes it, with new weights.

    Args:
        json_string: the text.
        custom_objects: name -> class or function, for those of one's own.
    """
    return model_from_config(json.loads(json_string), custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of what ``to_yaml`` makes here: JSON, which is YAML.

    Args:
        yaml_string: the text.
        custom_objects: name -> class or function, for those of one's own.

    Raises:
        ValueError: the text is YAML, but not JSON.
    """
    try:
        config = json.loads(yaml_string)
    except ValueError:
        raise ValueError(
            "model_from_yaml reads YAML that is JSON too, as to_yaml writes it; for other files "
            "use model_from_config(yaml.safe_load(text)), with the package PyYAML"
        ) from None
    return model_from_config(config, custom_objects)
