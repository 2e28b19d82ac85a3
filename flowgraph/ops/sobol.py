"""Sobol's points: sequences that fill a cube more evenly than random numbers.

Read next: random.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, float32, float64
from flowgraph.graph.apply import apply_op
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    Call,
    Compiled,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import i32, invalid, only_one
from flowgraph.shapes import Dims, ShapeError

#: Of every axis but the first: a primitive polynomial (its bits) and the first direction numbers,
#: from Joe and Kuo's table new-joe-kuo-6.
_TABLE = (
    "1 1; 3 1; 7 1 3; 11 1 3 1; 13 1 1 1; 19 1 1 3 3; 25 1 3 5 13; 37 1 1 5 5 17; "
    "41 1 1 5 5 5; 47 1 1 7 11 19; 55 1 1 5 1 1; 59 1 1 1 3 11; 61 1 3 5 5 31; "
    "67 1 3 3 9 7 49; 91 1 1 1 15 21 21; 97 1 3 1 13 27 49; 103 1 1 1 15 7 5; "
    "109 1 3 1 15 13 25; 115 1 1 5 5 19 61; 131 1 3 7 11 23 15 103; 137 1 3 7 13 13 15 69; "
    "143 1 1 3 13 7 35 63; 145 1 3 5 9 1 25 53; 157 1 3 1 13 9 35 107; 167 1 3 1 5 27 61 31; "
    "171 1 1 5 11 19 41 61; 185 1 3 5 3 3 13 69; 191 1 1 7 13 1 19 1; 193 1 3 7 5 13 19 59; "
    "203 1 1 3 9 25 29 41; 211 1 3 5 13 23 1 55; 213 1 3 7 3 13 59 17; 229 1 3 1 3 5 53 69; "
    "239 1 1 5 5 23 33 13; 241 1 1 7 7 1 61 123; 247 1 1 7 9 13 61 49; 253 1 3 3 5 3 55 33; "
    "285 1 3 1 15 31 13 49 245; 299 1 3 5 15 31 59 63 97; 301 1 3 1 11 11 11 77 249"
)
_BITS = 32
_ROWS = [[int(word) for word in row.split()] for row in _TABLE.split(";")]
MOST_AXES = len(_ROWS)


def _directions(axis: int) -> np.ndarray[Any, Any]:
    """The 32 direction numbers of an axis, as fractions times 2**32."""
    if axis == 0:
        return np.array([1 << (_BITS - 1 - k) for k in range(_BITS)], np.uint64)
    polynomial, *first = _ROWS[axis]
    degree = polynomial.bit_length() - 1
    m = list(first[:degree])
    for k in range(degree, _BITS):
        value = m[k - degree] ^ (m[k - degree] << degree)
        for j in range(1, degree):
            if polynomial >> (degree - j) & 1:
                value ^= m[k - j] << j
        m.append(value)
    return np.array([number << (_BITS - 1 - k) for k, number in enumerate(m)], np.uint64)


def _sizes(dim: Any, num_results: Any, skip: Any) -> tuple[int, int, int]:
    """(axes, points, number of the first), checked."""
    axes, count = only_one(dim, "dim"), only_one(num_results, "num_results")
    first = only_one(skip, "skip")
    if not 1 <= axes <= MOST_AXES:
        raise invalid(f"dim must be between 1 and {MOST_AXES}, not {axes}")
    if count < 1:
        raise invalid(f"num_results must be at least 1, not {count}")
    if first < 0:
        raise invalid(f"skip must not be negative, not {first}")
    return axes, count, first


def _reference(call_: Call, *given: Any) -> Any:
    axes, count, first = _sizes(*given)
    # point n is the sum without carry of the directions at the bits of n's Gray code; n = 0 is 0
    n = np.arange(first + 1, first + 1 + count, dtype=np.uint64)
    gray = n ^ (n >> np.uint64(1))
    result = np.zeros((count, axes), np.uint64)
    for axis in range(axes):
        for k, direction in enumerate(_directions(axis)):
            odd = gray >> np.uint64(k) & np.uint64(1)
            result[:, axis] ^= odd * direction
    return (result / 2.0**_BITS).astype(call_.attrs["dtype"].np)


#: The Gray codes of n and n + 1 differ at the lowest bit of n + 1 that is set; ``at`` begins with
#: the point of number ``first``.
_POINTS = """
for i in range(count):
    n = first + 1 + i
    bit = int64(0)
    while (n >> bit) & 1 == 0:
        bit += 1
    for d in range(axes):
        changed = load(at, d) ^ load(directions, d * 32 + bit)
        store(at, d, changed)
        store(points, i * axes + d, float64(changed) * 2.3283064365386963e-10)
return 0
"""


@cache
def _every_direction() -> np.ndarray[Any, Any]:
    return np.stack([_directions(axis) for axis in range(MOST_AXES)])


def _given(call_: Call, *given: Any) -> dict[str, Any]:
    axes, count, first = _sizes(*given)
    directions = _every_direction()[:axes]
    gray = first ^ (first >> 1)
    bits = [k for k in range(_BITS) if gray >> k & 1]
    return {
        "axes": axes, "count": count, "first": first, "directions": directions,
        "at": np.bitwise_xor.reduce(directions[:, bits], axis=1),
        "points": np.empty((count, axes), np.float64),
    }  # fmt: skip


def _made(call_: Call, values: Any) -> Any:
    return values["points"].astype(call_.attrs["dtype"].np, copy=False)


def _shape(call_: Call) -> list[Dims]:
    sizes: list[int | None] = []
    for i, what in ((1, "num_results"), (0, "dim")):
        if call_.shapes[i] not in (None, ()):
            raise ShapeError(f"{what} must be a scalar")
        value = call_.value(i)
        if value is not None and value < 0:
            raise ShapeError(f"{what} must be at least 1, not {int(value)}")
        sizes.append(None if value is None else int(value))
    return [tuple(sizes)]


define(
    "SobolSample",
    "dim: int32, num_results: int32, skip: int32 -> samples: dtype",
    dtype=dtypes_of(frozenset(("float32", "float64")), float32),
    infer=_shape,
    grad=not_differentiable("its inputs are sizes"),
    reference=_reference,
    kernel=Compiled(_POINTS, _given, _made),
    samples=(
        sample(i32(3), i32(5), i32(0), const=(0, 1, 2)),
        sample(i32(40), i32(9), i32(1000), const=(0, 1, 2), dtype=float64),
        sample(i32(1), i32(1), i32(7), const=(0,)),
    ),
    errors=(
        error_sample(ValueError, "must be a scalar", i32([3]), i32(5), i32(0)),
        error_sample(Exception, "dim must be between", i32(0), i32(5), i32(0), stage="run"),
        error_sample(Exception, "num_results must be", i32(2), i32(-1), i32(0), stage="run"),
        error_sample(Exception, "skip must not be", i32(2), i32(1), i32(-1), stage="run"),
    ),
    doc="Points skip + 1 ... of Sobol's sequence.",
)


@export("math.sobol_sample")
def sobol_sample(
    dim: Any, num_results: Any, skip: Any = 0, dtype: Any = float32, name: str | None = None
) -> Any:
    """Points of Sobol's sequence, which fill the unit cube evenly; the origin is left out.

    Args:
        dim: how many axes the cube has, 1 to 40.
        num_results: how many points.
        skip: how many points of the sequence to pass over.
        dtype: float32 or float64.
        name: of the scope; ``sobol`` by default.

    Returns:
        A tensor of shape [num_results, dim], numbers in [0, 1).

    Raises:
        InvalidArgumentError: a number is out of its range.

    Gradient: none.

    >>> tf.Session().run(tf.math.sobol_sample(2, 3))
    array([[0.5 , 0.5 ],
           [0.75, 0.25],
           [0.25, 0.75]], dtype=float32)
    """
    with name_scope(name, "sobol", [dim, num_results, skip]):
        return apply_op("SobolSample", dim, num_results, skip, dtype=as_dtype(dtype))
