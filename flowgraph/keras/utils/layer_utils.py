"""The table of a model's layers, in Keras's layout.

Read next: vis_utils.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "convert_all_kernels_in_model",
    "convert_kernel",
    "count_params",
    "get_source_inputs",
    "print_summary",
]

_Layout = tuple[int, tuple[float, ...], tuple[str, ...]]
#: Line length, where each column ends, its heading.
_CHAIN: _Layout = (65, (0.45, 0.85, 1.0), ("Layer (type)", "Output Shape", "Param #"))
_BRANCHED: _Layout = (
    98,
    (0.33, 0.55, 0.67, 1.0),
    ("Layer (type)", "Output Shape", "Param #", "Connected to"),
)


def count_params(weights: Any) -> int:
    """How many numbers the variables hold, each counted once.

    Args:
        weights: variables.
    """
    return sum(int(w.shape.num_elements()) for w in dict.fromkeys(weights))


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
) -> None:
    """Print the layers of a model, with output shapes and numbers of parameters.

    Args:
        model: a model.
        line_length: 65, or 98 where layers have several inputs or are shared.
        positions: where columns end, as parts of the line or in characters.
        print_fn: what is called with every line; prints by default.
    """
    calls = _calls(model)
    usual, parts, headings = _CHAIN if _is_chain(model, calls) else _BRANCHED
    length, given = line_length or usual, positions or parts
    ends = [int(end * length) if given[-1] <= 1 else int(end) for end in given]
    show = print_fn or _print

    def row(*fields: Any) -> None:
        line = ""
        for i, (field, end) in enumerate(zip(fields, ends, strict=False)):
            line = ((line[:-1] + " ") if i else "") + str(field)
            line = line[:end].ljust(end)
        show(line)

    show("_" * length)
    row(*headings)
    show("=" * length)
    for i, layer in enumerate(model.layers):
        fields = (f"{layer.name} ({type(layer).__name__})", _shape(layer), _count(layer))
        first, *more = _connections(layer, calls) or [""]
        row(*fields, first)
        for connection in more:
            row("", "", "", connection)
        show(("=" if i == len(model.layers) - 1 else "_") * length)
    trained = getattr(model, "_collected_trainable_weights", model.trainable_weights)
    trainable, fixed = count_params(trained), count_params(model.non_trainable_weights)
    show(f"Total params: {trainable + fixed:,}")
    show(f"Trainable params: {trainable:,}")
    show(f"Non-trainable params: {fixed:,}")
    show("_" * length)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _calls(model: Any) -> set[Any] | None:
    """The calls of the model's layers; None for a model with a ``call`` of its own."""
    topology = getattr(model, "_topology", None)
    return None if topology is None else topology.nodes


def _is_chain(model: Any, calls: set[Any] | None) -> bool:
    """Whether every layer has one input and is called once."""
    if calls is None or type(model).__name__ == "Sequential":
        return True
    by_depth = model._topology.nodes_by_depth.values()
    if any(len(nodes) > 1 or len(nodes[0].inbound_layers) > 1 for nodes in by_depth):
        return False
    return all(sum(n in calls for n in layer._inbound_nodes) <= 1 for layer in model.layers)


def _shape(layer: Any) -> str:
    try:
        return str(layer.output_shape)
    except AttributeError:
        return "multiple"
    except RuntimeError:
        return "?"


def _count(layer: Any) -> int:
    return count_params(layer.weights)


def _connections(layer: Any, calls: set[Any] | None) -> list[str]:
    return [
        f"{inbound.name}[{node}][{tensor}]"
        for call in layer._inbound_nodes
        if calls is not None and call in calls
        for inbound, node, tensor in zip(
            call.inbound_layers, call.node_indices, call.tensor_indices, strict=True
        )
    ]


def get_source_inputs(tensor: Any, layer: Any = None, node_index: int | None = None) -> list[Any]:
    """The Inputs that a tensor depends on.

    Args:
        tensor: what came out of a layer.
        layer, node_index: of its call; found from the tensor by default.
    """
    if layer is None or node_index:
        layer, node_index, _ = tensor._keras_history
    node = layer._inbound_nodes[node_index or 0]
    if not node.inbound_layers:
        return list(node.input_tensors)
    found = [x for before in node.input_tensors for x in get_source_inputs(before)]
    return list({id(x): x for x in found}.values())


def convert_all_kernels_in_model(model: Any) -> None:
    """Turn the kernels of all convolutions by 180 degrees, between Theano's and this convention.

    Args:
        model: a model.
    """
    for layer in model.layers:
        if type(layer).__name__ in ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose"):
            kernel, *rest = layer.get_weights()
            layer.set_weights([convert_kernel(kernel), *rest])


def convert_kernel(kernel: np.ndarray) -> np.ndarray:
    """A kernel with its spatial axes turned around.

    Args:
        kernel: of a convolution, with 3 to 5 axes.
    """
    if not 3 <= kernel.ndim <= 5:
        raise ValueError(f"convert_kernel: a kernel has 3 to 5 axes, not {kernel.ndim}")
    return kernel[(slice(None, None, -1),) * (kernel.ndim - 2)].copy()
