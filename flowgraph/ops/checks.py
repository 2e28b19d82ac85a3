"""Assertions about values: assert_equal, assert_less, assert_positive, assert_near and their kin.

What is known while the graph is built is checked there and then; the rest becomes an Assert
operation, to be put under tf.control_dependencies.

Read next: checks_of_shapes.py, host.py (Assert).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.host import Assert
from flowgraph.ops.reductions import every_axis
from flowgraph.ops.rules import invalid, number
from flowgraph.ops.texts import head_text


def _assert_that(
    condition: Tensor,
    claim: str,
    operands: Sequence[tuple[str, Tensor]],
    data: Sequence[Any] | None,
    message: str | None,
    summarize: int | None,
    at_once: bool = True,
) -> Operation:
    """An Assert of ``condition``; raises ``at_once`` when it is known to be False."""
    said = [*([message] if message else []), f"Condition {claim} did not hold element-wise:"]
    known = constant_value(condition) if at_once else None
    if known is not None and not known:
        for label, tensor in operands:
            value = constant_value(tensor)
            shown = (
                ""
                if value is None
                else f" = {head_text(value, 3 if summarize is None else summarize)}"
            )
            said.append(f"{label} ({tensor.name}){shown}")
        raise invalid("\n".join(said))
    if data is None:
        data = list(said)
        for label, tensor in operands:
            data += [f"{label} ({tensor.name}) = ", tensor]
    return Assert(condition, data, summarize=summarize)


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
            if x is y and function_name == "assert_equal":
                return call.NoOp()
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
            inner = "assert_less" if len(symbol) == 1 else "assert_less_equal"
            with name_scope(None, inner, [x]):
                holds = apply_op(type, x, number(0, x))
                condition = call.All(holds, every_axis(holds))
                claim = f"x {symbol} 0"
                return _assert_that(condition, claim, [("x", x)], data, message, summarize)

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


@export("assert_near", "debugging.assert_near")
def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    data: Sequence[Any] | None = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Assert that ``|x - y| < atol + rtol |y|`` holds for all elements.

    NaN and infinities are near to nothing, themselves included.

    Args:
        x, y: float or complex tensors of one dtype; shapes broadcast.
        rtol, atol: scalars, also tensors; ten times the resolution of the dtype (``1.2e-6`` for
            float32) by default.
        data: tensors to show in the error; both operands by default.
        summarize: how many elements of each to show.
        message: put in front of the error.
        name: of the operations; ``assert_near`` by default.

    Returns:
        An Operation that fails when they are not near.

    Raises:
        ValueError: integers, which have no resolution.
        InvalidArgumentError: they are not near (when run).
    """
    with name_scope(name, "assert_near", [x, y, rtol, atol, data]):
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, dtype=x.dtype.base_dtype, name="y")
        real = x.dtype.base_dtype.real_dtype
        if not real.is_floating:
            raise ValueError(f"assert_near: {real.name} is exact; use assert_equal")
        resolution = 10 * np.finfo(real.np).eps
        near = [
            convert_to_tensor(resolution if given is None else given, real, name=label)
            for label, given in (("rtol", rtol), ("atol", atol))
        ]
        holds = call.Less(abs(x - y), near[1] + near[0] * abs(y))
        condition = call.All(holds, every_axis(holds))
        claim = "|x - y| < atol + rtol |y|"
        operands = [("x", x), ("y", y), ("rtol", near[0]), ("atol", near[1])]
        return _assert_that(condition, claim, operands, data, message, summarize, at_once=False)
