"""flowgraph.keras: Keras 2.2.4, written with the public operations.

    from flowgraph import keras
    from flowgraph.keras import backend as K

Names, arguments and formulas are Keras's.  The package is imported when it is first used, so that
``import flowgraph`` does not pay for it.

Read next: utils/generic_utils.py (how objects become plain data and back), losses.py.
"""

from flowgraph.keras import (
    activations,
    backend,
    constraints,
    initializers,
    losses,
    metrics,
    preprocessing,
    regularizers,
    utils,
)

#: The Keras release whose API this is.
__version__ = "2.2.4"

__all__ = [
    "activations",
    "backend",
    "constraints",
    "initializers",
    "losses",
    "metrics",
    "preprocessing",
    "regularizers",
    "utils",
]
