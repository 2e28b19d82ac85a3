"""Sets along the last axis of tensors: intersection, union, difference, size.

    a  [[1, 2],     b  [[2, 9],     intersection  [[2],     union  [[1, 2, 9],
        [3, 4]]         [4, 3]]                    [3, 4]]          [3, 4]]

Rows of different numbers of elements make results sparse.  Sizes depend on data: they are host
instructions, with compiled loops for integers.

Read next: sparse_rules.py, partitioning.py (unique, setdiff1d).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Compiled,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor, SparseTensorValue
from flowgraph.ops.rules import i32, invalid
from flowgraph.ops.sparse_rules import (
    as_sparse,
    check_ordered,
    check_sparse,
    coordinates,
    flat_places,
    parts,
    sparse_parts,
    sparse_result,
    sparse_sample,
)
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, merge_size

_TYPES = frozenset(("int8", "int16", "int32", "int64", "uint8", "uint16", "string"))

_OPERATIONS: dict[str, Any] = {
    "intersection": np.intersect1d,
    "union": np.union1d,
    "a-b": np.setdiff1d,
    "b-a": lambda a, b: np.setdiff1d(b, a),
}

#: (group shape, group of every element, elements)
_Groups = tuple[tuple[int, ...], Any, Any]


def _of_dense(x: Any) -> _Groups:
    width = x.shape[-1]
    count = int(np.prod(x.shape[:-1], dtype=np.int64))
    return x.shape[:-1], np.repeat(np.arange(count), width), x.reshape(-1)


def _of_sparse(given: Sequence[Any], validate: bool) -> _Groups:
    indices, values, shape = given
    check_sparse(indices, values, shape)
    if validate:
        check_ordered(indices)
    groups = tuple(shape[:-1].tolist())
    return groups, flat_places(indices[:, :-1], groups), values


def _operate(operation: str, a: _Groups, b: _Groups) -> Any:
    if operation not in _OPERATIONS:
        raise invalid(f"set_operation {operation!r} is none of {', '.join(_OPERATIONS)}")
    groups = a[0]
    if groups != b[0]:
        raise invalid(f"sets of shape {list(a[0])} and {list(b[0])} do not fit together")
    known, code = np.unique(np.concatenate([a[2], b[2]]), return_inverse=True)
    code = code.reshape(-1)
    # One number for each pair (group, element), so that the order of numbers is that of pairs.
    keys = _OPERATIONS[operation](
        *(
            group * known.size + part
            for group, part in ((a[1], code[: a[2].size]), (b[1], code[a[2].size :]))
        )
    )
    group = keys // max(known.size, 1)
    sizes = np.bincount(group, minlength=int(np.prod(groups, dtype=np.int64)))
    starts = np.cumsum(sizes) - sizes
    place = np.arange(keys.size) - starts[group]
    indices = np.concatenate([coordinates(group, groups), place[:, None]], 1)
    values = known[keys % max(known.size, 1)]
    return indices.astype(np.int64), values, np.array([*groups, sizes.max(initial=0)], np.int64)


# --------------------------------------------------------------------------------- compiled loops

#: ``a`` and ``b`` hold numbers of pairs (group, element) in order.  Bit k of ``wanted`` says
#: whether the result has what is in a (k = 1), in b (k = 2), in both (k = 3).
_MERGE = """
i, j, made = int64(0), int64(0), int64(0)
group, place = int64(-1), int64(0)
while i < n or j < m:
    key = minimum(load(a, i), load(b, j))
    which = int64(0)
    if load(a, i) == key:
        which += 1
    if load(b, j) == key:
        which += 2
    while load(a, i) == key:
        i += 1
    while load(b, j) == key:
        j += 1
    if (wanted >> which) & 1 != 0:
        if key // span != group:
            group = key // span
            place = int64(0)
        rest = group
        d = rank - 2
        while d >= 0:
            size = load(groups, d)
            store(rows, made * rank + d, rest % size)
            rest = rest // size
            d -= 1
        store(rows, made * rank + rank - 1, place)
        store(values, made, low + key % span)
        made += 1
        place += 1
        store(sizes, group, place)
store(length, 0, made)
return 0
"""

_WANTED = {"intersection": 8, "union": 14, "a-b": 2, "b-a": 4}
_BEHIND = 2**62


def _merge_given(operation: str, *sets: _Groups) -> dict[str, Any] | None:
    groups, parts_of = sets[0][0], [s[2] for s in sets]
    if operation not in _WANTED or any(s[0] != groups for s in sets) or parts_of[0].dtype == object:
        return None
    some = [x for x in parts_of if x.size]
    low = min((int(x.min()) for x in some), default=0)
    span = max((int(x.max()) for x in some), default=0) - low + 1
    count = math.prod(groups)
    if count * span >= _BEHIND:
        return None
    a, b = (
        np.append(np.sort(group * span + (x.astype(np.int64) - low)), _BEHIND)
        for _, group, x in (sets[0], sets[-1])
    )
    n, m = len(a) - 1, len(b) - 1 if len(sets) > 1 else 0
    most, rank = n + m, len(groups) + 1
    return {
        "n": n, "m": m, "a": a, "b": b if len(sets) > 1 else np.array([_BEHIND]), "low": low,
        "span": span, "wanted": _WANTED[operation], "rank": rank,
        "groups": np.array(groups, np.int64), "rows": np.empty((most, rank), np.int64),
        "values": np.empty(most, np.int64), "sizes": np.zeros(count, np.int64),
        "length": np.zeros(1, np.int64),
    }  # fmt: skip


def _merge_made(call_: Call, values: Any) -> Any:
    made, sizes = int(values["length"][0]), values["sizes"]
    found = values["values"][:made].astype(call_.out_dtypes[1].np)
    shape = np.append(values["groups"], sizes.max(initial=0))
    return values["rows"][:made].copy(), found, shape


def _operation(groups_of: Callable[..., tuple[_Groups, _Groups]]) -> dict[str, Any]:
    """The reference and the compiled loops of an operation of two sets."""
    return {
        "reference": lambda call_, *given: _operate(
            call_.attrs["set_operation"], *groups_of(call_, *given)
        ),
        "kernel": Compiled(
            _MERGE,
            lambda call_, *given: _merge_given(
                call_.attrs["set_operation"], *groups_of(call_, *given)
            ),
            _merge_made,
        ),
    }


def _dense_rank(dims: Dims, what: str) -> int | None:
    if dims is None:
        return None
    return _at_least_two(len(dims), what)


def _at_least_two(rank: int | None, what: str) -> int | None:
    if rank is not None and rank < 2:
        raise ShapeError(f"{what} must have at least 2 axes, not {rank}")
    return rank


def _of_one_rank(a: int | None, b: int | None) -> int | None:
    try:
        return merge_size(a, b)
    except ShapeError:
        raise ShapeError(f"sets of {a} and {b} axes do not fit together") from None


def _dense_dense_infer(call_: Call) -> list[Dims]:
    a, b = call_.shapes
    rank = _of_one_rank(_dense_rank(a, "set1"), _dense_rank(b, "set2"))
    if a is not None and b is not None:
        try:
            merge(a[:-1], b[:-1])
        except ShapeError:
            raise ShapeError(
                f"sets of shape {format_dims(a[:-1])} and {format_dims(b[:-1])} do not fit together"
            ) from None
    return sparse_result(rank)


def _dense_sparse_infer(call_: Call) -> list[Dims]:
    _, rank = sparse_parts(call_, 1, "set2")
    return sparse_result(
        _of_one_rank(_dense_rank(call_.shapes[0], "set1"), _at_least_two(rank, "set2"))
    )


def _sparse_sparse_infer(call_: Call) -> list[Dims]:
    ranks = [
        _at_least_two(sparse_parts(call_, first, what)[1], what)
        for first, what in ((0, "set1"), (3, "set2"))
    ]
    return sparse_result(_of_one_rank(*ranks))


_A, _B = i32([[1, 2, 0], [3, 4, 0]]), i32([[2, 9], [4, 3]])
_WORDS = np.array([[b"b", b"a"]], object)
_NO_SLOPE = not_differentiable("sets of integers and strings have no slope")
_RESULT = "result_indices: int64, result_values: T, result_shape: int64"
_DOC = "The elements of two sets in every row: {of}."

define(
    "DenseToDenseSetOperation",
    f"set1: T, set2: T -> {_RESULT}",
    set_operation=Attr("string", REQUIRED),
    validate_indices=True,
    T=dtypes_of(_TYPES),
    infer=_dense_dense_infer,
    grad=_NO_SLOPE,
    **_operation(lambda call_, a, b: (_of_dense(a), _of_dense(b))),
    samples=(
        *(sample(_A[:, :2], _B, set_operation=which) for which in _OPERATIONS),
        sample(_WORDS, np.array([[b"c", b"a", b"a"]], object), set_operation="union"),
        sample(np.array([[[-1, 5]]]), np.array([[[2, -7]]]), set_operation="union"),
        sample(i32(np.zeros((2, 0))), i32(np.zeros((2, 0))), set_operation="union"),
        sample(i32(np.zeros((0, 2))), i32(np.zeros((0, 3))), set_operation="a-b"),
    ),
    errors=(
        error_sample(ValueError, "at least 2 axes", i32([1]), i32([1]), set_operation="union"),
        error_sample(ValueError, r"\[1\] and \[2\] do not fit", i32([[1]]), i32([[1], [2]]),
                     set_operation="union"),
        error_sample(Exception, "is none of", i32([[1]]), i32([[1]]), set_operation="or",
                     stage="run"),
    ),
    doc=_DOC.format(of="of two dense tensors"),
)  # fmt: skip

define(
    "DenseToSparseSetOperation",
    f"set1: T, set2_indices: int64, set2_values: T, set2_shape: int64 -> {_RESULT}",
    set_operation=Attr("string", REQUIRED),
    validate_indices=True,
    T=dtypes_of(_TYPES),
    infer=_dense_sparse_infer,
    grad=_NO_SLOPE,
    **_operation(
        lambda call_, a, *b: (_of_dense(a), _of_sparse(b, call_.attrs["validate_indices"]))
    ),
    samples=[sample(_B, *sparse_sample(_A), set_operation=which) for which in _OPERATIONS],
    errors=(
        error_sample(ValueError, "sets of 3 and 2 axes", i32([[[1]]]), *sparse_sample(_A),
                     set_operation="union"),
    ),
    doc=_DOC.format(of="of a dense and of a sparse tensor"),
)  # fmt: skip

define(
    "SparseToSparseSetOperation",
    "set1_indices: int64, set1_values: T, set1_shape: int64, "
    f"set2_indices: int64, set2_values: T, set2_shape: int64 -> {_RESULT}",
    set_operation=Attr("string", REQUIRED),
    validate_indices=True,
    T=dtypes_of(_TYPES),
    infer=_sparse_sparse_infer,
    grad=_NO_SLOPE,
    **_operation(
        lambda call_, *given: (
            _of_sparse(given[:3], call_.attrs["validate_indices"]),
            _of_sparse(given[3:], call_.attrs["validate_indices"]),
        )
    ),
    samples=[
        *(
            sample(*sparse_sample(_A), *sparse_sample(_B), set_operation=which)
            for which in _OPERATIONS
        ),
        sample(*sparse_sample(_A * 0), *sparse_sample(_B), set_operation="intersection"),
    ],
    errors=(
        error_sample(ValueError, "set1_values must be a vector",
                     np.zeros((1, 2), np.int64), i32([[1]]), np.array([1, 1]),
                     *sparse_sample(_A), set_operation="union"),
        error_sample(Exception, r"\[3\] and \[2\] do not fit together",
                     *sparse_sample(i32([[1], [2], [3]])), *sparse_sample(_A),
                     set_operation="union", stage="run"),
        error_sample(Exception, r"indices\[1\] = \[0, 0\] is out of order",
                     np.array([[1, 0], [0, 0]]), i32([1, 2]), np.array([2, 2]),
                     *sparse_sample(_A), set_operation="union", stage="run"),
    ),
    doc=_DOC.format(of="of two sparse tensors"),
)  # fmt: skip


def _size_reference(call_: Call, indices: Any, values: Any, shape: Any) -> Any:
    groups, group, elements = _of_sparse((indices, values, shape), call_.attrs["validate_indices"])
    known, code = np.unique(elements, return_inverse=True)
    keys = np.unique(group * known.size + code.reshape(-1))
    count = int(np.prod(groups, dtype=np.int64))
    sizes = np.bincount(keys // max(known.size, 1), minlength=count)
    return sizes.astype(np.int32).reshape(groups)


#: Of every group the different keys are counted.
_SIZES = """
i = int64(0)
while i < n:
    key = load(a, i)
    while load(a, i) == key:
        i += 1
    group = key // span
    store(sizes, group, load(sizes, group) + int32(1))
return 0
"""


def _size_given(call_: Call, *given: Any) -> dict[str, Any] | None:
    found = _merge_given("union", _of_sparse(given, call_.attrs["validate_indices"]))
    if found is None:
        return None
    kept = {name: found[name] for name in ("n", "a", "span", "groups")}
    return {**kept, "sizes": np.zeros(len(found["sizes"]), np.int32)}


def _size_infer(call_: Call) -> list[Dims]:
    _at_least_two(sparse_parts(call_, 0, "set")[1], "set")
    dims = call_.partial(2)
    return [None if dims is None else dims[:-1]]


define(
    "SetSize",
    "set_indices: int64, set_values: T, set_shape: int64 -> size: int32",
    validate_indices=True,
    T=dtypes_of(_TYPES),
    infer=_size_infer,
    grad=_NO_SLOPE,
    reference=_size_reference,
    kernel=Compiled(
        _SIZES, _size_given, lambda call_, values: values["sizes"].reshape(values["groups"])
    ),
    samples=(
        sample(*sparse_sample(i32([[1, 2, 1], [0, 0, 0]])), const=(2,)),
        sample(*sparse_sample(i32([[[1, 1]], [[0, 7]]]))),
        sample(*sparse_sample(i32(np.zeros((2, 3)))), const=(2,)),
    ),
    errors=(
        error_sample(Exception, "is repeated", np.zeros((2, 2), np.int64), i32([1, 2]),
                     np.array([2, 2]), stage="run"),
    ),
    doc="How many different elements every row has.",
)  # fmt: skip


# ------------------------------------------------------------------------------- public functions


def _converted(a: Any, b: Any) -> tuple[Any, Any, bool]:
    """Both as tensors or SparseTensors, a dense one first; whether they were exchanged."""
    found = []
    for value, what in ((a, "a"), (b, "b")):
        if isinstance(value, SparseTensorValue):
            value = SparseTensor.from_value(value)
        if not isinstance(value, SparseTensor):
            value = convert_to_tensor(value, name=what)
        if value.dtype.base_dtype.name not in _TYPES:
            raise TypeError(f"{what} is {value.dtype.name}: sets are of integers or strings")
        found.append(value)
    a, b = found
    if a.dtype.base_dtype is not b.dtype.base_dtype:
        raise TypeError(f"sets of {a.dtype.name} and {b.dtype.name} have no elements in common")
    if isinstance(a, SparseTensor) and not isinstance(b, SparseTensor):
        return b, a, True
    return a, b, False


def _set_operation(operation: str, a: Any, b: Any, validate_indices: bool) -> SparseTensor:
    attrs: dict[str, Any] = {"set_operation": operation, "validate_indices": validate_indices}
    if isinstance(a, SparseTensor):
        return SparseTensor(*apply_op("SparseToSparseSetOperation", *parts(a), *parts(b), **attrs))
    if isinstance(b, SparseTensor):
        return SparseTensor(*apply_op("DenseToSparseSetOperation", a, *parts(b), **attrs))
    return SparseTensor(*apply_op("DenseToDenseSetOperation", a, b, **attrs))


@export("sets.size", "sets.set_size")
def set_size(a: Any, validate_indices: bool = True) -> Tensor:
    """How many different elements every row has.

    Args:
        a: a SparseTensor of at least two axes whose rows are sets: integers or strings.
        validate_indices: make sure that its indices are in order and none is repeated.

    Returns:
        An int32 tensor of one axis less.

    Raises:
        TypeError: ``a`` is no SparseTensor, or of another dtype.
        InvalidArgumentError: the indices are not in order (when run).

    Gradient: none.

    >>> a = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [7, 7, 8], [2, 2])
    >>> print(tf.Session().run(tf.sets.size(a)))
    [1 1]
    """
    a = as_sparse(a, "set_size: a")
    if a.dtype.base_dtype.name not in _TYPES:
        raise TypeError(f"a is {a.dtype.name}: sets are of integers or strings")
    return apply_op("SetSize", *parts(a), validate_indices=validate_indices)


_ARGS = """a: a tensor or SparseTensor of at least two axes: integers or strings.
        b: one of the same dtype and sizes, but for the last.
        validate_indices: make sure that sparse indices are in order and none is repeated."""

_RETURNS = """A SparseTensor: in every row the elements in rising order, each once.

    Raises:
        ValueError: the shapes do not fit.   TypeError: the dtypes differ, or are no others.

    Gradient: none."""


@export("sets.intersection", "sets.set_intersection")
def set_intersection(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    a, b, _ = _converted(a, b)
    return _set_operation("intersection", a, b, validate_indices)


set_intersection.__doc__ = f"""The elements that are in both of two sets, row by row.

    Args:
        {_ARGS}

    Returns:
        {_RETURNS}

    >>> both = tf.sets.intersection([[1, 2], [3, 4]], [[2, 9], [4, 3]])
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(both)))
    [[2 0]
     [3 4]]
    """


@export("sets.union", "sets.set_union")
def set_union(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    a, b, _ = _converted(a, b)
    return _set_operation("union", a, b, validate_indices)


set_union.__doc__ = f"""The elements that are in one of two sets or in both, row by row.

    Args:
        {_ARGS}

    Returns:
        {_RETURNS}

    >>> either = tf.sets.union([[1, 2], [3, 4]], [[2, 9], [4, 3]])
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(either)))
    [[1 2 9]
     [3 4 0]]
    """


@export("sets.difference", "sets.set_difference")
def set_difference(
    a: Any, b: Any, aminusb: bool = True, validate_indices: bool = True
) -> SparseTensor:
    a, b, exchanged = _converted(a, b)
    return _set_operation("a-b" if aminusb != exchanged else "b-a", a, b, validate_indices)


set_difference.__doc__ = f"""The elements of one set that are not in the other, row by row.

    Args:
        {
    _ARGS.replace(
        "validate",
        "aminusb: those of a that are not in b; else those of b that "
        "are not in a.{nl}        validate",
    ).replace("{nl}", chr(10))
}

    Returns:
        {_RETURNS}

    >>> rest = tf.sets.difference([[1, 2], [3, 4]], [[2, 9], [4, 3]])
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(rest)))
    [[1]
     [0]]
    """
