"""Tensors under another name: identity, identity_n, stop_gradient.

Read next: control.py (group, tuple, no_op).
"""

from __future__ import annotations

from typing import Any

from flowgraph.dtypes import ALL
from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    View,
    define,
    dtypes_of,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import f32, i32, same_shape

_AS_IT_IS = View(lambda call_, shape, strides: (0, shape, strides))
_ANYTHING = (sample(f32(2, 3)), sample(f32()), sample(f32(0, 2)), sample(i32([1, 2])))

define(
    "Identity",
    "input: T -> output: T",
    T=dtypes_of(ALL),
    infer=same_shape,
    kernel=_AS_IT_IS,
    grad=lambda op, dy: (dy,),
    reference=lambda call_, x: x,
    samples=_ANYTHING,
    doc="``input`` under another name.  Gradient: dy.",
)

define(
    "StopGradient",
    "input: T -> output: T",
    T=dtypes_of(ALL),
    infer=same_shape,
    kernel=_AS_IT_IS,
    grad=not_differentiable("tf.stop_gradient cuts it off on purpose"),
    reference=lambda call_, x: x,
    samples=_ANYTHING,
    doc="``input``, counted as a constant by gradients.",
)

define(
    "IdentityN",
    "input: [T] -> output: [T]",
    T=Attr("list(type)", REQUIRED),
    infer=lambda call_: list(call_.shapes),
    grad=lambda op, *dys: dys,
    reference=lambda call_, *xs: xs,
    samples=(sample([f32(2, 3), i32([1, 2])]), sample([f32()])),
    doc="All inputs under other names.  Gradient: dy of each.",
)


@export("identity")
def identity(input: Any, name: str | None = None) -> Tensor:
    """``input`` under another name: for control dependencies, and for names to fetch by.

    Args:
        input: a tensor or variable.
        name: of the operation; ``Identity`` by default.

    Gradient: dy.
    Cost: none.
    """
    return apply_op("Identity", input, name=name)


@export("identity_n")
def identity_n(input: Any, name: str | None = None) -> list[Tensor]:
    """A list of tensors under other names, made by one operation.

    Args:
        input: a list of tensors of any dtypes.
        name: of the operation; ``IdentityN`` by default.

    Gradient: dy of each.
    """
    return apply_op("IdentityN", input, name=name)


@export("stop_gradient")
def stop_gradient(input: Any, name: str | None = None) -> Tensor:
    """``input``, which gradients take for a constant.

    Args:
        input: a tensor.
        name: of the operation; ``StopGradient`` by default.

    Gradient: none, on purpose: ``tf.gradients`` gives None for what only leads through here.

    >>> x = tf.constant(3.0)
    >>> tf.gradients(tf.stop_gradient(x * x), x)
    [None]
    """
    return apply_op("StopGradient", input, name=name)
