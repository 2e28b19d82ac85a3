"""IndexedSlices: a sparse gradient, some rows of a big tensor.

The gradient of ``gather`` touches few rows of an embedding table; it stays ``(indices, values)``
until somebody needs a dense tensor, and optimisers update only those rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flowgraph.dtypes import DType
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor, register_tensor_conversion_function
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.static import constant_value_as_dims
from flowgraph.tensor_shape import TensorShape


@export("IndexedSlices")
class IndexedSlices:
    """Rows ``values[i]`` to be added at ``indices[i]`` of a tensor that is zero elsewhere.

    ``dense[j] = sum_i values[i] * (indices[i] == j)``.  Indices may repeat and stand in any order.

    Args:
        values: (N, ...) tensor.
        indices: (N,) int32 or int64 tensor.
        dense_shape: 1-D integer tensor: the shape of the dense tensor; needed to convert to it.
    """

    def __init__(self, values: Tensor, indices: Tensor, dense_shape: Tensor | None = None) -> None:
        self._values, self._indices, self._dense_shape = values, indices, dense_shape

    @property
    def values(self) -> Tensor:
        """The rows."""
        return self._values

    @property
    def indices(self) -> Tensor:
        """Which row of the dense tensor each row of ``values`` is added to."""
        return self._indices

    @property
    def dense_shape(self) -> Tensor | None:
        """The shape of the dense tensor, or None."""
        return self._dense_shape

    @property
    def shape(self) -> TensorShape:
        """The static shape of the dense tensor, as far as it is known."""
        if self._dense_shape is None:
            return TensorShape(None)
        return TensorShape(constant_value_as_dims(self._dense_shape))

    @property
    def name(self) -> str:
        """The name of ``values``."""
        return self._values.name

    @property
    def device(self) -> str:
        """The device of ``values``."""
        return self._values.device

    @property
    def op(self) -> Operation:
        """The operation that makes ``values``."""
        return self._values.op

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._values.dtype

    @property
    def graph(self) -> Any:
        """The Graph that contains the tensors."""
        return self._values.graph

    @property
    def _control_element(self) -> Operation:
        return self._values.op

    def __neg__(self) -> IndexedSlices:
        return IndexedSlices(call.Neg(self._values), self._indices, self._dense_shape)

    def __str__(self) -> str:
        shape = "" if self._dense_shape is None else f", dense_shape={self._dense_shape}"
        return f"IndexedSlices(indices={self._indices}, values={self._values}{shape})"

    def __repr__(self) -> str:
        return str(self)


@export("IndexedSlicesValue")
class IndexedSlicesValue(NamedTuple):
    """What a Session gives for a fetched IndexedSlices: arrays in place of tensors."""

    values: Any
    indices: Any
    dense_shape: Any


def concat_indexed_slices(parts: Sequence[IndexedSlices]) -> IndexedSlices:
    """The sum of several sparse gradients of one tensor: their rows behind one another."""
    values = call.ConcatV2([part.values for part in parts], 0, name="concat")
    indices = call.ConcatV2([part.indices for part in parts], 0, name="concat")
    known = [part.dense_shape for part in parts if part.dense_shape is not None]
    return IndexedSlices(values, indices, known[0] if known else None)


@export("convert_to_tensor_or_indexed_slices")
def convert_to_tensor_or_indexed_slices(
    value: Any, dtype: Any = None, name: str | None = None
) -> Any:
    """``value`` itself when it is an IndexedSlices, else ``convert_to_tensor(value)``."""
    if isinstance(value, IndexedSlices):
        return value
    return convert_to_tensor(value, dtype, name)


def _to_dense(
    value: IndexedSlices, dtype: DType | None = None, name: str | None = None, as_ref: bool = False
) -> Tensor:
    if dtype is not None and value.dtype.base_dtype is not dtype:
        raise ValueError(f"IndexedSlices of {value.dtype.name} cannot become a {dtype.name} tensor")
    if value.dense_shape is None:
        raise ValueError(
            f"IndexedSlices {value.name!r} cannot become a dense tensor: dense_shape is not known"
        )
    with name_scope(None, name or "UnsortedSegmentSum", [value.values]) as scope:
        rows = call.StridedSlice(value.dense_shape, [0], [1], [1], shrink_axis_mask=1)
        dense = call.UnsortedSegmentSum(value.values, value.indices, rows, name=scope)
    dense.set_shape(value.shape)
    return dense


register_tensor_conversion_function(IndexedSlices, _to_dense)
