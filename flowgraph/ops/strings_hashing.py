"""Strings to numbers of buckets: string_to_hash_bucket, and its fast and its strong kind.

Three published hash functions of 64 bits, so that features land in the buckets where they land in
TensorFlow: MurmurHash64A (A. Appleby, 2008), FarmHash Fingerprint64 (G. Pike, 2014) and SipHash-2-4
(J.-P. Aumasson and D. J. Bernstein, 2012).

Read next: strings_numbers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL
from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import (
    f32,
    i32,
    invalid,
    one_name,
    require_rank,
    require_rank_at_least,
    same_shape,
)
from flowgraph.ops.texts import each_as, texts
from flowgraph.shapes import Dims, ShapeError

_MASK = (1 << 64) - 1


def _word(text: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(text[at : at + size], "little")


def _rotated(x: int, right: int) -> int:
    return ((x >> right) | (x << (64 - right))) & _MASK


# ---------------------------------------------------------------------------------- MurmurHash64A

_MURMUR_MULTIPLIER, _MURMUR_SHIFT = 0xC6A4A7935BD1E995, 47
#: TensorFlow's seed.
_MURMUR_SEED = 0xDECAFCAFFE


def murmur64(text: bytes, seed: int = _MURMUR_SEED) -> int:
    """MurmurHash64A of ``text``."""
    m, r = _MURMUR_MULTIPLIER, _MURMUR_SHIFT
    whole = len(text) & ~7
    h = seed ^ (len(text) * m & _MASK)
    for at in range(0, whole, 8):
        k = _word(text, at) * m & _MASK
        h = (h ^ ((k ^ (k >> r)) * m)) * m & _MASK
    if len(text) > whole:
        h = (h ^ _word(text, whole)) * m & _MASK
    h = (h ^ (h >> r)) * m & _MASK
    return h ^ (h >> r)


# ----------------------------------------------------------------------- FarmHash's Fingerprint64

_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _mixed(x: int) -> int:
    return x ^ (x >> 47)


def _pair(u: int, v: int, multiplier: int) -> int:
    """A hash of two words."""
    a = _mixed((u ^ v) * multiplier & _MASK)
    b = _mixed((v ^ a) * multiplier & _MASK)
    return b * multiplier & _MASK


def _up_to_16(s: bytes) -> int:
    size = len(s)
    if size >= 8:
        multiplier = _K2 + size * 2
        a, b = _word(s, 0) + _K2 & _MASK, _word(s, size - 8)
        c = _rotated(b, 37) * multiplier + a & _MASK
        d = (_rotated(a, 25) + b) * multiplier & _MASK
        return _pair(c, d, multiplier)
    if size >= 4:
        return _pair(size + (_word(s, 0, 4) << 3), _word(s, size - 4, 4), _K2 + size * 2)
    if size:
        y = s[0] + (s[size >> 1] << 8)
        z = size + (s[-1] << 2)
        return _mixed((y * _K2 ^ z * _K0) & _MASK) * _K2 & _MASK
    return _K2


def _ends(s: bytes, multiplier: int, first: int) -> tuple[int, int, int]:
    """What strings of 17 to 64 bytes have in common: a, and two words of their ends."""
    size = len(s)
    a, b = _word(s, 0) * first & _MASK, _word(s, 8)
    c = _word(s, size - 8) * multiplier & _MASK
    d = _word(s, size - 16) * _K2 & _MASK
    y = _rotated(a + b & _MASK, 43) + _rotated(c, 30) + d & _MASK
    return a, y, a + _rotated(b + _K2 & _MASK, 18) + c & _MASK


def _up_to_32(s: bytes) -> int:
    multiplier = _K2 + len(s) * 2
    _, y, z = _ends(s, multiplier, _K1)
    return _pair(y, z, multiplier)


def _up_to_64(s: bytes) -> int:
    size = len(s)
    multiplier = _K2 + size * 2
    a, y, end = _ends(s, multiplier, _K2)
    z = _pair(y, end, multiplier)
    e, f = _word(s, 16) * multiplier & _MASK, _word(s, 24)
    g = (y + _word(s, size - 32)) * multiplier & _MASK
    h = (z + _word(s, size - 24)) * multiplier & _MASK
    return _pair(
        _rotated(e + f & _MASK, 43) + _rotated(g, 30) + h & _MASK,
        e + _rotated(f + a & _MASK, 18) + g & _MASK,
        multiplier,
    )


def _block(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """32 bytes mixed into two words."""
    w, x, y, z = (_word(s, at + k) for k in (0, 8, 16, 24))
    a = a + w & _MASK
    b = _rotated(b + a + z & _MASK, 21)
    c = a
    a = a + x + y & _MASK
    return a + z & _MASK, b + _rotated(a, 44) + c & _MASK


_Words = tuple[int, int]


def _round(
    s: bytes, at: int, x: int, y: int, z: int, v: _Words, w: _Words, multiplier: int, nine: int
) -> tuple[int, int, int, _Words, _Words]:
    """64 bytes mixed into the state."""
    x = _rotated(x + y + v[0] + _word(s, at + 8) & _MASK, 37) * multiplier & _MASK
    y = _rotated(y + v[1] + _word(s, at + 48) & _MASK, 42) * multiplier & _MASK
    x ^= w[1] * nine & _MASK
    y = y + v[0] * nine + _word(s, at + 40) & _MASK
    z = _rotated(z + w[0] & _MASK, 33) * multiplier & _MASK
    v = _block(s, at, v[1] * multiplier & _MASK, x + w[0] & _MASK)
    w = _block(s, at + 32, z + w[1] & _MASK, y + _word(s, at + 16) & _MASK)
    return z, y, x, v, w


def fingerprint64(s: bytes) -> int:
    """FarmHash's Fingerprint64 of ``s``.

    >>> fingerprint64(b"hello") % 1000
    296
    """
    if len(s) <= 64:
        return _up_to_16(s) if len(s) <= 16 else _up_to_32(s) if len(s) <= 32 else _up_to_64(s)
    x, y = 81 * _K2 + _word(s, 0) & _MASK, 81 * _K1 + 113 & _MASK
    z = _mixed(y * _K2 + 113 & _MASK) * _K2 & _MASK
    v, w = (0, 0), (0, 0)
    rest = (len(s) - 1) & 63
    for at in range(0, len(s) - 1 - rest, 64):
        x, y, z, v, w = _round(s, at, x, y, z, v, w, _K1, 1)
    # The last 64 bytes again, with what is left of them counted in.
    multiplier = _K1 + ((z & 0xFF) << 1)
    w = (w[0] + rest & _MASK, w[1])
    v = (v[0] + w[0] & _MASK, v[1])
    w = (w[0] + v[0] & _MASK, w[1])
    x, y, z, v, w = _round(s, len(s) - 64, x, y, z, v, w, multiplier, 9)
    return _pair(
        _pair(v[0], w[0], multiplier) + _mixed(y) * _K0 + z & _MASK,
        _pair(v[1], w[1], multiplier) + x & _MASK,
        multiplier,
    )


# ------------------------------------------------------------------------------------- SipHash-2-4


def siphash(text: bytes, key: Sequence[int]) -> int:
    """SipHash-2-4 of ``text`` under a key of two words."""
    k0, k1 = (k & _MASK for k in key)
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = text + bytes(7 - len(text) % 8) + bytes([len(text) & 0xFF])
    for at in (*range(0, len(padded), 8), -1):
        word, rounds = (_word(padded, at), 2) if at >= 0 else (0, 4)
        v3 ^= word
        if at < 0:
            v2 ^= 0xFF
        for _ in range(rounds):
            v0 = v0 + v1 & _MASK
            v1 = _rotated(v1, 51) ^ v0
            v0 = _rotated(v0, 32)
            v2 = v2 + v3 & _MASK
            v3 = _rotated(v3, 48) ^ v2
            v0 = v0 + v3 & _MASK
            v3 = _rotated(v3, 43) ^ v0
            v2 = v2 + v1 & _MASK
            v1 = _rotated(v1, 47) ^ v2
            v2 = _rotated(v2, 32)
        v0 ^= word
    return v0 ^ v1 ^ v2 ^ v3


# ------------------------------------------------------------------------------------- the records


def _bucket_shape(call_: Call) -> list[Dims]:
    if call_.attrs["num_buckets"] < 1:
        raise ShapeError(f"num_buckets must be at least 1, not {call_.attrs['num_buckets']}")
    return same_shape(call_)


def _bucket_of(hashed: Callable[[bytes], int]) -> Callable[..., Any]:
    def reference(call_: Call, x: Any) -> np.ndarray[Any, Any]:
        count = call_.attrs["num_buckets"]
        return each_as(np.int64, lambda text: hashed(text) % count, x)

    return reference


_TEXTS = texts(["", "a", "abc", "hello", "12345678", "é" * 8, "x" * 20, "y" * 50, "z" * 200])

for _type, _argument, _hash in (
    ("StringToHashBucket", "string_tensor", murmur64),
    ("StringToHashBucketFast", "input", fingerprint64),
):
    define(
        _type,
        f"{_argument}: string -> output: int64",
        num_buckets=Attr("int", REQUIRED),
        infer=_bucket_shape,
        grad=not_differentiable("its result is an integer"),
        reference=_bucket_of(_hash),
        samples=(sample(_TEXTS, num_buckets=1000), sample(texts("a"), num_buckets=2**62)),
        errors=(error_sample(ValueError, "num_buckets must be at least 1", _TEXTS, num_buckets=0),),
        doc=f"The number of each string's bucket, by {_hash.__name__}.",
    )


def _strong_reference(call_: Call, x: Any) -> np.ndarray[Any, Any]:
    key, count = call_.attrs["key"], call_.attrs["num_buckets"]
    if len(key) != 2:
        raise invalid(f"the key must have 2 elements, not {len(key)}")
    return each_as(np.int64, lambda text: siphash(text, key) % count, x)


define(
    "StringToHashBucketStrong",
    "input: string -> output: int64",
    num_buckets=Attr("int", REQUIRED),
    key=Attr("list(int)", REQUIRED),
    infer=_bucket_shape,
    grad=not_differentiable("its result is an integer"),
    reference=_strong_reference,
    samples=(
        sample(_TEXTS, num_buckets=1000, key=[1, 2]),
        sample(texts("a"), num_buckets=7, key=[-1, 2]),
    ),
    errors=(
        error_sample(ValueError, "at least 1", _TEXTS, num_buckets=-3, key=[1, 2]),
        error_sample(Exception, "must have 2 elements", _TEXTS, num_buckets=3, key=[1],
                     stage="run"),
    ),
    doc="The number of each string's bucket, by SipHash under a key.",
)  # fmt: skip


@export("string_to_hash_bucket", "strings.to_hash_bucket")
def string_to_hash_bucket(
    string_tensor: Any = None,
    num_buckets: int | None = None,
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The number of each string's bucket: a hash modulo ``num_buckets``.

    Args:
        string_tensor: a string tensor.
        num_buckets: how many buckets there are.
        name: of the operation; ``StringToHashBucket`` by default.
        input: newer name of ``string_tensor``.

    Returns:
        An int64 tensor of the same shape, in ``[0, num_buckets)``; TensorFlow's numbers.

    Raises:
        ValueError: ``num_buckets`` is less than 1.
    """
    given = one_name("string_to_hash_bucket", string_tensor=string_tensor, input=input)
    return apply_op("StringToHashBucket", given, num_buckets=num_buckets, name=name)


@export("string_to_hash_bucket_fast", "strings.to_hash_bucket_fast")
def string_to_hash_bucket_fast(input: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """The number of each string's bucket: FarmHash's fingerprint modulo ``num_buckets``.

    The same everywhere and always, but not for texts that somebody chooses to collide.

    Args:
        input: a string tensor.
        num_buckets: how many buckets there are.
        name: of the operation; ``StringToHashBucketFast`` by default.

    Returns:
        An int64 tensor of the same shape, in ``[0, num_buckets)``; TensorFlow's numbers.

    Raises:
        ValueError: ``num_buckets`` is less than 1.

    >>> tf.Session().run(tf.strings.to_hash_bucket_fast(["a", "hello"], 1000))
    array([939, 296])
    """
    return apply_op("StringToHashBucketFast", input, num_buckets=num_buckets, name=name)


@export("string_to_hash_bucket_strong", "strings.to_hash_bucket_strong")
def string_to_hash_bucket_strong(
    input: Any, num_buckets: int, key: Sequence[int], name: str | None = None
) -> Tensor:
    """The number of each string's bucket, by a hash that nobody can foresee without the key.

    Args:
        input: a string tensor.
        num_buckets: how many buckets there are.
        key: two integers.
        name: of the operation; ``StringToHashBucketStrong`` by default.

    Returns:
        An int64 tensor of the same shape, in ``[0, num_buckets)``; TensorFlow's numbers.

    Raises:
        ValueError: ``num_buckets`` is less than 1.
        InvalidArgumentError: the key has not two elements (when run).
    """
    return apply_op(
        "StringToHashBucketStrong", input, num_buckets=num_buckets, key=list(key), name=name
    )


# ------------------------------------------------------------------------------------- fingerprint


def _fingerprint_shape(call_: Call) -> list[Dims]:
    require_rank_at_least(call_.shapes[0], 1, "data")
    require_rank(call_.shapes[1], 0, "method")
    dims = call_.shapes[0]
    return [(None if dims is None else dims[0], 8)]


def _fingerprint_reference(call_: Call, data: Any, method: Any) -> np.ndarray[Any, Any]:
    if method[()] != b"farmhash64":
        raise invalid(f"method must be 'farmhash64', not {method[()].decode(errors='replace')!r}")
    if not data.ndim:
        raise invalid("data must have at least one axis")
    if data.dtype.hasobject:
        # One string is hashed; of several, the hashes are.
        hashes = each_as(np.uint64, fingerprint64, data).reshape(len(data), -1)
        if data.ndim == 1:
            return hashes.astype("<u8").view(np.uint8).reshape(len(data), 8)
        data = hashes
    rows = [np.ascontiguousarray(row).tobytes() for row in data]
    found = np.array([fingerprint64(row) for row in rows], "<u8")
    return found.view(np.uint8).reshape(len(rows), 8)


define(
    "Fingerprint",
    "data: T, method: string -> fingerprint: uint8",
    T=dtypes_of(ALL),
    infer=_fingerprint_shape,
    grad=not_differentiable("its result is an integer"),
    reference=_fingerprint_reference,
    samples=(
        sample(texts(["a", "bc"]), texts("farmhash64")),
        sample(i32([[1, 2], [3, 4]]), texts("farmhash64")),
    ),
    errors=(
        error_sample(ValueError, "at least 1 axes", texts("a"), texts("farmhash64")),
        error_sample(Exception, "method must be", f32(2), texts("md5"), stage="run"),
    ),
    doc="A hash of 8 bytes of each row.",
)


@export("fingerprint")
def fingerprint(data: Any, method: Any = "farmhash64", name: str | None = None) -> Tensor:
    """A hash of each row: 8 bytes, the same everywhere and always.

    Args:
        data: a tensor with at least one axis.
        method: must be ``"farmhash64"``.
        name: of the operation; ``Fingerprint`` by default.

    Returns:
        A uint8 tensor of shape ``[data.shape[0], 8]``, in little-endian order.

    Raises:
        ValueError: ``data`` is a scalar.   InvalidArgumentError: another method (when run).
    """
    return apply_op("Fingerprint", data, method, name=name)
