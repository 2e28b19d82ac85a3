"""Reductions: sum, mean, max, min, prod, any, all; argmax and argmin; logsumexp and norms.

Every reduction takes its axes as a tensor input (constant almost always) and attr ``keep_dims``.
Over nothing a sum is 0, a product 1, a maximum -inf, a mean NaN.

Read next: softmax.py (reductions whose rows are used again).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import BOOL, COMPLEX, INDEX, NUMERIC, REAL, as_dtype, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Loops,
    NotDifferentiable,
    Sample,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.static import constant_value
from flowgraph.kernel.scalar import FLOATS
from flowgraph.ops.rules import (
    conjugate_of,
    f32,
    i32,
    invalid,
    known_axis,
    number,
    one_name,
    only_one,
    require_rank_at_least,
    shape_of,
)
from flowgraph.shapes import (
    Dims,
    ShapeError,
    format_dims,
    is_fully_known,
    normalize_axes,
    normalize_axis,
    reduce_dims,
)

# ---------------------------------------------------------------------------------- shared rules


def _axes_value(value: np.ndarray[Any, Any] | None, rank: int) -> tuple[int, ...]:
    """Sorted axes counted from the front; none of a scalar, whatever is asked."""
    return normalize_axes(value.reshape(-1).tolist(), rank) if value is not None else ()


def _reduce_infer(call_: Call) -> list[Dims]:
    axes, dims = call_.value(1), call_.shapes[0]
    if call_.shapes[1] is not None and len(call_.shapes[1]) > 1:
        raise ShapeError(f"axis must be a number or a list, not {format_dims(call_.shapes[1])}")
    listed = None if axes is None else axes.reshape(-1).tolist()
    if listed and dims:
        normal = [axis % len(dims) for axis in listed]
        if len(set(normal)) < len(normal):
            raise ShapeError(f"axes {listed} name one axis twice")
    return [reduce_dims(dims, listed, call_.attrs["keep_dims"])]


def _reduced(call_: Call) -> tuple[int, ...]:
    return _axes_value(call_.value(1), len(call_.shapes[0] or ()))


def _whole_input(call_: Call) -> tuple[int, ...]:
    return call_.shapes[0]  # type: ignore[return-value]


def row_loops(body: Callable[..., Any], parts: bool = False) -> Loops:
    """``body(s, call, x)`` over input 0, reduced along the axes that input 1 names."""
    return Loops(body, reduced=_reduced, domain=_whole_input, reads=(0,), parts=parts)


def spread(op: Any, dy: Tensor) -> Tensor:
    """``dy``, of the reduced shape, as it stands against the input: reduced axes have size 1."""
    x, axes = op.input, constant_value(op.reduction_indices)
    if op.attrs["keep_dims"] or dy.dims == ():
        return dy  # scalars broadcast by themselves
    if axes is None or x.dims is None:
        return call.Reshape(dy, _kept_shape(op))
    reduced = _axes_value(axes, len(x.dims))
    if reduced == tuple(range(len(reduced))):
        return dy  # leading axes: so does what is left
    if is_fully_known(x.dims):
        kept = [1 if i in reduced else size for i, size in enumerate(x.dims)]
        return call.Reshape(dy, np.array(kept, np.int32))
    for axis in reduced:
        dy = call.ExpandDims(dy, axis)
    return dy


def _kept_shape(op: Any) -> Tensor:
    """The shape of the input with 1 in place of every reduced size, computed when running."""
    shape = call.Shape(op.input)
    rank = call.Size(shape)
    axes = call.Reshape(call.FloorMod(call.Cast(op.reduction_indices, DstT=int32), rank), [-1])
    hits = call.Sum(call.OneHot(axes, rank, 1, 0), 0)
    return call.Select(call.Greater(hits, 0), call.OnesLike(shape), shape)


def _spread_over(op: Any, dy: Tensor) -> Tensor:
    return call.BroadcastTo(spread(op, dy), shape_of(op.input))


def reduction(
    type: str,
    *names: str,
    doc: str,
    body: Callable[..., Any],
    grad: Callable[..., Any] | NotDifferentiable,
    reference: Callable[..., Any],
    samples: Sequence[Sample],
    dtypes: frozenset[str] | None = REAL,
    parts: bool = False,
) -> Callable[..., Any]:
    """Register ``type`` and export ``names[0](input_tensor, axis, keepdims, ...)``.

    ``body(s, call, x)`` writes the kernel; ``reference(x, axes, keepdims)`` is NumPy's;
    ``grad(op, dy)`` gives dx.  ``dtypes`` None: bool in, bool out.  ``parts``: ``body`` also writes
    complex ones.
    """
    gradient = grad
    if not isinstance(grad, NotDifferentiable):

        def gradient(op: Any, dy: Any) -> tuple[Any, None]:
            return grad(op, dy), None

    kind = "bool" if dtypes is None else "T"
    attrs: dict[str, Any] = {} if dtypes is None else {"T": dtypes_of(dtypes)}
    define(
        type,
        f"input: {kind}, reduction_indices: Tidx -> output: {kind}",
        keep_dims=False,
        **attrs,
        Tidx=dtypes_of(INDEX, int32),
        infer=_reduce_infer,
        kernel=row_loops(body, parts),
        grad=gradient,
        reference=lambda call_, x, axes: reference(
            x, _axes_value(axes, x.ndim), call_.attrs["keep_dims"]
        ),
        samples=samples,
        errors=(
            error_sample(
                ValueError, "axis 2 is out of range for rank 2",
                samples[0].inputs[0], i32(2), const=(1,),
            ),
            error_sample(
                ValueError, "name one axis twice", samples[0].inputs[0], i32([0, -2]), const=(1,)
            ),
        ),
        doc=doc,
    )  # fmt: skip

    def function(
        input_tensor: Any,
        axis: Any = None,
        keepdims: bool | None = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Tensor:
        plain = names[0]
        axis = one_name(plain, axis=axis, reduction_indices=reduction_indices)
        keep = bool(one_name(plain, keepdims=keepdims, keep_dims=keep_dims))
        return reduce_with(type, input_tensor, axis, keep, name)

    function.__name__ = function.__qualname__ = names[0].rpartition(".")[2]
    function.__doc__ = f"""{doc}

    Args:
        input_tensor: a tensor; {"bool" if dtypes is None else "any real dtype"}.
        axis: an int or a list of them, negative ones counted from the end, or an integer tensor;
            all axes by default.
        keepdims: keep reduced axes, with size 1.
        name: of the operation; ``{type}`` by default.
        reduction_indices, keep_dims: the old names of ``axis`` and ``keepdims``.

    Returns:
        A tensor of the same dtype, without the reduced axes.

    Raises:
        ValueError: an axis is out of range, or given twice.
    """
    return export(*names)(function)


def reduce_with(type: str, x: Any, axis: Any, keepdims: bool, name: str | None) -> Tensor:
    """Apply reduction ``type``; an ``axis`` of None means all axes."""
    x = convert_to_tensor(x, name="input_tensor")
    if axis is not None:
        return apply_op(type, x, axis, keep_dims=keepdims, name=name)
    result = apply_op(type, x, every_axis(x), keep_dims=keepdims, name=name)
    if not keepdims:
        result.set_shape(())
    return result


def every_axis(x: Tensor) -> Tensor:
    """All axes of ``x``: a constant when its rank is known."""
    if x.dims is not None:
        return make_constant(np.arange(len(x.dims), dtype=np.int32))
    return apply_op("Range", 0, call.Rank(x), 1, name="range")


def _samples(*more: Sample, smooth_when_empty: bool = True) -> tuple[Sample, ...]:
    """All axes, one, several, negative, kept; a scalar and an empty."""
    of_empty = None if smooth_when_empty else ()
    return (
        sample(f32(3, 5), i32([0, 1]), const=(1,)),
        sample(f32(3, 5), i32(-1), const=(1,)),
        sample(f32(2, 3, 4), i32([0, 2]), const=(1,)),
        sample(f32(2, 3, 4), i32([1]), const=(1,), keep_dims=True),
        sample(f32(3, 4), i32([]), const=(1,)),
        sample(f32(), i32([]), const=(1,)),
        sample(f32(0, 3), i32([0]), const=(1,), differentiable=of_empty),
        sample(f32(3, 5), i32([1])),
        *more,
    )


_COMPLEX = sample(
    np.array([[1 + 2j, 0.5 - 1j, 3], [-1j, 2, 1]], np.complex64), i32([1]), const=(1,)
)
_INTS = sample(i32([[-7, 2], [0, -2]]), i32([1]), const=(1,))
_NAN_ROW = sample(
    np.array([[1, np.nan, 2], [np.inf, 0, -np.inf]], np.float32),
    i32(1),
    const=(1,),
    differentiable=(),
)

# ------------------------------------------------------------------------------------ sum and mean

reduce_sum = reduction(
    "Sum", "reduce_sum", "math.reduce_sum",
    doc="The sum of the elements along ``axis``; 0 over nothing.  Gradient: dy to every element.",
    body=lambda s, call_, x: s.reduce_sum(x),
    grad=_spread_over,
    reference=lambda x, axes, keep: np.sum(x, axes, x.dtype, keepdims=keep),
    samples=_samples(_INTS, _NAN_ROW, _COMPLEX),
    dtypes=NUMERIC,
    parts=True,
)  # fmt: skip


def _mean_body(s: Any, call_: Call, x: Any) -> Any:
    if x.dtype in COMPLEX:
        total = s.reduce_sum(x)
        count = s.cast(s.count(), total.real.dtype)
        return s.complex(total.real / count, total.imag / count)
    if x.dtype in FLOATS:
        return s.reduce_sum(x) / s.cast(s.count(), x.dtype)
    total = s.reduce_sum(s.cast(x, "int64"))
    return s.cast(s.truncdiv(total, s.max(s.count(), 1)), x.dtype)


def _mean_reference(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    count = int(np.prod([x.shape[a] for a in axes], dtype=np.int64))
    if x.dtype.kind in "fc":
        return np.sum(x, axes, x.dtype, keepdims=keep) / x.dtype.type(count)
    total = np.sum(x, axes, np.int64, keepdims=keep)
    quotient = np.abs(total) // max(count, 1)
    return (np.sign(total) * quotient).astype(x.dtype)


def _mean_grad(op: Any, dy: Any) -> Tensor:
    axes, dims = constant_value(op.reduction_indices), op.input.dims
    if axes is not None and dims is not None:
        sizes = [dims[axis] for axis in _axes_value(axes, len(dims))]
        if None not in sizes:
            count = int(np.prod(sizes, dtype=np.int64))
            return _spread_over(op, dy / number(count, dy))
    count = call.FloorDiv(call.Size(op.input), call.Maximum(call.Size(op.output), 1))
    return _spread_over(op, dy / call.Cast(count, DstT=dy.dtype.base_dtype))


reduce_mean = reduction(
    "Mean", "reduce_mean", "math.reduce_mean",
    doc="The mean of the elements along ``axis``.\n\n"
    "    Of integers it is rounded toward zero; over nothing it is NaN (0 for integers).\n"
    "    Gradient: dy / n to every element.",
    body=_mean_body,
    grad=_mean_grad,
    reference=_mean_reference,
    samples=_samples(
        _INTS, _NAN_ROW, sample(i32([-7, 0, 0]), i32(0), const=(1,)),
        sample(i32([]), i32(0), const=(1,)), _COMPLEX, smooth_when_empty=False,
    ),
    dtypes=NUMERIC,
    parts=True,
)  # fmt: skip

# --------------------------------------------------------------------------------- max, min, prod


def _extremum_grad(op: Any, dy: Any) -> Tensor:
    """dy shared equally by all elements that are the extremum."""
    chosen = call.Cast(call.Equal(op.input, spread(op, op.output)), DstT=dy.dtype.base_dtype)
    count = call.Sum(chosen, op.reduction_indices, keep_dims=op.attrs["keep_dims"])
    return chosen * spread(op, dy / count)


def _extremum(which: str) -> Callable[..., Any]:
    def reference(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
        if x.dtype.kind == "f":
            start = -np.inf if which == "max" else np.inf
        else:
            info = np.iinfo(x.dtype)
            start = info.min if which == "max" else info.max
        return getattr(np, which)(x, axis=axes, keepdims=keep, initial=start)

    return reference


_TIED = sample(np.array([1, 3, 3], np.float32), i32(0), const=(1,), differentiable=())

reduce_max = reduction(
    "Max", "reduce_max", "math.reduce_max",
    doc="The greatest element along ``axis``; NaN if there is one; -inf over nothing.\n\n"
    "    Gradient: dy to the greatest element, in equal shares where several are equal.",
    body=lambda s, call_, x: s.reduce_max(x),
    grad=_extremum_grad,
    reference=_extremum("max"),
    samples=_samples(_INTS, _NAN_ROW, _TIED, smooth_when_empty=False),
)  # fmt: skip

reduce_min = reduction(
    "Min", "reduce_min", "math.reduce_min",
    doc="The least element along ``axis``; NaN if there is one; inf over nothing.\n\n"
    "    Gradient: dy to the least element, in equal shares where several are equal.",
    body=lambda s, call_, x: s.reduce_min(x),
    grad=_extremum_grad,
    reference=_extremum("min"),
    samples=_samples(_INTS, _NAN_ROW, _TIED, smooth_when_empty=False),
)  # fmt: skip


def _products_of_the_others(x: Tensor, axis: int) -> Tensor:
    """prod_{i != j} x_i along one axis: of those before j times of those behind it."""
    before = call.Cumprod(x, axis, exclusive=True)
    return before * call.Cumprod(x, axis, exclusive=True, reverse=True)


def _prod_grad(op: Any, dy: Any) -> Tensor:
    return conjugate_of(_prod_slope(op, conjugate_of(dy)))


def _prod_slope(op: Any, dy: Any) -> Tensor:
    # d(prod x)/dx_j = prod_{i != j} x_i, by running products: no division, so that it can be
    # differentiated again where elements are 0.
    x, axes = op.input, constant_value(op.reduction_indices)
    if axes is None or x.dims is None:
        return _prod_grad_of_unknown_axes(op, dy)
    rank = len(x.dims)
    reduced = _axes_value(axes, rank)
    if not reduced:
        return dy
    if len(reduced) == 1:
        return spread(op, dy) * _products_of_the_others(x, reduced[0])
    # the reduced axes become one, behind the others
    order = [*(axis for axis in range(rank) if axis not in reduced), *reduced]
    turned = call.Transpose(x, np.array(order, np.int32))
    shape = shape_of(turned)
    kept = rank - len(reduced)
    count = call.Prod(call.Slice(shape, [kept], [-1]), [0], keep_dims=True)
    rows = call.Reshape(turned, call.ConcatV2([call.Slice(shape, [0], [kept]), count], 0))
    others = call.Reshape(_products_of_the_others(rows, kept), shape)
    return spread(op, dy) * call.Transpose(others, np.argsort(order).astype(np.int32))


def _prod_grad_of_unknown_axes(op: Any, dy: Any) -> Tensor:
    """The same for axes that only the run knows: y / x_j without zeros; with one zero, at j, the
    product of the rest; otherwise 0.  (Right as a first derivative.)
    """
    x, dtype = op.input, dy.dtype.base_dtype
    keep = {"keep_dims": op.attrs["keep_dims"]}
    zeros, ones = call.ZerosLike(x), call.OnesLike(x)
    is_zero = call.Equal(x, zeros)
    rest = call.Select(is_zero, ones, x)
    product = call.Prod(rest, op.reduction_indices, **keep)
    count = call.Sum(call.Cast(is_zero, DstT=dtype), op.reduction_indices, **keep)
    alone = call.Cast(call.Equal(count, call.OnesLike(count)), DstT=dtype)
    none = call.Cast(call.Equal(count, call.ZerosLike(count)), DstT=dtype)
    at_zero = spread(op, product * alone * dy) * ones
    elsewhere = spread(op, product * none * dy) / rest
    return call.Select(is_zero, at_zero, elsewhere)


reduce_prod = reduction(
    "Prod", "reduce_prod", "math.reduce_prod",
    doc="The product of the elements along ``axis``; 1 over nothing.\n\n"
    "    Gradient: dy times the product of the other elements, right also where some are 0.",
    body=lambda s, call_, x: s.reduce_prod(x),
    grad=_prod_grad,
    reference=lambda x, axes, keep: np.prod(x, axes, x.dtype, keepdims=keep),
    samples=_samples(_INTS, sample(
        np.array([[2, 0, 3], [0, 0, 1], [1, 2, 3]], np.float32), i32(1), const=(1,)), sample(
        np.array([[[2, 0], [3, 1]], [[0, 0], [1, 2]]], np.float32), i32([0, 2]), const=(1,)),
        _COMPLEX),
    dtypes=NUMERIC,
)  # fmt: skip

# ------------------------------------------------------------------------------------------ length


def _length_body(s: Any, call_: Call, x: Any) -> Any:
    if x.dtype in COMPLEX:
        total = s.reduce_sum(x.real * x.real + x.imag * x.imag)
        return s.complex(s.sqrt(total), s.const(0, total.dtype))
    if x.dtype in FLOATS:
        return s.sqrt(s.reduce_sum(x * x))
    return s.cast(s.sqrt(s.cast(s.reduce_sum(x * x), "float64")), x.dtype)


def _length_reference(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    squares = np.sum(x * np.conj(x), axes, x.dtype, keepdims=keep)
    return np.sqrt(squares).astype(x.dtype)


reduce_euclidean_norm = reduction(
    "EuclideanNorm", "math.reduce_euclidean_norm",
    doc="The square root of the sum of squares along ``axis``; of integers, rounded to 0; of\n"
    "    complex numbers, of the squares of their absolute values.\n\n"
    "    Gradient: dy * x / y, NaN where all elements are 0.",
    body=_length_body,
    grad=lambda op, dy: op.input * spread(op, dy / op.output),
    reference=_length_reference,
    samples=_samples(_INTS, _NAN_ROW, _COMPLEX, smooth_when_empty=False),
    dtypes=NUMERIC,
    parts=True,
)  # fmt: skip

# ------------------------------------------------------------------------------------- truth values

_TRUTHS = (
    sample(np.array([[True, False], [True, True]]), i32(1), const=(1,)),
    sample(np.array([[True, False], [True, True]]), i32([0, 1]), const=(1,)),
    sample(np.array([[True, False], [True, True]]), i32([0]), const=(1,), keep_dims=True),
    sample(np.zeros((0, 2), bool), i32(0), const=(1,)),
    sample(np.array(True), i32([]), const=(1,)),
)
_TRUTH = not_differentiable("its result is a truth value")

reduce_any = reduction(
    "Any", "reduce_any", "math.reduce_any",
    doc="Whether any element along ``axis`` is True; False over nothing.  Gradient: none.",
    body=lambda s, call_, x: s.reduce_any(x),
    grad=_TRUTH,
    reference=lambda x, axes, keep: np.any(x, axes, keepdims=keep),
    samples=_TRUTHS,
    dtypes=None,
)  # fmt: skip

reduce_all = reduction(
    "All", "reduce_all", "math.reduce_all",
    doc="Whether all elements along ``axis`` are True; True over nothing.  Gradient: none.",
    body=lambda s, call_, x: s.reduce_all(x),
    grad=_TRUTH,
    reference=lambda x, axes, keep: np.all(x, axes, keepdims=keep),
    samples=_TRUTHS,
    dtypes=None,
)  # fmt: skip

# ------------------------------------------------------------------------------------ arg max, min


def _arg_infer(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    require_rank_at_least(dims, 1, "input")
    rank = None if dims is None else len(dims)
    axis = known_axis(call_, 1, rank, "dimension")
    if dims is None or rank is None:
        return [None]
    if axis is None:
        return [(None,) * (rank - 1)]
    if dims[axis] == 0:
        raise ShapeError(f"axis {axis} of {format_dims(dims)} is empty: no element is the greatest")
    return [dims[:axis] + dims[axis + 1 :]]


def _arg_body(which: str) -> Callable[..., Any]:
    def body(s: Any, call_: Call, x: Any) -> Any:
        (axis,) = _arg_axes(call_)
        if x.dtype in FLOATS:
            worst = float("-inf" if which == "max" else "inf")
            x = s.select(s.isnan(x), worst, x)
        index = s.index(axis)
        if x.dtype == "bool":
            x = s.cast(x, "uint8")
        best = s.reduce_max(x) if which == "max" else s.reduce_min(x)
        first = s.reduce_min(s.select(s.eq(x, best), index, np.iinfo(np.int64).max))
        return s.cast(first, call_.out_dtypes[0].name)

    return body


def _arg_axes(call_: Call) -> tuple[int, ...]:
    axis = known_axis(call_, 1, len(call_.shapes[0] or ()), "dimension")
    return () if axis is None else (axis,)


def _arg_reference(which: str) -> Callable[..., Any]:
    def reference(call_: Call, x: Any, dimension: Any) -> Any:
        axis = normalize_axis(only_one(dimension, "dimension"), x.ndim, "dimension")
        if not x.shape[axis]:
            raise invalid(f"axis {axis} of {list(x.shape)} is empty: no element is the greatest")
        if x.dtype.kind == "f":
            x = np.where(np.isnan(x), -np.inf if which == "max" else np.inf, x)
        found = np.argmax(x, axis) if which == "max" else np.argmin(x, axis)
        return found.astype(call_.out_dtypes[0].np)

    return reference


def _arg(type: str, which: str, function_name: str, word: str) -> Any:
    define(
        type,
        "input: T, dimension: Tidx -> output: output_type",
        T=dtypes_of(REAL | BOOL),
        Tidx=dtypes_of(INDEX, int32),
        output_type=dtypes_of(INDEX, int64),
        infer=_arg_infer,
        kernel=Loops(_arg_body(which), reduced=_arg_axes, domain=_whole_input, reads=(0,)),
        grad=not_differentiable("its result is an index"),
        reference=_arg_reference(which),
        samples=(
            sample(f32(3, 5), i32(1), const=(1,)),
            sample(f32(2, 3, 4), i32(-2), const=(1,), output_type=int32),
            sample(np.array([3, 3, 1, 1], np.int32), i32(0), const=(1,)),
            sample(np.array([[True, False, True], [False] * 3]), i32(1), const=(1,)),
            sample(np.array([1, np.nan, 2, np.inf, -np.inf], np.float32), i32(0), const=(1,)),
            sample(np.array([np.nan, np.nan], np.float32), i32(0), const=(1,)),
            sample(f32(2, 0), i32(0), const=(1,)),
            sample(f32(3, 5), i32(1)),
        ),
        errors=(
            error_sample(ValueError, "dimension 2 is out of range", f32(2, 3), i32(2), const=(1,)),
            error_sample(ValueError, r"axis 1 of \[2, 0\] is empty", f32(2, 0), i32(1), const=(1,)),
        ),
        doc=f"The index of the {word} element along ``dimension``; the first of equal ones.",
    )

    def function(
        input: Any,
        axis: Any = None,
        name: str | None = None,
        dimension: Any = None,
        output_type: Any = int64,
    ) -> Tensor:
        axis = one_name(function_name, axis=axis, dimension=dimension)
        axis = 0 if axis is None else axis
        return apply_op(type, input, axis, output_type=as_dtype(output_type), name=name)

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"""The index of the {word} element along an axis; the first of equal ones.

    Args:
        input: a real tensor; NaN elements are passed over.
        axis: an int, or an integer scalar; 0 by default.
        name: of the operation; ``{type}`` by default.
        dimension: the old name of ``axis``.
        output_type: tf.int64 or tf.int32.

    Returns:
        A tensor without the axis.

    Raises:
        ValueError: the axis is out of range or empty.

    Gradient: none.

    >>> tf.Session().run(tf.{function_name}([[1, 3, 2], [4, 0, 4]], axis=1))
    array({"[1, 0]" if which == "max" else "[0, 1]"})
    """
    return export(function_name, f"math.{function_name}")(function)


argmax = _arg("ArgMax", "max", "argmax", "greatest")
argmin = _arg("ArgMin", "min", "argmin", "least")


@export("arg_max")
def arg_max(
    input: Any, dimension: Any, output_type: Any = int64, name: str | None = None
) -> Tensor:
    """The old form of ``argmax``: the axis has no default.

    Args:
        input: a real tensor.   dimension: the axis, an int or an integer scalar.
        output_type: tf.int64 or tf.int32.
        name: of the operation; ``ArgMax`` by default.

    Raises:
        ValueError: the axis is out of range or empty.

    Gradient: none.

    >>> int(tf.Session().run(tf.arg_max([1, 3, 2], 0)))
    1
    """
    return argmax(input, axis=dimension, output_type=output_type, name=name)


@export("arg_min")
def arg_min(
    input: Any, dimension: Any, output_type: Any = int64, name: str | None = None
) -> Tensor:
    """The old form of ``argmin``: the axis has no default.

    Args:
        input: a real tensor.   dimension: the axis, an int or an integer scalar.
        output_type: tf.int64 or tf.int32.
        name: of the operation; ``ArgMin`` by default.

    Raises:
        ValueError: the axis is out of range or empty.

    Gradient: none.

    >>> int(tf.Session().run(tf.arg_min([1, 3, 2], 0)))
    0
    """
    return argmin(input, axis=dimension, output_type=output_type, name=name)
