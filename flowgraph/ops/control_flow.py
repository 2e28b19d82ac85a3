"""Branches and loops as operations: If, While, and the arguments of a loop body.

A branch or body is a Context (graph/contexts.py): operations of the same graph that run only when
the If or While operation runs them, inside the native plan.

    cond(p, f, g)           If(p, captures)                 -> what f or g returned
    while_loop(c, b, v)     While(initial v, captures)      -> v when c(v) is False

Read next: conditionals.py and loops.py (the public functions), optimize/freeze.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.dtypes import ALL
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    define,
    dtypes_of,
    not_differentiable,
    sample,
)
from flowgraph.ops.branch_gradients import if_grad
from flowgraph.ops.loop_gradients import while_grad
from flowgraph.ops.rules import invalid, require_rank
from flowgraph.shapes import Dims

FUNC = Attr("func", REQUIRED)
DTYPES = Attr("list(type)", REQUIRED)


def _never(call_: Call, *arrays: Any) -> Any:
    raise invalid("branches and loops have no value of their own: the compiler takes them apart")


define(
    "Arg",
    "-> output: dtype",
    dtype=dtypes_of(ALL),
    shape=Attr("shape", None),
    infer=lambda call_: [call_.attrs["shape"]],
    grad=not_differentiable("its value comes from outside"),
    reference=_never,
    samples=(sample(dtype="float32"),),
    doc="A loop variable, as its condition and body see it.",
)


def _joined(one: Dims, other: Dims) -> Dims:
    """What is known of a shape that is either of two."""
    if one is None or other is None or len(one) != len(other):
        return None
    return tuple(a if a == b else None for a, b in zip(one, other, strict=True))


def _if_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "the condition")
    then, other = call_.attrs["then_branch"], call_.attrs["else_branch"]
    return [
        _joined((b if a is None else a).dims, (a if b is None else b).dims)
        for a, b in zip(then.outputs, other.outputs, strict=True)
    ]


def _while_infer(call_: Call) -> list[Dims]:
    return [arg.dims for arg in call_.attrs["body"].args]


define(
    "If",
    "cond: bool, input: [Tin] -> output: [Tout]",
    Tin=DTYPES,
    Tout=DTYPES,
    then_branch=FUNC,
    else_branch=FUNC,
    infer=_if_infer,
    grad=if_grad,
    reference=_never,
    samples=(),
    doc="What the taken branch returns; the other does not run.",
)

define(
    "While",
    "input: [T], captures: [Tcaptures] -> output: [T]",
    T=DTYPES,
    Tcaptures=DTYPES,
    cond=FUNC,
    body=FUNC,
    back_prop=True,
    infer=_while_infer,
    grad=while_grad,
    reference=_never,
    samples=(),
    doc="The loop variables when the condition no longer holds.",
)

