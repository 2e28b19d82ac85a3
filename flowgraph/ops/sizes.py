"""Questions about shapes: shape, size, rank, and the axes that broadcasting added.

Their answers are integers that depend on static shapes alone, so they are constants by the time a
plan is made; nothing here has a kernel.

Read next: reshaping.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, as_dtype, int32
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import f32, i32, invalid, require_rank
from flowgraph.shapes import Dims, ShapeError, broadcast, num_elements
from flowgraph.tensor_shape import TensorShape, as_dims

_COUNTS = not_differentiable("it counts elements, whatever their values")


def _vector_of_rank(dims: Dims) -> Dims:
    return (None if dims is None else len(dims),)


define(
    "Shape",
    "input: T -> output: out_type",
    T=dtypes_of(ALL),
    out_type=dtypes_of(INDEX, int32),
    infer=lambda call_: [_vector_of_rank(call_.shapes[0])],
    grad=_COUNTS,
    reference=lambda call_, x: np.array(x.shape, call_.out_dtypes[0].np),
    samples=(sample(f32(2, 3)), sample(f32()), sample(f32(0, 4))),
    doc="The sizes of ``input``.",
)

define(
    "ShapeN",
    "input: N*T -> output: N*out_type",
    T=dtypes_of(ALL),
    N=Attr("int", REQUIRED),
    out_type=dtypes_of(INDEX, int32),
    infer=lambda call_: [_vector_of_rank(dims) for dims in call_.shapes],
    grad=_COUNTS,
    reference=lambda call_, *xs: tuple(np.array(x.shape, call_.out_dtypes[0].np) for x in xs),
    samples=(sample([f32(2, 3), f32()]), sample([f32(0, 4)])),
    doc="The sizes of every input.",
)

define(
    "Size",
    "input: T -> output: out_type",
    T=dtypes_of(ALL),
    out_type=dtypes_of(INDEX, int32),
    infer=lambda call_: [()],
    grad=_COUNTS,
    reference=lambda call_, x: np.array(x.size, call_.out_dtypes[0].np),
    samples=(sample(f32(2, 3)), sample(f32()), sample(f32(0, 4))),
    doc="The number of elements of ``input``.",
)

define(
    "Rank",
    "input: T -> output: int32",
    T=dtypes_of(ALL),
    infer=lambda call_: [()],
    grad=_COUNTS,
    reference=lambda call_, x: np.array(x.ndim, np.int32),
    samples=(sample(f32(2, 3)), sample(f32()), sample(f32(0, 4))),
    doc="The number of axes of ``input``.",
)


@export("shape")
def shape(input: Any, name: str | None = None, out_type: Any = int32) -> Tensor:
    """The shape of ``input`` as an integer vector.

    A constant when the shape is known while the graph is built.

    Args:
        input: a tensor or SparseTensor.
        name: of the operation; ``Shape`` by default.
        out_type: tf.int32 or tf.int64.

    Gradient: none.

    >>> x = tf.placeholder(tf.float32, [None, 3])
    >>> tf.Session().run(tf.shape(x), {x: [[1, 2, 3], [4, 5, 6]]})
    array([2, 3], dtype=int32)
    """
    dtype = as_dtype(out_type)
    if isinstance(input, SparseTensor):
        with name_scope(name, "Shape", [input.dense_shape]):
            return apply_op("Cast", input.dense_shape, DstT=dtype)
    input = convert_to_tensor(input, name="input")
    if num_elements(input.dims) is not None:
        return make_constant(np.array(input.dims, dtype.np), name or "Shape")
    return apply_op("Shape", input, out_type=dtype, name=name)


@export("shape_n")
def shape_n(input: Any, out_type: Any = int32, name: str | None = None) -> list[Tensor]:
    """The shapes of several tensors.

    Args:
        input: a list of tensors of one dtype.
        out_type: tf.int32 or tf.int64.
        name: of the operation; ``ShapeN`` by default.

    Gradient: none.
    """
    return apply_op("ShapeN", input, out_type=out_type, name=name)


@export("size")
def size(input: Any, name: str | None = None, out_type: Any = int32) -> Tensor:
    """The number of elements of ``input``; a constant when its shape is known.

    Args:
        input: a tensor or SparseTensor.
        name: of the operation; ``Size`` by default.
        out_type: tf.int32 or tf.int64.

    Gradient: none.

    >>> tf.Session().run(tf.size([[1, 2, 3], [4, 5, 6]]))
    6
    """
    dtype = as_dtype(out_type)
    if isinstance(input, SparseTensor):
        with name_scope(name, "Size", [input.dense_shape]) as scope:
            sizes = apply_op("Cast", input.dense_shape, DstT=dtype)
            return apply_op("Prod", sizes, np.zeros(1, np.int32), name=scope)
    input = convert_to_tensor(input, name="input")
    count = num_elements(input.dims)
    if count is not None:
        return make_constant(np.array(count, dtype.np), name or "Size")
    return apply_op("Size", input, out_type=dtype, name=name)


@export("rank")
def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of axes of ``input``: 0 for a scalar; a constant when it is known.

    Args:
        input: a tensor or SparseTensor.
        name: of the operation; ``Rank`` by default.

    Gradient: none.

    >>> tf.Session().run(tf.rank([[1, 2, 3], [4, 5, 6]]))
    2
    """
    if isinstance(input, SparseTensor):
        return size(input.dense_shape, name=name or "Rank")
    input = convert_to_tensor(input, name="input")
    if input.dims is not None:
        return make_constant(np.array(len(input.dims), np.int32), name or "Rank")
    return apply_op("Rank", input, name=name)


# ------------------------------------------------------------------------------------ broadcasting


def _broadcast_args_infer(call_: Call) -> list[Dims]:
    s0, s1 = (require_rank(call_.shapes[i], 1, f"s{i}")[0] for i in (0, 1))
    return [(None if s0 is None or s1 is None else max(s0, s1),)]


def _broadcast_args(call_: Call, s0: Any, s1: Any) -> Any:
    try:
        result = broadcast(tuple(s0.tolist()), tuple(s1.tolist()))
    except ShapeError as error:
        raise invalid(error.headline) from None
    return np.array(result, s0.dtype)


define(
    "BroadcastArgs",
    "s0: T, s1: T -> r0: T",
    T=dtypes_of(INDEX, int32),
    infer=_broadcast_args_infer,
    grad=_COUNTS,
    reference=_broadcast_args,
    samples=(sample(i32([2, 1]), i32([3])), sample(i32([]), i32([4, 2]))),
    errors=(error_sample(Exception, "do not broadcast", i32([2]), i32([3]), stage="run"),),
    doc="The shape that shapes ``s0`` and ``s1`` broadcast to.",
)


def _reduced_axes(own: list[int], other: list[int]) -> list[int]:
    """Axes of the broadcast result along which ``own`` was repeated.

    Where both have size 1 nothing was repeated, and summing would change nothing but cost a pass.
    """
    rank_ = max(len(own), len(other))
    a, b = ([1] * (rank_ - len(s)) + s for s in (own, other))
    missing = rank_ - len(own)
    return [i for i in np.arange(rank_).tolist() if i < missing or (a[i] == 1 and b[i] != 1)]


def _broadcast_gradient_args(call_: Call, s0: Any, s1: Any) -> Any:
    a, b = s0.tolist(), s1.tolist()
    try:
        broadcast(tuple(a), tuple(b))
    except ShapeError as error:
        raise invalid(error.headline) from None
    return tuple(np.array(_reduced_axes(*pair), s0.dtype) for pair in ((a, b), (b, a)))


define(
    "BroadcastGradientArgs",
    "s0: T, s1: T -> r0: T, r1: T",
    T=dtypes_of(INDEX, int32),
    infer=lambda call_: [(None,), (None,)],
    grad=_COUNTS,
    reference=_broadcast_gradient_args,
    samples=(
        sample(i32([2, 1, 3]), i32([4, 1])),
        sample(i32([]), i32([4, 2])),
        sample(i32([5]), i32([5])),
    ),
    errors=(error_sample(Exception, "do not broadcast", i32([2]), i32([3]), stage="run"),),
    doc="Axes to sum the gradients of x and y over, given the shapes that were broadcast.",
)


@export("broadcast_static_shape")
def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """The TensorShape that two static shapes broadcast to.

    Args:
        shape_x, shape_y: TensorShapes.

    Raises:
        ValueError: they do not broadcast.

    >>> print(tf.broadcast_static_shape(tf.TensorShape([2, 1]), tf.TensorShape([3])))
    (2, 3)
    """
    return TensorShape(broadcast(as_dims(shape_x), as_dims(shape_y)))


@export("broadcast_dynamic_shape")
def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Tensor:
    """The shape that two shapes broadcast to, as a tensor.

    Args:
        shape_x, shape_y: integer vectors.

    >>> tf.Session().run(tf.broadcast_dynamic_shape([2, 1], [3]))
    array([2, 3], dtype=int32)
    """
    return apply_op("BroadcastArgs", shape_x, shape_y)
