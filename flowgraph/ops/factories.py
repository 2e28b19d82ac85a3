"""Makers of records: elementwise functions of one tensor and of two, with broadcasting.

``unary("Tanh", "tanh", doc=..., kernel=..., grad=..., reference=...)`` is the record of the op type
and the public function with its documentation.

Read next: elementwise.py and arithmetic.py, which are made of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, REAL
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    ErrorSample,
    NotDifferentiable,
    Sample,
    define,
    dtypes_of,
    elementwise,
    error_sample,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import broadcast_shape, f32, i32, same_shape, sum_to

# ------------------------------------------------------------------------------------- one tensor

#: Complex numbers that the ops which take them are tried on.
COMPLEX_SAMPLE = sample(np.array([[1 + 2j, 0.5 - 1j], [-1j, 0.3]], np.complex64))
COMPLEX_PAIR = sample(
    np.array([[1 + 2j, 0.5 - 1j, -1j]], np.complex64), np.array([[2 - 1j], [3]], np.complex64)
)

SPECIALS = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32)

#: Shapes that every elementwise op is tried on: odd sizes, a scalar, an empty, and special values.
STANDARD = (
    sample(f32(3, 5)),
    sample(f32()),
    sample(f32(0, 3)),
    sample(SPECIALS, differentiable=()),
)


def samples_in(low: float, high: float, *more: Sample) -> tuple[Sample, ...]:
    """The standard samples with numbers in [low, high)."""
    return (
        sample(f32(3, 5, low=low, high=high)),
        sample(f32(low=low, high=high)),
        sample(f32(0, 3)),
        sample(SPECIALS, differentiable=()),
        *more,
    )


_SPARSE = """
            Or a SparseTensor of them: the result is one with other values."""


def _conjugated(grad: Callable[..., Any], op: Any, dy: Any) -> Any:
    """``grad(op, dy)``, which is dy * f', as dy * conj(f') of complex numbers."""
    if not dy.dtype.base_dtype.is_complex:
        return grad(op, dy)
    # conj(conj(dy) * f')
    dx = grad(op, call.Conj(dy))
    if isinstance(dx, tuple):
        return tuple(None if d is None else call.Conj(d) for d in dx)
    return None if dx is None else call.Conj(dx)


def unary(
    type: str,
    *names: str,
    doc: str,
    kernel: Callable[..., Any],
    grad: Callable[..., Any] | NotDifferentiable,
    reference: Callable[..., Any],
    samples: Sequence[Sample] = STANDARD,
    dtypes: frozenset[str] = FLOAT,
    sparse: bool = False,
    parts: bool = True,
) -> Callable[..., Any]:
    """Register ``type`` and export ``names[0](x, name=None)``, also known as the other ``names``.

    ``kernel(s, x)`` writes the scalar body; ``reference(x)`` is NumPy's; ``grad(op, dy)`` gives dx,
    as of a real function: of complex numbers its conjugate is made here.  ``sparse``: of a
    SparseTensor the function gives one, too.  ``parts``: ``kernel`` also writes complex bodies.
    """
    gradient = grad
    if not isinstance(grad, NotDifferentiable):

        def gradient(op: Any, dy: Any) -> tuple[Any]:
            return (_conjugated(grad, op, dy),)

    define(
        type,
        "x: T -> y: T",
        T=dtypes_of(dtypes),
        infer=same_shape,
        kernel=elementwise(kernel, parts),
        grad=gradient,
        reference=lambda call_, x: reference(x),
        samples=samples,
        doc=doc,
    )

    def function(x: Any, name: str | None = None) -> Any:
        if sparse and isinstance(x, SparseTensor):
            return x._with_values(apply_op(type, x.values, name=name))
        return apply_op(type, x, name=name)

    if not names:
        return function
    function.__name__ = function.__qualname__ = names[0].rpartition(".")[2]
    function.__doc__ = f"""{doc}

    Args:
        x: a tensor of any shape; {", ".join(sorted(dtypes))}.{_SPARSE if sparse else ""}
        name: of the operation; ``{type}`` by default.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` has another dtype.
    """
    return export(*names)(function)


# ------------------------------------------------------------------------------------- two tensors

NAN, INF = np.float32(np.nan), np.float32(np.inf)

#: Broadcasting from either side, unequal ranks, scalars, an empty; special values.
PAIRS = (
    sample(f32(3, 4), f32(3, 4, seed=1)),
    sample(f32(2, 1, 3), f32(4, 1, seed=1)),
    sample(f32(), f32(5, seed=1)),
    sample(f32(0, 3), f32(3, seed=1)),
    sample(
        np.array([NAN, INF, -INF, 0, 1], np.float32),
        np.array([1, INF, INF, 0, NAN], np.float32),
        differentiable=(),
    ),
)
DIVISIBLE = (
    sample(f32(3, 4), f32(3, 4, low=0.4, high=2.0, seed=1)),
    sample(f32(2, 1, 3), f32(4, 1, low=0.4, high=2.0, seed=1)),
    sample(f32(), f32(5, low=-2.0, high=-0.4, seed=1)),
    sample(f32(0, 3), f32(3, low=0.4, high=2.0, seed=1)),
)
INTEGERS = sample(i32([7, -7, 7, -7, 0]), i32([2, 2, -2, -2, 5]))
BY_ZERO = error_sample(Exception, "division by zero", i32([1, 2]), i32([1, 0]), stage="run")
_NO_BROADCAST = r"shapes \[3, 4\] and \[5\] do not broadcast"
_FLOAT_MISFIT = error_sample(ValueError, _NO_BROADCAST, f32(3, 4), f32(5))
_INT_MISFIT = error_sample(ValueError, _NO_BROADCAST, i32(np.ones((3, 4))), i32(np.ones(5)))


def binary(
    type: str,
    *names: str,
    doc: str,
    kernel: Callable[..., Any],
    grad: Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]] | NotDifferentiable,
    reference: Callable[..., Any],
    samples: Sequence[Sample] = PAIRS,
    errors: Sequence[ErrorSample] = (),
    dtypes: frozenset[str] = REAL,
    signature: str = "x: T, y: T -> z: T",
    parts: bool = True,
) -> Callable[..., Any]:
    """Register ``type`` and export ``names[0](x, y, name=None)``, also under the other ``names``.

    ``kernel(s, x, y)`` writes the scalar body; ``reference(x, y)`` is NumPy's.  ``grad(op, dz)``
    gives both gradients at the broadcast shape, or ``grad`` is a pair of functions that give one
    each (only those that are wanted are called); they are summed back to the shapes of x and y
    here.  ``signature`` gives the arguments the names of TensorFlow's registry.  ``parts``:
    ``kernel`` also writes complex bodies.
    """
    gradient: Any = grad
    if not isinstance(grad, NotDifferentiable):

        def gradient(op: Any, dz: Any) -> tuple[Any, Any]:
            x, y = op.inputs
            wants_x, wants_y = op.wants(x), op.wants(y)
            if isinstance(grad, tuple):
                dx = _conjugated(grad[0], op, dz) if wants_x else None
                dy = _conjugated(grad[1], op, dz) if wants_y else None
            else:
                dx, dy = _conjugated(grad, op, dz)
            return (
                sum_to(dx, x, y) if wants_x and dx is not None else None,
                sum_to(dy, y, x) if wants_y and dy is not None else None,
            )

    define(
        type,
        signature,
        T=dtypes_of(dtypes),
        infer=broadcast_shape,
        kernel=elementwise(kernel, parts),
        grad=gradient,
        reference=lambda call_, x, y: reference(x, y),
        samples=samples,
        errors=(_FLOAT_MISFIT if "float32" in dtypes else _INT_MISFIT, *errors),
        doc=doc,
    )

    def function(x: Any, y: Any, name: str | None = None) -> Any:
        return apply_op(type, x, y, name=name)

    if names:
        function.__name__ = function.__qualname__ = names[0].rpartition(".")[2]
        function.__doc__ = f"""{doc}

    Args:
        x: a tensor; {", ".join(sorted(dtypes))}.
        y: a tensor of the same dtype; shapes broadcast.
        name: of the operation; ``{type}`` by default.

    Returns:
        A tensor of the broadcast shape.

    Raises:
        ValueError: the shapes do not broadcast.
        TypeError: the dtypes differ.
    """
        export(*names)(function)
    return function
