"""Inputs and outputs of layers: one tensor or several, with their shapes and masks.

Read next: base_layer.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows


def listed(x: Any) -> list[Any]:
    """The tensors of ``x``: None, a tensor, or a list, tuple or dict of them."""
    if x is None:
        return []
    if isinstance(x, dict):
        return [item for value in x.values() for item in listed(value)]
    if isinstance(x, (list, tuple)):
        return [item for value in x for item in listed(value)]
    return [x]


def replaced(x: Any, replace: Callable[[Any], Any]) -> Any:
    """``x``, a structure, with ``replace`` of every tensor in it."""
    if isinstance(x, (tf.Tensor, tf.SparseTensor)):
        return replace(x)
    if isinstance(x, dict):
        return {key: replaced(value, replace) for key, value in x.items()}
    if type(x) in (list, tuple):
        return type(x)(replaced(value, replace) for value in x)
    return x


def from_layers(x: Any) -> list[Any]:
    """The tensors in a structure that came out of layers."""
    found: list[Any] = []
    replaced(x, lambda t: found.append(t) if hasattr(t, "_keras_history") else None)
    return found


def as_tensors(x: Any, layer: str) -> Any:
    """``x``, a tensor or a structure of them, with variables and arrays as tensors.

    Raises:
        ValueError: there is something else.
    """
    if isinstance(x, (tf.Tensor, tf.SparseTensor)):
        return x
    if isinstance(x, dict):
        return {key: as_tensors(value, layer) for key, value in x.items()}
    if isinstance(x, (list, tuple)) and any(
        isinstance(i, (tf.Tensor, tf.SparseTensor, tf.Variable, np.ndarray, list, tuple)) for i in x
    ):
        return [as_tensors(value, layer) for value in x]
    if isinstance(x, np.ndarray) and x.dtype == np.float64:
        x = x.astype(K.floatx())
    try:
        return tf.convert_to_tensor(x)
    except (TypeError, ValueError):
        raise ValueError(
            f"layer {layer!r} was called with an input that is not a tensor but "
            f"{type(x).__name__}: {x!r:.100}"
        ) from None


def is_shape(x: Any) -> bool:
    """Whether ``x`` is one shape, not a list of them."""
    if x is None or isinstance(x, tf.TensorShape):
        return True
    return all(i is None or isinstance(i, (int, np.integer, tf.Dimension)) for i in x)


def as_shape_tuple(shape: Any) -> tuple[int | None, ...]:
    """A shape as a tuple of int and None; a number is a shape of one axis."""
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    return tuple(tf.TensorShape(shape).as_list())


def collect_shapes(inputs: Any) -> list[Any]:
    """The static shapes of the inputs, as tuples."""
    return [K.int_shape(x) for x in listed(inputs)]


def mask_of(x: Any) -> Any:
    """The mask of a tensor that came out of a layer, or None."""
    return getattr(x, "_keras_mask", None)


def collect_masks(inputs: Any) -> Any:
    """The mask of the input; a list of them, with None, for several inputs."""
    if isinstance(inputs, (list, tuple, dict)):
        return [mask_of(x) for x in listed(inputs)]
    return mask_of(inputs)


# -------------------------------------------------------------------------- what depends on what


def _operation(x: Any) -> Any:
    return x if isinstance(x, tf.Operation) else x.op


def walk_back(results: Iterable[Any], stop: Callable[[Any], bool]) -> set[Any]:
    """The operations that ``results`` need; those that ``stop`` are not walked beyond."""
    found: set[Any] = set()
    waiting = [_operation(x) for x in results if isinstance(x, (tf.Tensor, tf.Operation))]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            if not stop(op):
                waiting += [x.op for x in op.inputs]
                waiting += op.control_inputs
    return found


def dependent(pairs: Iterable[tuple[Any, list[Any]]], inputs: Any) -> list[Any]:
    """Of (loss or update, inputs) pairs the ones that ``inputs`` lead to; None: of no input."""
    if inputs is None:
        return list(dict.fromkeys(x for x, of in pairs if not of))
    sources = {_operation(x) for x in listed(inputs)}
    conditional = [x for x, of in pairs if of]
    return [
        x for x in dict.fromkeys(conditional) if sources & walk_back([x], lambda op: op in sources)
    ]
