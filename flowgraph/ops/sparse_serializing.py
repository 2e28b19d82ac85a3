"""Sparse tensors as strings, one triple for each, and read again: for queues and files.

    serialize_sparse          [3]: indices, values, dense_shape, each a serialized TensorProto
    serialize_many_sparse     [rows, 3]: every row of a batch
    deserialize_many_sparse   [rows, 3] -> a batch, as large as the largest of them

Read next: encoding.py (serialize_tensor).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, as_dtype, string
from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import concrete, f32, invalid, require_rank
from flowgraph.ops.sparse_rules import as_sparse, check_sparse, parts, sparse_parts, sparse_sample
from flowgraph.protos.tensors import TensorProto, array_of, dims_of, shape_proto, tensor_bytes
from flowgraph.shapes import Dims, ShapeError, format_dims

_BYTES = not_differentiable("its result are strings")
_ONE = sparse_sample(np.where(f32(3, 4) > 0, f32(3, 4), np.float32(0)))
_CUBE = sparse_sample(np.where(f32(2, 2, 3) > 0, f32(2, 2, 3), np.float32(0)))
_WORDS = sparse_sample(np.array([[b"a", b""], [b"", b"bc" * 99]], object))


def _written(array: np.ndarray[Any, Any]) -> bytes:
    """A serialized TensorProto; strings as their lengths (varints) and then their bytes."""
    if not array.dtype.hasobject:
        return tensor_bytes(array)
    proto = TensorProto(dtype=string.as_datatype_enum, tensor_shape=shape_proto(array.shape))
    texts = array.reshape(-1).tolist()
    proto.tensor_content = b"".join(_varint(len(text)) for text in texts) + b"".join(texts)
    return proto.SerializeToString()


def _varint(number: int) -> bytes:
    """Seven bits to a byte, the lowest first; all but the last have the highest bit set."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _texts(content: bytes, count: int) -> list[bytes]:
    """The strings that _written wrote."""
    sizes, at = [], 0
    for _ in range(count):
        size = shift = 0
        while True:
            size |= (content[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if content[at - 1] < 128:
                break
        sizes.append(size)
    found = []
    for size in sizes:
        if at + size > len(content):
            raise IndexError("the bytes end before the last string")
        found.append(content[at : at + size])
        at += size
    return found


def _triple(*arrays: Any) -> list[bytes]:
    return [_written(array) for array in arrays]


def _serialize_infer(call_: Call) -> list[Dims]:
    _known_type(call_)
    sparse_parts(call_, 0, "sparse")
    return [(3,)]


def _known_type(call_: Call) -> None:
    if call_.attrs["out_type"].base_dtype is not string:
        raise ShapeError("out_type must be string")


def _serialize_reference(call_: Call, indices: Any, values: Any, shape: Any) -> Any:
    check_sparse(indices, values, shape)
    return np.array(_triple(indices, values, shape), object)


define(
    "SerializeSparse",
    "sparse_indices: int64, sparse_values: T, sparse_shape: int64 -> serialized_sparse: out_type",
    T=dtypes_of(ALL),
    out_type=dtypes_of(frozenset(("string",)), string),
    infer=_serialize_infer,
    grad=_BYTES,
    reference=_serialize_reference,
    samples=(sample(*_ONE), sample(*_WORDS)),
    errors=(
        error_sample(Exception, "is outside shape", np.array([[3, 0]]), f32(1), _ONE[2],
                     stage="run"),
    ),
    doc="A sparse tensor as three strings.",
)  # fmt: skip


def _many_infer(call_: Call) -> list[Dims]:
    _known_type(call_)
    _, rank = sparse_parts(call_, 0, "sparse")
    if rank is not None and rank < 2:
        raise ShapeError(f"a batch of sparse tensors has at least 2 axes, not {rank}")
    shape = call_.partial(2)
    return [(shape[0] if shape else None, 3)]


def _many_reference(call_: Call, indices: Any, values: Any, shape: Any) -> Any:
    check_sparse(indices, values, shape)
    if shape.size < 2:
        raise invalid(f"a batch of sparse tensors has at least 2 axes, not {shape.size}")
    result = np.empty((int(shape[0]), 3), object)
    order = np.argsort(indices[:, 0], kind="stable")
    bounds = np.searchsorted(indices[order, 0], np.arange(shape[0] + 1))
    for row in range(int(shape[0])):
        own = order[bounds[row] : bounds[row + 1]]
        result[row] = _triple(np.ascontiguousarray(indices[own, 1:]), values[own], shape[1:])
    return result


define(
    "SerializeManySparse",
    "sparse_indices: int64, sparse_values: T, sparse_shape: int64 -> serialized_sparse: out_type",
    T=dtypes_of(ALL),
    out_type=dtypes_of(frozenset(("string",)), string),
    infer=_many_infer,
    grad=_BYTES,
    reference=_many_reference,
    samples=(sample(*_ONE, const=(2,)), sample(*_CUBE), sample(*_WORDS)),
    errors=(error_sample(ValueError, "at least 2 axes", *sparse_sample(f32(3))),),
    doc="Every row of a sparse tensor as three strings.",
)


def _read(text: Any, what: str) -> Any:
    try:
        proto = TensorProto.FromString(text)
        if proto.tensor_content and as_dtype(proto.dtype) is string:
            sizes = dims_of(proto.tensor_shape) or ()
            count = math.prod(concrete(sizes))
            return np.array(_texts(proto.tensor_content, count), object).reshape(concrete(sizes))
        return array_of(proto)
    except (ValueError, TypeError, IndexError) as error:
        raise invalid(f"{what} are no serialized tensor: {error}") from None


def _deserialize_reference(call_: Call, serialized: Any) -> Any:
    if serialized.ndim != 2 or serialized.shape[1] != 3 or not len(serialized):
        raise invalid(f"serialized_sparse must be of shape [rows, 3], not {list(serialized.shape)}")
    dtype = call_.attrs["dtype"].base_dtype
    every: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for row, triple in enumerate(serialized):
        named = zip(triple, ("the indices", "the values", "the shape"), strict=True)
        indices, values, shape = (_read(text, f"{what} of row {row}") for text, what in named)
        if as_dtype(values.dtype) is not dtype:
            raise invalid(f"row {row} holds {as_dtype(values.dtype).name}, not {dtype.name}")
        if indices.dtype != np.int64 or shape.dtype != np.int64 or shape.ndim != 1:
            raise invalid(f"row {row} is no serialized sparse tensor")
        if shape.size != (every[2][0].size if row else shape.size):
            raise invalid(f"row {row} has {shape.size} axes, the first has {every[2][0].size}")
        try:
            check_sparse(indices, values, shape)
        except InvalidArgumentError as error:
            raise invalid(f"row {row}: {error.message}") from None
        front = np.full((len(indices), 1), row, np.int64)
        for column, array in zip(
            every, (np.concatenate([front, indices], 1), values, shape), strict=True
        ):
            column.append(array)
    most = np.max(every[2], axis=0)
    whole = np.concatenate([np.array([len(serialized)]), most]).astype(np.int64)
    return np.concatenate(every[0]), np.concatenate(every[1]), whole


def _deserialize_infer(call_: Call) -> list[Dims]:
    _, triple = require_rank(call_.shapes[0], 2, "serialized_sparse")
    if triple not in (3, None):
        raise ShapeError(
            f"serialized_sparse must be of shape [rows, 3], not {format_dims(call_.shapes[0])}"
        )
    return [(None, None), (None,), (None,)]


_ROWS = _many_reference(None, *_ONE)  # type: ignore[arg-type]

define(
    "DeserializeManySparse",
    "serialized_sparse: string -> sparse_indices: int64, sparse_values: dtype, sparse_shape: int64",
    dtype=dtypes_of(ALL, REQUIRED),
    infer=_deserialize_infer,
    grad=not_differentiable("its input are strings"),
    reference=_deserialize_reference,
    samples=(
        sample(_ROWS, dtype="float32"),
        sample(np.stack([_serialize_reference(None, *_WORDS)] * 2), dtype="string"),  # type: ignore[arg-type]
    ),
    errors=(
        error_sample(ValueError, r"must be of shape \[rows, 3\]", _ROWS[:, :2], dtype="float32"),
        error_sample(Exception, "row 0 holds float32, not int32", _ROWS, dtype="int32",
                     stage="run"),
        error_sample(Exception, "no serialized tensor", np.array([[b"junk"] * 3], object),
                     dtype="int32", stage="run"),
    ),
    doc="Sparse tensors read from triples of strings, as a batch.",
)  # fmt: skip


def _function(type: str, what: str, result: str, size: str, *names: str) -> Any:
    def function(sp_input: Any, name: str | None = None, out_type: Any = string) -> Tensor:
        x = as_sparse(sp_input, f"{names[0]}: sp_input")
        return apply_op(type, *parts(x), out_type=as_dtype(out_type), name=name)

    function.__name__ = function.__qualname__ = names[0]
    function.__doc__ = f"""{what} as strings.

    Args:
        sp_input: a SparseTensor.
        name: of the operation; ``{type}`` by default.
        out_type: tf.string; variants do not exist here.

    Returns:
        {result}: the indices, the values and the dense shape, each as ``tf.serialize_tensor``
        writes it.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor, or the ``out_type`` is another.

    Gradient: none.

    >>> x = tf.SparseTensor([[0, 1], [1, 0]], [5, 6], [2, 2])
    >>> print(tf.Session().run(tf.{names[0]}(x)).shape)
    {size}
    """
    return export(*names)(function)


serialize_sparse = _function(
    "SerializeSparse", "A sparse tensor", "Strings [3]", "(3,)", "serialize_sparse",
    "io.serialize_sparse",
)  # fmt: skip
serialize_many_sparse = _function(
    "SerializeManySparse", "Every row of a sparse tensor", "Strings [rows, 3]", "(2, 3)",
    "serialize_many_sparse", "io.serialize_many_sparse",
)  # fmt: skip


@export("deserialize_many_sparse", "io.deserialize_many_sparse")
def deserialize_many_sparse(
    serialized_sparse: Any, dtype: Any, rank: int | None = None, name: str | None = None
) -> SparseTensor:
    """Sparse tensors read from strings, one behind the other along a new first axis.

    Args:
        serialized_sparse: strings [rows, 3], of ``tf.serialize_many_sparse``, or of several
            ``tf.serialize_sparse``.
        dtype: of the values.
        rank: of the result, where the graph should know it.
        name: of the operation; ``DeserializeManySparse`` by default.

    Returns:
        A SparseTensor of one axis more than the tensors read, as large as the largest of them.

    Raises:
        ValueError: not three strings in every row.
        InvalidArgumentError: a row is no serialized sparse tensor of ``dtype`` (when run).

    Gradient: none.

    >>> x = tf.SparseTensor([[0, 1], [1, 0]], [5, 6], [2, 2])
    >>> y = tf.deserialize_many_sparse(tf.serialize_many_sparse(x), tf.int32)
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(y)))
    [[0 5]
     [6 0]]
    """
    indices, values, shape = apply_op(
        "DeserializeManySparse", serialized_sparse, dtype=as_dtype(dtype), name=name
    )
    indices.set_shape([None, rank])
    shape.set_shape([rank])
    return SparseTensor(indices, values, shape)
