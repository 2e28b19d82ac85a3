"""Python operators on tensors: ``a + b``, ``-a``, ``a < b``; indexing stands in indexing.py.

A SparseTensor has two, ``sparse * dense`` and ``sparse / dense``, computed where it has values.

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
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.arithmetic import float_for, floordiv, truediv
from flowgraph.ops.complex_numbers import abs
from flowgraph.ops.linalg import matmul
from flowgraph.tensor_shape import as_dims

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


def _sparse(type: str, name: str) -> Operator:
    """``x name y`` at the places of a SparseTensor ``x``; a dense ``y`` broadcasts to it."""

    def function(x: SparseTensor, y: Any) -> SparseTensor:
        with name_scope(None, name, [x.indices, x.values, x.dense_shape, y]) as scope:
            values = x.values
            y = convert_to_tensor(y, values.dtype.base_dtype, "y")
            if name == "truediv" and values.dtype.is_integer:
                dtype = float_for(values.dtype.base_dtype)
                values, y = (apply_op("Cast", v, DstT=dtype) for v in (values, y))
            values = apply_op(type, x.indices, values, x.dense_shape, y, name=scope)
        return SparseTensor(x.indices, values, x.dense_shape)._set_shape(as_dims(x.shape))

    return function


SparseTensor._override_operator("__mul__", _sparse("SparseDenseCwiseMul", "mul"))
SparseTensor._override_operator("__rmul__", _sparse("SparseDenseCwiseMul", "mul"))
SparseTensor._override_operator("__truediv__", _sparse("SparseDenseCwiseDiv", "truediv"))
