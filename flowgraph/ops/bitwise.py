"""Bits of integers: tf.bitwise.bitwise_and, bitwise_or, bitwise_xor, invert, the shifts.

Read next: comparison.py (and, or, not of bools).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import INT
from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.opdef import define, dtypes_of, elementwise, not_differentiable, sample
from flowgraph.ops.factories import binary, unary
from flowgraph.ops.rules import i32, same_shape

_INTEGERS = not_differentiable("its result are integers")

#: Every width, both signs; broadcasting; an empty.
_SAMPLES = (
    sample(i32([[5, -1], [0, 2**31 - 1]]), i32([[3, 7], [-8, 1]])),
    sample(i32([[5], [-6]]), i32([3, 1, 0])),
    sample(i32(np.zeros((0, 2))), i32([1, 2])),
    *(
        sample(np.array([5, 100, 127, 0], dtype), np.array([3, 1, 7, 9], dtype))
        for dtype in ("int8", "int16", "int64", "uint8", "uint16", "uint32", "uint64")
    ),
)


def _bitwise(
    type: str, name: str, doc: str, kernel: Callable[..., Any], reference: Callable[..., Any]
) -> Callable[..., Any]:
    return binary(
        type, f"bitwise.{name}",
        doc=doc,
        kernel=kernel,
        grad=_INTEGERS,
        reference=reference,
        samples=_SAMPLES,
        dtypes=INT,
    )  # fmt: skip


bitwise_and = _bitwise(
    "BitwiseAnd", "bitwise_and", "The bits that both ``x`` and ``y`` have.  No gradient.",
    lambda s, x, y: x & y, np.bitwise_and,
)  # fmt: skip

bitwise_or = _bitwise(
    "BitwiseOr", "bitwise_or", "The bits that ``x`` or ``y`` has.  No gradient.",
    lambda s, x, y: x | y, np.bitwise_or,
)  # fmt: skip

bitwise_xor = _bitwise(
    "BitwiseXor", "bitwise_xor", "The bits that exactly one of ``x`` and ``y`` has.  No gradient.",
    lambda s, x, y: s.xor(x, y), np.bitwise_xor,
)  # fmt: skip

invert = unary(
    "Invert", "bitwise.invert",
    doc="The bits that ``x`` has not: -1 - x of signed integers.  No gradient.",
    kernel=lambda s, x: ~x,
    grad=_INTEGERS,
    reference=np.invert,
    samples=(
        sample(i32([[5, -1], [0, 2**31 - 1]])),
        sample(i32(7)),
        sample(i32(np.zeros((0, 2)))),
        sample(np.array([0, 1, 255], np.uint8)),
        sample(np.array([0, 2**64 - 1], np.uint64)),
    ),
    dtypes=INT,
)  # fmt: skip


def _width(dtype: Any) -> int:
    return 8 * np.dtype(dtype).itemsize


def _shift(op: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Kernel and reference; a count outside 0 ... width - 1 counts as the nearer of the two."""
    numpy = np.left_shift if op == "shl" else np.right_shift

    def kernel(s: Any, x: Any, y: Any) -> Any:
        return getattr(s, op)(x, s.min(s.max(y, 0), _width(x.dtype) - 1))

    def reference(x: Any, y: Any) -> Any:
        return numpy(x, np.clip(y, y.dtype.type(0), y.dtype.type(_width(x.dtype) - 1)))

    return kernel, reference


left_shift = _bitwise(
    "LeftShift", "left_shift",
    "``x * 2**y``, without the bits that leave at the top.\n\n"
    "    A count below 0 counts as 0, one beyond the width of the dtype as width - 1..",
    *_shift("shl"),
)  # fmt: skip

right_shift = _bitwise(
    "RightShift", "right_shift",
    "``floor(x / 2**y)``: signed integers keep their sign.\n\n"
    "    A count below 0 counts as 0, one beyond the width of the dtype as width - 1..",
    *_shift("shr"),
)  # fmt: skip


def _count_bits(s: Any, x: Any) -> Any:
    """Pairs of bits hold their count, then fours, then bytes; one product adds the bytes."""
    if x.dtype.startswith("int"):
        x = s.cast(x, "u" + x.dtype)
    x = s.cast(x, "uint64")
    x = x - (s.shr(x, 1) & 0x5555555555555555)
    x = (x & 0x3333333333333333) + (s.shr(x, 2) & 0x3333333333333333)
    x = (x + s.shr(x, 4)) & 0x0F0F0F0F0F0F0F0F
    return s.cast(s.shr(x * 0x0101010101010101, 56), "uint8")


define(
    "PopulationCount",
    "x: T -> y: uint8",
    T=dtypes_of(INT),
    infer=same_shape,
    kernel=elementwise(_count_bits),
    grad=_INTEGERS,
    reference=lambda call_, x: np.bitwise_count(x).astype(np.uint8)
    if x.dtype.kind == "u"
    else np.bitwise_count(x.view(f"u{x.dtype.itemsize}")).astype(np.uint8),
    samples=(
        sample(i32([[5, -1], [0, 2**31 - 1]])),
        sample(i32(7)),
        sample(i32(np.zeros((0, 2)))),
        *(sample(np.array([0, 1, 100, -1], d)) for d in ("int8", "int16", "int64")),
        *(sample(np.array([0, 1, 255], d)) for d in ("uint8", "uint16", "uint32", "uint64")),
    ),
    doc="How many bits of each element are 1.",
)


@export("bitwise.population_count")
def population_count(x: Any, name: str | None = None) -> Any:
    """How many bits of each element are 1.

    Args:
        x: an integer tensor.
        name: of the operation; ``PopulationCount`` by default.

    Returns:
        A uint8 tensor of the shape of ``x``.

    Raises:
        TypeError: ``x`` is not of integers.

    Gradient: none.

    >>> tf.Session().run(tf.bitwise.population_count([7, -1]))
    array([ 3, 32], dtype=uint8)
    """
    return apply_op("PopulationCount", x, name=name)
