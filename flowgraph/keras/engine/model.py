"""Model: a network that can be trained.

Read next: training.py.
"""

from __future__ import annotations

from flowgraph.keras.engine.network import Network
from flowgraph.keras.engine.training import Trainer


class Model(Trainer, Network):
    """A network that can be trained.

    Args:
        inputs: an Input or a list of them.
        outputs: what follows from them, a tensor or a list.
        name: "model_1" by default.

    A model with a ``call`` of its own makes layers in its constructor, after
    ``super().__init__()``, and calls them in ``call``.

    >>> from flowgraph import keras
    >>> x = keras.Input((3,), name="features")
    >>> keras.Model(x, x).output_shape
    (None, 3)
    """
