"""flowgraph.keras: Keras 2.2.4, written with the public operations.

    from flowgraph import keras
    from flowgraph.keras import backend as K

Names, arguments and formulas are Keras's.  The package is imported when it is first used, so that
``import flowgraph`` does not pay for it.

Read next: utils/generic_utils.py (how objects become plain data and back), losses.py.
"""

import importlib
from typing import Any

from flowgraph.keras import (
    activations,
    backend,
    callbacks,
    constraints,
    engine,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    preprocessing,
    regularizers,
    utils,
    wrappers,
)
from flowgraph.keras.engine.input_layer import Input
from flowgraph.keras.engine.model import Model
from flowgraph.keras.engine.sequential import Sequential

#: The Keras release whose API this is.
__version__ = "2.2.4"

#: Packages that few programs need; imported when first used.
_ON_DEMAND = ("applications", "datasets", "wrappers")


def __getattr__(name: str) -> Any:
    if name in _ON_DEMAND:
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError:
            pass  # an AttributeError says it as well
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Input",
    "Model",
    "Sequential",
    "activations",
    "backend",
    "callbacks",
    "constraints",
    "engine",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "preprocessing",
    "regularizers",
    "utils",
    "wrappers",
]
