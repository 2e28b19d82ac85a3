"""Structures of elements: tuples and dicts of tensors, as tf.data nests them.

Lists are no structures but values: ``from_tensor_slices([1, 2, 3])`` has three scalars.  Elements
travel flat, as tuples of arrays; here are the ways in and out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.eager.tensor import EagerTensor
from flowgraph.graph.convert import convert_to_tensor, to_array
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.shapes import Dims, format_dims
from flowgraph.tensor_shape import TensorShape, as_dims

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Leaf:
    """A tensor of every element: its dtype and static shape."""

    dtype: DType
    dims: Dims

    def __repr__(self) -> str:
        return f"{self.dtype.name}{format_dims(self.dims)}"

    def accepts(self, other: Any) -> bool:
        """True when every tensor that ``other`` describes is one that this describes."""
        if not isinstance(other, Leaf) or other.dtype is not self.dtype:
            return False
        if self.dims is None or other.dims is None:
            return True
        return len(self.dims) == len(other.dims) and all(
            a is None or b is None or a == b for a, b in zip(self.dims, other.dims, strict=True)
        )

    def fits(self, array: Array) -> bool:
        """True when ``array`` has the static shape."""
        return fits(self.dims, array.shape)


def fits(dims: Dims, shape: tuple[int, ...]) -> bool:
    """True when an array of ``shape`` has the static shape ``dims``."""
    if dims is None:
        return True
    if len(dims) != len(shape):
        return False
    for wanted, size in zip(dims, shape, strict=True):
        if wanted is not None and wanted != size:
            return False
    return True


@dataclass(frozen=True)
class Nested:
    """A dataset inside every element, as ``window`` makes them."""

    structure: Any

    def __repr__(self) -> str:
        return f"a dataset of {self.structure!r}"

    def accepts(self, other: Any) -> bool:
        """True when ``other`` describes datasets of the same structure."""
        return isinstance(other, Nested) and compatible(self.structure, other.structure)


@dataclass(frozen=True)
class Component:
    """A value that a dataset is made of: an array, or a tensor to be computed at initialisation."""

    value: Any
    dtype: DType
    dims: Dims

    @property
    def tensors(self) -> list[Tensor]:
        """The tensor, if it is one."""
        return [self.value] if isinstance(self.value, Tensor) else []


def component(value: Any, dtype: DType | None = None) -> Component:
    """The Component of a Python value, array or tensor."""
    if isinstance(value, SparseTensor):
        raise TypeError(
            "tf.data: elements cannot be SparseTensors here; make them dense inside the function "
            "(tf.sparse_tensor_to_dense), or parse batches of records behind the iterator: "
            "tf.parse_example(iterator.get_next(), features)"
        )
    if not isinstance(value, (np.ndarray, np.generic, Tensor)) and _has_tensors(value):
        value = convert_to_tensor(value, dtype)
    if isinstance(value, Tensor) and dtype is not None and value.dtype is not dtype:
        raise TypeError(f"tf.data: {value!r} is {value.dtype.name}, needed is {dtype.name}")
    if isinstance(value, EagerTensor):
        value = value._array
    elif isinstance(value, Tensor):
        return Component(value, value.dtype.base_dtype, value.dims)
    else:
        value = to_array(value, dtype)
    return Component(value, as_dtype(value.dtype), value.shape)


def _has_tensors(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_tensors(item) for item in value)
    return isinstance(value, Tensor) or hasattr(value, "_as_tensor")


def is_nest(value: Any) -> bool:
    """True for what has parts: tuples and dicts."""
    return isinstance(value, (tuple, Mapping))


def parts(structure: Any) -> list[Any]:
    """The parts of a tuple or dict, in order (of sorted keys)."""
    if isinstance(structure, Mapping):
        return [structure[key] for key in sorted(structure)]
    return list(structure)


def flatten(structure: Any) -> list[Any]:
    """The leaves.

    >>> flatten(({"b": 1, "a": 2}, 3))
    [2, 1, 3]
    """
    if is_nest(structure):
        return [leaf for part in parts(structure) for leaf in flatten(part)]
    return [structure]


def pack(structure: Any, flat: Sequence[Any]) -> Any:
    """``structure`` with the leaves ``flat``.

    >>> pack(({"b": 1, "a": 2}, 3), [5, 6, 7])
    ({'b': 6, 'a': 5}, 7)
    """
    return _pack(structure, iter(flat))


def _pack(structure: Any, flat: Iterator[Any]) -> Any:
    if isinstance(structure, Mapping):
        found = {key: _pack(structure[key], flat) for key in sorted(structure)}
        ordered = [(key, found[key]) for key in structure]
        kind = type(structure)
        return dict(ordered) if kind is dict else kind(ordered)  # type: ignore[call-arg]
    if isinstance(structure, tuple):
        items = [_pack(part, flat) for part in structure]
        return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)
    return next(flat)


def map_leaves(function: Callable[[Any], Any], structure: Any) -> Any:
    """``structure`` with ``function`` of each leaf."""
    return pack(structure, [function(leaf) for leaf in flatten(structure)])


def like(structure: Any, values: Any, leaf: Callable[[Any], Any]) -> list[Any]:
    """The leaves of ``values``, which nests as ``structure`` does; ``leaf`` converts each.

    Raises:
        TypeError: it nests otherwise.
    """
    if not is_nest(structure):
        return [leaf(values)]
    if isinstance(values, list) and isinstance(structure, tuple):
        values = tuple(values)
    is_map = isinstance(structure, Mapping)
    same = isinstance(values, Mapping) if is_map else isinstance(values, tuple)
    if not same or len(values) != len(structure) or (is_map and set(values) != set(structure)):
        raise TypeError(f"{values!r} has not the structure {structure!r}")
    pairs = zip(parts(structure), parts(values), strict=True)
    return [item for part, value in pairs for item in like(part, value, leaf)]


def compatible(structure: Any, other: Any) -> bool:
    """True when elements of ``other`` can stand where ``structure`` is promised."""
    if is_nest(structure) != is_nest(other):
        return False
    if not is_nest(structure):
        return bool(structure.accepts(other))
    if isinstance(structure, Mapping) != isinstance(other, Mapping) or len(structure) != len(other):
        return False
    if isinstance(structure, Mapping) and set(structure) != set(other):
        return False
    return all(compatible(a, b) for a, b in zip(parts(structure), parts(other), strict=True))


def of_types(types: Any, shapes: Any = None) -> Any:
    """The structure of these dtypes and static shapes (None: unknown)."""
    kinds = map_leaves(as_dtype, types)
    flat = flatten(kinds)
    dims = [None] * len(flat) if shapes is None else shapes_like(kinds, shapes)
    return pack(kinds, [Leaf(t, d) for t, d in zip(flat, dims, strict=True)])


def shapes_like(structure: Any, shapes: Any) -> list[Dims]:
    """Flat shapes of a nesting of shapes, where a shape may be a tuple, list or TensorShape."""
    if is_nest(structure):
        if not is_nest(shapes) and not isinstance(shapes, list):
            raise TypeError(f"shapes {shapes!r} have not the structure {structure!r}")
        if isinstance(shapes, list):
            shapes = tuple(shapes)
        if len(shapes) != len(structure):
            raise TypeError(f"shapes {shapes!r} have not the structure {structure!r}")
        pairs = zip(parts(structure), parts(shapes), strict=True)
        return [dims for part, shape in pairs for dims in shapes_like(part, shape)]
    return [as_dims(shapes)]


def types_of(structure: Any) -> Any:
    """The dtypes of a structure."""
    return map_leaves(lambda leaf: leaf.dtype if isinstance(leaf, Leaf) else leaf, structure)


def shapes_of(structure: Any) -> Any:
    """The static shapes of a structure, as TensorShapes."""
    return map_leaves(
        lambda leaf: TensorShape(leaf.dims) if isinstance(leaf, Leaf) else leaf, structure
    )
