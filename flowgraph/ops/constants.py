"""Tensors that come from nowhere: constant, placeholder, zeros, fill, range, linspace, eye.

Read next: elementwise.py; shapes.py (what the size arguments mean).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, BOOL, INDEX, NUMERIC, as_dtype, float32, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor, make_constant, to_array
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Loops,
    View,
    define,
    dtypes_of,
    elementwise,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.report import call_message
from flowgraph.ops.rules import (
    f32,
    i32,
    invalid,
    output_domain,
    require_rank,
    same_shape,
    size_vector,
)
from flowgraph.shapes import Dims, ShapeError, format_dims, merge, num_elements
from flowgraph.tensor_shape import as_dims

#: Below this many elements zeros and ones are stored as they are; above, Fill makes them when run.
SMALL = 1000

_NO_INPUT = not_differentiable("it does not depend on anything")


def _not_fed(call_: Call) -> Any:
    raise invalid("a value must be fed for the placeholder")


# ------------------------------------------------------------------------ constants, placeholders

define(
    "Const",
    "-> output: dtype",
    value=Attr("tensor", REQUIRED),
    dtype=dtypes_of(ALL),
    infer=lambda call_: [call_.attrs["value"].shape],
    grad=_NO_INPUT,
    reference=lambda call_: call_.attrs["value"],
    samples=(
        sample(value=f32(2, 3), dtype=float32),
        sample(value=np.array(7, np.int32), dtype=int32),
        sample(value=np.zeros((0, 2), np.float32), dtype=float32),
    ),
    doc="The tensor held by attr ``value``.",
)

define(
    "Placeholder",
    "-> output: dtype",
    dtype=dtypes_of(ALL),
    shape=Attr("shape", None),
    infer=lambda call_: [call_.attrs["shape"]],
    grad=_NO_INPUT,
    reference=_not_fed,
    samples=(sample(dtype=float32, shape=(None, 3)),),
    doc="A tensor that every run must be fed.",
)


def _default_infer(call_: Call) -> list[Dims]:
    shape = call_.attrs["shape"]
    merged = merge(call_.shapes[0], shape)  # the default must fit
    # While the graph is built another shape may still be fed; in a plan it is known that none was.
    return [merged if call_.out_shapes else shape]


define(
    "PlaceholderWithDefault",
    "input: dtype -> output: dtype",
    dtype=dtypes_of(ALL),
    shape=Attr("shape", REQUIRED),
    infer=_default_infer,
    kernel=View(lambda call_, shape, strides: (0, shape, strides)),
    grad=lambda op, dy: (dy,),
    reference=lambda call_, x: x,
    samples=(sample(f32(2, 3), shape=(None, 3)), sample(f32(), shape=())),
    errors=(error_sample(ValueError, "not compatible", f32(2, 3), shape=(None, 4)),),
    doc="``input``, unless something else is fed.  Gradient: dy to the default.",
)


@export("constant")
def constant(
    value: Any,
    dtype: Any = None,
    shape: Any = None,
    name: str = "Const",
    verify_shape: bool = False,
) -> Tensor:
    """A tensor of fixed value.

    Args:
        value: a number, string, nested list, or NumPy array.
        dtype: of the tensor; by default float32, int32, bool or string as the value suggests, or
            the array's own.
        shape: of the tensor; a value with fewer elements is filled up with its last one.
        name: of the operation.
        verify_shape: refuse a value whose shape is not ``shape``.

    Returns:
        A Tensor; nothing is computed when running.

    Raises:
        TypeError: the dtype cannot hold the value; with ``verify_shape``, the shape differs.
        ValueError: more elements than ``shape`` has, or a ragged list.

    Gradient: none.
    Source: tf.constant (TensorFlow 1.15).

    >>> tf.Session().run(tf.constant([1, 2, 3], shape=[2, 3]))
    array([[1, 2, 3],
           [3, 3, 3]], dtype=int32)
    """
    if isinstance(value, Tensor):
        raise TypeError(
            f"constant: the value is the tensor {value.name!r}, which is no fixed value"
        )
    try:
        array = to_array(value, None if dtype is None else as_dtype(dtype))
    except (TypeError, ValueError) as error:
        given = "" if dtype is None else f", dtype {as_dtype(dtype).name}"
        text = f"constant: {error}"
        fix = (
            "give lists of equal length, or make a RaggedTensor-like pair of values and lengths"
            if isinstance(error, ValueError)
            else "leave dtype out, or tf.cast the constant: it takes no value it would change"
        )
        raise type(error)(call_message(text, [("value" + given, value)], fix=fix)) from None
    if shape is not None:
        array = _shaped(array, as_dims(shape), verify_shape)
    return make_constant(array, name or "Const")


def _shaped(array: np.ndarray[Any, Any], dims: Dims, exactly: bool) -> np.ndarray[Any, Any]:
    """``array`` in the shape ``dims``, its last element repeated where it is too short."""
    count = num_elements(dims)
    if dims is None or count is None:
        raise ValueError(f"constant: shape {format_dims(dims)} must be known completely")
    if array.shape == dims:
        return array
    if exactly:
        raise TypeError(
            f"constant: the value has shape {format_dims(array.shape)}, not {format_dims(dims)}"
        )
    if array.size > count:
        raise ValueError(
            f"constant: {array.size} elements given, shape {format_dims(dims)} holds {count}"
        )
    if array.size == 0 < count:
        raise ValueError(f"constant: no element given to fill shape {format_dims(dims)}")
    flat = array.reshape(-1)
    if flat.size < count:
        flat = np.concatenate([flat, np.full(count - flat.size, flat[-1], flat.dtype)])
    return flat.reshape(dims)


@export("placeholder")
def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor whose value is given to every run: ``sess.run(y, feed_dict={x: value})``.

    Args:
        dtype: of the values that will be fed.
        shape: what is known of their shape, e.g. ``[None, 784]``; None: anything goes.
        name: of the operation; ``Placeholder`` by default.

    Returns:
        A Tensor; running without feeding it is an InvalidArgumentError.

    Gradient: none; it can be differentiated by.

    >>> print(tf.placeholder(tf.float32, [None, 784], name="images"))
    Tensor("images:0", shape=(?, 784), dtype=float32)
    """
    return call.Placeholder(dtype=as_dtype(dtype).base_dtype, shape=as_dims(shape), name=name)


@export("placeholder_with_default")
def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """A placeholder that need not be fed: it is ``input`` then.

    Args:
        input: the value when nothing is fed.
        shape: what is known of the values that may be fed; the default must fit.
        name: of the operation; ``PlaceholderWithDefault`` by default.

    Raises:
        ValueError: the default does not have this shape.

    Gradient: dy to ``input``.

    >>> keep = tf.placeholder_with_default(1.0, [])
    >>> tf.Session().run(keep * 2), tf.Session().run(keep * 2, {keep: 0.5})
    (2.0, 1.0)
    """
    return apply_op("PlaceholderWithDefault", input, shape=as_dims(shape), name=name)


# ------------------------------------------------------------------------------ zeros, ones, fill


def _fill_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "dims")
    require_rank(call_.shapes[1], 0, "value")
    sizes = call_.value(0)
    if sizes is not None and np.any(sizes < 0):
        raise ShapeError(f"dims must not be negative: {sizes.tolist()}")
    return [call_.partial(0)]


def _checked_sizes(sizes: np.ndarray[Any, Any]) -> tuple[int, ...]:
    if np.any(sizes < 0):
        raise invalid(f"dims must not be negative: {sizes.tolist()}")
    return tuple(sizes.tolist())


define(
    "Fill",
    "dims: index_type, value: T -> output: T",
    T=dtypes_of(ALL),
    index_type=dtypes_of(INDEX, int32),
    infer=_fill_infer,
    kernel=Loops(lambda s, call_, value: value, domain=output_domain, reads=(1,), parts=True),
    grad=lambda op, dy: (None, call.Sum(dy, call.Range(0, call.Rank(dy), 1))),
    reference=lambda call_, dims, value: np.full(_checked_sizes(dims), value, value.dtype),
    samples=(
        sample(i32([2, 3]), np.float32(1.5), const=(0,)),
        sample(i32([]), np.float32(1.5), const=(0,)),
        sample(i32([0, 4]), np.int32(7), const=(0,)),
    ),
    errors=(
        error_sample(
            ValueError, r"must not be negative: \[2, -1\]", i32([2, -1]), f32(), const=(0,)
        ),
        error_sample(ValueError, "value must be a scalar", i32([2]), f32(3), const=(0,)),
        error_sample(Exception, "must not be negative", i32([2, -1]), f32(), stage="run"),
    ),
    doc="A tensor of shape ``dims`` full of ``value``.  Gradient: the sum of dy.",
)


@export("fill")
def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """A tensor of shape ``dims`` in which every element is ``value``.

    Args:
        dims: sizes: a list of ints (or of scalar tensors), or an int32 or int64 vector.
        value: a scalar.
        name: of the operation; ``Fill`` by default.

    Raises:
        ValueError: a size is negative, or ``value`` is no scalar.

    Gradient: the sum of dy to ``value``.

    >>> tf.Session().run(tf.fill([2, 2], 9))
    array([[9, 9],
           [9, 9]], dtype=int32)
    """
    return apply_op("Fill", size_vector(dims), value, name=name)


def _filled(shape: Any, value: int, dtype: Any, name: str | None, default: str) -> Tensor:
    """Zeros or ones: a constant where that is small, else Fill."""
    dtype = as_dtype(dtype).base_dtype
    item: Any = value
    if dtype.np.kind == "O":
        item = b"" if value == 0 else b"1"
    with name_scope(name, default, [shape]) as scope:
        sizes = size_vector(shape)
        if isinstance(sizes, np.ndarray):
            if np.prod(sizes, dtype=np.float64) < SMALL:
                return make_constant(np.full(tuple(sizes.tolist()), item, dtype.np), scope)
            sizes = make_constant(sizes, "shape_as_tensor")
        item = make_constant(np.array(item, dtype.np), "Const")
        return apply_op("Fill", sizes, item, name=scope)


@export("zeros")
def zeros(shape: Any, dtype: Any = float32, name: str | None = None) -> Tensor:
    """A tensor of zeros (False for bool, empty strings for string).

    Args:
        shape: sizes: a list of ints (or of scalar tensors), or an integer vector.
        dtype: of the tensor.
        name: of the operation; ``zeros`` by default.

    >>> tf.Session().run(tf.zeros([2, 2], tf.int32))
    array([[0, 0],
           [0, 0]], dtype=int32)
    """
    return _filled(shape, 0, dtype, name, "zeros")


@export("ones")
def ones(shape: Any, dtype: Any = float32, name: str | None = None) -> Tensor:
    """A tensor of ones (True for bool).

    Args:
        shape: sizes: a list of ints (or of scalar tensors), or an integer vector.
        dtype: of the tensor.
        name: of the operation; ``ones`` by default.

    >>> tf.Session().run(tf.ones([3]))
    array([1., 1., 1.], dtype=float32)
    """
    return _filled(shape, 1, dtype, name, "ones")


define(
    "ZerosLike",
    "x: T -> y: T",
    T=dtypes_of(NUMERIC | BOOL),
    infer=same_shape,
    kernel=elementwise(lambda s, x: s.const(0, x.dtype), parts=True),
    grad=not_differentiable("its values do not depend on x"),
    reference=lambda call_, x: np.zeros_like(x),
    samples=(sample(f32(2, 3)), sample(np.float32(np.nan)), sample(f32(0, 2))),
    doc="Zeros of the shape of ``x``.",
)

define(
    "OnesLike",
    "x: T -> y: T",
    T=dtypes_of(NUMERIC | BOOL),
    infer=same_shape,
    kernel=elementwise(lambda s, x: s.const(1, x.dtype), parts=True),
    grad=not_differentiable("its values do not depend on x"),
    reference=lambda call_, x: np.ones_like(x),
    samples=(sample(f32(2, 3)), sample(np.float32(np.nan)), sample(f32(0, 2))),
    doc="Ones of the shape of ``x``.",
)


def _like(tensor: Any, value: int, dtype: Any, name: str | None, default: str) -> Tensor:
    with name_scope(name, default, [tensor]) as scope:
        tensor = convert_to_tensor(tensor, name="tensor")
        own = tensor.dtype.base_dtype
        wanted = own if dtype is None else as_dtype(dtype).base_dtype
        if value and wanted.np.kind == "O":
            raise TypeError(f"{default}: there is no one among strings")
        if num_elements(tensor.dims) is not None:
            return _filled(tensor.dims, value, wanted, scope, default)
        if wanted is own and own.np.kind != "O":
            return apply_op("ZerosLike" if value == 0 else "OnesLike", tensor, name=scope)
        return _filled(call.Shape(tensor), value, wanted, scope, default)


@export("zeros_like")
def zeros_like(
    tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True
) -> Tensor:
    """Zeros of the shape of ``tensor``.

    Args:
        tensor: what to copy shape and dtype from.
        dtype: another dtype for the zeros.
        name: of the operation; ``zeros_like`` by default.
        optimize: accepted as TensorFlow does; a known shape is always used.

    Gradient: none.

    >>> tf.Session().run(tf.zeros_like([1.5, 2.5]))
    array([0., 0.], dtype=float32)
    """
    return _like(tensor, 0, dtype, name, "zeros_like")


@export("ones_like")
def ones_like(
    tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True
) -> Tensor:
    """Ones of the shape of ``tensor``.

    Args:
        tensor: what to copy shape and dtype from.
        dtype: another dtype for the ones.
        name: of the operation; ``ones_like`` by default.
        optimize: accepted as TensorFlow does; a known shape is always used.

    Gradient: none.

    >>> tf.Session().run(tf.ones_like([1.5, 2.5], dtype=tf.int32))
    array([1, 1], dtype=int32)
    """
    return _like(tensor, 1, dtype, name, "ones_like")
