"""Batches of elements that belong together: group_by_window, bucket_by_sequence_length, unique."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from flowgraph.data.dataset import Dataset
from flowgraph.data.functions import BoundFunction, Function
from flowgraph.data.node import Bound, Element, Env, Listed, Node, bad
from flowgraph.data.structure import Leaf, Nested, flatten, map_leaves
from flowgraph.data.transformations import Transformation
from flowgraph.dtypes import int64
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.tensor_shape import TensorShape


class GroupByWindow(Node):
    """The elements of the datasets that ``reduce(key, window)`` makes of windows of equal keys.

    A window is full when it has ``size(key)`` elements; what is left at the end comes in the order
    of the keys.
    """

    def __init__(self, source: Node, key: Function, reduce: Function, size: Function) -> None:
        self.inputs, self.key, self.reduce, self.size = (source,), key, reduce, size
        self.structure = reduce.result.structure

    def captured(self) -> list[Tensor]:
        """What the functions take from outside."""
        return [*self.key.captured, *self.reduce.captured, *self.size.captured]

    def iterate(self, env: Env) -> Iterator[Element]:
        """The elements of the reduced windows."""
        key_of, reduce, size_of = (
            BoundFunction(f, env) for f in (self.key, self.reduce, self.size)
        )
        groups: dict[int, list[Element]] = {}
        sizes: dict[int, int] = {}

        def closed(key: int) -> Iterator[Element]:
            window = Bound(Listed(self.inputs[0].structure, groups.pop(key)), env)
            (bound,) = reduce((np.array(key, np.int64), window))
            return bound.iterate()

        for element in self.inputs[0].iterate(env):
            key = int(key_of(element)[0])
            if key not in sizes:
                sizes[key] = int(size_of((np.array(key, np.int64),))[0])
                if sizes[key] < 1:
                    raise bad("group_by_window: the window size must be greater than zero")
            group = groups.setdefault(key, [])
            group.append(element)
            if len(group) == sizes[key]:
                yield from closed(key)
        for key in sorted(groups):
            yield from closed(key)


def _int64_scalar(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def checked(*args: Any) -> Tensor:
        value = convert_to_tensor(function(*args))
        if not value.dtype.is_integer or value.dims not in ((), None):
            raise ValueError(f"{name} must return a scalar integer, not {value!r}")
        return value if value.dtype is int64 else call.Cast(value, DstT=int64)

    return checked


@export("data.experimental.group_by_window", "contrib.data.group_by_window")
def group_by_window(
    key_func: Callable[..., Any],
    reduce_func: Callable[..., Any],
    window_size: Any = None,
    window_size_func: Callable[..., Any] | None = None,
) -> Transformation:
    """For ``apply``: collects elements of equal keys, and lets a function make datasets of them.

    Args:
        key_func: from an element to an int64 scalar.
        reduce_func: from a key and a Dataset of at most ``window_size`` elements to a Dataset.
        window_size: how many elements of a key are collected.
        window_size_func: instead: from a key to that number.
    """
    if (window_size is None) == (window_size_func is None):
        raise ValueError("Must pass either window_size or window_size_func.")
    size_of = (lambda key: window_size) if window_size_func is None else window_size_func

    def transform(dataset: Dataset) -> Dataset:
        source = dataset._node
        scalar = Leaf(int64, ())
        key = Function(_int64_scalar(key_func, "key_func"), source.structure, "GroupByWindow")
        reduce = Function(reduce_func, (scalar, Nested(source.structure)), "GroupByWindow")
        if not isinstance(reduce.result, Nested):
            raise TypeError("`reduce_func` must return a `Dataset` object.")
        size = Function(_int64_scalar(size_of, "window_size_func"), scalar, "GroupByWindow")
        return Dataset(GroupByWindow(source, key, reduce, size))

    return transform


@export("data.experimental.bucket_by_sequence_length", "contrib.data.bucket_by_sequence_length")
def bucket_by_sequence_length(
    element_length_func: Callable[..., Any],
    bucket_boundaries: Sequence[int],
    bucket_batch_sizes: Sequence[int],
    padded_shapes: Any = None,
    padding_values: Any = None,
    pad_to_bucket_boundary: bool = False,
    no_padding: bool = False,
    drop_remainder: bool = False,
) -> Transformation:
    """For ``apply``: padded batches of elements of similar length.

    Args:
        element_length_func: from an element to its length, an int scalar.
        bucket_boundaries: rising lengths; bucket ``i`` has those below boundary ``i``, the last
            bucket the longest.
        bucket_batch_sizes: of each bucket: one more than boundaries.
        padded_shapes: as of ``padded_batch``; every unknown size to the longest by default.
        padding_values: what to pad with.
        pad_to_bucket_boundary: must be False.
        no_padding: True makes plain batches.
        drop_remainder: True leaves out the smaller batches at the end.
    """
    if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
        raise ValueError("len(bucket_batch_sizes) must equal len(bucket_boundaries) + 1")
    if pad_to_bucket_boundary:
        raise NotImplementedError(
            "pad_to_bucket_boundary: batches are padded to their longest element here; give "
            "padded_shapes for larger ones"
        )
    bounds = convert_bounds(bucket_boundaries)
    sizes = np.array(bucket_batch_sizes, np.int64)

    def bucket(*args: Any) -> Tensor:
        length = call.Cast(convert_to_tensor(element_length_func(*args)), DstT=int64)
        reached = call.Cast(call.LessEqual(bounds, length), DstT=int64)
        return call.Sum(reached, np.array([0], np.int32))

    def size_of(key: Tensor) -> Tensor:
        return call.GatherV2(sizes, key, 0)

    def joined(key: Tensor, window: Dataset) -> Dataset:
        if no_padding:
            return window.batch(size_of(key), drop_remainder)
        shapes = padded_shapes
        if shapes is None:
            shapes = map_leaves(lambda leaf: TensorShape(leaf.dims), window._node.structure)
        return window.padded_batch(size_of(key), shapes, padding_values, drop_remainder)

    return group_by_window(bucket, joined, window_size_func=size_of)


def convert_bounds(boundaries: Sequence[int]) -> Any:
    """Boundaries of buckets, checked."""
    bounds = np.array(list(boundaries), np.int64)
    if np.any(np.diff(bounds) <= 0):
        raise ValueError(f"bucket_boundaries must rise: {list(boundaries)}")
    return bounds


class Unique(Node):
    """The elements that did not come before."""

    def __init__(self, source: Node) -> None:
        self.inputs, self.structure = (source,), source.structure
        if len(flatten(source.structure)) != 1:
            raise TypeError("unique: elements must be single tensors")

    def iterate(self, env: Env) -> Iterator[Element]:
        """Each once."""
        seen = set()
        for element in self.inputs[0].iterate(env):
            array = element[0]
            key = (array.shape, tuple(array.reshape(-1).tolist()))
            if key not in seen:
                seen.add(key)
                yield element


@export("data.experimental.unique", "contrib.data.unique")
def unique() -> Transformation:
    """For ``apply``: each element only once."""
    return lambda dataset: Dataset(Unique(dataset._node))
