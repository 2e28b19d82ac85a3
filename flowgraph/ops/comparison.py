"""Comparison, logic and choice: less, equal, logical_and, where, clip_by_value, is_nan.

Comparisons give bool tensors and have no gradient; a choice passes the gradient to what was chosen.

Read next: arithmetic.py (maximum and minimum), operators.py (``a < b``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, FLOAT, REAL
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    Call,
    Loops,
    Sample,
    define,
    dtypes_of,
    elementwise,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import broadcast_shape, f32, i32, merged_shape, same_shape, sum_to
from flowgraph.shapes import Dims, ShapeError, format_dims, merge

_TRUTH = not_differentiable("its result is a truth value")
_NAN, _INF = np.float32(np.nan), np.float32(np.inf)
_SAMPLES = (
    sample(f32(3, 4), f32(3, 4, seed=1)),
    sample(f32(2, 1, 3), f32(4, 1, seed=1)),
    sample(f32(), f32(5, seed=1)),
    sample(f32(0, 3), f32(3, seed=1)),
    sample(i32([1, 2, 3]), i32([2, 2, 2])),
    sample(np.array([_NAN, _INF, -_INF, 0, _NAN], np.float32),
           np.array([1, _INF, _INF, -0.0, _NAN], np.float32)),
)  # fmt: skip


def comparison(
    type: str,
    function_name: str,
    reads: str,
    function: Callable[..., Any],
    dtypes: frozenset[str] = REAL,
    more: tuple[Sample, ...] = (),
    **attrs: Any,
) -> Callable[..., Any]:
    """Register the comparison ``type`` and export ``function_name(x, y, name=None)``.

    ``function(s, x, y)`` compares scalars of a kernel, and arrays when ``s`` is None.
    """
    define(
        type,
        "x: T, y: T -> z: bool",
        T=dtypes_of(dtypes),
        infer=broadcast_shape,
        kernel=elementwise(function, parts=True),
        grad=_TRUTH,
        reference=lambda call_, x, y: np.asarray(function(None, x, y)).astype(bool),
        samples=(*_SAMPLES, *more),
        errors=(error_sample(ValueError, "do not broadcast", f32(3), f32(4)),),
        doc=f"Whether {reads}.",
        **attrs,
    )

    def compare(x: Any, y: Any, name: str | None = None) -> Any:
        return apply_op(type, x, y, name=name)

    compare.__name__ = compare.__qualname__ = function_name
    compare.__doc__ = f"""Whether {reads}, element by element.

    Args:
        x: a tensor; {", ".join(sorted(dtypes))}.
        y: a tensor of the same dtype; shapes broadcast.
        name: of the operation; ``{type}`` by default.

    Returns:
        A bool tensor of the broadcast shape.  With NaN every answer but that of not_equal is False.

    Raises:
        ValueError: the shapes do not broadcast.
        TypeError: the dtypes differ.

    Gradient: none.
    """
    return export(function_name, f"math.{function_name}")(compare)


_WORDS = (
    sample(np.array([b"a", b"b"], object), np.array(b"a", object)),
    sample(np.array([True, False]), np.array([True, True])),
    sample(np.array([1j, 2], np.complex64), np.array(1j, np.complex64)),
)
equal = comparison(
    "Equal", "equal", "``x == y``",
    lambda s, x, y: x == y if s is None else s.eq(x, y),
    ALL, _WORDS, incompatible_shape_error=True,
)  # fmt: skip
not_equal = comparison(
    "NotEqual", "not_equal", "``x != y``",
    lambda s, x, y: x != y if s is None else s.ne(x, y),
    ALL, _WORDS, incompatible_shape_error=True,
)  # fmt: skip
less = comparison("Less", "less", "``x < y``", lambda s, x, y: x < y)
less_equal = comparison("LessEqual", "less_equal", "``x <= y``", lambda s, x, y: x <= y)
greater = comparison("Greater", "greater", "``x > y``", lambda s, x, y: x > y)
greater_equal = comparison("GreaterEqual", "greater_equal", "``x >= y``", lambda s, x, y: x >= y)

# ------------------------------------------------------------------------------------------ logic

_BITS = (
    sample(np.array([True, True, False, False]), np.array([True, False, True, False])),
    sample(np.array([[True], [False]]), np.array([True, False, True])),
    sample(np.array(True), np.array(False)),
    sample(np.zeros((0, 2), bool), np.array([True, False])),
)


def _logical(type: str, function_name: str, reads: str, kernel: Any, reference: Any) -> Any:
    define(
        type,
        "x: bool, y: bool -> z: bool",
        infer=broadcast_shape,
        kernel=elementwise(kernel),
        grad=_TRUTH,
        reference=lambda call_, x, y: reference(x, y),
        samples=_BITS,
        errors=(error_sample(TypeError, "bool", f32(2), f32(2)),),
        doc=f"Whether {reads}.",
    )

    def function(x: Any, y: Any, name: str | None = None) -> Any:
        return apply_op(type, x, y, name=name)

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"""Whether {reads}, element by element.

    Args:
        x, y: bool tensors; shapes broadcast.
        name: of the operation; ``{type}`` by default.

    Raises:
        TypeError: an input is not bool.
        ValueError: the shapes do not broadcast.

    Gradient: none.
    """
    return export(function_name, f"math.{function_name}")(function)


logical_and = _logical(
    "LogicalAnd", "logical_and", "``x`` and ``y``", lambda s, x, y: x & y, np.logical_and
)
logical_or = _logical(
    "LogicalOr", "logical_or", "``x`` or ``y``", lambda s, x, y: x | y, np.logical_or
)

define(
    "LogicalNot",
    "x: bool -> y: bool",
    infer=same_shape,
    kernel=elementwise(lambda s, x: ~x),
    grad=_TRUTH,
    reference=lambda call_, x: np.logical_not(x),
    samples=(
        sample(np.array([True, False])),
        sample(np.array(True)),
        sample(np.zeros((0, 2), bool)),
    ),
    errors=(error_sample(TypeError, "bool", f32(2)),),
    doc="Whether ``x`` is False.",
)


@export("logical_not", "math.logical_not")
def logical_not(x: Any, name: str | None = None) -> Any:
    """Whether ``x`` is False, element by element.

    Args:
        x: a bool tensor.
        name: of the operation; ``LogicalNot`` by default.

    Raises:
        TypeError: ``x`` is not bool.

    Gradient: none.
    """
    return apply_op("LogicalNot", x, name=name)


@export("logical_xor", "math.logical_xor")
def logical_xor(x: Any, y: Any, name: str | None = "LogicalXor") -> Any:
    """Whether exactly one of ``x`` and ``y`` is True, element by element.

    x xor y = (x or y) and not (x and y)

    Args:
        x, y: bool tensors; shapes broadcast.
        name: of the operation.

    Raises:
        TypeError: an input is not bool.

    Gradient: none.
    """
    x = convert_to_tensor(x, name="x")
    y = convert_to_tensor(y, name="y")
    both = call.LogicalNot(call.LogicalAnd(x, y))
    return apply_op("LogicalAnd", call.LogicalOr(x, y), both, name=name or "LogicalXor")


# ---------------------------------------------------------------------------------- special values


def _test(type: str, function_name: str, reads: str, kernel: Any, reference: Any) -> Any:
    define(
        type,
        "x: T -> y: bool",
        T=dtypes_of(FLOAT),
        infer=same_shape,
        kernel=elementwise(kernel),
        grad=_TRUTH,
        reference=lambda call_, x: reference(x),
        samples=(
            sample(np.array([_NAN, _INF, -_INF, 0, -0.0, 1], np.float32)),
            sample(f32(2, 3)),
            sample(f32(0)),
            sample(np.float32(np.nan)),
        ),
        doc=f"Whether ``x`` is {reads}.",
    )

    def function(x: Any, name: str | None = None) -> Any:
        return apply_op(type, x, name=name)

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"""Whether ``x`` is {reads}, element by element.

    Args:
        x: a float tensor.
        name: of the operation; ``{type}`` by default.

    Raises:
        TypeError: ``x`` is not float.

    Gradient: none.
    """
    return export(function_name, f"math.{function_name}", f"debugging.{function_name}")(function)


is_nan = _test("IsNan", "is_nan", "NaN", lambda s, x: s.isnan(x), np.isnan)
is_inf = _test("IsInf", "is_inf", "infinite", lambda s, x: s.eq(s.abs(x), float("inf")), np.isinf)
is_finite = _test(
    "IsFinite", "is_finite", "neither infinite nor NaN",
    lambda s, x: s.lt(s.abs(x), float("inf")), np.isfinite,
)  # fmt: skip

# ---------------------------------------------------------------------------------------- choice


def _select_infer(call_: Call) -> list[Dims]:
    condition, t, e = call_.shapes
    try:
        result = merge(t, e)
    except ShapeError:
        raise ShapeError(
            f"both branches must have one shape, not {format_dims(t)} and {format_dims(e)}",
            "broadcast one of them, e.g. with tf.zeros_like(x) + y",
        ) from None
    if condition is None or result is None or condition == ():
        return [result]
    if len(condition) == 1 and len(result) > 1:
        merge(condition, result[:1])
        return [result]
    return [merge(condition, result)]


def _chooses_rows(call_: Call) -> bool:
    """True when the condition is a vector that chooses along axis 0."""
    condition, t = call_.shapes[0], call_.shapes[1]
    return condition is not None and t is not None and len(condition) == 1 < len(t)


def _select_operands(call_: Call) -> tuple[tuple[int, ...], ...] | None:
    if not _chooses_rows(call_):
        return None
    every = tuple(range(len(call_.shapes[1] or ())))
    return (0,), every, every


def _select_reference(call_: Call, condition: Any, t: Any, e: Any) -> Any:
    if condition.ndim == 1 < t.ndim:
        condition = condition.reshape(-1, *(1,) * (t.ndim - 1))
    return np.where(condition, t, e)


def _select_grad(op: Any, dy: Any) -> tuple[Any, ...]:
    zeros = call.ZerosLike(dy)
    dt = call.Select(op.condition, dy, zeros) if op.wants(op.t) else None
    return None, dt, call.Select(op.condition, zeros, dy) if op.wants(op.e) else None


_FLAGS = np.array([[True, False, True], [False, False, True]])

define(
    "Select",
    "condition: bool, t: T, e: T -> output: T",
    T=dtypes_of(ALL),
    infer=_select_infer,
    kernel=Loops(
        lambda s, call_, condition, t, e: s.select(condition, t, e),
        domain=lambda call_: call_.shapes[1],  # type: ignore[arg-type,return-value]
        operands=_select_operands,
        parts=True,
    ),
    grad=_select_grad,
    reference=_select_reference,
    samples=(
        sample(_FLAGS, f32(2, 3), f32(2, 3, seed=1)),
        sample(np.array([True, False]), f32(2, 3), f32(2, 3, seed=1)),
        sample(np.array(False), f32(2, 3), f32(2, 3, seed=1)),
        sample(np.zeros((0, 2), bool), f32(0, 2), f32(0, 2)),
        sample(np.array([True, False]), np.array([1, _NAN], np.float32),
               np.array([_NAN, 2], np.float32), differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "both branches must have one shape", _FLAGS, f32(2, 3), f32(3)),
        error_sample(ValueError, "not compatible", _FLAGS, f32(4), f32(4)),
    ),
    doc="``t`` where the condition holds, else ``e``; a vector condition chooses rows.",
)  # fmt: skip


def _select_v2_grad(op: Any, dy: Any) -> tuple[Any, ...]:
    zeros = call.ZerosLike(dy)
    condition, t, e = op.inputs
    dt = de = None
    if op.wants(t):
        dt = sum_to(call.SelectV2(condition, dy, zeros), t, e, condition)
    if op.wants(e):
        de = sum_to(call.SelectV2(condition, zeros, dy), e, t, condition)
    return None, dt, de


define(
    "SelectV2",
    "condition: bool, t: T, e: T -> output: T",
    T=dtypes_of(ALL),
    infer=broadcast_shape,
    kernel=elementwise(lambda s, condition, t, e: s.select(condition, t, e), parts=True),
    grad=_select_v2_grad,
    reference=lambda call_, condition, t, e: np.where(condition, t, e),
    samples=(
        sample(_FLAGS, f32(2, 3), f32(2, 3, seed=1)),
        sample(np.array([True, False, True]), f32(2, 3), f32(seed=1)),
        sample(np.array([[True], [False]]), f32(3), f32(4, 1, 3, seed=1)),
        sample(np.array(False), f32(2, 3), f32(2, 1, seed=1)),
        sample(np.zeros((0, 2), bool), f32(2), f32()),
        sample(np.array([True, False]), i32([1, 2]), i32(7)),
        sample(np.array([True, False]), np.array([b"a", b"b"], object), np.array(b"c", object)),
        sample(np.array([True, False]), np.array([1, _NAN], np.float32),
               np.array([_NAN, 2], np.float32), differentiable=()),
    ),
    errors=(error_sample(ValueError, "do not broadcast", _FLAGS, f32(4), f32(4)),),
    doc="``t`` where the condition holds, else ``e``; all three broadcast.",
)  # fmt: skip


@export("where_v2")
def where_v2(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """``x`` where ``condition`` holds, else ``y``, with broadcasting; or the places where it holds.

    Args:
        condition: bool.
        x, y: tensors of one dtype whose shapes broadcast with that of ``condition``, or both left
            out.
        name: of the operation; ``SelectV2`` (``Where``) by default.

    Returns:
        A tensor of the broadcast shape; or an int64 matrix with the coordinates of one True element
        in each row, in row-major order.

    Raises:
        ValueError: only one of x and y is given, or the shapes do not broadcast.

    Gradient: dy to the chosen one, exact zeros to the other; none to the condition.

    >>> tf.Session().run(tf.where_v2([True, False], [1.0, 2.0], 0.0))
    array([1., 0.], dtype=float32)
    """
    if x is None and y is None:
        return apply_op("Where", condition, name=name)
    if x is None or y is None:
        raise ValueError("where_v2: give both x and y, or neither")
    return apply_op("SelectV2", condition, x, y, name=name)


@export("where")
def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """``x`` where ``condition`` holds, else ``y``; without x and y, the places where it holds.

    Args:
        condition: bool; of the shape of ``x``, a scalar, or a vector that chooses whole rows of
            ``x``.
        x, y: tensors of one shape and dtype, or both left out.
        name: of the operation; ``Select`` (``Where``) by default.

    Returns:
        A tensor of the shape of ``x``; or an int64 matrix with the coordinates of one True element
        in each row, in row-major order.

    Raises:
        ValueError: only one of x and y is given, or the shapes differ.

    Gradient: dy to the chosen one, 0 to the other; none to the condition.  NB: a NaN or infinite
    derivative of the branch not taken still gives NaN when that branch is differentiated further
    back.

    Source: tf.where (TensorFlow 1.15), which does not broadcast.

    >>> tf.Session().run(tf.where([True, False], [1, 2], [3, 4]))
    array([1, 4], dtype=int32)
    """
    if x is None and y is None:
        return apply_op("Where", condition, name=name)
    if x is None or y is None:
        raise ValueError("where: give both x and y, or neither")
    return apply_op("Select", condition, x, y, name=name)


@export("clip_by_value")
def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """``t`` with what lies outside [clip_value_min, clip_value_max] moved to the nearer bound.

    max(min(t, clip_value_max), clip_value_min)

    Args:
        t: a real tensor.
        clip_value_min, clip_value_max: bounds of its dtype, scalars or of a shape that broadcasts
            to it.
        name: of the operation; ``clip_by_value`` by default.

    Returns:
        A tensor of the shape of ``t``.

    Raises:
        ValueError: the bounds have more elements than ``t``.

    Gradient: dy where ``t`` lies within the bounds, the bounds included; 0 outside.

    >>> tf.Session().run(tf.clip_by_value([-1.0, 0.5, 2.0], 0.0, 1.0))
    array([0. , 0.5, 1. ], dtype=float32)
    """
    with name_scope(name, "clip_by_value", [t, clip_value_min, clip_value_max]) as scope:
        t = convert_to_tensor(t, name="t")
        below = call.Minimum(t, clip_value_max)
        t.shape.assert_is_compatible_with(below.shape)
        result = apply_op("Maximum", below, clip_value_min, name=scope)
        t.shape.assert_is_compatible_with(result.shape)
        return result


# ------------------------------------------------------------------------ nearness and order

define(
    "ApproximateEqual",
    "x: T, y: T -> z: bool",
    T=dtypes_of(REAL),
    tolerance=1e-5,
    infer=merged_shape,
    kernel=Loops(lambda s, call_, x, y: s.lt(_distance(s, x, y), _limit(call_, x.dtype))),
    grad=_TRUTH,
    reference=lambda call_, x, y: np.abs(_distance(None, x, y)) < _limit(call_, x.dtype.name),
    samples=(
        sample(
            np.array([1, 2, _NAN, _INF], np.float32), np.array([1.000001, 2.1, 1, 1], np.float32)
        ),
        sample(f32(2, 3), f32(2, 3, seed=1), tolerance=1.5),
        sample(i32([1, 5, -3]), i32([1, 7, -4]), tolerance=2.0),
        sample(np.array([1, 200], np.uint8), np.array([2, 100], np.uint8), tolerance=1.5),
        sample(f32(), f32(seed=1)),
        sample(f32(0, 3), f32(0, 3)),
    ),
    errors=(error_sample(ValueError, "not compatible", f32(3), f32(4)),),
    doc="Whether ``|x - y|`` is below ``tolerance``.",
)  # fmt: skip


def _distance(s: Any, x: Any, y: Any) -> Any:
    """|x - y|, without the wrap of unsigned numbers."""
    if s is None:
        return np.maximum(x, y) - np.minimum(x, y)
    return s.max(x, y) - s.min(x, y)


def _limit(call_: Call, dtype: str) -> Any:
    """The tolerance as ``dtype``: integers are below it when they are below its ceiling."""
    tolerance = call_.attrs["tolerance"]
    return np.dtype(dtype).type(tolerance if dtype.startswith("float") else np.ceil(tolerance))


@export("math.approximate_equal", "approximate_equal")
def approximate_equal(x: Any, y: Any, tolerance: float = 1e-5, name: str | None = None) -> Any:
    """Whether ``|x - y| < tolerance``, element by element.

    Args:
        x, y: real tensors of one shape and dtype.
        tolerance: a Python number.
        name: of the operation; ``ApproximateEqual`` by default.

    Returns:
        A bool tensor of their shape.

    Raises:
        ValueError: the shapes differ.   TypeError: the dtypes differ.

    Gradient: none.

    >>> tf.Session().run(tf.approximate_equal([1.0, 2.0], [1.000001, 2.1]))
    array([ True, False])
    """
    return apply_op("ApproximateEqual", x, y, tolerance=float(tolerance), name=name)


def _neighbours(type: str, x: Any, name: str) -> Any:
    """Whether comparison ``type`` holds between each element and the next, in row-major order."""
    with name_scope(name, name, [x]):
        flat = call.Reshape(convert_to_tensor(x, name="x"), [-1])
        return call.All(apply_op(type, flat[:-1], flat[1:]), [0])


@export("is_non_decreasing", "math.is_non_decreasing", "debugging.is_non_decreasing")
def is_non_decreasing(x: Any, name: str | None = None) -> Any:
    """Whether no element is less than the one before it, in row-major order.

    Args:
        x: a real tensor; True when it has fewer than two elements.
        name: of the operations; ``is_non_decreasing`` by default.

    Returns:
        A bool scalar.

    Gradient: none.

    >>> bool(tf.Session().run(tf.is_non_decreasing([1, 1, 2])))
    True
    """
    return _neighbours("LessEqual", x, name or "is_non_decreasing")


@export("is_strictly_increasing", "math.is_strictly_increasing", "debugging.is_strictly_increasing")
def is_strictly_increasing(x: Any, name: str | None = None) -> Any:
    """Whether every element is greater than the one before it, in row-major order.

    Args:
        x: a real tensor; True when it has fewer than two elements.
        name: of the operations; ``is_strictly_increasing`` by default.

    Returns:
        A bool scalar.

    Gradient: none.

    >>> bool(tf.Session().run(tf.is_strictly_increasing([1, 1, 2])))
    False
    """
    return _neighbours("Less", x, name or "is_strictly_increasing")
