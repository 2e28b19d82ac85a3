"""Features crossed: every combination of one feature from each column, as text or as a hash.

    row 0:  {a, b} x {f}    a_X_f, b_X_f

Read next: strings_hashing.py (Fingerprint64), sparse_structure.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, int64, string
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
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
from flowgraph.graph.sparse_tensor import SparseTensor, SparseTensorValue
from flowgraph.ops.rules import invalid, require_rank
from flowgraph.ops.sparse_rules import check_sparse, sparse_parts, sparse_result, sparse_sample
from flowgraph.ops.strings_hashing import fingerprint64
from flowgraph.shapes import Dims, ShapeError

_MASK = (1 << 64) - 1
_MULTIPLIER = 0xC6A4A7935BD1E995

#: The key of TensorFlow's crosses that name none.
DEFAULT_KEY = 0xDECAFCAFFE


def _mixed(x: int) -> int:
    return x ^ (x >> 47)


def _joined_hash(one: int, two: int) -> int:
    """Two 64-bit fingerprints as one (a round of MurmurHash64A); their order counts."""
    result = one ^ _MULTIPLIER
    result ^= _mixed(two * _MULTIPLIER & _MASK) * _MULTIPLIER & _MASK
    result = result * _MULTIPLIER & _MASK
    return _mixed(_mixed(result) * _MULTIPLIER & _MASK)


def _hashed(features: Sequence[Any], buckets: int, key: int) -> int:
    total = key & _MASK
    for feature in features:
        own = fingerprint64(feature) if isinstance(feature, bytes) else feature & _MASK
        total = _joined_hash(total, own)
    return total % buckets if buckets > 0 else total % (2**63 - 1)


def _as_text(features: Sequence[Any], separator: bytes) -> bytes:
    return separator.join(f if isinstance(f, bytes) else b"%d" % f for f in features)


def _columns(given: Sequence[Any], count: int) -> list[list[list[Any]]]:
    """For every column, sparse ones first, the features of every row."""
    found, rows = [], None
    for k in range(count):
        indices, values, shape = (given[part * count + k] for part in range(3))
        check_sparse(indices, values, shape)
        if shape.size != 2:
            raise invalid(f"sparse input {k} must be a matrix, not of {shape.size} axes")
        column: list[list[Any]] = [[] for _ in range(int(shape[0]))]
        for row, value in zip(indices[:, 0].tolist(), values.tolist(), strict=True):
            column[row].append(value)
        found.append(column)
    found += [dense.tolist() for dense in given[3 * count :]]
    rows = {len(column) for column in found}
    if len(rows) > 1:
        raise invalid(f"inputs of {sorted(rows)} rows cannot be crossed")
    return found


def _cross_reference(call_: Call, *given: Any) -> Any:
    columns = _columns(given, call_.attrs["N"])
    hashes = call_.attrs["hashed_output"]
    indices: list[Any] = []
    values: list[Any] = []
    most = 0
    for row, features in enumerate(zip(*columns, strict=True)):
        crosses = list(itertools.product(*features))
        most = max(most, len(crosses))
        for k, cross in enumerate(crosses):
            indices.append((row, k))
            if hashes:
                values.append(_hashed(cross, call_.attrs["num_buckets"], call_.attrs["hash_key"]))
            else:
                values.append(_as_text(cross, b"_X_"))
    rows = len(columns[0]) if columns else 0
    return (
        np.array(indices, np.int64).reshape(-1, 2),
        np.array(values, np.int64 if hashes else object),
        np.array([rows, most], np.int64),
    )


def _cross_infer(call_: Call) -> list[Dims]:
    count = call_.attrs["N"]
    for k in range(count):
        shapes = [call_.shapes[part * count + k] for part in range(3)]
        _, rank = sparse_parts(Call(call_.type, {}, (), shapes), 0, f"input {k}:")
        if rank not in (2, None):
            raise ShapeError(f"sparse input {k} must be a matrix, not of {rank} axes")
    for k, dims in enumerate(call_.shapes[3 * count :]):
        require_rank(dims, 2, f"dense input {k}")
    wanted = int64 if call_.attrs["hashed_output"] else string
    if call_.attrs["out_type"].base_dtype is not wanted:
        raise ShapeError(f"out_type must be {wanted.name}")
    return sparse_result(2)


_TYPES = frozenset(("int64", "string"))
_TEXTS = sparse_sample(np.array([[b"a", b""], [b"b", b"c"]], object))
_NUMBERS = sparse_sample(np.array([[3], [4]]))
_BESIDE = np.array([[b"f"], [b"g"]], object)


def _inputs(*columns: Any) -> tuple[Any, ...]:
    return tuple([column[part] for column in columns] for part in range(3))


_HASHED: dict[str, Any] = {
    "hashed_output": True,
    "hash_key": DEFAULT_KEY,
    "out_type": "int64",
    "internal_type": "int64",
}
_TEXT: dict[str, Any] = {
    "hashed_output": False,
    "num_buckets": 0,
    "hash_key": 0,
    "out_type": "string",
}

define(
    "SparseCross",
    "indices: N*int64, values: [sparse_types], shapes: N*int64, dense_inputs: [dense_types] "
    "-> output_indices: int64, output_values: out_type, output_shape: int64",
    N=Attr("int", REQUIRED),
    hashed_output=Attr("bool", REQUIRED),
    num_buckets=Attr("int", REQUIRED),
    hash_key=Attr("int", REQUIRED),
    sparse_types=Attr("list(type)", REQUIRED, _TYPES),
    dense_types=Attr("list(type)", REQUIRED, _TYPES),
    out_type=dtypes_of(_TYPES),
    internal_type=dtypes_of(_TYPES),
    infer=_cross_infer,
    grad=not_differentiable("its values are strings or hashes"),
    reference=_cross_reference,
    samples=(
        sample(*_inputs(_TEXTS, _NUMBERS), [_BESIDE], **_TEXT, internal_type="int64"),
        sample(*_inputs(_TEXTS), [_BESIDE], **_TEXT, internal_type="string"),
        sample(*_inputs(_TEXTS), [_BESIDE], **_HASHED, num_buckets=100),
        sample(*_inputs(_TEXTS, _NUMBERS), [np.array([[7, 8], [9, 7]])], **_HASHED, num_buckets=0),
    ),
    errors=(
        error_sample(ValueError, "must be a matrix", *_inputs(sparse_sample(np.array([1, 2]))),
                     [_BESIDE], **_HASHED, num_buckets=0),
        error_sample(Exception, "rows cannot be crossed", *_inputs(_TEXTS), [_BESIDE[:1]],
                     **_HASHED, num_buckets=0, stage="run"),
    ),
    doc="Every combination of one feature from each column, row by row.",
)  # fmt: skip


def _cross(
    inputs: Any, hashed: bool, num_buckets: int, hash_key: int | None, name: str | None
) -> SparseTensor:
    if not isinstance(inputs, (list, tuple)):
        raise TypeError("sparse.cross: inputs must be a list of tensors and SparseTensors")
    sparse = []
    dense = []
    for x in inputs:
        if isinstance(x, SparseTensorValue):
            x = SparseTensor.from_value(x)
        if isinstance(x, SparseTensor):
            sparse.append(x)
        else:
            dense.append(convert_to_tensor(x))

    def as_feature(x: Any) -> Any:
        dtype = x.dtype.base_dtype
        if dtype is string or dtype is int64:
            return x
        if not dtype.is_integer:
            raise TypeError(f"sparse.cross: features are integers or strings, not {dtype.name}")
        return call.Cast(x, DstT=int64)

    values = [as_feature(x.values) for x in sparse]
    dense = [as_feature(x) for x in dense]
    whole = hashed or any(v.dtype.base_dtype is int64 for v in [*values, *dense])
    return SparseTensor(
        *apply_op(
            "SparseCross",
            [x.indices for x in sparse], values, [x.dense_shape for x in sparse], dense,
            N=len(sparse), hashed_output=hashed, num_buckets=num_buckets,
            hash_key=DEFAULT_KEY if hash_key is None else hash_key,
            out_type=as_dtype("int64" if hashed else "string"),
            internal_type=as_dtype("int64" if whole else "string"), name=name,
        )
    )  # fmt: skip


@export("sparse.cross")
def sparse_cross(inputs: Any, name: str | None = None) -> SparseTensor:
    """Every combination of one feature from each input, row by row, as text.

    Args:
        inputs: a list of SparseTensors and tensors of two axes: integers or strings.  Crosses name
            the sparse ones first.
        name: of the operation; ``SparseCross`` by default.

    Returns:
        A SparseTensor of strings, the features joined by ``_X_``.

    Raises:
        TypeError: an input is neither integers nor strings.   ValueError: it is no matrix.
        InvalidArgumentError: the numbers of rows differ (when run).

    Gradient: none.

    >>> crossed = tf.sparse.cross([[["a", "b"]], [["f"]]])
    >>> print(tf.Session().run(crossed).values)
    [b'a_X_f' b'b_X_f']
    """
    return _cross(inputs, False, 0, None, name)


@export("sparse.cross_hashed")
def sparse_cross_hashed(
    inputs: Any, num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> SparseTensor:
    """Every combination of one feature from each input, row by row, as the number of a bucket.

    Args:
        inputs: a list of SparseTensors and tensors of two axes: integers or strings.
        num_buckets: how many buckets; 0: the hash itself.
        hash_key: what hashing begins with.
        name: of the operation; ``SparseCross`` by default.

    Returns:
        A SparseTensor of int64.

    Raises:
        TypeError: an input is neither integers nor strings.   ValueError: it is no matrix.
        InvalidArgumentError: the numbers of rows differ (when run).

    Gradient: none.
    Numerics: the hashes are TensorFlow's.

    >>> crossed = tf.sparse.cross_hashed([[["a"]], [["f"]]], num_buckets=100)
    >>> print(tf.Session().run(crossed).values)
    [16]
    """
    return _cross(inputs, True, int(num_buckets), hash_key, name)
