"""keras.models: Model and Sequential, models from plain data and from files."""

from flowgraph.keras.engine.cloning import clone_model
from flowgraph.keras.engine.input_layer import Input
from flowgraph.keras.engine.model import Model
from flowgraph.keras.engine.saving import (
    load_model,
    model_from_config,
    model_from_json,
    model_from_yaml,
    save_model,
)
from flowgraph.keras.engine.sequential import Sequential

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
