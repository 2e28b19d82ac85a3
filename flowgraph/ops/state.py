"""Variables' operations: VariableV2 and the assignments.

Records of effect ``write`` see values: the Ref input arrives as the variable's current value, and
kernel and reference give its new value (optimize/freeze.py turns that into versions).

Read next: variable_scattering.py (updates by index), training.py (steps of optimizers),
variables.py (the class Variable).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowgraph.dtypes import ALL, NUMERIC
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
    kernel=Loops(lambda s, call_, value: value, reads=(1,), parts=True),
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
        kernel=elementwise(lambda s, ref, value: combine(ref, value), parts=True),
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
