"""Models as plain data: layers with their configs, and calls by names and numbers.

    {"name": "model_1",
     "layers": [{"name": "dense_1", "class_name": "Dense", "config": {...},
                 "inbound_nodes": [[["input_1", 0, 0, {}]]]}, ...],
     "input_layers": [["input_1", 0, 0]], "output_layers": [["dense_1", 0, 0]]}

``["input_1", 0, 0, {}]`` is output 0 of call 0 of layer input_1, and what else the layer that
takes it was called with.  A model that is called counts its own inputs and outputs as call 0.

Read next: serialization.py, saving.py.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.keras.engine.base_layer import Layer
from flowgraph.keras.engine.network import Network
from flowgraph.keras.engine.serialization import deserialize, serialize
from flowgraph.keras.engine.tensors import listed, replaced
from flowgraph.keras.utils.generic_utils import CustomObjectScope, unpack_singleton

# ----------------------------------------------------------------------------------- to plain data


def config_of(model: Network) -> dict[str, Any]:
    """The config of a model of inputs and outputs."""
    assert model._topology is not None
    numbers = _numbers_of_calls(model)
    layers = []
    for layer in model.layers:
        calls = [n for n in layer._inbound_nodes if n in model._topology.nodes]
        layers.append(
            {
                "name": layer.name,
                **serialize(layer),
                "inbound_nodes": [_call(n, numbers) for n in calls if n.inbound_layers],
            }
        )
    return {
        "name": model.name,
        "layers": layers,
        "input_layers": [_place(x, numbers) for x in model.inputs],
        "output_layers": [_place(x, numbers) for x in model.outputs],
    }


def _numbers_of_calls(model: Network) -> dict[Any, int]:
    """node -> its number among the calls of its layer that are the model's."""
    assert model._topology is not None
    numbers: dict[Any, int] = {}
    for layer in model.layers:
        first = int(isinstance(layer, Network) and layer._is_graph_network)
        calls = [node for node in layer._inbound_nodes if node in model._topology.nodes]
        numbers.update((node, first + i) for i, node in enumerate(calls))
    return numbers


def _place(x: Any, numbers: Mapping[Any, int]) -> list[Any]:
    layer, node, index = x._keras_history
    return [layer.name, numbers[layer._inbound_nodes[node]], index]


def _call(node: Any, numbers: Mapping[Any, int]) -> list[Any]:
    placed = replaced(node.arguments, lambda x: _place(x, numbers) if _is_placed(x) else x)
    arguments = {key: _plain(value, key, node) for key, value in placed.items()}
    found = []
    for x in listed(node.inputs):
        if not hasattr(x, "_keras_history"):
            raise ValueError(
                f"layer {node.outbound_layer.name!r} takes the tensor {x.name!r}, which comes out "
                "of no layer: the model cannot become a config; use a Lambda layer or an Input"
            )
        found.append([*_place(x, numbers), arguments])
    return found


def _is_placed(x: Any) -> bool:
    return hasattr(x, "_keras_history")


def _plain(value: Any, key: str, node: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_plain(item, key, node) for item in value]
    if value is None or isinstance(value, (bool, int, float, str, dict)):
        return value
    raise ValueError(
        f"layer {node.outbound_layer.name!r} was called with {key}={value!r}, which cannot be a "
        "part of a config"
    )


# --------------------------------------------------------------------------------- from plain data


def network_from(
    cls: type[Network], config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """The model of a config.

    Args:
        cls: the class to make.
        config: as ``config_of`` gives it.
        custom_objects: name -> class or function.

    Raises:
        ValueError: a call takes what no layer gives.
    """
    given = copy.deepcopy(dict(config))
    with CustomObjectScope(custom_objects or {}):
        layers = {}
        for data in given["layers"]:
            layer = deserialize({"class_name": data["class_name"], "config": data["config"]})
            layers[data.get("name", layer.name)] = layer
    _make_calls(given, layers)
    inputs = [_tensor_at(place, layers) for place in _places(given["input_layers"])]
    outputs = [_tensor_at(place, layers) for place in _places(given["output_layers"])]
    return cls(inputs=inputs, outputs=outputs, name=given.get("name"))


def _make_calls(config: Mapping[str, Any], layers: Mapping[str, Layer]) -> None:
    """Call the layers as ``config`` says, as soon as what they take is there."""
    waiting = {d.get("name", ""): list(d.get("inbound_nodes", ())) for d in config["layers"]}
    progress = True
    while progress and any(waiting.values()):
        progress = False
        for name, calls in waiting.items():
            while calls:
                places = _places(calls[0])
                xs = [_tensor_at(place, layers) for place in places]
                if any(x is None for x in xs):
                    break
                found: dict[str, Any] = next((p[3] for p in reversed(places) if len(p) > 3), {})
                kwargs = {key: _argument(value, layers) for key, value in found.items()}
                if any(value is _MISSING for value in kwargs.values()):
                    break
                layers[name](unpack_singleton(xs), **kwargs)
                calls.pop(0)
                progress = True
    for name, calls in waiting.items():
        if calls:
            raise ValueError(
                f"the config calls layer {name!r} with {_places(calls[0])}, which no layer gives"
            )


#: Of an argument that is an output of a call that was not made yet.
_MISSING = object()


def _argument(value: Any, layers: Mapping[str, Layer]) -> Any:
    """An argument of a call: a place stands for the tensor there."""
    is_place = isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
    if not is_place or value[0] not in layers:
        return value
    x = _tensor_at(value, layers)
    return _MISSING if x is None else x


def _places(data: Any) -> list[Any]:
    """Places as a list of them: one place alone (``["a", 0, 0]``) is a form of later releases."""
    return [data] if data and isinstance(data[0], str) else list(data)


def _tensor_at(place: Any, layers: Mapping[str, Layer]) -> Any:
    """The tensor of (layer name, call, output); None where the call was not made yet."""
    name, call, output = place[:3]
    if name not in layers:
        raise ValueError(f"the config names a layer {name!r} that it does not have")
    nodes = layers[name]._inbound_nodes
    return nodes[call].output_tensors[output] if call < len(nodes) else None
