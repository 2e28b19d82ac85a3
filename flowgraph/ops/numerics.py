"""Checks for NaN and infinity: check_numerics and what is made of it.

Read next: checks.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT
from flowgraph.errors import STATUS_NOT_FINITE
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies, get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import (
    CHECK,
    REQUIRED,
    Attr,
    Call,
    define,
    dtypes_of,
    elementwise,
    error_sample,
    sample,
)
from flowgraph.ops.control import group
from flowgraph.ops.rules import f32, invalid, one_name, same_shape


def _check_reference(call_: Call, x: Any) -> Any:
    finite = np.isfinite(x)
    if not finite.all():
        found = [name for name, test in (("Inf", np.isinf), ("NaN", np.isnan)) if test(x).any()]
        what = f"{call_.attrs['message']} : Tensor had {' and '.join(found)} values"
        first = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise invalid(f"{what}, the first at {list(first)}" if first else what)
    return x


def _checked(s: Any, x: Any) -> Any:
    s.require(s.lt(s.abs(x), float("inf")), STATUS_NOT_FINITE)
    return x


define(
    "CheckNumerics",
    "tensor: T -> output: T",
    T=dtypes_of(FLOAT),
    message=Attr("string", REQUIRED),
    infer=same_shape,
    kernel=elementwise(_checked),
    # NB: infinite derivatives of finite values are what one looks for.
    grad=lambda op, dy: (
        call.CheckNumerics(
            dy, message="Not a number (NaN) or infinity (Inf) values detected in gradient."
        ),
    ),
    reference=_check_reference,
    samples=(
        sample(f32(2, 3), message="m"),
        sample(f32(), message="m"),
        sample(f32(0, 2), message=""),
    ),
    errors=(
        error_sample(Exception, r"m : Tensor had NaN values, the first at \[0, 1\]",
                     np.array([[1, np.nan]], np.float32), message="m", stage="run"),
        error_sample(Exception, "m : Tensor had Inf and NaN values",
                     np.array([np.nan, -np.inf], np.float32), message="m", stage="run"),
    ),
    effect=CHECK,
    doc="The tensor itself, which must be finite.",
)  # fmt: skip


@export("check_numerics", "debugging.check_numerics")
def check_numerics(tensor: Any, message: str, name: str | None = None) -> Tensor:
    """``tensor``, which must hold neither NaN nor infinity.

    Args:
        tensor: a float tensor.
        message: put in front of the error.
        name: of the operation; ``CheckNumerics`` by default.

    Returns:
        A tensor equal to ``tensor``.

    Raises:
        InvalidArgumentError: there is one (when run).

    Gradient: dy, checked in the same way.
    """
    return apply_op("CheckNumerics", tensor, message=message, name=name)


@export("verify_tensor_all_finite", "debugging.assert_all_finite")
def verify_tensor_all_finite(
    t: Any = None,
    msg: str | None = None,
    name: str | None = None,
    x: Any = None,
    message: str | None = None,
) -> Tensor:
    """``t``, which must hold neither NaN nor infinity.

    Args:
        t: a float tensor.
        msg: put in front of the error.
        name: of the scope; ``VerifyFinite`` by default.
        x: newer name of ``t``.
        message: newer name of ``msg``.

    Returns:
        A tensor equal to ``t``.

    Raises:
        ValueError: an argument is given under both of its names.
        InvalidArgumentError: a value is not finite (when run).

    Gradient: dy.
    """
    given = one_name("verify_tensor_all_finite", t=t, x=x)
    said = one_name("verify_tensor_all_finite", msg=msg, message=message)
    with name_scope(name, "VerifyFinite", [given]):
        tensor = convert_to_tensor(given, name="t")
        with control_dependencies([check_numerics(tensor, said or "")]):
            return call.Identity(tensor, name="control_dependency")


@export("add_check_numerics_ops")
def add_check_numerics_ops() -> Operation:
    """An operation that checks every float tensor made in the default graph so far.

    Returns:
        An Operation that fails when one of them holds NaN or infinity.
    """
    checks: list[Operation] = []
    for operation in get_default_graph().get_operations():
        for output in operation.outputs:
            if output.dtype.base_dtype.name in FLOAT and operation.type != "CheckNumerics":
                with control_dependencies(checks):
                    checks = [check_numerics(output, output.name).op]
    return group(*checks)
