"""Serialized examples as tensors: ParseExample and ParseSequenceExample, of a batch and of one.

A dense feature has one shape in every example; a sparse one may have any number of values, which
become a row of a sparse matrix; one whose shape begins with an unknown size is padded.

Read next: example_bytes.py (the format), features.py (the public functions).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    define,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.example_bytes import (
    Entries,
    example_entries,
    feature_values,
    list_of_features,
)
from flowgraph.ops.rules import concrete, f32, invalid, require_rank
from flowgraph.ops.texts import texts
from flowgraph.protos.example import Example, SequenceExample
from flowgraph.shapes import Dims, ShapeError, format_dims, is_fully_known

_NO_NUMBERS = not_differentiable("strings have no derivatives")
_KINDS = frozenset(("float32", "int64", "string"))
_TYPES = Attr("list(type)", REQUIRED, _KINDS)
_NO_TYPES = Attr("list(type)", [], _KINDS)

Array = np.ndarray[Any, Any]

# ---------------------------------------------------------------------------- values of one example


def _empty(dtype: DType) -> Array:
    return np.zeros(0, dtype.np)


def _filler(dtype: DType) -> Any:
    return b"" if dtype.name == "string" else 0


def _block(dims: Sequence[int | None]) -> int:
    """How many elements one step of a padded feature has."""
    return math.prod(int(d or 0) for d in dims[1:])


def _is_padded(dims: Dims) -> bool:
    return bool(dims) and dims[0] is None  # type: ignore[index]


def _dense_value(found: Array | None, dims: Any, dtype: DType, default: Array, what: str) -> Array:
    """One dense feature of one example: ``found``, or else its default."""
    if found is None:
        if _is_padded(dims):
            return _empty(dtype)
        if not default.size:
            raise invalid(f"{what} ({dtype.name}) is required but could not be found")
        return np.array(np.broadcast_to(default.reshape(dims), dims))
    if _is_padded(dims):
        if found.size % max(_block(dims), 1):
            raise invalid(
                f"{what} has {found.size} values, no multiple of the {_block(dims)} of a step of "
                f"shape {format_dims(dims[1:])}"
            )
        return found
    if found.size != math.prod(dims):
        raise invalid(
            f"{what} has {found.size} values, but a tensor of shape {format_dims(dims)} was "
            "expected"
        )
    return found.reshape(dims)


def _padded(rows: Sequence[Array], dims: Any, dtype: DType, default: Array) -> Array:
    """Rows of different length as one array, filled up with the default."""
    block = _block(dims)
    longest = max((row.size // max(block, 1) for row in rows), default=0)
    value = default.reshape(-1)[0] if default.size else _filler(dtype)
    result = np.full((len(rows), longest * block), value, dtype.np)
    for target, row in zip(result, rows, strict=True):
        target[: row.size] = row
    return result.reshape(len(rows), longest, *dims[1:])


def _stacked(rows: Sequence[Array], dims: Any, dtype: DType) -> Array:
    result = np.empty((len(rows), *dims), dtype.np)
    for k, row in enumerate(rows):
        result[k] = row
    return result


def _sparse(rows: Sequence[Array], dtype: DType) -> tuple[Array, Array, Array]:
    """indices, values and shape of a matrix whose rows are filled from the left."""
    sizes = [row.size for row in rows]
    total = sum(sizes)
    indices = np.empty((total, 2), np.int64)
    indices[:, 0] = np.repeat(np.arange(len(rows)), sizes)
    starts = np.repeat(np.cumsum([0, *sizes[:-1]]) if sizes else _empty(dtype), sizes)
    indices[:, 1] = np.arange(total) - starts
    values = np.concatenate([_empty(dtype), *rows]).astype(dtype.np)
    return indices, values, np.array([len(rows), max(sizes, default=0)], np.int64)


def _name_of(names: Array, k: int) -> str:
    return f"example {names[k].decode(errors='replace')!r}" if names.size else f"example {k}"


def _key(array: Any) -> Any:
    if np.ndim(array):
        raise invalid(f"a feature's key must be a scalar, not of shape {list(array.shape)}")
    return np.asarray(array, object)[()]


def _read(entries: Entries, key: bytes, dtype: DType, where: str) -> tuple[Array | None, str]:
    what = f"feature {key.decode(errors='replace')!r} of {where}"
    return feature_values(entries.get(key), dtype.name, what), what


# ------------------------------------------------------------------------------------ ParseExample


def _check_defaults(shapes: Sequence[Dims], dense_shapes: Sequence[Dims]) -> None:
    """A default is empty, of the shape of the feature, or (padded features) a scalar."""
    for dims, dense in zip(shapes, dense_shapes, strict=True):
        if dense is None or any(d is None for d in dense[1:]):
            raise ShapeError(f"dense_shapes must be known but for the first size, got {dense}")
        if not is_fully_known(dims) or (0 in concrete(dims) and not _is_padded(dense)):
            continue
        if math.prod(concrete(dims)) != (1 if _is_padded(dense) else math.prod(concrete(dense))):
            raise ShapeError(
                f"a default of shape {format_dims(dims)} does not fit a feature of shape "
                f"{format_dims(dense)}"
            )


def _count(call_: Call, types: str, keys: str = "") -> int:
    count = len(call_.attrs[types])
    if keys and call_.attrs[keys] != count:
        raise ShapeError(f"{call_.attrs[keys]} keys for the {count} dtypes of {types}")
    return count


def _example_shape(call_: Call) -> list[Dims]:
    (batch,) = require_rank(call_.shapes[0], 1, "serialized")
    require_rank(call_.shapes[1], 1, "names")
    sparse = _count(call_, "sparse_types", "Nsparse")
    dense = _count(call_, "Tdense", "Ndense")
    shapes = call_.attrs["dense_shapes"]
    if len(shapes) != dense:
        raise ShapeError(f"dense_shapes has {len(shapes)} shapes for {dense} features")
    _check_defaults(call_.shapes[2 + sparse + dense :], shapes)
    return [
        *[(None, 2)] * sparse,
        *[(None,)] * sparse,
        *[(2,)] * sparse,
        *[(batch, *dims) for dims in shapes],
    ]


def _example_reference(call_: Call, serialized: Any, names: Any, *rest: Any) -> tuple[Array, ...]:
    attrs = call_.attrs
    sparse_types, dense_types, shapes = (
        attrs["sparse_types"],
        attrs["Tdense"],
        attrs["dense_shapes"],
    )
    n, m = len(sparse_types), len(dense_types)
    sparse_keys, dense_keys = map(_key, rest[:n]), map(_key, rest[n : n + m])
    defaults = rest[n + m :]
    if names.size not in (0, serialized.size):
        raise invalid(f"{names.size} names for {serialized.size} examples")
    examples = [example_entries(data) for data in serialized]
    sparse = []
    for key, dtype in zip(sparse_keys, sparse_types, strict=True):
        maybe = [_read(e, key, dtype, _name_of(names, k))[0] for k, e in enumerate(examples)]
        sparse.append(_sparse([_empty(dtype) if row is None else row for row in maybe], dtype))
    dense = []
    for key, dtype, dims, default in zip(dense_keys, dense_types, shapes, defaults, strict=True):
        rows = []
        for k, entries in enumerate(examples):
            found, what = _read(entries, key, dtype, _name_of(names, k))
            rows.append(_dense_value(found, dims, dtype, default, what))
        padded = _is_padded(dims)
        dense.append(_padded(rows, dims, dtype, default) if padded else _stacked(rows, dims, dtype))
    indices, values, sizes = zip(*sparse, strict=True) if sparse else ((), (), ())
    return (*indices, *values, *sizes, *dense)


def _feature(**kinds: Any) -> dict[str, Any]:
    return {kind: {"value": value} for kind, value in kinds.items()}


def _example(**features: Any) -> bytes:
    return Example(features={"feature": features}).SerializeToString()


_EXAMPLES = [
    _example(a=_feature(int64_list=[1, 2]), b=_feature(float_list=[0.5]),
             c=_feature(bytes_list=[b"x", b"yz"])),
    _example(a=_feature(int64_list=[-3, 4]), c=_feature(bytes_list=[]), d=_feature(int64_list=[7])),
    _example(a=_feature(int64_list=[5, 6]), b={}, d=_feature(int64_list=[8, 9])),
]  # fmt: skip
_NO_NAMES = texts(np.zeros(0, object))
_NOTHING = np.zeros(0, np.int64)

define(
    "ParseExample",
    "serialized: string, names: string, sparse_keys: Nsparse*string, dense_keys: Ndense*string, "
    "dense_defaults: [Tdense] -> sparse_indices: Nsparse*int64, sparse_values: [sparse_types], "
    "sparse_shapes: Nsparse*int64, dense_values: [Tdense]",
    sparse_types=_TYPES,
    Tdense=_TYPES,
    dense_shapes=Attr("list(shape)", REQUIRED),
    infer=_example_shape,
    grad=_NO_NUMBERS,
    reference=_example_reference,
    samples=(
        sample(texts(_EXAMPLES), _NO_NAMES, [texts("c"), texts("d")], [texts("a"), texts("b")],
               [_NOTHING, f32()], sparse_types=["string", "int64"], dense_shapes=[[2], []]),
        sample(texts(_EXAMPLES), texts(["x", "y", "z"]), [], [texts("d"), texts("c")],
               [np.int64(-1), texts("-")], sparse_types=[], dense_shapes=[[None], [None, 1]]),
        sample(texts(np.zeros(0, object)), _NO_NAMES, [texts("c")], [texts("a")], [_NOTHING],
               sparse_types=["string"], dense_shapes=[[2]]),
        sample(texts(_EXAMPLES), _NO_NAMES, [texts("z")], [texts("z")], [np.array([[1, 2]])],
               sparse_types=["float32"], dense_shapes=[[1, 2]]),
    ),
    errors=(
        error_sample(ValueError, "serialized must be a vector", texts("a"), _NO_NAMES, [], [], [],
                     sparse_types=[], dense_shapes=[]),
        error_sample(ValueError, "does not fit a feature of shape",
                     texts(_EXAMPLES), _NO_NAMES, [], [texts("a")], [np.array([1, 2, 3])],
                     sparse_types=[], dense_shapes=[[2]]),
        error_sample(Exception, "required but could not be found", texts(_EXAMPLES), _NO_NAMES, [],
                     [texts("b")], [f32(0)], sparse_types=[], dense_shapes=[[]], stage="run"),
        error_sample(Exception, "holds int64, but float32 was expected", texts(_EXAMPLES),
                     _NO_NAMES, [texts("a")], [], [], sparse_types=["float32"], dense_shapes=[],
                     stage="run"),
        error_sample(Exception, "has 2 values, but a tensor of shape \\[3\\]", texts(_EXAMPLES),
                     _NO_NAMES, [], [texts("a")], [_NOTHING], sparse_types=[], dense_shapes=[[3]],
                     stage="run"),
        error_sample(Exception, "no multiple of the 2", texts(_EXAMPLES), _NO_NAMES, [],
                     [texts("d")], [np.int64(0)], sparse_types=[], dense_shapes=[[None, 2]],
                     stage="run"),
        error_sample(Exception, "could not parse an example", texts(["\n\5a"]), _NO_NAMES, [],
                     [texts("d")], [_NOTHING], sparse_types=[], dense_shapes=[[1]], stage="run"),
    ),
    doc="The features of a batch of Examples, as dense and sparse tensors.",
)  # fmt: skip

# ------------------------------------------------------------------------------ ParseSingleExample


def _single_shape(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "serialized")
    attrs = call_.attrs
    sparse, shapes = len(attrs["sparse_types"]), attrs["dense_shapes"]
    if not sparse == len(attrs["sparse_keys"]) == attrs["num_sparse"]:
        raise ShapeError("num_sparse, sparse_keys and sparse_types must be of one length")
    if not len(attrs["Tdense"]) == len(attrs["dense_keys"]) == len(shapes):
        raise ShapeError("Tdense, dense_keys and dense_shapes must be of one length")
    _check_defaults(call_.shapes[1:], shapes)
    return [*[(None, 1)] * sparse, *[(None,)] * sparse, *[(1,)] * sparse, *shapes]


def _one_example(
    entries: Entries, keys: Sequence[Any], types: Sequence[DType], where: str
) -> tuple[list[Array], list[Array], list[Array]]:
    """indices, values and sizes of the sparse features of one example."""
    indices, values, sizes = [], [], []
    for key, dtype in zip(keys, types, strict=True):
        found, _ = _read(entries, key, dtype, where)
        row = _empty(dtype) if found is None else found
        indices.append(np.arange(row.size).reshape(-1, 1))
        values.append(row)
        sizes.append(np.array([row.size]))
    return indices, values, sizes


def _one_dense(
    entries: Entries, keys: Sequence[Any], types: Any, shapes: Any, defaults: Any, where: str
) -> list[Array]:
    dense = []
    for key, dtype, dims, default in zip(keys, types, shapes, defaults, strict=True):
        found, what = _read(entries, key, dtype, where)
        row = _dense_value(found, dims, dtype, default, what)
        dense.append(row.reshape(-1, *dims[1:]) if _is_padded(dims) else np.array(row, dtype.np))
    return dense


def _single_reference(call_: Call, serialized: Any, *defaults: Any) -> tuple[Array, ...]:
    attrs = call_.attrs
    entries, where = example_entries(serialized[()]), "the example"
    keys = [key.encode() for key in attrs["sparse_keys"]]
    indices, values, sizes = _one_example(entries, keys, attrs["sparse_types"], where)
    dense = _one_dense(
        entries, [key.encode() for key in attrs["dense_keys"]], attrs["Tdense"],
        attrs["dense_shapes"], defaults, where,
    )  # fmt: skip
    return (*indices, *values, *sizes, *dense)


define(
    "ParseSingleExample",
    "serialized: string, dense_defaults: [Tdense] -> sparse_indices: num_sparse*int64, "
    "sparse_values: [sparse_types], sparse_shapes: num_sparse*int64, dense_values: [Tdense]",
    num_sparse=Attr("int", REQUIRED),
    sparse_keys=Attr("list(string)", REQUIRED),
    dense_keys=Attr("list(string)", REQUIRED),
    sparse_types=_TYPES,
    Tdense=_TYPES,
    dense_shapes=Attr("list(shape)", REQUIRED),
    infer=_single_shape,
    grad=_NO_NUMBERS,
    reference=_single_reference,
    samples=(
        sample(texts(_EXAMPLES[0]), [_NOTHING, f32()], num_sparse=2, sparse_keys=["c", "d"],
               dense_keys=["a", "b"], sparse_types=["string", "int64"], dense_shapes=[[2], []]),
        sample(texts(_EXAMPLES[2]), [np.int64(0), f32()], num_sparse=0, sparse_keys=[],
               dense_keys=["d", "b"], sparse_types=[], dense_shapes=[[None], []]),
    ),
    errors=(
        error_sample(ValueError, "must be a scalar", texts(["a"]), [], num_sparse=0,
                     sparse_keys=[], dense_keys=[], sparse_types=[], dense_shapes=[]),
        error_sample(Exception, "is required", texts(_EXAMPLES[1]), [f32(0)], num_sparse=0,
                     sparse_keys=[], dense_keys=["b"], sparse_types=[], dense_shapes=[[]],
                     stage="run"),
        error_sample(Exception, "could not parse", texts("junk"), [], num_sparse=1,
                     sparse_keys=["a"], dense_keys=[], sparse_types=["int64"], dense_shapes=[],
                     stage="run"),
    ),
    doc="The features of one Example, as dense and sparse tensors.",
)  # fmt: skip

# ---------------------------------------------------------------------- ParseSingleSequenceExample


def _sequence_shape(call_: Call) -> list[Dims]:
    attrs = call_.attrs
    require_rank(call_.shapes[0], 0, "serialized")
    require_rank(call_.shapes[1], 1, "feature_list_dense_missing_assumed_empty")
    context_sparse = _count(call_, "context_sparse_types", "Ncontext_sparse")
    context_dense = _count(call_, "Tcontext_dense", "Ncontext_dense")
    list_sparse = _count(call_, "feature_list_sparse_types", "Nfeature_list_sparse")
    list_dense = _count(call_, "feature_list_dense_types", "Nfeature_list_dense")
    shapes = attrs["context_dense_shapes"]
    if len(shapes) != context_dense or len(attrs["feature_list_dense_shapes"]) != list_dense:
        raise ShapeError("there must be one shape for each dense feature")
    before = 2 + context_sparse + context_dense + list_sparse + list_dense
    _check_defaults(call_.shapes[before : before + context_dense], shapes)
    return [
        *[(None, 1)] * context_sparse, *[(None,)] * context_sparse, *[(1,)] * context_sparse,
        *shapes,
        *[(None, 2)] * list_sparse, *[(None,)] * list_sparse, *[(2,)] * list_sparse,
        *[None if dims is None else (None, *dims) for dims in attrs["feature_list_dense_shapes"]],
    ]  # fmt: skip


def _step_rows(lists: Entries, key: bytes, dtype: DType, where: str) -> list[Array]:
    """The values of each step of a feature list; of one that is not there, none."""
    what = f"feature list {key.decode(errors='replace')!r} of {where}"
    found = [feature_values(f, dtype.name, what) for f in list_of_features(lists.get(key, b""))]
    return [_empty(dtype) if row is None else row for row in found]


def _dense_steps(
    lists: Entries, key: bytes, dtype: DType, dims: Any, may_miss: set[bytes], where: str
) -> Array:
    """A feature list as ``[steps, *dims]``."""
    what = f"feature list {key.decode(errors='replace')!r} of {where}"
    if key not in lists and key not in may_miss:
        raise invalid(f"{what} is required but could not be found (see allow_missing)")
    rows = []
    for k, feature in enumerate(list_of_features(lists.get(key, b""))):
        row = feature_values(feature, dtype.name, what)
        rows.append(_dense_value(row, dims, dtype, _empty(dtype), f"step {k} of {what}"))
    return _stacked(rows, dims, dtype)


def _sequence_reference(call_: Call, serialized: Any, may_miss: Any, *rest: Any) -> tuple[Any, ...]:
    attrs = call_.attrs
    types = [
        attrs["context_sparse_types"],
        attrs["Tcontext_dense"],
        attrs["feature_list_sparse_types"],
        attrs["feature_list_dense_types"],
    ]
    left = list(rest)
    keys = []
    for kinds in types:
        keys.append([_key(k) for k in left[: len(kinds)]])
        del left[: len(kinds)]
    defaults, (name,) = left[:-1], left[-1:]
    data = serialized[()]
    where = f"example {name[()].decode(errors='replace')!r}" if name[()] else "the example"
    context, lists = example_entries(data, 1), example_entries(data, 2)
    indices, values, sizes = _one_example(context, keys[0], types[0], where)
    shapes = attrs["context_dense_shapes"]
    dense = _one_dense(context, keys[1], types[1], shapes, defaults, where)
    steps = [
        _sparse(_step_rows(lists, key, dtype, where), dtype)
        for key, dtype in zip(keys[2], types[2], strict=True)
    ]
    allowed = set(may_miss.tolist())
    dense_steps = [
        _dense_steps(lists, key, dtype, dims, allowed, where)
        for key, dtype, dims in zip(
            keys[3], types[3], attrs["feature_list_dense_shapes"], strict=True
        )
    ]
    places, parts, extents = zip(*steps, strict=True) if steps else ((), (), ())
    return (*indices, *values, *sizes, *dense, *places, *parts, *extents, *dense_steps)


_SEQUENCE = SequenceExample(
    context={"feature": {"n": _feature(int64_list=[3]), "w": _feature(bytes_list=[b"a", b"b"])}},
    feature_lists={"feature_list": {
        "x": {"feature": [_feature(float_list=[1, 2]), _feature(float_list=[3, 4])]},
        "y": {"feature": [_feature(int64_list=[1, 2, 3]), {}, _feature(int64_list=[4])]},
    }},
).SerializeToString()  # fmt: skip

define(
    "ParseSingleSequenceExample",
    "serialized: string, feature_list_dense_missing_assumed_empty: string, "
    "context_sparse_keys: Ncontext_sparse*string, context_dense_keys: Ncontext_dense*string, "
    "feature_list_sparse_keys: Nfeature_list_sparse*string, "
    "feature_list_dense_keys: Nfeature_list_dense*string, "
    "context_dense_defaults: [Tcontext_dense], debug_name: string -> "
    "context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: [context_sparse_types], "
    "context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: [Tcontext_dense], "
    "feature_list_sparse_indices: Nfeature_list_sparse*int64, "
    "feature_list_sparse_values: [feature_list_sparse_types], "
    "feature_list_sparse_shapes: Nfeature_list_sparse*int64, "
    "feature_list_dense_values: [feature_list_dense_types]",
    context_sparse_types=_NO_TYPES,
    Tcontext_dense=_TYPES,
    feature_list_dense_types=_NO_TYPES,
    context_dense_shapes=Attr("list(shape)", []),
    feature_list_sparse_types=_NO_TYPES,
    feature_list_dense_shapes=Attr("list(shape)", []),
    infer=_sequence_shape,
    grad=_NO_NUMBERS,
    reference=_sequence_reference,
    samples=(
        sample(texts(_SEQUENCE), _NO_NAMES, [texts("w")], [texts("n")], [texts("y")], [texts("x")],
               [_NOTHING], texts(""), context_sparse_types=["string"], context_dense_shapes=[[]],
               feature_list_sparse_types=["int64"], feature_list_dense_types=["float32"],
               feature_list_dense_shapes=[[2]]),
        sample(texts(_SEQUENCE), texts(["z"]), [], [texts("m")], [texts("none")], [texts("z")],
               [np.array([5])], texts("name"), context_dense_shapes=[[1]],
               feature_list_sparse_types=["string"], feature_list_dense_types=["int64"],
               feature_list_dense_shapes=[[2, 1]]),
    ),
    errors=(
        error_sample(ValueError, "must be a scalar", texts(["a"]), _NO_NAMES, [], [], [], [], [],
                     texts("")),
        error_sample(Exception, "'z' of the example is required", texts(_SEQUENCE), _NO_NAMES, [],
                     [], [], [texts("z")], [], texts(""), feature_list_dense_types=["int64"],
                     feature_list_dense_shapes=[[]], stage="run"),
        error_sample(Exception, "has 2 values, but a tensor of shape \\[3\\]", texts(_SEQUENCE),
                     _NO_NAMES, [], [], [], [texts("x")], [], texts(""),
                     feature_list_dense_types=["float32"], feature_list_dense_shapes=[[3]],
                     stage="run"),
    ),
    doc="The context and the steps of one SequenceExample, as dense and sparse tensors.",
)  # fmt: skip

# ---------------------------------------------------------------------------- ParseSequenceExample

#: The attrs with the keys, and those with the dtypes.
_KEYS_OF = {
    "context_sparse_keys": "context_sparse_types",
    "context_dense_keys": "Tcontext_dense",
    "feature_list_sparse_keys": "feature_list_sparse_types",
    "feature_list_dense_keys": "feature_list_dense_types",
}


def _batch_of_sequences_shape(call_: Call) -> list[Dims]:
    attrs = call_.attrs
    (batch,) = require_rank(call_.shapes[0], 1, "serialized")
    require_rank(call_.shapes[1], 1, "debug_name")
    for keys, types in _KEYS_OF.items():
        count = "N" + keys.removesuffix("_keys")
        if not len(attrs[keys]) == len(attrs[types]) == attrs[count]:
            raise ShapeError(f"{count} is {attrs[count]}, but keys or dtypes are more or fewer")
    shapes, steps = attrs["context_dense_shapes"], attrs["feature_list_dense_shapes"]
    if (len(shapes), len(steps)) != (attrs["Ncontext_dense"], attrs["Nfeature_list_dense"]):
        raise ShapeError("there must be one shape for each dense feature")
    _check_defaults(call_.shapes[2:], shapes)
    sparse, listed = attrs["Ncontext_sparse"], attrs["Nfeature_list_sparse"]
    return [
        *[(None, 2)] * sparse, *[(None,)] * sparse, *[(2,)] * sparse,
        *[None if dims is None else (batch, *dims) for dims in shapes],
        *[(None, 3)] * listed, *[(None,)] * listed, *[(3,)] * listed,
        *[None if dims is None else (batch, None, *dims) for dims in steps],
        *[(batch,)] * len(steps),
    ]  # fmt: skip


def _sparse_steps(examples: Sequence[Sequence[Array]], dtype: DType) -> tuple[Array, Array, Array]:
    """indices (example, step, place), values and shape of the steps of several examples."""
    rows = [row for steps in examples for row in steps]
    flat, values, (_, widest) = _sparse(rows, dtype)
    counts = [len(steps) for steps in examples]
    example = np.repeat(np.arange(len(examples)), counts)
    step = np.concatenate([np.zeros(0, np.int64), *(np.arange(count) for count in counts)])
    at = flat[:, 0]
    indices = np.stack([example[at], step[at], flat[:, 1]], axis=1).astype(np.int64)
    return indices, values, np.array([len(examples), max(counts, default=0), widest], np.int64)


def _padded_steps(examples: Sequence[Array], dims: Any, dtype: DType) -> Array:
    longest = max((len(steps) for steps in examples), default=0)
    result = np.full((len(examples), longest, *dims), _filler(dtype), dtype.np)
    for target, steps in zip(result, examples, strict=True):
        target[: len(steps)] = steps
    return result


def _batch_of_sequences(
    call_: Call, serialized: Any, names: Any, *defaults: Any
) -> tuple[Array, ...]:
    attrs = call_.attrs
    if names.size and names.size != serialized.size:
        raise invalid(f"{names.size} names for {serialized.size} examples")
    places = [_name_of(names, k) for k in range(serialized.size)]
    context = [example_entries(data, 1) for data in serialized.tolist()]
    lists = [example_entries(data, 2) for data in serialized.tolist()]
    placed = list(zip(lists, places, strict=True))

    def keys(which: str) -> list[tuple[bytes, DType]]:
        encoded = [key.encode() for key in attrs[which]]
        return list(zip(encoded, attrs[_KEYS_OF[which]], strict=True))

    sparse = []
    for key, dtype in keys("context_sparse_keys"):
        found = [_read(c, key, dtype, w)[0] for c, w in zip(context, places, strict=True)]
        sparse.append(_sparse([_empty(dtype) if row is None else row for row in found], dtype))
    dense = []
    for (key, dtype), dims, default in zip(
        keys("context_dense_keys"), attrs["context_dense_shapes"], defaults, strict=True
    ):
        rows = []
        for entries, where in zip(context, places, strict=True):
            row, what = _read(entries, key, dtype, where)
            rows.append(_dense_value(row, dims, dtype, default, what))
        dense.append(_stacked(rows, dims, dtype))
    steps = [
        _sparse_steps([_step_rows(d, key, dtype, where) for d, where in placed], dtype)
        for key, dtype in keys("feature_list_sparse_keys")
    ]
    may_miss = {key.encode() for key in attrs["feature_list_dense_missing_assumed_empty"]}
    padded, lengths = [], []
    for (key, dtype), dims in zip(
        keys("feature_list_dense_keys"), attrs["feature_list_dense_shapes"], strict=True
    ):
        found_steps = [_dense_steps(d, key, dtype, dims, may_miss, w) for d, w in placed]
        padded.append(_padded_steps(found_steps, dims, dtype))
        lengths.append(np.array([len(rows) for rows in found_steps], np.int64))
    first, second = ([list(part) for part in zip(*found, strict=True)] or [[]] * 3
                     for found in (sparse, steps))  # fmt: skip
    return (
        *first[0], *first[1], *first[2], *dense, *second[0], *second[1], *second[2], *padded,
        *lengths,
    )  # fmt: skip


_SHORT = SequenceExample(
    context={"feature": {"n": _feature(int64_list=[5])}},
    feature_lists={"feature_list": {"x": {"feature": [_feature(float_list=[5, 6])]}}},
).SerializeToString()
_STRINGS = Attr("list(string)", [])
#: Attrs of a sample, with no keys where none are given.
_with_keys: Any = partial(
    dict, feature_list_dense_missing_assumed_empty=[], **{key: [] for key in _KEYS_OF}
)

define(
    "ParseSequenceExample",
    "serialized: string, debug_name: string, context_dense_defaults: [Tcontext_dense] -> "
    "context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: [context_sparse_types], "
    "context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: [Tcontext_dense], "
    "feature_list_sparse_indices: Nfeature_list_sparse*int64, "
    "feature_list_sparse_values: [feature_list_sparse_types], "
    "feature_list_sparse_shapes: Nfeature_list_sparse*int64, "
    "feature_list_dense_values: [feature_list_dense_types], "
    "feature_list_dense_lengths: Nfeature_list_dense*int64",
    feature_list_dense_missing_assumed_empty=_STRINGS,
    context_sparse_keys=_STRINGS,
    context_dense_keys=_STRINGS,
    feature_list_sparse_keys=_STRINGS,
    feature_list_dense_keys=_STRINGS,
    Ncontext_sparse=0,
    Ncontext_dense=0,
    Nfeature_list_sparse=0,
    Nfeature_list_dense=0,
    context_sparse_types=_NO_TYPES,
    Tcontext_dense=_TYPES,
    feature_list_dense_types=_NO_TYPES,
    context_dense_shapes=Attr("list(shape)", []),
    feature_list_sparse_types=_NO_TYPES,
    feature_list_dense_shapes=Attr("list(shape)", []),
    infer=_batch_of_sequences_shape,
    grad=_NO_NUMBERS,
    reference=_batch_of_sequences,
    samples=(
        sample(texts([_SEQUENCE, _SHORT]), _NO_NAMES, [np.array([7])], **_with_keys(
            Ncontext_sparse=1, context_sparse_keys=["w"], context_sparse_types=["string"],
            Ncontext_dense=1, context_dense_keys=["n"], context_dense_shapes=[[1]],
            Nfeature_list_sparse=1, feature_list_sparse_keys=["y"],
            feature_list_sparse_types=["int64"], Nfeature_list_dense=1,
            feature_list_dense_keys=["x"], feature_list_dense_types=["float32"],
            feature_list_dense_shapes=[[2]])),
        sample(texts([_SHORT]), texts(["name"]), [], **_with_keys(
            Nfeature_list_dense=1, feature_list_dense_missing_assumed_empty=["z"],
            feature_list_dense_keys=["z"], feature_list_dense_types=["string"],
            feature_list_dense_shapes=[[2, 1]])),
    ),
    errors=(
        error_sample(ValueError, "must be a vector", texts("a"), _NO_NAMES, [],
                     **_with_keys()),
        error_sample(Exception, "'x' of example 'b' has 2 values", texts([_SHORT]), texts(["b"]),
                     [], stage="run", **_with_keys(Nfeature_list_dense=1,
                     feature_list_dense_keys=["x"], feature_list_dense_types=["float32"],
                     feature_list_dense_shapes=[[]])),
        error_sample(Exception, "is required", texts([_SHORT]), _NO_NAMES, [],
                     stage="run", **_with_keys(Nfeature_list_dense=1,
                     feature_list_dense_keys=["z"], feature_list_dense_types=["float32"],
                     feature_list_dense_shapes=[[]])),
    ),
    doc="The contexts and the steps of several SequenceExamples, as dense and sparse tensors.",
)  # fmt: skip
