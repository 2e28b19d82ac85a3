"""Variables' operations: VariableV2, the assignments, and optimizer steps.

Records of effect ``write`` see values: the Ref input arrives as the variable's current value, and
kernel and reference give its new value (optimize/freeze.py turns that into versions).

Read next: variable_scattering.py (updates by index), variables.py (the class Variable).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, FLOAT, NUMERIC
from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    REQUIRED,
    WRITE,
    Attr,
    Call,
    Loops,
    define,
    dtypes_of,
    elementwise,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import f32, i32, invalid, merge_all
from flowgraph.shapes import Dims, ShapeError, format_dims, is_compatible

_WRITES = not_differentiable("it updates a variable; differentiate the value assigned instead")


def _not_run(call_: Call) -> Any:
    raise invalid("a variable has its value in the session")


define(
    "VariableV2",
    "-> ref: Ref(dtype)",
    shape=Attr("shape", REQUIRED),
    dtype=dtypes_of(ALL),
    container="",
    shared_name="",
    infer=lambda call_: [call_.attrs["shape"]],
    grad=not_differentiable("it does not depend on anything"),
    reference=_not_run,
    samples=(sample(shape=(2, 3), dtype="float32"),),
    doc="A variable: a value that the session keeps between runs.",
)

define(
    "IsVariableInitialized",
    "ref: Ref(dtype) -> is_initialized: bool",
    dtype=dtypes_of(ALL),
    infer=lambda call_: [()],
    grad=not_differentiable("its result is bool"),
    reference=_not_run,
    samples=(sample(f32(2, 3)),),
    doc="Whether the variable has a value in this session.",
)


# -------------------------------------------------------------------------------------- assignment


def _assigned_shape(call_: Call) -> list[Dims]:
    ref, value = call_.shapes
    if not call_.attrs.get("validate_shape", True):
        return [value]
    if not is_compatible(ref, value):
        raise ShapeError(
            f"a value of shape {format_dims(value)} cannot be assigned to a variable of shape "
            f"{format_dims(ref)}",
            fix="reshape the value, or make the variable with validate_shape=False",
        )
    return [merge_all([ref, value])]


define(
    "Assign",
    "ref: Ref(T), value: T -> output_ref: Ref(T)",
    T=dtypes_of(ALL),
    validate_shape=True,
    use_locking=True,
    infer=_assigned_shape,
    kernel=Loops(lambda s, call_, value: value, reads=(1,)),
    grad=_WRITES,
    reference=lambda call_, ref, value: value,
    samples=(
        sample(f32(3, 5), f32(3, 5)),
        sample(f32(), f32()),
        sample(f32(0, 2), f32(0, 2)),
        sample(i32([1, 2, 3]), i32([4, 5, -6])),
    ),
    errors=(error_sample(ValueError, "cannot be assigned", f32(2), f32(3)),),
    effect=WRITE,
    doc="ref <- value.  The output is the new value.",
)


def _add_or_subtract(type: str, combine: Callable[[Any, Any], Any], doc: str) -> None:
    define(
        type,
        "ref: Ref(T), value: T -> output_ref: Ref(T)",
        T=dtypes_of(NUMERIC),
        use_locking=False,
        infer=_assigned_shape,
        kernel=elementwise(lambda s, ref, value: combine(ref, value)),
        grad=_WRITES,
        reference=lambda call_, ref, value: combine(ref, value),
        samples=(
            sample(f32(3, 5), f32(3, 5)),
            sample(f32(), f32()),
            sample(f32(0, 2), f32(0, 2)),
            sample(i32([1, 2, 3]), i32([4, 5, -6])),
        ),
        errors=(error_sample(ValueError, "cannot be assigned", f32(2), f32(3)),),
        effect=WRITE,
        doc=doc,
    )


_add_or_subtract("AssignAdd", lambda x, y: x + y, "ref <- ref + value.")
_add_or_subtract("AssignSub", lambda x, y: x - y, "ref <- ref - value.")


@export("assign")
def assign(
    ref: Any,
    value: Any,
    validate_shape: bool | None = None,
    use_locking: bool | None = None,
    name: str | None = None,
) -> Any:
    """``ref <- value``; the result is the new value.

    Args:
        ref: a Variable.   value: a tensor of its shape and dtype.
        validate_shape: False allows another shape, where the variable was made with that.
        use_locking: accepted; effects on a variable have one order here.

    Raises:
        ValueError: the shapes differ.   TypeError: the dtypes differ, or ``ref`` is no variable.
    """
    given = True if validate_shape is None else validate_shape
    locking = True if use_locking is None else use_locking
    return apply_op("Assign", ref, value, validate_shape=given, use_locking=locking, name=name)


@export("assign_add")
def assign_add(
    ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """``ref <- ref + value``; the result is the new value.  Arguments and errors as ``assign``."""
    return apply_op("AssignAdd", ref, value, use_locking=bool(use_locking), name=name)


@export("assign_sub")
def assign_sub(
    ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """``ref <- ref - value``; the result is the new value.  Arguments and errors as ``assign``."""
    return apply_op("AssignSub", ref, value, use_locking=bool(use_locking), name=name)


# -------------------------------------------------------------------------------- optimizer steps


def _step_shapes(refs: int) -> Callable[[Call], list[Dims]]:
    """Variables and gradient share one shape, the numbers between them are scalars."""

    def infer(call_: Call) -> list[Dims]:
        for position, dims in enumerate(call_.shapes[refs:-1], refs):
            if dims is not None and dims != ():
                raise ShapeError(f"argument {position} must be a scalar, not {format_dims(dims)}")
        variables = call_.shapes[:refs]
        gradient = call_.shapes[-1]
        if not is_compatible(variables[0], gradient):
            raise ShapeError(
                f"the gradient has shape {format_dims(gradient)}, the variable "
                f"{format_dims(variables[0])}"
            )
        return [merge_all(variables)]

    return infer


define(
    "ApplyGradientDescent",
    "var: Ref(T), alpha: T, delta: T -> out: Ref(T)",
    T=dtypes_of(FLOAT),
    use_locking=False,
    infer=_step_shapes(1),
    kernel=elementwise(lambda s, var, alpha, delta: var - alpha * delta),
    grad=_WRITES,
    reference=lambda call_, var, alpha, delta: var - alpha * delta,
    samples=(
        sample(f32(3, 5), np.float32(0.1), f32(3, 5)),
        sample(f32(), np.float32(0.1), f32()),
        sample(f32(0, 2), np.float32(0.1), f32(0, 2)),
    ),
    errors=(
        error_sample(ValueError, "the gradient has shape", f32(2), np.float32(1), f32(3)),
        error_sample(ValueError, "must be a scalar", f32(2), f32(2), f32(2)),
    ),
    effect=WRITE,
    doc="var <- var - alpha * delta.",
)


def _momentum_new(call_: Call, var: Any, accum: Any, lr: Any, grad: Any, momentum: Any) -> tuple:
    moved = accum * momentum + grad
    if call_.attrs["use_nesterov"]:
        return var - (grad * lr + moved * momentum * lr), moved
    return var - moved * lr, moved


def _momentum_shape(call_: Call) -> list[Dims]:
    var, accum, lr, grad, momentum = call_.shapes
    if (lr or ()) != () or (momentum or ()) != ():
        raise ShapeError("lr and momentum must be scalars")
    if not is_compatible(var, grad):
        raise ShapeError(
            f"the gradient has shape {format_dims(grad)}, the variable {format_dims(var)}"
        )
    return [merge_all([var, accum])]


define(
    "ApplyMomentum",
    "var: Ref(T), accum: Ref(T), lr: T, grad: T, momentum: T -> out: Ref(T)",
    T=dtypes_of(FLOAT),
    use_locking=False,
    use_nesterov=False,
    infer=_momentum_shape,
    kernel=Loops(lambda s, call_, *xs: _momentum_new(call_, *xs)),
    grad=_WRITES,
    reference=_momentum_new,
    samples=(
        sample(f32(3, 5), f32(3, 5), np.float32(0.1), f32(3, 5), np.float32(0.9)),
        sample(f32(4), f32(4), np.float32(0.1), f32(4), np.float32(0.9), use_nesterov=True),
    ),
    errors=(
        error_sample(
            ValueError,
            "the gradient has shape",
            f32(2),
            f32(2),
            np.float32(1),
            f32(3),
            np.float32(1),
        ),
    ),
    effect=WRITE,
    doc="accum <- momentum * accum + grad;  var <- var - lr * accum (Nesterov: - lr * (grad + "
    "momentum * accum)).",
)


def _adam_new(
    call_: Call, sqrt: Callable[[Any], Any],
    var: Any, m: Any, v: Any, power1: Any, power2: Any, lr: Any, beta1: Any, beta2: Any,
    epsilon: Any, grad: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    rate = lr * sqrt(1 - power2) / (1 - power1)
    m = m + (grad - m) * (1 - beta1)
    v = v + (grad * grad - v) * (1 - beta2)
    if call_.attrs["use_nesterov"]:
        return var - (grad * (1 - beta1) + beta1 * m) * rate / (epsilon + sqrt(v)), m, v
    return var - m * rate / (sqrt(v) + epsilon), m, v


_ADAM_NUMBERS = tuple(np.float32(x) for x in (0.9, 0.999, 0.001, 0.9, 0.999, 1e-8))

define(
    "ApplyAdam",
    "var: Ref(T), m: Ref(T), v: Ref(T), beta1_power: T, beta2_power: T, lr: T, beta1: T, beta2: T, "
    "epsilon: T, grad: T -> out: Ref(T)",
    T=dtypes_of(FLOAT),
    use_locking=False,
    use_nesterov=False,
    infer=_step_shapes(3),
    kernel=Loops(lambda s, call_, *xs: _adam_new(call_, s.sqrt, *xs)),
    grad=_WRITES,
    reference=lambda call_, *xs: _adam_new(call_, np.sqrt, *xs),
    samples=(
        sample(f32(3, 5), f32(3, 5), f32(3, 5, low=0, high=1), *_ADAM_NUMBERS, f32(3, 5)),
        sample(f32(), f32(), f32(low=0, high=1), *_ADAM_NUMBERS, f32(), use_nesterov=True),
        sample(f32(0), f32(0), f32(0), *_ADAM_NUMBERS, f32(0)),
    ),
    errors=(
        error_sample(
            ValueError, "the gradient has shape", f32(2), f32(2), f32(2), *_ADAM_NUMBERS, f32(3)
        ),
    ),
    effect=WRITE,
    doc="One step of Adam (Kingma and Ba 2015) with the bias correction in the rate: "
    "lr_t = lr * sqrt(1 - beta2_power) / (1 - beta1_power);  m <- m + (grad - m)(1 - beta1);  "
    "v <- v + (grad**2 - v)(1 - beta2);  var <- var - lr_t * m / (sqrt(v) + epsilon).",
)
