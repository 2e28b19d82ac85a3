"""Python operators on tensors: ``a + b``, ``-a``, ``a < b``; indexing stands in indexing.py.

Operators name their operations in lower case as TensorFlow does: ``a + b`` is ``add``,
``tf.add(a, b)`` is ``Add``.  A Python number or array takes the dtype of the tensor beside it.
``==`` and ``!=`` compare identity, so that tensors can be keys.

Read next: arithmetic.py and comparison.py, whose op types these make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.node import Tensor
from flowgraph.ops.arithmetic import floordiv, truediv
from flowgraph.ops.complex_numbers import abs
from flowgraph.ops.linalg import matmul

Operator = Callable[..., Any]


def _install(symbol: str, function: Operator) -> None:
    """``x symbol y`` and ``y symbol x`` with ``x`` a tensor; ``function(x, y)`` computes them."""

    def left(x: Tensor, y: Any) -> Any:
        if getattr(type(y), "_overrides_tensor_operators", False):
            return NotImplemented
        return function(x, y)

    def right(y: Tensor, x: Any) -> Any:
        return function(x, y)

    Tensor._override_operator(f"__{symbol}__", left)
    if f"__r{symbol}__" in Tensor.OVERLOADABLE_OPERATORS:  # type: ignore[attr-defined]
        Tensor._override_operator(f"__r{symbol}__", right)


def _named(type: str, name: str) -> Operator:
    return lambda x, y: apply_op(type, x, y, name=name)


def _add(x: Any, y: Any) -> Any:
    strings = any(isinstance(v, Tensor) and v.dtype.np.kind == "O" for v in (x, y))
    return apply_op("Add" if strings else "AddV2", x, y, name="add")


def _logical(type: str, name: str) -> Operator:
    def function(x: Any, y: Any) -> Any:
        tensor = x if isinstance(x, Tensor) else y
        if not tensor.dtype.is_bool:
            raise TypeError(
                f"{name}: the operator works on bool tensors, {tensor.name!r} is "
                f"{tensor.dtype.name}"
            )
        return apply_op(type, x, y, name=name)

    return function


def _xor(x: Any, y: Any) -> Any:
    """(x or y) and not (x and y): TensorFlow has no op type for it."""
    with name_scope(None, "xor", [x, y]) as scope:
        x, y = convert_to_tensor(x, name="x"), convert_to_tensor(y, name="y")
        either, both = apply_op("LogicalOr", x, y), apply_op("LogicalAnd", x, y)
        return apply_op("LogicalAnd", either, apply_op("LogicalNot", both), name=scope)


_BINARY: dict[str, Operator] = {
    "add": _add,
    "sub": _named("Sub", "sub"),
    "mul": _named("Mul", "mul"),
    "truediv": truediv,
    "floordiv": floordiv,
    "mod": _named("FloorMod", "mod"),
    "pow": _named("Pow", "pow"),
    "matmul": lambda x, y: matmul(x, y, name="matmul"),
    "and": _logical("LogicalAnd", "and"),
    "or": _logical("LogicalOr", "or"),
    "xor": _xor,
    "lt": _named("Less", "Less"),
    "le": _named("LessEqual", "LessEqual"),
    "gt": _named("Greater", "Greater"),
    "ge": _named("GreaterEqual", "GreaterEqual"),
}

for _symbol, _function in _BINARY.items():
    _install(_symbol, _function)

Tensor._override_operator("__neg__", lambda x: apply_op("Neg", x))
Tensor._override_operator("__abs__", abs)
Tensor._override_operator("__invert__", lambda x: apply_op("LogicalNot", x))
