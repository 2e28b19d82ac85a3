"""A model again, with weights of its own.

Read next: configs.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.keras.engine.input_layer import Input, InputLayer, input_layer_of
from flowgraph.keras.engine.network import Network
from flowgraph.keras.engine.sequential import Sequential
from flowgraph.keras.engine.serialization import own_objects
from flowgraph.keras.engine.tensors import listed
from flowgraph.keras.utils.generic_utils import CustomObjectScope


def clone_model(model: Any, input_tensors: Any = None) -> Any:
    """A model of the same layers, with weights of its own.

    Args:
        model: a Sequential or functional model.
        input_tensors: what the clone takes in place of Inputs of its own: tensors, in order.

    Raises:
        ValueError: the model has a ``call`` of its own, or another number of inputs.
    """
    with CustomObjectScope(own_objects(model)):
        if isinstance(model, Sequential):
            if input_tensors is None:
                return type(model).from_config(model.get_config())
            clone = Sequential(name=model.name)
            clone.add(input_layer_of(listed(input_tensors)[0]))
            for layer in model.layers:
                clone.add(type(layer).from_config(layer.get_config()))
            return clone
        if not isinstance(model, Network) or not model._is_graph_network:
            raise ValueError(
                f"clone_model: {type(model).__name__} has a call() of its own: make another one"
            )
        return _clone_graph(model, input_tensors)


def _clone_graph(model: Any, input_tensors: Any) -> Any:
    if input_tensors is None:
        made = [
            Input(
                batch_shape=layer.batch_input_shape,
                dtype=layer.dtype,
                sparse=layer.sparse,
                name=layer.name,
            )
            for layer in model._input_layers
        ]
    else:
        given = listed(input_tensors)
        if len(given) != len(model.inputs):
            raise ValueError(
                f"clone_model: {model.name!r} has {len(model.inputs)} inputs, got {len(given)}"
            )
        made = [
            input_layer_of(x, layer.name)
            for x, layer in zip(given, model._input_layers, strict=True)
        ]
    known = dict(zip(map(id, model.inputs), made, strict=True))
    copies: dict[Any, Any] = {}
    for node in model._topology.in_order():
        layer = node.outbound_layer
        if isinstance(layer, InputLayer):
            continue
        if layer not in copies:
            copies[layer] = type(layer).from_config(layer.get_config())
        xs, arguments = node.remade(lambda x: known.get(id(x), x))
        outputs = copies[layer](xs, **arguments)
        known.update(zip(map(id, node.output_tensors), listed(outputs), strict=True))
    return type(model)(inputs=made, outputs=[known[id(x)] for x in model.outputs], name=model.name)
