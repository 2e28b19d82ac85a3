"""The ``fetches`` and ``feed_dict`` of ``Session.run``: what programs may write, and what it means.

    {"loss": loss, "pair": (x, [y, train_op])}    ->   leaves [loss, x, y, train_op] + how to put
    results back

Read next: session.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flowgraph.errors import did_you_mean, format_message
from flowgraph.graph.core import Graph
from flowgraph.graph.indexed_slices import IndexedSlices, IndexedSlicesValue
from flowgraph.graph.node import Operation, Tensor, describe
from flowgraph.graph.report import call_message
from flowgraph.graph.site import format_site
from flowgraph.graph.sparse_tensor import SparseTensor, SparseTensorValue
from flowgraph.runtime.held import TensorHandle
from flowgraph.shapes import format_dims

Leaf = Tensor | Operation

#: Several tensors under one name, which are fed and fetched together.
COMPOSITES = (IndexedSlices, SparseTensor)

#: Puts results (one per leaf, None for operations) into the structure the user fetched.
Rebuild = Callable[[list[Any]], Any]


def flatten_fetches(graph: Graph, fetches: Any) -> tuple[list[Leaf], Rebuild]:
    """Leaves of a fetch structure, in order and possibly repeated, and its rebuilder.

    Lists, tuples, named tuples, dicts and their subclasses keep their type.

    Raises:
        TypeError: a leaf is no tensor, operation, variable or name (None, a number).
        ValueError: a leaf belongs to another graph, or a name is unknown.
    """
    leaves: list[Leaf] = []
    rebuild = _flatten(graph, fetches, leaves)
    return leaves, rebuild


def _flatten(graph: Graph, fetch: Any, leaves: list[Leaf]) -> Rebuild:
    if fetch is None:
        raise TypeError(
            call_message(
                "Fetch argument None has invalid type <class 'NoneType'>",
                fix="a function without return gives None, and a gradient may be None "
                "(tf.why_no_gradient says why)",
            )
        )
    if isinstance(fetch, Mapping):
        parts = [(key, _flatten(graph, value, leaves)) for key, value in fetch.items()]
        mapping: Any = type(fetch)
        return lambda results: mapping((key, part(results)) for key, part in parts)
    if isinstance(fetch, (list, tuple)):
        members = [_flatten(graph, item, leaves) for item in fetch]
        kind: Any = type(fetch)
        if hasattr(fetch, "_fields"):  # a named tuple takes its fields one by one
            return lambda results: kind(*(part(results) for part in members))
        return lambda results: kind([part(results) for part in members])
    if isinstance(fetch, COMPOSITES):
        inner = [_flatten(graph, t, leaves) for t in _parts(fetch)]

        def rebuild_composite(results: list[Any]) -> Any:
            values = [part(results) for part in inner]
            if isinstance(fetch, SparseTensor):
                return SparseTensorValue(*values)
            return IndexedSlicesValue(*values, *([None] * (3 - len(values))))

        return rebuild_composite
    position = len(leaves)
    leaves.append(_leaf(graph, fetch))
    return lambda results: results[position]


def _parts(composite: IndexedSlices | SparseTensor) -> list[Tensor]:
    """The tensors of a composite, in the order of its value."""
    if isinstance(composite, SparseTensor):
        return [composite.indices, composite.values, composite.dense_shape]
    parts = [composite.values, composite.indices]
    return parts if composite.dense_shape is None else [*parts, composite.dense_shape]


def expand_feeds(feed_dict: Any) -> Any:
    """``feed_dict`` with the parts of composite keys in their place; itself when it has none.

    Raises:
        TypeError: the value for a composite is not a sequence.
        ValueError: it has the wrong number of parts.
    """
    if not isinstance(feed_dict, dict) or not any(isinstance(k, COMPOSITES) for k in feed_dict):
        return feed_dict
    expanded: dict[Any, Any] = {}
    for key, value in feed_dict.items():
        if isinstance(key, COMPOSITES):
            expanded.update(expand_feed(key, value))
        else:
            expanded[key] = value
    return expanded


def expand_feed(key: IndexedSlices | SparseTensor, value: Any) -> dict[Tensor, Any]:
    """The feeds of the parts of one composite: see expand_feeds."""
    parts = _parts(key)
    kind = type(key).__name__
    if isinstance(value, COMPOSITES) or not isinstance(value, (tuple, list)):
        raise TypeError(
            f"feed: the value for the {kind} {key.name!r} must be a {kind}Value or a tuple of its "
            f"parts, got {value!r}"
        )
    given = value[: len(parts)] if isinstance(key, IndexedSlices) else value
    if len(given) != len(parts):
        raise ValueError(
            f"feed: the value for the {kind} {key.name!r} must have {len(parts)} parts, it has "
            f"{len(given)}"
        )
    return dict(zip(parts, given, strict=True))


def _leaf(graph: Graph, fetch: Any) -> Leaf:
    leaf = _element(graph, fetch)
    op = leaf.op if isinstance(leaf, Tensor) else leaf
    if op._context is not None:
        raise ValueError(_inside("fetch", leaf.name, op))
    return leaf


#: What is wrong with fetching or feeding a part of a loop.
_INSIDE = "where it has many values or none"


def _inside(what: str, name: str, op: Operation) -> str:
    assert op._context is not None
    return format_message(
        f"{what} {name!r}: it was made {op._context.place()}, {_INSIDE}",
        op=(op.name, format_site(op.site)),
        fix="return it from the function that makes it",
    )


def _element(graph: Graph, fetch: Any) -> Leaf:
    try:
        return graph.as_graph_element(fetch, allow_tensor=True, allow_operation=True)
    except TypeError as error:
        why = str(error).partition("\n")[0]
        raise TypeError(
            call_message(
                f"Fetch argument {fetch!r} has invalid type {type(fetch)}, must be a string or "
                f"Tensor. ({why})",
                fix="fetch tensors, operations, variables, their names, or structures of them",
            )
        ) from None
    except (ValueError, KeyError) as error:
        text = error.args[0] if error.args else error
        head, _, rest = str(text).partition("\n")
        tail = f"\n{rest}" if rest else ""
        raise ValueError(
            f"Fetch argument {fetch!r} cannot be interpreted as a Tensor. ({head}){tail}"
        ) from None


def resolve_feed_key(graph: Graph, key: Any) -> Tensor:
    """The Tensor that a feed_dict key means.

    Raises:
        TypeError: it means none of this graph, or one that cannot be fed.
    """
    try:
        tensor = graph.as_graph_element(key, allow_tensor=True, allow_operation=False)
    except (TypeError, ValueError, KeyError) as error:
        text = error.args[0] if error.args else error
        near = ""
        if isinstance(key, str):
            names = [op.name + ":0" for op in graph.get_operations() if op.type == "Placeholder"]
            near = did_you_mean(key if ":" in key else f"{key}:0", names)
        head, _, rest = str(text).partition("\n")
        text = f"Cannot interpret feed_dict key as Tensor: {head}{near}"
        if not rest:
            text = call_message(text, fix="feed a tensor of this graph, or its name: 'x:0'")
        raise TypeError(f"{text}\n{rest}" if rest else text) from None
    if tensor.op._context is not None:
        raise ValueError(_inside("feed", tensor.name, tensor.op))
    if not graph.is_feedable(tensor):
        raise ValueError(
            call_message(
                f"Tensor {tensor.name} may not be fed.",
                [("tensor", tensor)],
                fix="feed a placeholder instead (tf.placeholder_with_default has a value unfed)",
            )
        )
    return tensor


def feed_converter(tensor: Tensor) -> Callable[[Any], np.ndarray]:
    """How to make what the user feeds for ``tensor`` an array of its dtype.

    As ``np.asarray(value, dtype)``: 1.5 into int32 gives 1.

    Raises (the converter):
        TypeError: a Tensor was given as value.
        ValueError: ragged or text data, or a shape that contradicts the static one.
    """
    dtype = tensor.dtype.base_dtype.np

    def convert(value: Any) -> np.ndarray:
        if isinstance(value, (Tensor, Operation)) or hasattr(value, "_as_graph_element"):
            raise TypeError(
                call_message(
                    "The value of a feed cannot be a tf.Tensor object. Acceptable feed values "
                    "include Python scalars, strings, lists, numpy ndarrays. For reference, the "
                    f"tensor object was {value!r} which was passed to the feed with key "
                    f"{tensor!r}.",
                    [("key", tensor), ("value", value)],
                    fix="feed what sess.run(value) returns, or use the tensor in place of the "
                    "placeholder",
                )
            )
        if isinstance(value, TensorHandle) and not dtype.hasobject:
            value = value.eval()
            if value.dtype != dtype:
                raise ValueError(
                    f"the handle fed for {tensor.name!r} is of a tensor of dtype {value.dtype}, "
                    f"not {dtype}"
                )
        array = _as_array(value, dtype, tensor)
        check_feed_shape(array.shape, tensor)
        return array

    return convert


def _as_array(value: Any, dtype: np.dtype, tensor: Tensor) -> np.ndarray:
    try:
        if not dtype.hasobject:
            return np.asarray(value, dtype)
        array = np.asarray(value, object)
        flat = [t.encode() if isinstance(t, str) else t for t in array.reshape(-1).tolist()]
        if not all(isinstance(t, bytes) for t in flat):
            raise ValueError("every element must be text or bytes")
        result = np.empty(array.shape, object)
        result.reshape(-1)[:] = flat
        return result
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            format_message(
                f"feed: the value for {tensor.name!r} does not become an array of "
                f"{tensor.dtype.base_dtype.name}: {error}",
                [describe("key", tensor)],
                fix="feed numbers in rows of equal length"
                if not dtype.hasobject
                else "feed str, bytes, or lists of them",
            )
        ) from None


def check_feed_shape(shape: tuple[int, ...], tensor: Tensor) -> None:
    """Raise ValueError when ``shape`` contradicts the static shape of ``tensor``."""
    dims = tensor.dims
    if dims is None:
        return
    agrees = len(dims) == len(shape) and all(
        d is None or d == s for d, s in zip(dims, shape, strict=True)
    )
    if not agrees:
        expected = str(tuple("?" if d is None else d for d in dims)).replace("'", "")
        raise ValueError(
            format_message(
                f"Cannot feed value of shape {shape} for Tensor {tensor.name!r}, which has shape "
                f"{expected!r}",
                [describe("key", tensor)],
                fix=f"feed an array of shape {format_dims(dims)}",
            )
        )
