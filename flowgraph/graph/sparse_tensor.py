"""SparseTensor: a tensor of which most elements are zero, as the places and values of the others.

Three dense tensors under one name.  A Session feeds and fetches them together: fetching gives a
SparseTensorValue, and a feed is one, or any ``(indices, values, dense_shape)``.

Read next: fetching.py; ops/ has the functions that take and give SparseTensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from flowgraph.dtypes import DType, as_dtype, int64
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor, run_in_session
from flowgraph.graph.static import constant_value_as_dims
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, with_rank
from flowgraph.tensor_shape import TensorShape


@export("SparseTensorValue")
class SparseTensorValue(NamedTuple):
    """What a Session gives for a fetched SparseTensor: arrays in place of tensors."""

    indices: Any
    values: Any
    dense_shape: Any


@export("SparseTensor", "sparse.SparseTensor")
class SparseTensor:
    """A tensor of shape ``dense_shape`` that is zero except at ``indices``.

    ``dense[indices[k, 0], indices[k, 1], ...] = values[k]``.  Most functions want the rows of
    ``indices`` in lexicographic order and without repetition; the constructor does not look.

    Args:
        indices: (N, rank) int64 tensor: where each value stands.
        values: (N,) tensor of any dtype.
        dense_shape: (rank,) int64 tensor.

    Raises:
        ValueError: their static shapes do not fit together.   TypeError: not int64.

    >>> import flowgraph as tf
    >>> x = tf.SparseTensor(indices=[[0, 1], [2, 0]], values=[5.0, 7.0], dense_shape=[3, 4])
    >>> x.shape
    TensorShape([Dimension(3), Dimension(4)])
    >>> tf.Session().run(x).values
    array([5., 7.], dtype=float32)
    """

    #: As of Tensor: ``array * sparse`` becomes ``sparse.__rmul__(array)``.
    __array_priority__ = 100

    #: For ``tf.is_tensor``.
    is_tensor_like = True

    #: As of Tensor beside it: ``dense * sparse`` becomes ``sparse.__rmul__(dense)``.
    _overrides_tensor_operators = True

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        with name_scope(None, "SparseTensor", [indices, values, dense_shape]):
            indices = convert_to_tensor(indices, dtype=int64, name="indices")
            values = convert_to_tensor(values, name="values")
            dense_shape = convert_to_tensor(dense_shape, dtype=int64, name="dense_shape")
        try:
            count, rank = with_rank(indices.dims, 2)
            merge(with_rank(values.dims, 1), (count,))
            merge(with_rank(dense_shape.dims, 1), (rank,))
        except ShapeError:
            shapes = ", ".join(format_dims(t.dims) for t in (indices, values, dense_shape))
            raise ValueError(
                "SparseTensor: indices must be of shape [N, rank], values [N] and dense_shape "
                f"[rank]; their shapes are {shapes}"
            ) from None
        self._indices, self._values, self._dense_shape = indices, values, dense_shape
        #: The static shape, where more is known of it than ``dense_shape`` tells.
        self._known_dims: Dims = None

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """The constant SparseTensor of a SparseTensorValue (or of the parts of a SparseTensor).

        Raises:
            TypeError: it is neither.
        """
        if not isinstance(sparse_tensor_value, (SparseTensor, SparseTensorValue)):
            raise TypeError(f"{sparse_tensor_value!r} is no SparseTensor and no SparseTensorValue")
        value = sparse_tensor_value
        return cls(value.indices, value.values, value.dense_shape)

    @property
    def indices(self) -> Tensor:
        """(N, rank) int64: where each value stands."""
        return self._indices

    @property
    def values(self) -> Tensor:
        """(N,): the values that are not zero."""
        return self._values

    @property
    def dense_shape(self) -> Tensor:
        """(rank,) int64: the shape of the dense tensor."""
        return self._dense_shape

    @property
    def op(self) -> Operation:
        """The operation that makes ``values``."""
        return self._values.op

    @property
    def name(self) -> str:
        """The name of ``values``."""
        return self._values.name

    @property
    def dtype(self) -> DType:
        """The dtype of ``values``."""
        return self._values.dtype

    @property
    def device(self) -> str:
        """The device of ``values``."""
        return self._values.device

    @property
    def graph(self) -> Any:
        """The Graph that contains the three tensors."""
        return self._indices.graph

    @property
    def shape(self) -> TensorShape:
        """The static shape of the dense tensor, as far as it is known."""
        dims = constant_value_as_dims(self._dense_shape)
        return TensorShape(dims if self._known_dims is None else merge(self._known_dims, dims))

    def _set_shape(self, dims: Dims) -> SparseTensor:
        """Itself, of which is known that the dense tensor has this shape."""
        self._known_dims = dims
        return self

    def _with_values(self, values: Tensor) -> SparseTensor:
        """A SparseTensor of other values at the same places."""
        result = SparseTensor(self._indices, values, self._dense_shape)
        result._known_dims = self._known_dims
        return result

    def get_shape(self) -> TensorShape:
        """Same as ``shape``."""
        return self.shape

    def consumers(self) -> list[Operation]:
        """The operations that take one of the three tensors, each once."""
        parts = (self._indices, self._values, self._dense_shape)
        return list(dict.fromkeys(op for part in parts for op in part.consumers()))

    def eval(self, feed_dict: Any = None, session: Any = None) -> SparseTensorValue:
        """The value, computed in ``session`` or else the default session.

        Raises:
            ValueError: there is neither.
        """
        return run_in_session(self, feed_dict, session, self.graph)

    @property
    def _control_element(self) -> Operation:
        return self._values.op

    @classmethod
    def _override_operator(cls, operator: str, function: Callable[..., Any]) -> None:
        """Let ``function`` implement the special method ``operator`` (``"__mul__"``)."""
        setattr(cls, operator, function)

    def __str__(self) -> str:
        return (
            f"SparseTensor(indices={self._indices}, values={self._values}, "
            f"dense_shape={self._dense_shape})"
        )

    def __repr__(self) -> str:
        return str(self)


@export("convert_to_tensor_or_sparse_tensor")
def convert_to_tensor_or_sparse_tensor(
    value: Any, dtype: Any = None, name: str | None = None
) -> Any:
    """``value`` itself when it is a SparseTensor, one for a SparseTensorValue, else a Tensor.

    Args:
        value: a SparseTensor, a SparseTensorValue, or what ``tf.convert_to_tensor`` takes.
        dtype: that the result must have.
        name: of a new Tensor.

    Raises:
        RuntimeError: a sparse value has another dtype.
    """
    if isinstance(value, SparseTensorValue):
        value = SparseTensor.from_value(value)
    if not isinstance(value, SparseTensor):
        return convert_to_tensor(value, dtype, name)
    if dtype is not None and not as_dtype(dtype).is_compatible_with(value.dtype):
        raise RuntimeError(
            f"a SparseTensor of {as_dtype(dtype).name} is needed, this one is {value.dtype.name}"
        )
    return value
