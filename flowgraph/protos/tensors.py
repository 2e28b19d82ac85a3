"""TensorProto: an array as a protocol buffer, and the two functions between them.

Read next: ops/encoding.py (serialize_tensor, parse_tensor).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph import dtypes
from flowgraph.dtypes import DType, as_dtype
from flowgraph.graph.convert import to_array
from flowgraph.graph.export import export
from flowgraph.protos.fields import ENUMS
from flowgraph.protos.message import Message, declare
from flowgraph.shapes import Dims, is_fully_known
from flowgraph.tensor_shape import as_dims

_DTYPES = (
    "INVALID", "FLOAT", "DOUBLE", "INT32", "UINT8", "INT16", "INT8", "STRING", "COMPLEX64", "INT64",
    "BOOL", "QINT8", "QUINT8", "QINT32", "BFLOAT16", "QINT16", "QUINT16", "UINT16", "COMPLEX128",
    "HALF", "RESOURCE", "VARIANT", "UINT32", "UINT64",
)  # fmt: skip
ENUMS["DataType"] = {f"DT_{name}": number for number, name in enumerate(_DTYPES)} | {
    f"DT_{name}_REF": number + 100 for number, name in enumerate(_DTYPES) if number
}


class TensorShapeProto(Message):
    """A static shape: ``dim``, or ``unknown_rank``; an unknown size is -1."""

    FIELDS = declare("""
        dim          2  repeated TensorShapeProto.Dim
        unknown_rank 3  bool
        """)

    class Dim(Message):
        """``size`` and ``name`` of one axis."""

        FIELDS = declare("""
            size 1 int64
            name 2 string
            """)


class ResourceHandleProto(Message):
    """What a resource (a queue, a table) is called."""

    FIELDS = declare("""
        device            1  string
        container         2  string
        name              3  string
        hash_code         4  uint64
        maybe_type_name   5  string
        dtypes_and_shapes 6  repeated ResourceHandleProto.DtypeAndShape
        """)

    class DtypeAndShape(Message):
        """``dtype`` and ``shape`` of what it holds."""

        FIELDS = declare("""
            dtype 1 enum:DataType
            shape 2 TensorShapeProto
            """)


class VariantTensorDataProto(Message):
    """An element of a variant tensor."""

    FIELDS = declare("""
        type_name 1 string
        metadata  2 bytes
        tensors   3 repeated TensorProto
        """)


class TensorProto(Message):
    """``dtype``, ``tensor_shape`` and the elements: all bytes as ``tensor_content``, or the list
    ``float_val`` and its like, whose last value stands for all that are not there.
    """

    FIELDS = declare("""
        dtype               1  enum:DataType
        tensor_shape        2  TensorShapeProto
        version_number      3  int32
        tensor_content      4  bytes
        half_val            13 repeated int32
        float_val           5  repeated float
        double_val          6  repeated double
        int_val             7  repeated int32
        string_val          8  repeated bytes
        scomplex_val        9  repeated float
        int64_val           10 repeated int64
        bool_val            11 repeated bool
        dcomplex_val        12 repeated double
        resource_handle_val 14 repeated ResourceHandleProto
        variant_val         15 repeated VariantTensorDataProto
        uint32_val          16 repeated uint32
        uint64_val          17 repeated uint64
        """)


#: dtype name -> the list its elements stand in.
_LISTS = {
    "float16": "half_val", "float32": "float_val", "float64": "double_val", "string": "string_val",
    "complex64": "scomplex_val", "complex128": "dcomplex_val", "int64": "int64_val",
    "bool": "bool_val", "uint32": "uint32_val", "uint64": "uint64_val",
}  # fmt: skip


def shape_proto(dims: Dims) -> TensorShapeProto:
    """The TensorShapeProto of a shape."""
    if dims is None:
        return TensorShapeProto(unknown_rank=True)
    proto = TensorShapeProto()
    for size in dims:
        proto.dim.add(size=-1 if size is None else size)
    return proto


def dims_of(proto: TensorShapeProto) -> Dims:
    """The shape that a TensorShapeProto says."""
    if proto.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in proto.dim)


def _concrete(dims: Dims) -> tuple[int, ...]:
    return dims  # type: ignore[return-value]


def _elements(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements as they stand in a list: complex ones as two numbers, float16 as bits."""
    flat = array.reshape(-1)
    if flat.dtype == np.float16:
        return flat.view(np.uint16)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


@export("make_tensor_proto")
def make_tensor_proto(
    values: Any,
    dtype: Any = None,
    shape: Any = None,
    verify_shape: bool = False,
    allow_broadcast: bool = False,
) -> TensorProto:
    """A TensorProto that holds ``values``.

    Args:
        values: a number, string, list or array; a TensorProto is given back as it is.
        dtype: of the elements; found as ``tf.constant`` finds it when None.
        shape: of the tensor; that of ``values`` when None.  More elements than ``values`` has are
            copies of its last one.
        verify_shape: ``values`` must be of that shape.
        allow_broadcast: only a single value may be repeated, not the last one of several.

    Returns:
        A TensorProto: numbers in ``tensor_content``, a single one in the list of its dtype.

    Raises:
        TypeError: values of another dtype, or of another shape where that is verified.
        ValueError: more values than the shape has places.

    >>> tf.make_tensor_proto([1, 2]).ByteSize()
    18
    """
    if isinstance(values, TensorProto):
        return values
    array = to_array(values, None if dtype is None else as_dtype(dtype))
    dims = array.shape if shape is None else as_dims(shape)
    if not is_fully_known(dims):
        raise ValueError(f"make_tensor_proto: the shape must be known completely, got {shape!r}")
    sizes = _concrete(dims)
    size = math.prod(sizes)
    if (verify_shape and sizes != array.shape) or (
        allow_broadcast and array.shape not in ((), (1,)) and array.size != size
    ):
        raise TypeError(f"Expected Tensor's shape: {sizes}, got {array.shape}.")
    if array.size > size or (size and not array.size):
        raise ValueError(f"{array.size} values do not fill a tensor of shape {list(sizes)}")
    kind = as_dtype(array.dtype)
    proto = TensorProto(dtype=kind.as_datatype_enum, tensor_shape=shape_proto(sizes))
    packed = not (kind is dtypes.string or kind.is_bool or kind.is_complex)
    if packed and array.size == size > 1:
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    else:
        getattr(proto, _LISTS.get(kind.name, "int_val")).extend(_elements(array))
    return proto


def packed_proto(array: np.ndarray[Any, Any]) -> TensorProto:
    """A TensorProto with all elements in ``tensor_content``, as native code makes it."""
    dtype = as_dtype(array.dtype)
    proto = TensorProto(dtype=dtype.as_datatype_enum, tensor_shape=shape_proto(array.shape))
    if dtype is dtypes.string:
        proto.string_val.extend(array.reshape(-1).tolist())
    else:
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    return proto


def tensor_bytes(array: np.ndarray[Any, Any]) -> bytes:
    r"""The bytes of ``packed_proto``.

    >>> tensor_bytes(np.array(True))
    b'\x08\n\x12\x00"\x01\x01'
    """
    return packed_proto(array).SerializeToString()


@export("make_ndarray")
def make_ndarray(tensor: TensorProto) -> np.ndarray[Any, Any]:
    """The array that a TensorProto holds.

    Args:
        tensor: a TensorProto.

    Returns:
        An array of its own; of strings: an object array of bytes.

    Raises:
        TypeError: a dtype that arrays cannot have.   ValueError: it does not hold what it says.

    >>> tf.make_ndarray(tf.make_tensor_proto([[1, 2]]))
    array([[1, 2]], dtype=int32)
    """
    return array_of(tensor)


def dtype_of(proto: TensorProto) -> DType:
    """The dtype that a TensorProto says.

    Raises:
        TypeError: there is none, or arrays cannot have it.
    """
    return as_dtype(proto.dtype).base_dtype


def array_of(proto: TensorProto) -> np.ndarray[Any, Any]:
    """See make_ndarray."""
    dtype, dims = dtype_of(proto), dims_of(proto.tensor_shape)
    if not is_fully_known(dims):
        raise ValueError("a TensorProto without a complete shape holds no array")
    sizes = _concrete(dims)
    size = math.prod(sizes)
    if proto.tensor_content and dtype is not dtypes.string:
        if size * dtype.size != len(proto.tensor_content):
            raise ValueError(
                f"{len(proto.tensor_content)} bytes are no {dtype.name} tensor of shape "
                f"{list(sizes)}"
            )
        return np.frombuffer(proto.tensor_content, dtype.np).reshape(sizes).copy()
    values = list(getattr(proto, _LISTS.get(dtype.name, "int_val")))
    flat = _as_flat(values, dtype)
    if len(flat) > size:
        raise ValueError(f"{len(flat)} values are too many for a tensor of shape {list(sizes)}")
    if size and not len(flat):
        flat = np.array([b"" if dtype is dtypes.string else 0], dtype.np)
    result = np.empty(size, dtype.np)
    result[: len(flat)] = flat
    if size > len(flat):
        result[len(flat) :] = flat[-1]
    return result.reshape(sizes)


def _as_flat(values: list[Any], dtype: DType) -> np.ndarray[Any, Any]:
    if dtype is dtypes.string:
        flat = np.empty(len(values), object)
        flat[:] = values
        return flat
    if dtype is dtypes.float16:
        return np.array(values, np.uint16).view(np.float16)
    if dtype.is_complex:
        return np.array(values, dtype.real_dtype.np).view(dtype.np)
    return np.array(values, np.int64 if dtype.is_integer and dtype.size < 8 else dtype.np).astype(
        dtype.np
    )
