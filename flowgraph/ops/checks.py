"""Assertions: assert_equal, assert_less, assert_positive, assert_rank and their kin.

What is known while the graph is built is checked there and then; the rest becomes an Assert
operation, to be put under tf.control_dependencies.

Read next: host.py (Assert).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.host import summarize as text_of
from flowgraph.ops.reductions import every_axis
from flowgraph.ops.rules import invalid
from flowgraph.shapes import format_dims


def _assert_that(
    condition: Tensor,
    claim: str,
    operands: Sequence[tuple[str, Tensor]],
    data: Sequence[Any] | None,
    message: str | None,
    summarize: int | None,
) -> Operation:
    """An Assert of ``condition``; raises at once when it is known to be False."""
    said = [*([message] if message else []), f"Condition {claim} did not hold element-wise:"]
    if constant_value(condition) is not None and not constant_value(condition):
        for label, tensor in operands:
            value = constant_value(tensor)
            shown = (
                ""
                if value is None
                else f" = {text_of(value, 3 if summarize is None else summarize)}"
            )
            said.append(f"{label} ({tensor.name}){shown}")
        raise invalid("\n".join(said))
    if data is None:
        data = list(said)
        for label, tensor in operands:
            data += [f"{label} ({tensor.name}) = ", tensor]
    return apply_op("Assert", condition, list(data), summarize=summarize)


def _comparison(function_name: str, type: str, symbol: str) -> Any:
    def function(
        x: Any,
        y: Any,
        data: Sequence[Any] | None = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Operation:
        with name_scope(name, function_name, [x, y, data]):
            x = convert_to_tensor(x, name="x")
            y = convert_to_tensor(y, dtype=x.dtype.base_dtype, name="y")
            holds = apply_op(type, x, y)
            condition = call.All(holds, every_axis(holds))
            operands = [("x", x), ("y", y)]
            return _assert_that(condition, f"x {symbol} y", operands, data, message, summarize)

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"""Assert that ``x {symbol} y`` holds for all elements.

    Args:
        x, y: tensors of one dtype; shapes broadcast.  Nothing at all satisfies every condition.
        data: tensors to show in the error; both operands by default.
        summarize: how many elements of each to show.
        message: put in front of the error.
        name: of the operations; ``{function_name}`` by default.

    Returns:
        An Operation that fails when the condition does not hold.

    Raises:
        InvalidArgumentError: it is known not to hold (at once); it does not hold (when run).
    """
    return export(function_name, f"debugging.{function_name}")(function)


assert_equal = _comparison("assert_equal", "Equal", "==")
assert_none_equal = _comparison("assert_none_equal", "NotEqual", "!=")
assert_less = _comparison("assert_less", "Less", "<")
assert_less_equal = _comparison("assert_less_equal", "LessEqual", "<=")
assert_greater = _comparison("assert_greater", "Greater", ">")
assert_greater_equal = _comparison("assert_greater_equal", "GreaterEqual", ">=")


def _sign(function_name: str, type: str, symbol: str) -> Any:
    def function(
        x: Any,
        data: Sequence[Any] | None = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Operation:
        with name_scope(name, function_name, [x, data]):
            x = convert_to_tensor(x, name="x")
            zero = convert_to_tensor(np.zeros((), x.dtype.np))
            holds = apply_op(type, x, zero)
            condition = call.All(holds, every_axis(holds))
            return _assert_that(condition, f"x {symbol} 0", [("x", x)], data, message, summarize)

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"""Assert that ``x {symbol} 0`` holds for all elements.

    Args:
        x: a real tensor.
        data: tensors to show in the error; ``x`` by default.
        summarize: how many elements of each to show.
        message: put in front of the error.
        name: of the operations; ``{function_name}`` by default.

    Returns:
        An Operation that fails when the condition does not hold.

    Raises:
        InvalidArgumentError: it is known not to hold (at once); it does not hold (when run).
    """
    return export(function_name, f"debugging.{function_name}")(function)


assert_positive = _sign("assert_positive", "Greater", ">")
assert_negative = _sign("assert_negative", "Less", "<")
assert_non_negative = _sign("assert_non_negative", "GreaterEqual", ">=")
assert_non_positive = _sign("assert_non_positive", "LessEqual", "<=")


def _rank_assertion(
    function_name: str, type: str, words: str, holds: Callable[[int, int], bool]
) -> Any:
    def function(
        x: Any,
        rank: Any,
        data: Sequence[Any] | None = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Operation:
        with name_scope(name, function_name, [x, rank]):
            x = convert_to_tensor(x, name="x")
            wanted = convert_to_tensor(rank, name="rank")
            known = constant_value(wanted)
            if known is not None and known.ndim:
                raise ValueError(f"{function_name}: rank must be a scalar")
            if known is not None and x.dims is not None:
                if holds(len(x.dims), int(known)):
                    return apply_op("NoOp", name="static_checks_determined_all_ok")
                text = f"{message}.  " if message else ""
                raise ValueError(
                    f"{text}{function_name}: {x.name!r} must have {words} {int(known)}, "
                    f"its shape is {format_dims(x.dims)}"
                )
            condition = apply_op(type, call.Rank(x), wanted)
            said = [*([message] if message else []), f"{x.name} must have {words}", wanted]
            shown = list(data or [*said, call.Shape(x)])
            return apply_op("Assert", condition, shown, summarize=summarize)

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"""Assert that ``x`` has {words} ``rank``.

    Args:
        x: a tensor.
        rank: an integer scalar.
        data: tensors to show in the error.
        summarize: how many elements of each to show.
        message: put in front of the error.
        name: of the operations; ``{function_name}`` by default.

    Returns:
        An Operation that fails otherwise; one that does nothing when it is known to be right.

    Raises:
        ValueError: the static rank is wrong.
        InvalidArgumentError: the rank in a run is.
    """
    return export(function_name, f"debugging.{function_name}")(function)


assert_rank = _rank_assertion("assert_rank", "Equal", "rank", lambda have, want: have == want)
assert_rank_at_least = _rank_assertion(
    "assert_rank_at_least", "GreaterEqual", "at least rank", lambda have, want: have >= want
)


@export("assert_type", "debugging.assert_type")
def assert_type(
    tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None
) -> Operation:
    """Assert that ``tensor`` has dtype ``tf_type``; checked at once.

    Args:
        tensor: a tensor.
        tf_type: the dtype it must have.
        message: put in front of the error.
        name: of the operation; ``assert_type`` by default.

    Returns:
        An Operation that does nothing.

    Raises:
        TypeError: it has another dtype.
    """
    with name_scope(name, "assert_type", [tensor]):
        tensor = convert_to_tensor(tensor, name="tensor")
        wanted = as_dtype(tf_type)
        if tensor.dtype.base_dtype is not wanted.base_dtype:
            text = f"{message}  " if message else ""
            raise TypeError(
                f"{text}assert_type: {tensor.name!r} must be {wanted.name}, it is "
                f"{tensor.dtype.base_dtype.name}"
            )
        return apply_op("NoOp", name="statically_determined_correct_type")


@export("assert_scalar", "debugging.assert_scalar")
def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Tensor:
    """``tensor``, whose static shape must be that of a scalar (or unknown).

    Args:
        tensor: a tensor.
        name: of the result; ``assert_scalar`` by default.
        message: put in front of the error.

    Raises:
        ValueError: it is known to have axes.
    """
    with name_scope(name, "assert_scalar", [tensor]) as scope:
        tensor = convert_to_tensor(tensor, name=scope)
        if tensor.dims is not None and tensor.dims != ():
            text = f"{message}  " if message else ""
            raise ValueError(
                f"{text}assert_scalar: {tensor.name!r} must be a scalar, its shape is "
                f"{format_dims(tensor.dims)}"
            )
        return tensor
