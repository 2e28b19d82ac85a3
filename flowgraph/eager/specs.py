"""Type specifications: what is known of a tensor before there is one.

    tf.TensorSpec([None, 3], tf.float32)     dtype and static shape
    tf.SparseTensorSpec, tf.IndexedSlicesSpec

They describe arguments of tf.function and elements of data sets.
"""

from __future__ import annotations

from typing import Any

from flowgraph.dtypes import DType, as_dtype, float32, int64
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.variables import Variable
from flowgraph.shapes import Dims, is_compatible
from flowgraph.tensor_shape import TensorShape, as_dims


def _common(one: Dims, other: Dims) -> Dims:
    """The most that is true of both shapes."""
    if one is None or other is None or len(one) != len(other):
        return None
    return tuple(a if a == b else None for a, b in zip(one, other, strict=True))


@export("TypeSpec", "data.experimental.Structure", "contrib.framework.TypeSpec")
class TypeSpec:
    """Base class of the specifications of types.

    ``spec.is_compatible_with(value)`` tells whether a value is of the type.
    """

    __slots__ = ()

    @property
    def value_type(self) -> Any:
        """The Python class of the values."""
        raise NotImplementedError(f"{type(self).__name__}.value_type")

    def _parts(self) -> tuple[Any, ...]:
        raise NotImplementedError(f"{type(self).__name__} does not tell its parts")

    def _fits(self, other: Any) -> bool:
        mine, theirs = self._parts(), other._parts()
        return all(_part_fits(a, b) for a, b in zip(mine, theirs, strict=True))

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """True when a value, or all values of a specification, can be of this type.

        Args:
            spec_or_value: a TypeSpec or a value.
        """
        if not isinstance(spec_or_value, TypeSpec):
            try:
                spec_or_value = type_spec_from_value(spec_or_value)
            except TypeError:
                return False
        return type(self) is type(spec_or_value) and self._fits(spec_or_value)

    def most_specific_compatible_type(self, other: TypeSpec) -> Any:
        """The narrowest type of which both this and ``other`` are.

        Args:
            other: a specification of the same class.

        Raises:
            ValueError: there is none.
        """
        if type(self) is not type(other):
            raise ValueError(f"No TypeSpec is compatible with both {self} and {other}")
        parts = []
        for a, b in zip(self._parts(), other._parts(), strict=True):
            if isinstance(a, DType) and a is not b:
                raise ValueError(f"No TypeSpec is compatible with both {self} and {other}")
            parts.append(a if isinstance(a, DType) else _common(a, b))
        return type(self)(*parts)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._parts() == other._parts()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self), self._parts()))


def _part_fits(a: Any, b: Any) -> bool:
    return a is b if isinstance(a, DType) or isinstance(b, DType) else is_compatible(a, b)


@export("TensorSpec", "contrib.eager.TensorSpec", "contrib.framework.TensorSpec")
class TensorSpec(TypeSpec):
    """Dtype and static shape of a tensor.

    Args:
        shape: the static shape; None for any.
        dtype: the element type.
        name: of the tensor, or None.

    >>> tf.TensorSpec([None, 3], tf.int32).is_compatible_with(tf.zeros([2, 3], tf.int32))
    True
    """

    __slots__ = ("_dims", "_dtype", "_name")

    def __init__(self, shape: Any, dtype: Any = float32, name: str | None = None) -> None:
        self._dims = as_dims(shape)
        self._dtype = as_dtype(dtype)
        self._name = name

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> TensorSpec:
        """A TensorSpec like ``spec``.

        Args:
            spec: anything with shape, dtype and name.   name: instead of its name.
        """
        return cls(spec.shape, spec.dtype, name or spec.name)

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        """The TensorSpec of ``tensor``, named ``name`` or like its operation.

        Args:
            tensor: a tensor.   name: instead of its name.
        """
        if not isinstance(tensor, Tensor):
            raise ValueError(f"from_tensor takes a tensor, got {tensor!r}")
        if name is None and not tensor.graph.executes:
            name = tensor.op.name
        return cls(tensor.shape, tensor.dtype, name)

    @property
    def value_type(self) -> Any:
        """tf.Tensor."""
        return Tensor

    @property
    def shape(self) -> TensorShape:
        """The static shape."""
        return TensorShape(self._dims)

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    @property
    def name(self) -> str | None:
        """The name, or None."""
        return self._name

    @property
    def is_discrete(self) -> bool:
        """Whether the elements are integers."""
        return self._dtype.is_integer

    @property
    def is_continuous(self) -> bool:
        """Whether the elements are floating numbers."""
        return self._dtype.is_floating

    def _parts(self) -> tuple[Any, ...]:
        return self._dims, self._dtype

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self.shape}, dtype={self._dtype!r}, name={self._name!r})"


@export("SparseTensorSpec")
class SparseTensorSpec(TypeSpec):
    """Dtype and static dense shape of a SparseTensor.

    Args:
        shape: of the dense tensor.
        dtype: of the values.
    """

    __slots__ = ("_dims", "_dtype")

    def __init__(self, shape: Any = None, dtype: Any = float32) -> None:
        self._dims, self._dtype = as_dims(shape), as_dtype(dtype)

    @property
    def value_type(self) -> Any:
        """tf.SparseTensor."""
        return SparseTensor

    @property
    def shape(self) -> TensorShape:
        """The static shape of the dense tensor."""
        return TensorShape(self._dims)

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    def _parts(self) -> tuple[Any, ...]:
        return self._dims, self._dtype

    def __repr__(self) -> str:
        return f"SparseTensorSpec({TensorShape(self._dims)!r}, {self._dtype!r})"


@export("IndexedSlicesSpec")
class IndexedSlicesSpec(TypeSpec):
    """What is known of an IndexedSlices.

    Args:
        shape: of the dense tensor.
        dtype: of the values.
        indices_dtype: int32 or int64.
        dense_shape_dtype: of ``dense_shape``; None when there is none.
        indices_shape: of the indices: how many rows.
    """

    __slots__ = ("_dense_shape_dtype", "_dims", "_dtype", "_indices_dims", "_indices_dtype")

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = float32,
        indices_dtype: Any = int64,
        dense_shape_dtype: Any = None,
        indices_shape: Any = None,
    ) -> None:
        self._dims, self._dtype = as_dims(shape), as_dtype(dtype)
        self._indices_dtype = as_dtype(indices_dtype)
        self._dense_shape_dtype = None if dense_shape_dtype is None else as_dtype(dense_shape_dtype)
        self._indices_dims = as_dims(indices_shape)

    @property
    def value_type(self) -> Any:
        """tf.IndexedSlices."""
        return IndexedSlices

    @property
    def shape(self) -> TensorShape:
        """The static shape of the dense tensor."""
        return TensorShape(self._dims)

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    def _parts(self) -> tuple[Any, ...]:
        return (
            self._dims, self._dtype, self._indices_dtype, self._dense_shape_dtype,
            self._indices_dims,
        )  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"IndexedSlicesSpec(shape={TensorShape(self._dims)!r}, dtype={self._dtype!r}, "
            f"indices_dtype={self._indices_dtype!r})"
        )


@export("type_spec_from_value", "data.experimental.type_spec_from_value")
def type_spec_from_value(value: Any) -> Any:
    """The specification of the type of ``value``.

    Args:
        value: a Tensor, Variable, SparseTensor, IndexedSlices, or an array.

    Raises:
        TypeError: there is none.

    >>> tf.type_spec_from_value(tf.constant([1, 2]))
    TensorSpec(shape=(2,), dtype=tf.int32, name='Const')
    """
    if isinstance(value, Tensor):
        return TensorSpec.from_tensor(value)
    if isinstance(value, Variable):
        return TensorSpec(value.shape, value.dtype.base_dtype, value.op.name)
    if isinstance(value, SparseTensor):
        return SparseTensorSpec(value.shape, value.dtype)
    if isinstance(value, IndexedSlices):
        shape = value.dense_shape
        return IndexedSlicesSpec(
            value.shape, value.dtype, value.indices.dtype,
            None if shape is None else shape.dtype, value.indices.shape,
        )  # fmt: skip
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return TensorSpec(value.shape, value.dtype)
    raise TypeError(f"Could not build a TypeSpec for {value!r} with type {type(value).__name__}")


@export("is_symbolic_tensor", "contrib.framework.is_symbolic_tensor")
def is_symbolic_tensor(tensor: Any) -> bool:
    """True for what is part of a graph and has no value of its own.

    Args:
        tensor: anything.

    >>> tf.is_symbolic_tensor(tf.constant(1))
    True
    """
    if isinstance(tensor, (Tensor, Variable)):
        return not tensor.graph.executes
    if isinstance(tensor, (SparseTensor, IndexedSlices)):
        return not tensor.values.graph.executes
    return False
