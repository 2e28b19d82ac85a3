"""Numeric columns, and columns of the intervals that numbers lie in.

Read next: columns.py, categorical.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, float32, int64
from flowgraph.feature_column.columns import (
    CategoricalColumn,
    DenseColumn,
    Features,
    Ids,
    check_key,
)
from flowgraph.graph.apply import call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.casts import cast
from flowgraph.ops.constants import constant
from flowgraph.ops.features import FixedLenFeature
from flowgraph.ops.gathering import one_hot
from flowgraph.ops.joining import stack
from flowgraph.ops.padding import tile
from flowgraph.ops.reshaping import reshape
from flowgraph.ops.rules import shape_of
from flowgraph.ops.sequences import range as range_
from flowgraph.ops.transposing import transpose


@dataclass(frozen=True)
class NumericColumn(DenseColumn):
    """Numbers as they are; see numeric_column."""

    key: str
    shape: tuple[int, ...]
    default_value: Any
    dtype: Any
    normalizer_fn: Callable[[Any], Any] | None

    @property
    def name(self) -> str:
        return self.key

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return {self.key: FixedLenFeature(self.shape, self.dtype, self.default_value)}

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def transform(self, features: Features) -> Any:
        given = features.raw(self.key)
        if isinstance(given, SparseTensor):
            raise ValueError(
                f"The corresponding Tensor of numerical column must be a Tensor. SparseTensor is "
                f"not supported. key: {self.key}"
            )
        if self.normalizer_fn is not None:
            given = self.normalizer_fn(given)
        return cast(given, float32)

    def dense(self, features: Features, trainable: bool, collections: list[Any]) -> Tensor:
        return features.of(self)


@export("feature_column.numeric_column")
def numeric_column(
    key: str,
    shape: Any = (1,),
    default_value: Any = None,
    dtype: Any = float32,
    normalizer_fn: Callable[[Any], Any] | None = None,
) -> NumericColumn:
    """A column of numbers.

    Args:
        key: name of the feature.
        shape: shape of the feature of one example.
        default_value: for Examples that do not have it: a number, or a list of that shape.
        dtype: of the feature; the column is float32.
        normalizer_fn: function of the tensor, to scale it for instance.

    Raises:
        ValueError: a size is not positive, the dtype has no numbers, or the default does not fit.
        TypeError: the default, or ``normalizer_fn``, is of another type.

    >>> age = tf.feature_column.numeric_column("age", normalizer_fn=lambda x: x / 10.0)
    >>> layer = tf.feature_column.input_layer({"age": tf.constant([20.0, 35.0])}, [age])
    >>> tf.Session().run(layer)
    array([[2. ],
           [3.5]], dtype=float32)
    """
    check_key(key)
    sizes = tuple(int(n) for n in (shape if isinstance(shape, Sequence) else [shape]))
    if any(n < 1 for n in sizes):
        raise ValueError(f"shape dimensions must be greater than 0. shape: {sizes}, key: {key}")
    dtype = as_dtype(dtype)
    if not (dtype.is_integer or dtype.is_floating):
        raise ValueError(f"dtype must be convertible to float. dtype: {dtype}, key: {key}")
    if default_value is not None:
        array = np.asarray(default_value)
        if array.dtype.kind not in "fiub" or (dtype.is_integer and array.dtype.kind == "f"):
            raise TypeError(
                f"default_value must be compatible with dtype. default_value: {default_value}, "
                f"dtype: {dtype}, key: {key}"
            )
        if array.shape not in ((), sizes):
            raise ValueError(
                "The shape of default_value must be equal to given shape. default_value: "
                f"{default_value}, shape: {sizes}, key: {key}"
            )
        default_value = _nested(np.broadcast_to(array.astype(dtype.np), sizes).tolist())
    if normalizer_fn is not None and not callable(normalizer_fn):
        raise TypeError(f"normalizer_fn must be a callable. Given: {normalizer_fn}")
    return NumericColumn(key, sizes, default_value, dtype, normalizer_fn)


def _nested(value: Any) -> Any:
    return tuple(map(_nested, value)) if isinstance(value, list) else value


@dataclass(frozen=True)
class BucketizedColumn(DenseColumn, CategoricalColumn):
    """Intervals that numbers lie in; see bucketized_column."""

    source_column: NumericColumn
    boundaries: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"{self.source_column.name}_bucketized"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return self.source_column.parse_example_spec

    @property
    def num_buckets(self) -> int:
        return (len(self.boundaries) + 1) * self.source_column.shape[0]

    @property
    def size(self) -> int:
        return self.num_buckets

    def transform(self, features: Features) -> Any:
        return call.Bucketize(features.of(self.source_column), boundaries=list(self.boundaries))

    def dense(self, features: Features, trainable: bool, collections: list[Any]) -> Tensor:
        return one_hot(cast(features.of(self), int64), len(self.boundaries) + 1, 1.0, 0.0)

    def ids(self, features: Features) -> Ids:
        # Element j of a feature has ids of its own: bucket + j (number of buckets).
        buckets = features.of(self)
        rows, width = shape_of(buckets)[0], self.source_column.shape[0]
        row = reshape(
            transpose(tile(reshape(range_(rows), [1, rows]), [width, 1])), [-1]
        )
        column = tile(range_(width), [rows])
        ids = reshape(buckets, [-1]) + (len(self.boundaries) + 1) * column
        indices = cast(transpose(stack([row, column])), int64)
        shape = cast(stack([rows, constant(width)]), int64)
        return Ids(SparseTensor(indices, cast(ids, int64), shape), None)


@export("feature_column.bucketized_column")
def bucketized_column(
    source_column: NumericColumn, boundaries: Sequence[float]
) -> BucketizedColumn:
    """A column of intervals: with boundaries 0 and 1 those are (-inf, 0), [0, 1) and [1, inf).

    Args:
        source_column: a numeric_column of one axis.
        boundaries: sorted numbers.

    Raises:
        ValueError: another column, or boundaries that are not sorted.

    >>> x = tf.feature_column.numeric_column("x")
    >>> column = tf.feature_column.bucketized_column(x, [0.0, 1.0])
    >>> layer = tf.feature_column.input_layer({"x": tf.constant([-1.0, 1.0])}, [column])
    >>> tf.Session().run(layer)
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    if not isinstance(source_column, NumericColumn):
        raise ValueError(
            "source_column must be a column generated with numeric_column(). Given: "
            f"{source_column}"
        )
    if len(source_column.shape) > 1:
        raise ValueError(f"source_column must be one-dimensional column. Given: {source_column}")
    if not isinstance(boundaries, (list, tuple)) or not boundaries:
        raise ValueError("boundaries must not be empty, and a list or tuple.")
    if any(a >= b for a, b in itertools.pairwise(boundaries)):
        raise ValueError("boundaries must be a sorted list.")
    return BucketizedColumn(source_column, tuple(boundaries))
