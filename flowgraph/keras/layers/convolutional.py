"""keras.layers.convolutional: the names that programs import from here, old ones too."""

from flowgraph.keras.layers.convolutions import *  # noqa: F403
from flowgraph.keras.layers.pooling import *  # noqa: F403
from flowgraph.keras.layers.resizing import *  # noqa: F403
