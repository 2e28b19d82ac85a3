"""keras.models: Model and Sequential."""

from flowgraph.keras.engine.input_layer import Input
from flowgraph.keras.engine.model import Model
from flowgraph.keras.engine.sequential import Sequential

__all__ = ["Input", "Model", "Sequential"]
