"""Slots: variables that belong to another variable (momenta, moving averages).

``create_slot(w, value, "Momentum")`` makes the variable ``w/Momentum``, then ``w/Momentum_1``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flowgraph.dtypes import DType
from flowgraph.graph.apply import call
from flowgraph.graph.default import control_dependencies, name_scope
from flowgraph.ops.constants import zeros, zeros_like
from flowgraph.ops.variable_scope import variable_scope
from flowgraph.ops.variables import Variable


def create_slot(primary: Any, value: Any, name: str) -> Variable:
    """A variable ``<primary>/<name>``, not trained, that starts as ``value``.

    Args:
        primary: a variable or tensor.   value: a tensor, or a function that makes one.
    """
    # Slots belong to their variable, not to the scope that minimize is called in.
    with control_dependencies(None), name_scope(None):
        is_known = callable(value) or value.shape.is_fully_defined()
        with variable_scope(None, f"{primary.op.name}/{name}") as scope:
            exactly = scope.name + "/"  # exactly this name: the scope made it unique
        with name_scope(None):
            return Variable(value, trainable=False, name=exactly, validate_shape=is_known)


def create_slot_with_initializer(
    primary: Any, initializer: Callable[..., Any], shape: Any, dtype: DType, name: str
) -> Variable:
    """A slot that starts as ``initializer(shape, dtype)`` says.

    Args:
        primary: a variable or tensor.   initializer: as of tf.get_variable.
        shape, dtype: of the slot.   name: of the slot.
    """
    value = partial(initializer, shape, dtype=dtype)
    return create_slot(primary, value, name)


def create_zeros_slot(primary: Any, name: str, dtype: DType | None = None) -> Variable:
    """A slot of zeros in the shape of ``primary``."""
    dtype = primary.dtype.base_dtype if dtype is None else dtype
    if primary.shape.is_fully_defined():
        sizes = primary.shape.as_list()
        return create_slot(primary, lambda: zeros(sizes, dtype, name="zeros"), name)
    value = primary.initialized_value() if isinstance(primary, Variable) else primary
    return create_slot(primary, call.Cast(zeros_like(value), DstT=dtype), name)
