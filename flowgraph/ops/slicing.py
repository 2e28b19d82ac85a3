"""Parts of a tensor: slice, strided_slice; a part of a variable assigned: StridedSliceAssign.

A part is a view of its input.  Its gradient is a tensor of zeros with dy written into the same
part: ``Pad`` for slice, ``StridedSliceGrad`` for strided_slice.

Read next: indexing.py (``x[1:, ..., tf.newaxis]``); gathering.py (parts chosen by index tensors).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    WRITE,
    Call,
    Custom,
    View,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.static import constant_value
from flowgraph.ops.rules import f32, i32, invalid, require_rank, shape_of
from flowgraph.shapes import Dims, ShapeError, format_dims, is_compatible, is_fully_known

# ------------------------------------------------------------------------------------------ slice


def _slice_infer(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    begin, size = call_.value(1), call_.value(2)
    count = None
    for i, argument in ((1, "begin"), (2, "size")):
        (length,) = require_rank(call_.shapes[i], 1, argument)
        count = length if count is None else count
        if dims is not None and length is not None and length != len(dims):
            raise ShapeError(f"{argument} has {length} elements for shape {format_dims(dims)}")
    if dims is None and count is None:
        return [None]
    if dims is None:
        dims = (None,) * count  # type: ignore[operator]
    result: list[int | None] = []
    for axis, extent in enumerate(dims):
        wanted = None if size is None else int(size[axis])
        if wanted == -1:
            known = extent is not None and begin is not None
            wanted = extent - int(begin[axis]) if known else None  # type: ignore[index,operator]
        result.append(wanted if wanted is None or wanted >= 0 else None)
    return [tuple(result)]


def _slice_bounds(shape: Sequence[int], begin: Any, size: Any) -> list[tuple[int, int]]:
    """(first, size) along every axis; InvalidArgumentError when they leave the tensor."""
    bounds = []
    for axis, extent in enumerate(shape):
        first, wanted = int(begin[axis]), int(size[axis])
        wanted = extent - first if wanted == -1 else wanted
        if not 0 <= first <= extent or wanted < 0 or first + wanted > extent:
            raise invalid(
                f"begin {first} and size {int(size[axis])} leave axis {axis}, "
                f"which has size {extent}"
            )
        bounds.append((first, wanted))
    return bounds


def _slice_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    begin, size = call_.value(1), call_.value(2)
    if begin is None or size is None:
        return None
    bounds = _slice_bounds(shape, begin, size)
    offset = sum(first * stride for (first, _), stride in zip(bounds, strides, strict=True))
    return offset, tuple(wanted for _, wanted in bounds), strides


def _slice_reference(call_: Call, x: Any, begin: Any, size: Any) -> Any:
    bounds = _slice_bounds(x.shape, begin, size)
    return x[tuple(slice(first, first + wanted) for first, wanted in bounds)]


def _slice_grad(op: Any, dy: Any) -> tuple[Any, None, None]:
    # dx is dy with zeros before and behind it: as many as begin says, and as fill up the shape.
    before, first = op.begin, constant_value(op.begin)
    if first is not None and is_fully_known(op.input.dims) and is_fully_known(dy.dims):
        behind = np.array(op.input.dims) - np.array(dy.dims) - first
        return call.Pad(dy, np.stack([first, behind], axis=1).astype(first.dtype)), None, None
    after = call.Sub(call.Sub(shape_of_like(op.input, before), shape_of_like(dy, before)), before)
    paddings = call.Pack([before, after], axis=1)
    return call.Pad(dy, paddings), None, None


def shape_of_like(x: Tensor, index: Tensor) -> Tensor:
    """The shape of ``x`` in the integer dtype of ``index``."""
    shape = shape_of(x)
    dtype = index.dtype.base_dtype
    return shape if shape.dtype is dtype else call.Cast(shape, DstT=dtype)


define(
    "Slice",
    "input: T, begin: Index, size: Index -> output: T",
    T=dtypes_of(ALL),
    Index=dtypes_of(INDEX),
    infer=_slice_infer,
    kernel=View(_slice_layout),
    grad=_slice_grad,
    reference=_slice_reference,
    samples=(
        sample(f32(4, 5), i32([1, 2]), i32([2, -1]), const=(1, 2)),
        sample(f32(3, 2), i32([0, 0]), i32([3, 2]), const=(1, 2)),
        sample(f32(), i32([]), i32([]), const=(1, 2)),
        sample(f32(3), i32([3]), i32([0]), const=(1, 2)),
        sample(f32(4, 5), i32([1, 2]), i32([2, 2])),
    ),
    errors=(
        error_sample(ValueError, r"begin has 1 elements for shape \[2, 3\]",
                     f32(2, 3), i32([0]), i32([1]), const=(1, 2)),
        error_sample(Exception, "leave axis 0, which has size 3",
                     f32(3), i32([2]), i32([2]), const=(1, 2), stage="run"),
    ),
    doc="The block of ``input`` that starts at ``begin`` and has ``size``.",
)  # fmt: skip


@export("slice")
def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """The block of ``input_`` that starts at ``begin`` and has shape ``size``.

    Args:
        input_: a tensor.
        begin: the index of its first element along each axis, from 0.
        size: how many along each axis; -1 means all that follow.
        name: of the operation; ``Slice`` by default.

    Raises:
        ValueError: ``begin`` or ``size`` has not one element for each axis.
        InvalidArgumentError: the block leaves the tensor (when run).

    Gradient: dy with zeros around it.
    Cost: none: a view.

    >>> tf.Session().run(tf.slice([[1, 2, 3], [4, 5, 6]], [0, 1], [2, -1]))
    array([[2, 3],
           [5, 6]], dtype=int32)
    """
    return apply_op("Slice", input_, begin, size, name=name)


# ----------------------------------------------------------------------------------- strided slice


@dataclass(frozen=True, slots=True)
class _Axis:
    """What a strided slice does to one axis of its input, or one new axis.

    ``source`` is the input axis (None: a new axis of size 1).  Along it ``size`` elements are read
    from ``first`` on in steps of ``step``; ``dropped`` axes do not appear in the result.  What is
    not known is None.
    """

    source: int | None
    first: int | None
    size: int | None
    step: int | None
    dropped: bool = False


def _bit(mask: int, position: int) -> bool:
    return bool(mask >> position & 1)


def _axes_of(
    attrs: Any, dims: Sequence[int | None], count: int, begin: Any, end: Any, strides: Any
) -> list[_Axis]:
    """The slice, axis by axis.  ``count`` index entries; begin, end and strides may be None
    (unknown).

    Raises ShapeError for what no values could make right.
    """
    ellipsis = attrs["ellipsis_mask"]
    if ellipsis & (ellipsis - 1):
        raise ShapeError("only one ellipsis is allowed in an index")
    new_axes = attrs["new_axis_mask"] & ~ellipsis
    plain = sum(not _bit(new_axes, i) and not _bit(ellipsis, i) for i in range(count))
    if plain > len(dims):
        raise ShapeError(f"{plain} indices for a tensor of shape {format_dims(tuple(dims))}")
    result: list[_Axis] = []
    axis = 0

    def whole() -> _Axis:
        return _Axis(axis, 0, dims[axis], 1)

    for i in range(count):
        if _bit(ellipsis, i):
            for _ in range(len(dims) - plain):
                result.append(whole())
                axis += 1
        elif _bit(new_axes, i):
            result.append(_Axis(None, 0, 1, 1))
        else:
            result.append(_one_axis(attrs, i, axis, dims[axis], begin, end, strides))
            axis += 1
    while axis < len(dims):
        result.append(whole())
        axis += 1
    return result


def _one_axis(
    attrs: Any, i: int, axis: int, extent: int | None, begin: Any, end: Any, strides: Any
) -> _Axis:
    """Index entry ``i`` applied to an axis of size ``extent``."""
    step = None if strides is None else int(strides[i])
    if step == 0:
        raise ShapeError(f"the step of axis {axis} must not be 0")
    first = None if begin is None else int(begin[i])
    if _bit(attrs["shrink_axis_mask"], i):
        if first is not None and extent is not None:
            if not -extent <= first < extent:
                raise ShapeError(
                    f"index {first} is out of range for axis {axis}, which has size {extent}"
                )
            first %= extent
        elif first is not None and first < 0:
            first = None
        return _Axis(axis, first, 1, 1, dropped=True)
    open_begin, open_end = _bit(attrs["begin_mask"], i), _bit(attrs["end_mask"], i)
    last = None if end is None else int(end[i])
    if extent is None or step is None:
        whole = open_begin and open_end and step is not None and abs(step) == 1
        return _Axis(axis, None, extent if whole else None, step)
    if (first is None and not open_begin) or (last is None and not open_end):
        return _Axis(axis, None, None, step)
    # Python's own rules for negative and outlying bounds.
    indices = range(extent)[slice(None if open_begin else first, None if open_end else last, step)]
    return _Axis(axis, indices.start, len(indices), step)


def _strided_axes(call_: Call, at: int, dims: Dims) -> list[_Axis] | None:
    """The slice of a call whose begin, end and strides are inputs ``at`` and following."""
    begin, end, strides = (call_.value(at + i) for i in range(3))
    (count,) = require_rank(call_.shapes[at], 1, "begin")
    for i, argument in ((1, "end"), (2, "strides")):
        (other,) = require_rank(call_.shapes[at + i], 1, argument)
        if None not in (count, other) and count != other:
            raise ShapeError(f"begin has {count} elements, {argument} has {other}")
        count = other if count is None else count
    if count is None or dims is None:
        return None
    return _axes_of(call_.attrs, dims, count, begin, end, strides)


def _strided_infer(call_: Call) -> list[Dims]:
    axes = _strided_axes(call_, 1, call_.shapes[0])
    if axes is None:
        return [None]
    return [tuple(axis.size for axis in axes if not axis.dropped)]


def _strided_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    if any(call_.value(i) is None for i in (1, 2, 3)):
        return None
    axes = _strided_axes(call_, 1, shape)
    return _view_of(axes, strides)  # type: ignore[arg-type]


def _view_of(
    axes: Sequence[_Axis], strides: Sequence[int]
) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """(offset, shape, strides) of a slice whose axes are all known."""
    offset, shape, steps = 0, [], []
    for axis in axes:
        stride = 0 if axis.source is None else strides[axis.source]
        if axis.size:
            offset += axis.first * stride  # type: ignore[operator]
        if not axis.dropped:
            shape.append(axis.size)
            steps.append(stride * axis.step)  # type: ignore[operator]
    return offset, tuple(shape), tuple(steps)  # type: ignore[arg-type]


def _window(x: np.ndarray[Any, Any], axes: Sequence[_Axis]) -> np.ndarray[Any, Any]:
    """The part of ``x``: a view that can be written."""
    index: list[Any] = []
    for axis in axes:
        if axis.source is None:
            index.append(None)
        elif axis.dropped:
            index.append(axis.first)
        elif not axis.size:
            index.append(slice(0, 0))
        else:
            stop = axis.first + axis.size * axis.step  # type: ignore[operator]
            index.append(slice(axis.first, None if stop < 0 else stop, axis.step))
    return x[(*index, ...)]  # the ellipsis keeps a scalar an array


def _known_axes(
    call_: Call, shape: Sequence[int], begin: Any, end: Any, strides: Any
) -> list[_Axis]:
    try:
        return _axes_of(call_.attrs, shape, len(begin), begin, end, strides)
    except ShapeError as error:
        raise invalid(error.headline) from None


_MASKS: dict[str, Any] = {
    "begin_mask": 0,
    "end_mask": 0,
    "ellipsis_mask": 0,
    "new_axis_mask": 0,
    "shrink_axis_mask": 0,
}


def _masks(op: Any) -> dict[str, int]:
    return {name: op.attrs[name] for name in _MASKS}


def _strided_grad(op: Any, dy: Any) -> tuple[Any, ...]:
    shape = shape_of_like(op.input, op.begin)
    dx = call.StridedSliceGrad(shape, op.begin, op.end, op.strides, dy, **_masks(op))
    return dx, None, None, None


define(
    "StridedSlice",
    "input: T, begin: Index, end: Index, strides: Index -> output: T",
    T=dtypes_of(ALL),
    Index=dtypes_of(INDEX),
    **_MASKS,
    infer=_strided_infer,
    kernel=View(_strided_layout),
    grad=_strided_grad,
    reference=lambda call_, x, *bounds: _window(x, _known_axes(call_, x.shape, *bounds)),
    samples=(
        sample(f32(5, 6), i32([1, 0]), i32([4, 6]), i32([1, 2]), const=(1, 2, 3)),
        sample(f32(5, 6), i32([-1, 4]), i32([0, 0]), i32([-1, -2]), const=(1, 2, 3), end_mask=1),
        sample(f32(4, 3), i32([2]), i32([3]), i32([1]), const=(1, 2, 3), shrink_axis_mask=1),
        sample(f32(2, 3, 4), i32([0, 0, -1]), i32([0, 0, 0]), i32([1, 1, 1]), const=(1, 2, 3),
               ellipsis_mask=1, new_axis_mask=2, shrink_axis_mask=4),
        sample(f32(3), i32([2]), i32([1]), i32([1]), const=(1, 2, 3)),
        sample(f32(), i32([]), i32([]), i32([]), const=(1, 2, 3)),
        sample(f32(5, 6), i32([1, 0]), i32([4, 6]), i32([1, 2])),
    ),
    errors=(
        error_sample(ValueError, r"2 indices for a tensor of shape \[3\]",
                     f32(3), i32([0, 0]), i32([1, 1]), i32([1, 1]), const=(1, 2, 3)),
        error_sample(ValueError, "index 3 is out of range for axis 0, which has size 3",
                     f32(3), i32([3]), i32([4]), i32([1]), const=(1, 2, 3), shrink_axis_mask=1),
        error_sample(ValueError, "must not be 0",
                     f32(3), i32([0]), i32([2]), i32([0]), const=(1, 2, 3)),
        error_sample(Exception, "out of range for axis 0",
                     f32(3), i32([-4]), i32([4]), i32([1]), stage="run", shrink_axis_mask=1),
    ),
    doc="Every ``strides``-th element from ``begin`` up to ``end`` along each axis.",
)  # fmt: skip


def _slice_grad_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "shape")
    return [call_.partial(0)]


def _slice_grad_reference(
    call_: Call, shape: Any, begin: Any, end: Any, strides: Any, dy: Any
) -> Any:
    dx = np.zeros(tuple(shape.tolist()), dy.dtype)
    _window(dx, _known_axes(call_, dx.shape, begin, end, strides))[...] = dy
    return dx


def written_window(call_: Call) -> tuple[int, tuple[int, ...], tuple[int, ...]] | None:
    """Where in its contiguous output a StridedSliceGrad or StridedSliceAssign writes its input 4.

    For lowering, with all shapes known: offset, shape and strides; None when a bound is not.
    """
    if any(call_.value(i) is None for i in (1, 2, 3)):
        return None
    dims = call_.out_shapes[0]
    assert is_fully_known(dims)
    strides, step = [], 1
    for size in reversed(dims):  # type: ignore[arg-type]
        strides.append(step)
        step *= size  # type: ignore[operator]
    axes = _strided_axes(call_, 1, dims)
    return _view_of(axes, strides[::-1])  # type: ignore[arg-type]


def _slice_grad_grad(op: Any, dz: Any) -> tuple[Any, ...]:
    part = call.StridedSlice(dz, op.begin, op.end, op.strides, **_masks(op))
    return None, None, None, None, part


define(
    "StridedSliceGrad",
    "shape: Index, begin: Index, end: Index, strides: Index, dy: T -> output: T",
    T=dtypes_of(ALL),
    Index=dtypes_of(INDEX),
    **_MASKS,
    infer=_slice_grad_infer,
    kernel=Custom("strided_slice_grad", parts=True, moves=True),
    grad=_slice_grad_grad,
    reference=_slice_grad_reference,
    samples=(
        sample(i32([5, 6]), i32([1, 0]), i32([4, 6]), i32([1, 2]), f32(3, 3), const=(0, 1, 2, 3)),
        sample(i32([4, 3]), i32([2]), i32([3]), i32([1]), f32(3), const=(0, 1, 2, 3),
               shrink_axis_mask=1),
        sample(i32([3]), i32([2]), i32([0]), i32([-1]), f32(2), const=(0, 1, 2, 3)),
        sample(i32([3]), i32([2]), i32([1]), i32([1]), f32(0), const=(0, 1, 2, 3)),
    ),
    doc="Zeros of ``shape`` with ``dy`` in the part that strided_slice would take.",
)  # fmt: skip


def _assign_infer(call_: Call) -> list[Dims]:
    ref, value = call_.shapes[0], call_.shapes[4]
    axes = _strided_axes(call_, 1, ref)
    if axes is not None and value not in (None, ()):
        part = tuple(axis.size for axis in axes if not axis.dropped)
        if not is_compatible(part, value):
            raise ShapeError(
                f"a value of shape {format_dims(value)} cannot be assigned to a part of shape "
                f"{format_dims(part)}"
            )
    return [ref]


def _assign_reference(call_: Call, ref: Any, begin: Any, end: Any, strides: Any, value: Any) -> Any:
    result = ref.copy()
    part = _window(result, _known_axes(call_, ref.shape, begin, end, strides))
    if value.shape not in ((), part.shape):
        raise invalid(
            f"a value of shape {list(value.shape)} cannot be assigned to a part of shape "
            f"{list(part.shape)}"
        )
    part[...] = value
    return result


define(
    "StridedSliceAssign",
    "ref: Ref(T), begin: Index, end: Index, strides: Index, value: T -> output_ref: Ref(T)",
    T=dtypes_of(ALL),
    Index=dtypes_of(INDEX),
    **_MASKS,
    infer=_assign_infer,
    kernel=Custom("strided_slice_assign", parts=True, moves=True),
    grad=not_differentiable("it updates a variable; differentiate the value assigned instead"),
    reference=_assign_reference,
    samples=(
        sample(f32(5, 6), i32([1, 0]), i32([4, 6]), i32([1, 2]), f32(3, 3), const=(1, 2, 3)),
        sample(f32(4, 3), i32([2]), i32([3]), i32([1]), f32(3), const=(1, 2, 3),
               shrink_axis_mask=1),
        sample(f32(2, 3), i32([0, -1]), i32([2, -4]), i32([1, -2]), f32(), const=(1, 2, 3)),
        sample(f32(3), i32([2]), i32([1]), i32([1]), f32(0), const=(1, 2, 3)),
        sample(f32(5, 6), i32([1, 0]), i32([4, 6]), i32([1, 2]), f32(3, 3)),
    ),
    errors=(
        error_sample(ValueError, r"shape \[3\] cannot be assigned to a part of shape \[2\]",
                     f32(3), i32([1]), i32([3]), i32([1]), f32(3), const=(1, 2, 3)),
        error_sample(Exception, "cannot be assigned to a part",
                     f32(3), i32([1]), i32([3]), i32([1]), f32(3), stage="run"),
    ),
    effect=WRITE,
    doc="Puts ``value`` into the part of ``ref`` that strided_slice would take.",
)  # fmt: skip


@export("strided_slice")
def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
    name: str | None = None,
) -> Tensor:
    """Every ``strides``-th element from ``begin`` up to ``end``: what indexing makes.

    Args:
        input_: a tensor.
        begin, end: first element and bound along each axis; negative ones count from the end.
        strides: steps, which may be negative; ones by default.
        begin_mask, end_mask: bit i: leave this bound of entry i open, as in ``x[:3]``.
        ellipsis_mask: bit i: entry i is ``...``.
        new_axis_mask: bit i: entry i is ``tf.newaxis``.
        shrink_axis_mask: bit i: entry i is a single index, and the axis goes.
        var: the Variable that ``input_`` is the value of, so that the result has a method
            ``assign(value)``, which puts a value into that part of it.
        name: of the operation; ``StridedSlice`` by default.

    Raises:
        ValueError: more entries than axes, a step of 0, an index outside.

    Gradient: zeros with dy in the same places.
    Cost: none: a view.

    >>> tf.Session().run(tf.strided_slice([1, 2, 3, 4, 5], [0], [5], [2]))
    array([1, 3, 5], dtype=int32)
    """
    if strides is None:
        begin = convert_to_tensor(begin, name="begin")
        strides = call.OnesLike(begin)
    masks = {
        "begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
        "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask,
    }  # fmt: skip
    part = apply_op("StridedSlice", input_, begin, end, strides, name=name, **masks)
    if var is not None:
        make_assignable(part, var)
    return part


def make_assignable(part: Tensor, var: Any) -> None:
    """Give ``part``, a StridedSlice of the value of ``var``, the method ``assign``."""
    op = part.op

    def assign(value: Any, name: str | None = None) -> Tensor:
        """Operation that puts ``value``, or every element a scalar, into this part."""
        return apply_op(
            "StridedSliceAssign", var, *op.inputs[1:], value,
            name=name or f"{op.name}/_assign", **{key: op.attrs[key] for key in _MASKS},
        )  # fmt: skip

    part.assign = assign  # type: ignore[attr-defined]
