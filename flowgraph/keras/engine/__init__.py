"""keras.engine: layers, models made of them, and their training.

Read in this order: node.py, base_layer.py, input_layer.py, topology.py, network.py, sequential.py.
"""

from flowgraph.keras.engine import (
    base_layer,
    input_layer,
    network,
    saving,
    sequential,
    topology,
    training,
)
from flowgraph.keras.engine.base_layer import InputSpec, Layer, Node
from flowgraph.keras.engine.input_layer import Input, InputLayer
from flowgraph.keras.engine.model import Model
from flowgraph.keras.engine.network import Network
from flowgraph.keras.engine.sequential import Sequential
from flowgraph.keras.utils.layer_utils import get_source_inputs

# Where programs for Keras find them.
training.Model = Model  # type: ignore[attr-defined]
vars(topology).update(
    Input=Input, InputLayer=InputLayer, InputSpec=InputSpec, Layer=Layer, Network=Network,
    get_source_inputs=get_source_inputs,
    load_weights_from_hdf5_group=saving.load_weights_from_hdf5_group,
    load_weights_from_hdf5_group_by_name=saving.load_weights_from_hdf5_group_by_name,
)  # fmt: skip

__all__ = [
    "Input",
    "InputLayer",
    "InputSpec",
    "Layer",
    "Model",
    "Network",
    "Node",
    "Sequential",
    "base_layer",
    "get_source_inputs",
    "input_layer",
    "network",
    "saving",
    "sequential",
    "topology",
    "training",
]
