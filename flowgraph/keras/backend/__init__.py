"""keras.backend: the functions that layers, losses and metrics of one's own are written with.

    from flowgraph.keras import backend as K

    def loss(y_true, y_pred):
        return K.mean(K.square(y_pred - y_true), axis=-1)

Tensors and variables are flowgraph's own, so every function of ``tf`` may be mixed with these.
"""

import sys

import flowgraph as tf  # noqa: F401  programs take it from here
from flowgraph.keras.backend.arrays import *  # noqa: F403
from flowgraph.keras.backend.crossentropies import *  # noqa: F403
from flowgraph.keras.backend.mathematics import *  # noqa: F403
from flowgraph.keras.backend.networks import *  # noqa: F403
from flowgraph.keras.backend.recurrent import *  # noqa: F403
from flowgraph.keras.backend.sessions import *  # noqa: F403
from flowgraph.keras.backend.settings import *  # noqa: F403
from flowgraph.keras.backend.temporal_classes import *  # noqa: F403
from flowgraph.keras.backend.unshared import *  # noqa: F403
from flowgraph.keras.backend.values import *  # noqa: F403

# ``from keras.backend.tensorflow_backend import set_session`` is how programs for Keras begin.
tensorflow_backend = sys.modules[f"{__name__}.tensorflow_backend"] = sys.modules[__name__]
