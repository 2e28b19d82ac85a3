"""Order: top_k, sort, argsort, nth_element.

Kernels sort unsigned keys whose order is that of the numbers: a float's bits, turned round where
the sign says so.  Equal numbers keep their order (-0 equals 0), and NaN comes last whatever the
direction; TensorFlow's place for NaN depends on the algorithm.

    order of keys        -inf < -1 < -0 = 0 < 1 < inf, NaN last
    few wanted           kept in a sorted list while the row is read
    many                 the key of the last one by counting bytes from the highest down (radix
                         selection), then those that come before it by bytes from the lowest up

Read next: searching.py (what is already sorted), reductions.py (the greatest alone).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from flowgraph.dtypes import REAL, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.graph.static import constant_value
from flowgraph.ops.indices import rows_of
from flowgraph.ops.rules import (
    constant_axes,
    f32,
    i32,
    invalid,
    number,
    only_one,
    require_rank,
    require_rank_at_least,
    shape_of,
)
from flowgraph.shapes import Dims, ShapeError, format_dims, normalize_axis

# ------------------------------------------------------------------------------------------- keys


def _key_dtype(dtype: str) -> str:
    return "uint64" if dtype.endswith("64") else "uint32"


def _key(dtype: str, descending: bool) -> str:
    """An expression for the key of ``x``: smaller keys come first."""
    word = _key_dtype(dtype)
    top = f"({word}(1) << {word}({63 if word == 'uint64' else 31}))"
    if not dtype.startswith("float"):
        # integers: the sign's bit counts for less than none when it is turned
        plain = f"({word}(x) ^ {top})" if dtype.startswith("int") else f"{word}(x)"
        return f"~{plain}" if descending else plain
    bits = f"bits(x + {dtype}(0))"  # -0 + 0 is 0
    if descending:
        ordered = f"({bits} if x < {dtype}(0) else ~({bits} | {top}))"
    else:
        ordered = f"(~{bits} if x < {dtype}(0) else {bits} | {top})"
    return f"(~{word}(0) if isnan(x) else {ordered})"


def _ordered(x: np.ndarray[Any, Any], descending: bool) -> np.ndarray[Any, Any]:
    """The stable order along the last axis, NaN last."""
    if descending:
        # reversed twice, so that equal ones keep their order
        last = x.shape[-1] - 1
        flipped = np.flip(np.argsort(np.flip(x, -1), -1, kind="stable"), -1)
        order = last - flipped
        if x.dtype.kind == "f":  # NaN, now first, goes behind the numbers
            nan = np.isnan(np.take_along_axis(x, order, -1))
            order = np.take_along_axis(order, np.argsort(nan, -1, kind="stable"), -1)
        return order
    return np.argsort(x, -1, kind="stable")


# ------------------------------------------------------------------------------------------ top_k

#: The key of rank ``rest`` among keys[0:count], which it leaves in ``chosen``; ``rest`` becomes the
#: number of equal keys that stand before it.
_SELECT = """
    chosen = {word}(0)
    mask = {word}(0)
    for level in range({bytes}):
        shift = {word}(8 * ({bytes} - 1 - level))
        for d in range(256):
            store(counts, d, int64(0))
        for i in range(count):
            key = load(keys, i)
            if key & mask == chosen:
                d = int64((key >> shift) & {word}(255))
                store(counts, d, load(counts, d) + 1)
        d = int64(0)
        while rest >= load(counts, d):
            rest -= load(counts, d)
            d += 1
        chosen = chosen | ({word}(d) << shift)
        mask = mask | ({word}(255) << shift)
"""

_TOP_K = """
for row in range(start, stop):
    if k == 0:
        break
    first = row * count
    if k <= 32:
        size = int64(0)
        bar = {input}(0)
        for i in range(count):
            x = load(input, first + i)
            if size == k and x <= bar:
                continue
            key = {key}
            if size < k:
                j = size
                size += 1
            elif key < load(keys, k - 1):
                j = k - 1
            else:
                continue
            while j > 0 and key < load(keys, j - 1):
                store(keys, j, load(keys, j - 1))
                store(order, j, load(order, j - 1))
                j -= 1
            store(keys, j, key)
            store(order, j, int32(i))
            # the last of the list; NaN lets every number by, and a NaN is told by its key
            bar = load(input, first + int64(load(order, size - 1)))
        at = int64(0)
    else:
        for i in range(count):
            x = load(input, first + i)
            store(keys, i, {key})
            store(order, i, int32(i))
        if k < count:
            rest = k - 1
            {select}
            # those before the last one, and as many of its equals as are left, move to the front
            size = int64(0)
            equal = rest + 1
            for i in range(count):
                key = load(keys, i)
                take = key < chosen
                if key == chosen and equal > 0:
                    take = key == chosen
                    equal -= 1
                if take:
                    store(keys, size, key)
                    store(order, size, int32(i))
                    size += 1
        at = int64(0)
        for byte in range({bytes}):
            shift = {word}(8 * byte)
            for d in range(256):
                store(counts, d, int64(0))
            for i in range(k):
                d = int64((load(keys, at + i) >> shift) & {word}(255))
                store(counts, d, load(counts, d) + 1)
            if load(counts, int64((load(keys, at) >> shift) & {word}(255))) < k:
                total = int64(0)
                for d in range(256):
                    size = load(counts, d)
                    store(counts, d, total)
                    total += size
                to = count - at
                for i in range(k):
                    key = load(keys, at + i)
                    d = int64((key >> shift) & {word}(255))
                    place = load(counts, d)
                    store(counts, d, place + 1)
                    store(keys, to + place, key)
                    store(order, to + place, load(order, at + i))
                at = to
    for j in range(k):
        place = int64(load(order, at + j))
        store(values, row * k + j, load(input, first + place))
        store(indices, row * k + j, int32(place))
return 0
"""


def _indented(text: str, depth: int) -> str:
    return text.strip("\n").replace("\n", "\n" + " " * depth).lstrip()


def _words(call_: Call, descending: bool) -> dict[str, str]:
    dtype = call_.dtypes[0].base_dtype.name
    word = _key_dtype(dtype)
    return {"key": _key(dtype, descending), "word": word, "bytes": "8" if word == "uint64" else "4"}


def _top_k_choices(call_: Call) -> Mapping[str, str]:
    words = _words(call_, descending=True)
    return {**words, "select": _indented(_SELECT, 8).format(**words)}


def _top_k_scratch(call_: Call) -> Mapping[str, tuple[str, int]]:
    _, count = rows_of(call_.shapes[0])
    return {
        "keys": (_key_dtype(call_.dtypes[0].base_dtype.name), 2 * count),
        "order": ("int32", 2 * count),
        "counts": ("int64", 256),
    }


def _top_k_infer(call_: Call) -> list[Dims]:
    dims, k = call_.shapes[0], call_.value(1)
    require_rank_at_least(dims, 1, "input")
    require_rank(call_.shapes[1], 0, "k")
    if k is not None and k < 0:
        raise ShapeError(f"k must not be negative: {k}")
    if dims is None:
        return [None, None]
    if k is not None and dims[-1] is not None and k > dims[-1]:
        raise ShapeError(f"k is {k}, but the last axis of {format_dims(dims)} has size {dims[-1]}")
    return [(*dims[:-1], None if k is None else int(k))] * 2


def _top_k_reference(call_: Call, x: Any, k: Any) -> Any:
    count = only_one(k, "k")
    if not 0 <= count <= x.shape[-1]:
        raise invalid(f"k is {count}, but the last axis of {list(x.shape)} has size {x.shape[-1]}")
    order = _ordered(x, descending=True)[..., :count]
    return np.take_along_axis(x, order, -1), order.astype(np.int32)


def _top_k_grad(op: Any, dy: Any, _: Any) -> tuple[Any, None]:
    """dy back to where each value stood, row by row."""
    if dy is None:
        return None, None
    sizes = call.Cast(call.Shape(op.input), DstT=int64)
    total = call.Prod(sizes, [0])
    row = call.StridedSlice(sizes, [-1], [0], [1], shrink_axis_mask=1)
    k = call.StridedSlice(call.Shape(op.indices), [-1], [0], [1], shrink_axis_mask=1)
    # NB: not total / row, which may be 0 / 0
    rows = call.Prod(call.Slice(sizes, [0], call.Size(sizes, out_type=int32) - [1]), [0])
    starts = call.Range(number(0, rows), rows, number(1, rows)) * row
    per_row = call.Reshape(op.indices, call.Pack([call.Cast(rows, DstT=int32), k]))
    places = call.Cast(per_row, DstT=int64) + call.ExpandDims(starts, 1)
    flat = call.UnsortedSegmentSum(call.Reshape(dy, [-1]), call.Reshape(places, [-1]), total)
    return call.Reshape(flat, sizes), None


_TIES = np.array([[1, 3, 2, 3, 1], [0, -0.0, -1, 0, 2]], np.float32)
_SPECIAL = np.array([1, np.nan, -np.inf, 2, np.nan, np.inf, -0.0, 0.0], np.float32)

define(
    "TopKV2",
    "input: T, k: int32 -> values: T, indices: int32",
    T=dtypes_of(REAL),
    sorted=True,
    infer=_top_k_infer,
    kernel=Procedure(
        _TOP_K,
        sizes=lambda call_: {
            "count": rows_of(call_.shapes[0])[1],
            "k": call_.out_shapes[0][-1],  # type: ignore[index,dict-item]
        },
        steps=lambda call_: rows_of(call_.shapes[0])[0],
        known=(1,),
        scratch=_top_k_scratch,
        choices=_top_k_choices,
    ),
    grad=_top_k_grad,
    reference=_top_k_reference,
    samples=(
        sample(f32(3, 7), i32(4), const=(1,)),
        sample(f32(2, 3, 4), i32(1), const=(1,)),
        sample(f32(50), i32(50), const=(1,)),
        sample(f32(2, 90), i32(40), const=(1,)),
        sample(f32(2, 40), i32(0), const=(1,)),
        sample(f32(0, 4), i32(2), const=(1,)),
        sample(f32(2, 5), i32(3)),
        sample(_TIES, i32(5), const=(1,), differentiable=()),
        sample(np.tile(_TIES, (1, 15)), i32(60), const=(1,), differentiable=()),
        sample(_SPECIAL, i32(8), const=(1,), differentiable=()),
        sample(np.tile(_SPECIAL, 9), i32(72), const=(1,), differentiable=()),
        sample(np.tile(_SPECIAL, 9), i32(50), const=(1,), differentiable=()),
        sample(i32([3, -5, 2147483647, -2147483648, 3, 0]), i32(6), const=(1,)),
        sample(np.arange(200, dtype=np.uint8)[::-1] * 7, i32(150), const=(1,)),
        sample(np.arange(-90, 90, dtype=np.int64) ** 3 * 10**12, i32(100), const=(1,)),
        sample(np.arange(40, dtype=np.uint64) * 2**59, i32(40), const=(1,)),
    ),
    errors=(
        error_sample(ValueError, r"k is 4, but the last axis of \[2, 3\] has size 3",
                     f32(2, 3), i32(4), const=(1,)),
        error_sample(ValueError, "k must not be negative: -1", f32(3), i32(-1), const=(1,)),
        error_sample(ValueError, "input must have at least 1 axes", f32(), i32(1), const=(1,)),
        error_sample(Exception, "k is 4, but", f32(3), i32(4), stage="run"),
    ),
    doc="The ``k`` greatest elements along the last axis, falling, and where they stand.",
)  # fmt: skip


class TopKV2(NamedTuple):
    """What ``tf.nn.top_k`` returns."""

    values: Tensor
    indices: Tensor


@export("nn.top_k", "math.top_k")
def top_k(input: Any, k: Any = 1, sorted: bool = True, name: str | None = None) -> TopKV2:
    """The ``k`` greatest elements of every row (last axis), and where they stand.

    Args:
        input: a real tensor of at least one axis.
        k: how many, an int or int32 scalar.
        sorted: False allows any order; it is falling all the same.
        name: of the operation; ``TopKV2`` by default.

    Returns:
        A namedtuple (values, indices), both of shape input.shape[:-1] + [k]; the indices are int32.
        Of equal elements the one with the lower index comes first.

    Raises:
        ValueError: ``k`` is negative, or greater than the row.
        InvalidArgumentError: the same of a ``k`` that is not known before (when run).

    Gradient: dy of a value, where it stood.
    Numerics: NaN comes behind all numbers.
    Cost: reads the row once for up to 32 elements; O(n) for more.

    >>> values, indices = tf.nn.top_k([10, 30, 20, 30], k=3)
    >>> print(*tf.Session().run([values, indices]))
    [30 30 20] [1 3 2]
    """
    return TopKV2(*apply_op("TopKV2", input, k, sorted=sorted, name=name))


# -------------------------------------------------------------------------------------- sort


def _reversed_order(values: Tensor) -> Tensor:
    """Numbers of the opposite order; of their opposite, the same numbers again."""
    dtype = values.dtype.base_dtype
    if dtype.is_floating:
        return call.Neg(values)
    # NB: -x has no room for the lowest integer, -1 - x has
    return number(dtype.max if dtype.is_unsigned else -1, values) - values


def _sorted_along(values: Any, axis: Any, direction: str, name: str | None, indices: bool) -> Any:
    function = "argsort" if indices else "sort"
    with name_scope(name, function):
        place = constant_value(convert_to_tensor(axis, name="axis"))
        if place is None or place.ndim != 0 or place.dtype.kind not in "iu":
            raise ValueError(f"{function}: axis must be an int, or a constant of one")
        if direction not in ("ASCENDING", "DESCENDING"):
            raise ValueError(f"{function}: direction is ASCENDING or DESCENDING, not {direction!r}")
        values = convert_to_tensor(values, name="values")
        ascending = direction == "ASCENDING"
        if ascending:
            values = _reversed_order(values)
        perm = _axis_last(values, int(place), function)
        if perm is not None:
            values = call.Transpose(values, perm)
        k = call.StridedSlice(shape_of(values), [-1], [0], [1], shrink_axis_mask=1)
        result = apply_op("TopKV2", values, k)[1 if indices else 0]
        if perm is not None:
            result = call.Transpose(result, perm)
        return _reversed_order(result) if ascending and not indices else result


def _axis_last(x: Tensor, axis: int, function: str) -> Any:
    """The permutation that swaps ``axis`` and the last one; None when it is the last."""
    if x.dims is None:
        if axis == -1:
            return None
        rank = call.Rank(x)
        place = call.Const(value=np.array(axis, np.int32), dtype=int32)
        place = place + rank if axis < 0 else place
        axes, last = call.Range(0, rank, 1), rank - 1
        is_place, is_last = call.Equal(axes, place), call.Equal(axes, last)
        to = call.BroadcastTo(last, call.Shape(axes)), call.BroadcastTo(place, call.Shape(axes))
        return call.Select(is_place, to[0], call.Select(is_last, to[1], axes))
    try:
        place = normalize_axis(axis, len(x.dims))
    except ShapeError as error:
        raise ValueError(f"{function}: {error.headline}") from None
    axes = list(range(len(x.dims)))
    if place == axes[-1]:
        return None
    axes[place], axes[-1] = axes[-1], axes[place]
    return constant_axes(axes)


@export("sort")
def sort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None
) -> Tensor:
    """``values`` in rising (or falling) order along an axis.

    Args:
        values: a real tensor of at least one axis.
        axis: along which to sort; the last by default.
        direction: ASCENDING or DESCENDING.
        name: of the operations; ``sort`` by default.

    Raises:
        ValueError: the axis is out of range, or the direction is another.

    Gradient: dy of a value, where it stood.
    Numerics: NaN comes behind all numbers in both directions.
    Cost: O(n): a few passes over the bytes.

    >>> print(tf.Session().run(tf.sort([3, 1, 2])))
    [1 2 3]
    """
    return _sorted_along(values, axis, direction, name, indices=False)


@export("argsort")
def argsort(
    values: Any,
    axis: int = -1,
    direction: str = "ASCENDING",
    stable: bool = False,
    name: str | None = None,
) -> Tensor:
    """Where along an axis the elements of the sorted tensor stand in ``values``.

    sort(x)[i] = x[argsort(x)[i]]

    Args:
        values: a real tensor of at least one axis.
        axis: along which to sort; the last by default.
        direction: ASCENDING or DESCENDING.
        stable: accepted; equal elements always keep their order.
        name: of the operations; ``argsort`` by default.

    Returns:
        An int32 tensor of the shape of ``values``.

    Raises:
        ValueError: the axis is out of range, or the direction is another.

    Gradient: none.
    Numerics: NaN comes behind all numbers in both directions.

    >>> print(tf.Session().run(tf.argsort([3, 1, 3, 2, 1])))
    [1 4 3 0 2]
    """
    return _sorted_along(values, axis, direction, name, indices=True)


# ------------------------------------------------------------------------------------ nth element

_NTH = """
rank = int64(load(n, 0))
if rank < 0 or rank >= count:
    return 3
for row in range(start, stop):
    first = row * count
    for i in range(count):
        x = load(input, first + i)
        store(keys, i, {key})
    rest = rank
    {select}
    i = int64(0)
    while load(keys, i) != chosen:
        i += 1
    store(values, row, load(input, first + i))
return 0
"""


def _nth_choices(call_: Call) -> Mapping[str, str]:
    words = _words(call_, descending=call_.attrs["reverse"])
    return {**words, "select": _indented(_SELECT, 0).format(**words)}


def _nth_infer(call_: Call) -> list[Dims]:
    dims, n = call_.shapes[0], call_.value(1)
    require_rank_at_least(dims, 1, "input")
    require_rank(call_.shapes[1], 0, "n")
    if n is not None and n < 0:
        raise ShapeError(f"n must not be negative: {n}")
    if dims is None:
        return [None]
    if n is not None and dims[-1] is not None and n >= dims[-1]:
        raise ShapeError(f"n is {n}, but the last axis of {format_dims(dims)} has size {dims[-1]}")
    return [dims[:-1]]


def _nth_reference(call_: Call, x: Any, n: Any) -> Any:
    rank = only_one(n, "n")
    if not 0 <= rank < x.shape[-1]:
        raise invalid(f"n is {rank}, but the last axis of {list(x.shape)} has size {x.shape[-1]}")
    order = _ordered(x, descending=call_.attrs["reverse"])[..., rank : rank + 1]
    return np.take_along_axis(x, order, -1)[..., 0]


def _nth_grad(op: Any, dy: Any) -> tuple[Any, None]:
    """dy shared equally by the elements that are the one found."""
    found = call.Cast(call.Equal(op.input, call.ExpandDims(op.values, -1)), DstT=dy.dtype)
    share = dy / call.Sum(found, [-1])
    return found * call.ExpandDims(share, -1), None


define(
    "NthElement",
    "input: T, n: int32 -> values: T",
    T=dtypes_of(REAL),
    reverse=False,
    infer=_nth_infer,
    kernel=Procedure(
        _NTH,
        sizes=lambda call_: {"count": rows_of(call_.shapes[0])[1]},
        steps=lambda call_: rows_of(call_.shapes[0])[0],
        scratch=lambda call_: {
            "keys": (_key_dtype(call_.dtypes[0].base_dtype.name), rows_of(call_.shapes[0])[1]),
            "counts": ("int64", 256),
        },
        choices=_nth_choices,
    ),
    grad=_nth_grad,
    reference=_nth_reference,
    samples=(
        sample(f32(3, 7), i32(2), const=(1,)),
        sample(f32(2, 3, 4), i32(0), const=(1,), reverse=True),
        sample(f32(9), i32(8)),
        sample(f32(0, 3), i32(1), const=(1,)),
        sample(_TIES, i32(3), const=(1,), differentiable=(), reverse=True),
        sample(_SPECIAL, i32(5), const=(1,), differentiable=()),
        sample(_SPECIAL, i32(7), const=(1,), differentiable=(), reverse=True),
        sample(i32([3, -5, 2147483647, -2147483648, 3, 0]), i32(4), const=(1,)),
    ),
    errors=(
        error_sample(ValueError, r"n is 3, but the last axis of \[2, 3\] has size 3",
                     f32(2, 3), i32(3), const=(1,)),
        error_sample(ValueError, "n must not be negative", f32(3), i32(-1), const=(1,)),
        error_sample(Exception, "n is 3, but", f32(3), i32(3), stage="run"),
    ),
    doc="The element of every row (last axis) that stands at place ``n`` when the row is sorted.",
)  # fmt: skip


@export("contrib.nn.nth_element")
def nth_element(input: Any, n: Any, reverse: bool = False, name: str | None = None) -> Tensor:
    """The element of every row (last axis) that stands at place ``n`` of the sorted row.

    Args:
        input: a real tensor of at least one axis.
        n: the place, from 0: an int or int32 scalar.
        reverse: count from the greatest.
        name: of the operation; ``NthElement`` by default.

    Returns:
        A tensor of shape input.shape[:-1].

    Raises:
        ValueError: ``n`` is not in [0, size of a row).

    Gradient: dy, shared equally by the elements equal to the result.
    Numerics: NaN comes behind all numbers.

    >>> tf.Session().run(tf.contrib.nn.nth_element([5, 1, 4, 2, 3], 1))
    2
    """
    return apply_op("NthElement", input, n, reverse=reverse, name=name)
