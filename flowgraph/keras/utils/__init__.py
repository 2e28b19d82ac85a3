"""keras.utils: labels as arrays, objects as plain data, local files, batches, progress."""

from importlib import import_module
from typing import Any

from flowgraph.keras.utils import (
    conv_utils,
    data_utils,
    generic_utils,
    io_utils,
    layer_utils,
    np_utils,
    vis_utils,
)
from flowgraph.keras.utils.data_utils import Sequence, get_file
from flowgraph.keras.utils.enqueuers import (
    GeneratorEnqueuer,
    OrderedEnqueuer,
    SequenceEnqueuer,
)
from flowgraph.keras.utils.generic_utils import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    serialize_keras_object,
)
from flowgraph.keras.utils.io_utils import HDF5Matrix
from flowgraph.keras.utils.layer_utils import (
    convert_all_kernels_in_model,
    get_source_inputs,
    print_summary,
)
from flowgraph.keras.utils.np_utils import normalize, to_categorical
from flowgraph.keras.utils.progress import Progbar
from flowgraph.keras.utils.vis_utils import model_to_dot, plot_model

__all__ = [
    "CustomObjectScope",
    "GeneratorEnqueuer",
    "HDF5Matrix",
    "OrderedEnqueuer",
    "Progbar",
    "Sequence",
    "SequenceEnqueuer",
    "conv_utils",
    "convert_all_kernels_in_model",
    "custom_object_scope",
    "data_utils",
    "deserialize_keras_object",
    "generic_utils",
    "get_custom_objects",
    "get_file",
    "get_source_inputs",
    "io_utils",
    "layer_utils",
    "model_to_dot",
    "multi_gpu_model",
    "normalize",
    "np_utils",
    "plot_model",
    "print_summary",
    "serialize_keras_object",
    "to_categorical",
    "vis_utils",
]


def __getattr__(name: str) -> Any:
    # What is made of layers, which are made of what is here, is loaded when it is wanted.
    if name in ("multi_gpu_model", "multi_gpu_utils"):
        module = import_module("flowgraph.keras.utils.multi_gpu_utils")
        return module if name == "multi_gpu_utils" else module.multi_gpu_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
