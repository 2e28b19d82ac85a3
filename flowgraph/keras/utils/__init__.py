"""keras.utils: labels as arrays, objects as plain data, local files, batches, progress."""

from flowgraph.keras.utils import data_utils, generic_utils, np_utils
from flowgraph.keras.utils.data_utils import Sequence, get_file
from flowgraph.keras.utils.generic_utils import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    serialize_keras_object,
)
from flowgraph.keras.utils.np_utils import normalize, to_categorical
from flowgraph.keras.utils.progress import Progbar

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "Sequence",
    "custom_object_scope",
    "data_utils",
    "deserialize_keras_object",
    "generic_utils",
    "get_custom_objects",
    "get_file",
    "normalize",
    "np_utils",
    "serialize_keras_object",
    "to_categorical",
]
