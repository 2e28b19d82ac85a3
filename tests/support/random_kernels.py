"""Random kernels with data, whose results do not depend on the order of a float reduction.

Floats are small integers, NaN or infinite; products are clamped to [-8, 8] and sums are short, so
every intermediate is exact in float32 and any two correct renderers agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from flowgraph.kernel.builder import BodyBuilder, Scalar
from flowgraph.kernel.ir import (
    BROADCAST,
    IN,
    INOUT,
    MAP,
    OUT,
    REDUCE,
    STRIDED,
    UNIT,
    Buffer,
    Kernel,
)
from flowgraph.kernel.scalar import REDUCTIONS

DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")


@dataclass
class Case:
    """A kernel and one set of arguments for it (see kernel/interpret.py)."""

    kernel: Kernel
    arrays: list[np.ndarray]
    extents: tuple[int, ...]
    strides: list[tuple[int, ...]]
    offsets: list[int]

    def block(self, addresses: list[int]) -> list[int]:
        """The words of the argument block, with ``addresses`` as pointers."""
        words = []
        for kind, number, axis in self.kernel.block_layout():
            if kind == "extent":
                words.append(self.extents[number])
            else:
                words.append(addresses[number] if kind == "pointer" else self.strides[number][axis])
        return words


@st.composite
def cases(draw, reducing: bool = False, dtypes: tuple[str, ...] = DTYPES) -> Case:
    """A verified kernel of random axes, operand layouts and body, with data.

    ``reducing``: has a reduce axis, and its first output depends on a reduction.
    """
    rank = draw(st.integers(int(reducing), 4))
    axes = tuple(draw(st.sampled_from((MAP, REDUCE))) for _ in range(rank))
    if reducing and REDUCE not in axes:
        axes = (*axes[:-1], REDUCE)
    extents = tuple(draw(st.sampled_from(_EXTENTS)) for _ in range(rank))
    s = BodyBuilder()
    values: list[Scalar] = []
    buffers: list[Buffer] = []
    layouts: list[tuple[tuple[int, ...], int, int]] = []

    def buffer(dtype: str, mode: str, varies: list[bool]) -> int:
        classes, strides, base, size = draw(_layouts(extents, varies))
        buffers.append(Buffer(dtype, mode, classes))
        layouts.append((strides, base, size))
        return len(buffers) - 1

    for _ in range(draw(st.integers(1, 3))):
        dtype = draw(st.sampled_from(dtypes))
        number = buffer(dtype, IN, [draw(st.booleans()) for _ in range(rank)])
        values.append(s.load(number, dtype))
    in_place = draw(st.booleans())
    if in_place:  # an operand that an output of the same place replaces
        dtype = draw(st.sampled_from(dtypes))
        number = buffer(dtype, INOUT, [True] * rank)
        values.append(s.load(number, dtype))
    for _ in range(draw(st.integers(1, 8))):
        values.append(draw(_statements(s, values, rank, dtypes)))
    if reducing:
        first = len(values)
        x = draw(st.sampled_from(values))
        values.append(draw(_reductions(s, draw(st.sampled_from([x, *_loads(s, values)])))))
        for _ in range(draw(st.integers(0, 4))):
            values.append(draw(_statements(s, values[-6:], rank, dtypes)))

    if in_place:
        s.store(number, draw(_typed(s, values, dtype)))
    for output in range(draw(st.integers(1, 2))):
        value = draw(st.sampled_from(values[first:] if reducing and not output else values[-4:]))
        kernel_so_far = Kernel(axes, tuple(buffers), tuple(s.body))
        full = kernel_so_far.domains()[value.number] or draw(st.booleans())
        target = buffer(value.dtype, OUT, [full or kind == MAP for kind in axes])
        s.store(target, value)
    kernel = s.build(axes, tuple(buffers))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    arrays = [_data(rng, b.dtype, size) for b, (_, _, size) in zip(buffers, layouts, strict=True)]
    return Case(kernel, arrays, extents, [x[0] for x in layouts], [x[1] for x in layouts])


@st.composite
def _layouts(draw, extents, varies):
    """Stride classes, strides, base element and size of memory without overlapping elements."""
    rank = len(extents)
    classes, strides = [BROADCAST] * rank, [0] * rank
    axes = [axis for axis in range(rank) if varies[axis]]
    order = draw(st.permutations(axes))
    step = draw(st.sampled_from((1, 1, 2)))
    base = 0
    for axis in order:
        size = max(extents[axis], 1)
        if step == 1 and UNIT not in classes and draw(st.integers(0, 3)):
            classes[axis], strides[axis] = UNIT, 1
        else:
            backwards = draw(st.integers(0, 3)) == 0
            classes[axis], strides[axis] = STRIDED, -step if backwards else step
            base += step * (size - 1) if backwards else 0
        step = step * size + draw(st.sampled_from((0, 0, 1)))
    return tuple(classes), tuple(strides), base, step


def _data(rng: np.random.Generator, dtype: str, size: int) -> np.ndarray:
    if dtype == "bool":
        return rng.random(size) < 0.5
    if dtype.startswith("f"):
        return rng.choice([-3, -2, -1, 0, 1, 2, 3, 3, np.nan, np.inf, -np.inf], size).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(max(limits.min, -99), min(limits.max, 99), size).astype(dtype)


@st.composite
def _typed(draw, s, values, dtype):
    """A value of ``dtype``: one that is there, or a conversion."""
    same = [v for v in values if v.dtype == dtype]
    if same and draw(st.integers(0, 3)):
        return draw(st.sampled_from(same))
    value = draw(st.sampled_from(values))
    if value.dtype.startswith("f") and not dtype.startswith("f") and dtype != "bool":
        value = s.select(s.isnan(value), 0.0, s.max(s.min(value, 8.0), -8.0))  # in range
        if dtype == "uint8":
            value = s.abs(value)
    return s.cast(value, dtype)


@st.composite
def _statements(draw, s, values, rank, dtypes):
    """One more value, from those there are."""
    kind = draw(st.sampled_from(("scalar", "scalar", "scalar", "reduce", "index", "cast", "const")))
    if kind == "const":
        dtype = draw(st.sampled_from(dtypes))
        return s.const(draw(st.integers(0, 3)), dtype)
    if kind == "index":
        if rank and draw(st.booleans()):
            return s.index(draw(st.integers(0, rank - 1)))
        return s.count()
    if kind == "cast":
        return draw(_typed(s, values, draw(st.sampled_from(dtypes))))
    x = draw(st.sampled_from(values))
    if kind == "reduce":
        return draw(_reductions(s, x))
    y = draw(_typed(s, values, x.dtype))
    if x.dtype == "bool":
        op = draw(st.sampled_from(("and", "or", "xor", "not", "eq", "ne", "select")))
    elif x.dtype.startswith("f"):
        op = draw(st.sampled_from(_FLOAT_OPS))
    else:
        op = draw(st.sampled_from(_INTEGER_OPS))
    if op == "select":
        return s.select(draw(_typed(s, values, "bool")), x, y)
    if op in ("not", "neg", "abs", "sign", "floor", "rint", "isnan"):
        return s.op(op, x)
    result = s.op(op, x, y)
    if x.dtype.startswith("f") and op in ("mul", "add", "sub"):
        result = s.max(s.min(result, 8.0), -8.0)
    return result


@st.composite
def _reductions(draw, s, x):
    op = draw(st.sampled_from([n for n in sorted(REDUCTIONS) if x.dtype in REDUCTIONS[n].dtypes]))
    floating = x.dtype.startswith("f")
    if op == "reduce_prod" and floating:
        x = s.max(s.min(x, 1.0), -1.0)
    result = s.op(op, x)
    return s.max(s.min(result, 8.0), -8.0) if op == "reduce_sum" and floating else result


def _loads(s, values):
    return [v for v in values if s.body[v.number].op == "load"]


#: Empty, single and odd sizes.
_EXTENTS = (0, 1, 1, 2, 2, 3, 3, 4, 5, 7)

_COMMON = ("add", "sub", "mul", "min", "max", "neg", "abs", "sign", "select")
_COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
_FLOAT_OPS = (*_COMMON, *_COMPARE, "floor", "rint", "isnan")
_INTEGER_OPS = (*_COMMON, *_COMPARE, "and", "or", "xor")
