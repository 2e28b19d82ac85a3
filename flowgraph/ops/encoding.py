"""Arrays and bytes as bytes: decode_raw, base64, decode_compressed, serialize_tensor.

Read next: csv_records.py, parsing.py (records of several fields).
"""

from __future__ import annotations

import base64
import re
import zlib
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL
from flowgraph.errors import DataLossError
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
from flowgraph.ops.rules import f32, i32, invalid, one_name, same_shape
from flowgraph.ops.texts import each, filled, texts
from flowgraph.protos.tensors import TensorProto, array_of, dtype_of, tensor_bytes
from flowgraph.protos.wire import DecodeError
from flowgraph.shapes import Dims

_NO_NUMBERS = not_differentiable("strings have no derivatives")

# -------------------------------------------------------------------------------------- decode_raw

_RAW = frozenset(
    ("float16", "float32", "float64", "int32", "uint16", "uint8", "int16", "int8", "int64",
     "complex64", "complex128", "bool")
)  # fmt: skip


def _raw_shape(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    return [None if dims is None else (*dims, None)]


def _raw_reference(call_: Call, strings: Any) -> np.ndarray[Any, Any]:
    dtype = call_.attrs["out_type"]
    flat = strings.reshape(-1)
    size = len(flat[0]) if len(flat) else 0
    for k, text in enumerate(flat):
        if len(text) != size:
            raise invalid(
                f"strings must all be of one size, but element {k} has {len(text)} bytes, not "
                f"{size}"
            )
    if size % dtype.size:
        raise invalid(f"{size} bytes are no whole number of {dtype.name} ({dtype.size} bytes)")
    order = "<" if call_.attrs["little_endian"] else ">"
    numbers = np.frombuffer(b"".join(flat), dtype.np.newbyteorder(order))
    if dtype.is_bool:
        numbers = np.frombuffer(b"".join(flat), np.uint8) != 0
    return numbers.astype(dtype.np).reshape(*strings.shape, size // dtype.size)


define(
    "DecodeRaw",
    "bytes: string -> output: out_type",
    out_type=dtypes_of(_RAW),
    little_endian=True,
    infer=_raw_shape,
    grad=_NO_NUMBERS,
    reference=_raw_reference,
    samples=(
        sample(texts(["abcd", "efgh"]), out_type="int16"),
        sample(texts([["\0\1\2\3"]]), out_type="uint16", little_endian=False),
        sample(texts(b"\0\0\xc0\x3f"), out_type="float32"),
        sample(texts([b"\x3f\x80" + bytes(6)]), out_type="complex64", little_endian=False),
        sample(texts([b"\1\0"]), out_type="bool"),
        sample(texts(np.zeros(0, object)), out_type="int16"),
        sample(texts([""]), out_type="float64"),
    ),
    errors=(
        error_sample(TypeError, "cannot be string", texts("ab"), out_type="string"),
        error_sample(Exception, "3 bytes are no whole number", texts(["abc"]), out_type="int16",
                     stage="run"),
        error_sample(Exception, "of one size, but element 1 has 4", texts(["ab", "abcd"]),
                     out_type="uint8", stage="run"),
    ),
    doc="The bytes of each string as numbers, along a new last axis.",
)  # fmt: skip


@export("decode_raw", "io.decode_raw")
def decode_raw(
    input_bytes: Any = None,
    out_type: Any = None,
    little_endian: bool = True,
    name: str | None = None,
    bytes: Any = None,
) -> Tensor:
    """The bytes of each string as numbers.

    Args:
        input_bytes: a string tensor; all strings have the same number of bytes.
        out_type: float16, float32, float64, int8, int16, int32, int64, uint8, uint16, complex64,
            complex128 or bool.
        little_endian: the lowest byte of a number comes first.
        name: of the operation; ``DecodeRaw`` by default.
        bytes: older name of ``input_bytes``.

    Returns:
        A tensor of ``out_type`` with one axis more: the numbers of each string.

    Raises:
        InvalidArgumentError: the strings differ in size, or are no whole number of elements (when
            run).

    >>> tf.Session().run(tf.decode_raw(["ab", "cd"], tf.uint8)).tolist()
    [[97, 98], [99, 100]]
    """
    given = one_name("decode_raw", input_bytes=input_bytes, bytes=bytes)
    return apply_op("DecodeRaw", given, out_type=out_type, little_endian=little_endian, name=name)


# ------------------------------------------------------------------------------------------ base64

_BASE64 = re.compile(rb"[A-Za-z0-9_-]*")


def _encoded(text: bytes, pad: bool) -> bytes:
    found = base64.urlsafe_b64encode(text)
    return found if pad else found.rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    if len(text) % 4 == 1:
        raise invalid("a base64 text cannot have 1 modulo 4 characters")
    bare = text
    if len(text) % 4 == 0:
        for _ in range(2):
            bare = bare.removesuffix(b"=")
    if not _BASE64.fullmatch(bare):
        raise invalid(
            f"{text.decode(errors='replace')!r} has characters that are not of base64 (web-safe: "
            "A-Z, a-z, 0-9, - and _)"
        )
    return base64.urlsafe_b64decode(bare + b"=" * (-len(bare) % 4))


define(
    "EncodeBase64",
    "input: string -> output: string",
    pad=False,
    infer=same_shape,
    grad=_NO_NUMBERS,
    reference=lambda call_, x: each(lambda text: _encoded(text, call_.attrs["pad"]), x),
    samples=(
        sample(texts(["a", "ab", "abc", b"\xff\xfe\xfd", ""])),
        sample(texts("a"), pad=True),
    ),
    doc="Each string in 64 characters that are safe in URLs and file names.",
)

define(
    "DecodeBase64",
    "input: string -> output: string",
    infer=same_shape,
    grad=_NO_NUMBERS,
    reference=lambda call_, x: each(_decoded, x),
    samples=(sample(texts([["YQ", "YQ=="], ["YWI", "__79"], ["", "YR"]])),),
    errors=(
        error_sample(Exception, "not of base64", texts("//79"), stage="run"),
        error_sample(Exception, "not of base64", texts("YQ="), stage="run"),
        error_sample(Exception, "not of base64", texts("Y==="), stage="run"),
        error_sample(Exception, "1 modulo 4", texts(["YQ", "Y"]), stage="run"),
    ),
    doc="What was written in 64 characters.",
)


@export("encode_base64", "io.encode_base64")
def encode_base64(input: Any, pad: bool = False, name: str | None = None) -> Tensor:
    """Each string in base64, with ``-`` and ``_`` for the last two digits (RFC 4648, URL-safe).

    Args:
        input: a string tensor.
        pad: fill up with ``=`` to a multiple of 4 characters.
        name: of the operation; ``EncodeBase64`` by default.

    Returns:
        A string tensor of the same shape.

    >>> tf.Session().run(tf.encode_base64(["a", "??>"]))
    array([b'YQ', b'Pz8-'], dtype=object)
    """
    return apply_op("EncodeBase64", input, pad=pad, name=name)


@export("decode_base64", "io.decode_base64")
def decode_base64(input: Any, name: str | None = None) -> Tensor:
    """What ``encode_base64`` has written; padded or not.

    Args:
        input: a string tensor.
        name: of the operation; ``DecodeBase64`` by default.

    Returns:
        A string tensor of the same shape.

    Raises:
        InvalidArgumentError: a string is no URL-safe base64 (when run).

    >>> tf.Session().run(tf.decode_base64("YQ"))
    b'a'
    """
    return apply_op("DecodeBase64", input, name=name)


# ------------------------------------------------------------------------------- decode_compressed

#: Window bits of zlib for each kind.
_COMPRESSIONS = {"": 0, "ZLIB": zlib.MAX_WBITS, "GZIP": zlib.MAX_WBITS | 16}


def _inflated(text: bytes, kind: str) -> bytes:
    """The text itself; a gzip file may have several members, what follows a zlib stream is left."""
    parts = []
    while text and kind:
        stream = zlib.decompressobj(_COMPRESSIONS[kind])
        try:
            parts.append(stream.decompress(text))
        except zlib.error as error:
            raise DataLossError(None, None, f"these are no {kind} data: {error}") from None
        if not stream.eof:
            raise DataLossError(None, None, f"the {kind} data end too early")
        text = stream.unused_data if kind == "GZIP" else b""
    return b"".join(parts) if kind else text


def _decompress(call_: Call, x: Any) -> np.ndarray[Any, Any]:
    kind = call_.attrs["compression_type"]
    if kind not in _COMPRESSIONS:
        raise invalid(f"compression_type must be '', 'ZLIB' or 'GZIP', not {kind!r}")
    return each(lambda text: _inflated(text, kind), x)


_HELLO = zlib.compress(b"hello" * 10)

define(
    "DecodeCompressed",
    "bytes: string -> output: string",
    compression_type="",
    infer=same_shape,
    grad=_NO_NUMBERS,
    reference=_decompress,
    samples=(
        sample(texts(["abc", ""])),
        sample(texts([_HELLO, _HELLO + b"more"]), compression_type="ZLIB"),
        sample(
            texts(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106"
                  b"\x05\x00\x00\x00"),
            compression_type="GZIP",
        ),
        sample(texts(""), compression_type="GZIP"),
    ),
    errors=(
        error_sample(Exception, "no ZLIB data", texts("xx"), compression_type="ZLIB", stage="run"),
        error_sample(Exception, "no GZIP data", texts(_HELLO), compression_type="GZIP",
                     stage="run"),
        error_sample(Exception, "end too early", texts(_HELLO[:-3]), compression_type="ZLIB",
                     stage="run"),
        error_sample(Exception, "compression_type must be", texts("x"), compression_type="LZO",
                     stage="run"),
    ),
    doc="Each string before it was compressed.",
)  # fmt: skip


@export("decode_compressed", "io.decode_compressed")
def decode_compressed(bytes: Any, compression_type: str = "", name: str | None = None) -> Tensor:
    """Each string before it was compressed.

    Args:
        bytes: a string tensor.
        compression_type: ``""`` (not compressed), ``"ZLIB"`` or ``"GZIP"``.
        name: of the operation; ``DecodeCompressed`` by default.

    Returns:
        A string tensor of the same shape.

    Raises:
        DataLossError: a string that was not compressed so, or whose end is missing (when run).
        InvalidArgumentError: another compression (when run).
    """
    return apply_op("DecodeCompressed", bytes, compression_type=compression_type, name=name)


# ------------------------------------------------------------------- serialize_tensor, parse_tensor


def _serialize(call_: Call, array: Any) -> np.ndarray[Any, Any]:
    return filled([tensor_bytes(np.asarray(array))], ())


def _parse(call_: Call, serialized: Any) -> np.ndarray[Any, Any]:
    if serialized.ndim:
        raise invalid(f"serialized must be a scalar, not of shape {list(serialized.shape)}")
    dtype = call_.attrs["out_type"]
    try:
        proto = TensorProto.FromString(serialized[()])
        found = dtype_of(proto)
        if found is dtype:
            return array_of(proto)
    except (DecodeError, TypeError, ValueError) as error:
        raise invalid(f"this is no serialized tensor: {error}") from None
    raise invalid(f"the serialized tensor is {found.name}, not {dtype.name}")


define(
    "SerializeTensor",
    "tensor: T -> serialized: string",
    T=dtypes_of(ALL),
    infer=lambda call_: [()],
    grad=_NO_NUMBERS,
    reference=_serialize,
    samples=(
        sample(f32(2, 3)),
        sample(i32(7)),
        sample(texts(["a", "b"])),
        sample(np.array([True, False])),
        sample(np.complex64(1 + 2j)),
        sample(f32(0, 2)),
    ),
    doc="A tensor as the bytes of a TensorProto.",
)

_SERIALIZED = tensor_bytes(i32([[1, 2], [3, 4]]))

define(
    "ParseTensor",
    "serialized: string -> output: out_type",
    out_type=dtypes_of(ALL, REQUIRED),
    infer=lambda call_: [None],
    grad=_NO_NUMBERS,
    reference=_parse,
    samples=(
        sample(texts(_SERIALIZED), out_type="int32"),
        sample(texts(tensor_bytes(texts(["a", "bc"]))), out_type="string"),
        sample(texts(tensor_bytes(np.array(True))), out_type="bool"),
        sample(texts(b"\x08\x03\x12\x04\x12\x02\x08\x03:\x01\x05"), out_type="int32"),
    ),
    errors=(
        error_sample(Exception, "is int32, not float32", texts(_SERIALIZED), out_type="float32",
                     stage="run"),
        error_sample(Exception, "no serialized tensor", texts("junk"), out_type="int32",
                     stage="run"),
        error_sample(Exception, "no serialized tensor", texts(""), out_type="int32", stage="run"),
        error_sample(Exception, "must be a scalar", texts([_SERIALIZED]), out_type="int32",
                     stage="run"),
    ),
    doc="The tensor that the bytes of a TensorProto say.",
)  # fmt: skip


@export("serialize_tensor", "io.serialize_tensor")
def serialize_tensor(tensor: Any, name: str | None = None) -> Tensor:
    """A tensor as the bytes of a TensorProto; ``tf.parse_tensor`` reads them.

    Args:
        tensor: a tensor.
        name: of the operation; ``SerializeTensor`` by default.

    Returns:
        A scalar string.
    """
    return apply_op("SerializeTensor", tensor, name=name)


@export("parse_tensor", "io.parse_tensor")
def parse_tensor(serialized: Any, out_type: Any, name: str | None = None) -> Tensor:
    """The tensor that the bytes of a TensorProto say.

    Args:
        serialized: a scalar string.
        out_type: its dtype.
        name: of the operation; ``ParseTensor`` by default.

    Returns:
        A tensor of ``out_type`` and of unknown shape.

    Raises:
        InvalidArgumentError: the bytes are no TensorProto, or one of another dtype (when run).

    >>> tf.Session().run(tf.parse_tensor(tf.serialize_tensor([[1, 2]]), tf.int32))
    array([[1, 2]], dtype=int32)
    """
    return apply_op("ParseTensor", serialized, out_type=out_type, name=name)
