"""Tensors under another name: identity, identity_n, stop_gradient, ensure_shape.

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
    Call,
    View,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import f32, i32, invalid, same_shape
from flowgraph.shapes import Dims, ShapeError, format_dims, is_compatible, merge
from flowgraph.tensor_shape import as_dims

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


def _refuse(op: Any, dy: Any) -> Any:
    message = op.attrs["message"]
    raise LookupError(f"the gradient of {op.name!r} is disabled" + f": {message}" * bool(message))


define(
    "PreventGradient",
    "input: T -> output: T",
    T=dtypes_of(ALL),
    message="",
    infer=same_shape,
    kernel=_AS_IT_IS,
    grad=_refuse,
    reference=lambda call_, x: x,
    samples=tuple(sample(*s.inputs, differentiable=()) for s in _ANYTHING),
    doc="``input``; asking for a gradient through it is a LookupError.",
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
def identity(input: Any, name: str | None = None) -> Any:
    """``input`` under another name: for control dependencies, and for names to fetch by.

    Args:
        input: a tensor or variable; of a SparseTensor its three parts.
        name: of the operation; ``Identity`` by default.

    Gradient: dy.
    Cost: none.
    """
    if isinstance(input, SparseTensor):
        parts = (input.indices, input.values, input.dense_shape)
        return SparseTensor(*(apply_op("Identity", part) for part in parts))._set_shape(
            as_dims(input.shape)
        )
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


# ----------------------------------------------------------------------------------- ensure_shape


def _ensured(call_: Call) -> list[Dims]:
    try:
        return [merge(call_.shapes[0], call_.attrs["shape"])]
    except ShapeError:
        raise ShapeError(_unlike(call_.shapes[0], call_.attrs["shape"])) from None


def _unlike(dims: Dims, wanted: Dims) -> str:
    return f"a tensor of shape {format_dims(dims)} is not of shape {format_dims(wanted)}"


def _ensured_reference(call_: Call, x: Any) -> Any:
    if not is_compatible(x.shape, call_.attrs["shape"]):
        raise invalid(_unlike(x.shape, call_.attrs["shape"]))
    return x


define(
    "EnsureShape",
    "input: T -> output: T",
    shape=Attr("shape", REQUIRED),
    T=dtypes_of(ALL),
    infer=_ensured,
    kernel=_AS_IT_IS,
    grad=lambda op, dy: (dy,),
    reference=_ensured_reference,
    samples=(
        sample(f32(2, 3), shape=(2, None)),
        sample(f32(2, 3), shape=(None, 3)),
        sample(f32(), shape=()),
        sample(f32(0, 2), shape=(None, 2)),
    ),
    errors=(
        error_sample(ValueError, r"of shape \[2, 3\] is not of shape \[2, 4\]", f32(2, 3),
                     shape=(2, 4)),
        error_sample(Exception, "is not of shape", f32(2, 3), shape=(2, 4), stage="run"),
    ),
    doc="``input``, whose shape must be ``shape``.  Gradient: dy.",
)  # fmt: skip


@export("ensure_shape")
def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """``x``, of which the run makes sure that its shape is as said.

    Unlike ``x.set_shape(shape)``, which only tells the graph.

    Args:
        x: a tensor.
        shape: a shape, in which None stands for any size.
        name: of the operation; ``EnsureShape`` by default.

    Returns:
        ``x``, whose static shape is what is known of its own and of ``shape``.

    Raises:
        ValueError: its static shape is another.
        InvalidArgumentError: its shape is another (when run).

    Gradient: dy.
    Cost: none.

    >>> x = tf.placeholder(tf.float32)
    >>> print(tf.ensure_shape(x, [None, 3]).shape)
    (?, 3)
    """
    return apply_op("EnsureShape", x, shape=shape, name=name)
