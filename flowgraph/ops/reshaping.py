"""The same elements under another shape: reshape, expand_dims, squeeze, broadcast_to.

All are views: they change offset and strides and cost nothing when running, unless the strides of
their input cannot express the result.

Read next: transposing.py, slicing.py, joining.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Attr,
    Call,
    View,
    define,
    dtypes_of,
    error_sample,
    sample,
)
from flowgraph.ops.rules import (
    f32,
    i32,
    invalid,
    known_axis,
    one_name,
    only_one,
    require_rank,
    shape_of,
    size_vector,
    sum_to,
)
from flowgraph.shapes import (
    Dims,
    ShapeError,
    broadcast,
    format_dims,
    is_compatible,
    normalize_axis,
    num_elements,
)

# ---------------------------------------------------------------------------------------- reshape


def _reshape_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[1], 1, "shape")
    dims, value = call_.partial(1), call_.value(1)
    if dims is None or (value is not None and np.count_nonzero(value < 0) > 1):
        return [dims]  # two unknown sizes are refused when running, as TensorFlow does
    count = num_elements(call_.shapes[0])
    if count is None:
        return [dims]
    rest = 1
    for size in dims:
        rest *= 1 if size is None else size
    unknown = dims.count(None)
    fits = rest == count if unknown == 0 else (rest > 0 and count % rest == 0) or count == rest == 0
    if not fits:
        shown = format_dims(dims) if value is None else value.tolist()
        raise ShapeError(
            f"{count} elements ({format_dims(call_.shapes[0])}) do not fill shape {shown}"
        )
    if unknown == 1 and rest > 0 and value is not None:
        dims = tuple(count // rest if size is None else size for size in dims)
    return [dims]


def _reshape_reference(call_: Call, x: Any, shape: Any) -> Any:
    sizes = shape.tolist()
    unknown = sum(size == -1 for size in sizes)
    if unknown > 1:
        raise invalid(f"only one size of shape {sizes} may be -1")
    if any(size < -1 for size in sizes):
        raise invalid(f"shape {sizes} has a negative size")
    known = int(np.prod([size for size in sizes if size != -1], dtype=np.int64))
    if unknown and known == 0:
        raise invalid(f"the -1 of shape {sizes} cannot be found: another size is 0")
    if x.size % known if unknown else x.size != known:
        raise invalid(f"{x.size} elements ({list(x.shape)}) do not fill shape {sizes}")
    return x.reshape(sizes)


def reshaped_strides(
    shape: Sequence[int], strides: Sequence[int], target: Sequence[int]
) -> tuple[int, ...] | None:
    """Strides that read an array of ``shape`` and ``strides`` as ``target``, or None.

    Both shapes are cut into the shortest stretches of equal size; within a stretch the elements
    must lie at equal distances.

    >>> reshaped_strides((4, 6), (6, 1), (2, 2, 6)), reshaped_strides((4, 6), (1, 4), (24,))
    ((12, 6, 1), None)
    """
    old = [(size, stride) for size, stride in zip(shape, strides, strict=True) if size != 1]
    result: list[int] = []
    i = j = 0
    while j < len(target):
        if target[j] == 1 or i == len(old):
            result.append(0 if i == len(old) else old[i][1] * old[i][0])
            j += 1
            continue
        first, have, want, stop = i, old[i][0], target[j], j + 1
        while have != want:
            if have < want:
                i += 1
                have *= old[i][0]
            else:
                want *= target[stop]
                stop += 1
        for outer, inner in zip(old[first:i], old[first + 1 : i + 1], strict=True):
            if outer[1] != inner[0] * inner[1]:
                return None
        stride = old[i][1]
        part = []
        for size in reversed(target[j:stop]):
            part.append(stride)
            stride *= size
        result.extend(reversed(part))
        i, j = i + 1, stop
    return tuple(result)


def _reshape_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    target = call_.out_shapes[0]
    assert target is not None
    if 0 in shape:
        return 0, target, (0,) * len(target)
    found = reshaped_strides(shape, strides, target)  # type: ignore[arg-type]
    return None if found is None else (0, target, found)


def _reshape_back(op: Any, dy: Any) -> tuple[Any, ...]:
    return (call.Reshape(dy, shape_of(op.inputs[0])), *(None,) * (len(op.inputs) - 1))


define(
    "Reshape",
    "tensor: T, shape: Tshape -> output: T",
    T=dtypes_of(ALL),
    Tshape=dtypes_of(INDEX, int32),
    infer=_reshape_infer,
    kernel=View(_reshape_layout),
    grad=_reshape_back,
    reference=_reshape_reference,
    samples=(
        sample(f32(2, 6), i32([3, 4]), const=(1,)),
        sample(f32(2, 3, 4), i32([-1, 4]), const=(1,)),
        sample(f32(1, 1), i32([]), const=(1,)),
        sample(f32(0, 3), i32([3, 0, 2]), const=(1,)),
        sample(f32(5), i32([1, 5, 1]), const=(1,)),
    ),
    errors=(
        error_sample(ValueError, r"6 elements \(\[2, 3\]\) do not fill shape \[4\]",
                     f32(2, 3), i32([4]), const=(1,)),
        error_sample(Exception, "may be -1", f32(2, 3), i32([-1, -1]), const=(1,), stage="run"),
        error_sample(Exception, "do not fill", f32(2, 3), i32([4]), stage="run"),
        error_sample(ValueError, "shape must be a vector", f32(2), i32([[2]]), const=(1,)),
    ),
    doc="The elements of ``tensor``, in row-major order, in another shape.",
)  # fmt: skip


@export("reshape", "manip.reshape")
def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """The elements of ``tensor``, in row-major order, in another shape.

    Args:
        tensor: a tensor.
        shape: the new sizes; one may be -1, which means what is left over.
        name: of the operation; ``Reshape`` by default.

    Returns:
        A tensor of shape ``shape``.

    Raises:
        ValueError: the static sizes do not multiply to the number of elements.
        InvalidArgumentError: the sizes of a run do not, or more than one is -1.

    Gradient: dy in the shape of ``tensor``.
    Cost: none; at most a copy.

    >>> tf.Session().run(tf.reshape([1, 2, 3, 4, 5, 6], [2, -1]))
    array([[1, 2, 3],
           [4, 5, 6]], dtype=int32)
    """
    return apply_op("Reshape", tensor, shape, name=name)


# ---------------------------------------------------------------------- axes of size 1 come and go


def _expand_infer(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    axis = known_axis(call_, 1, None if dims is None else len(dims) + 1)
    if dims is None:
        return [None]
    if axis is None:
        return [(None,) * (len(dims) + 1)]
    return [(*dims[:axis], 1, *dims[axis:])]


def _expand_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    axis = known_axis(call_, 1, len(shape) + 1)
    if axis is None:
        return None
    return 0, (*shape[:axis], 1, *shape[axis:]), (*strides[:axis], 0, *strides[axis:])


define(
    "ExpandDims",
    "input: T, dim: Tdim -> output: T",
    T=dtypes_of(ALL),
    Tdim=dtypes_of(INDEX, int32),
    infer=_expand_infer,
    kernel=View(_expand_layout),
    grad=_reshape_back,
    reference=lambda call_, x, axis: np.expand_dims(
        x, normalize_axis(only_one(axis, "dim"), x.ndim + 1)
    ),
    samples=(
        sample(f32(2, 3), i32(1), const=(1,)),
        sample(f32(2, 3), i32(-1), const=(1,)),
        sample(f32(), i32(0), const=(1,)),
        sample(f32(0, 2), i32(0), const=(1,)),
    ),
    errors=(error_sample(ValueError, "axis 3 is out of range", f32(2), i32(3), const=(1,)),),
    doc="``input`` with a new axis of size 1 before axis ``dim``.",
)


@export("expand_dims")
def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """``input`` with a new axis of size 1.

    Args:
        input: a tensor.
        axis: where the new axis stands in the result; negative counts from the end, -1 appends.
        name: of the operation; ``ExpandDims`` by default.
        dim: the old name of ``axis``.

    Raises:
        ValueError: no axis is given, or it is out of range.

    Gradient: dy in the shape of ``input``.

    >>> tf.expand_dims(tf.zeros([2, 3]), 1).shape.as_list()
    [2, 1, 3]
    """
    axis = one_name("expand_dims", axis=axis, dim=dim)
    if axis is None:
        raise ValueError("expand_dims: axis must be given")
    return apply_op("ExpandDims", input, axis, name=name)


def _squeezed(dims: Sequence[int | None], axes: Sequence[int]) -> list[int]:
    """Axes to drop: the given ones, which must have size 1, or all of size 1."""
    if not axes:
        return [axis for axis, size in enumerate(dims) if size == 1]
    chosen = [normalize_axis(axis, len(dims)) for axis in axes]
    for axis in chosen:
        if dims[axis] not in (1, None):
            raise ShapeError(
                f"axis {axis} of {format_dims(tuple(dims))} has size {dims[axis]}, not 1"
            )
    return chosen


def _squeeze_infer(call_: Call) -> list[Dims]:
    dims, axes = call_.shapes[0], call_.attrs["squeeze_dims"]
    if dims is None or (not axes and None in dims):
        return [None]
    dropped = _squeezed(dims, axes)
    return [tuple(size for axis, size in enumerate(dims) if axis not in dropped)]


def _squeeze_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    dropped = _squeezed(shape, call_.attrs["squeeze_dims"])
    kept = [axis for axis in range(len(shape)) if axis not in dropped]
    return 0, tuple(shape[a] for a in kept), tuple(strides[a] for a in kept)


def _squeeze_reference(call_: Call, x: Any) -> Any:
    try:
        return np.squeeze(x, tuple(_squeezed(x.shape, call_.attrs["squeeze_dims"])))
    except ShapeError as error:
        raise invalid(error.headline) from None


define(
    "Squeeze",
    "input: T -> output: T",
    T=dtypes_of(ALL),
    squeeze_dims=Attr("list(int)", []),
    infer=_squeeze_infer,
    kernel=View(_squeeze_layout),
    grad=_reshape_back,
    reference=_squeeze_reference,
    samples=(
        sample(f32(2, 1, 3, 1)),
        sample(f32(2, 1, 3, 1), squeeze_dims=[-1]),
        sample(f32(1, 0), squeeze_dims=[0]),
        sample(f32(1)),
    ),
    errors=(
        error_sample(
            ValueError, r"axis 0 of \[2, 1\] has size 2, not 1", f32(2, 1), squeeze_dims=[0]
        ),
    ),
    doc="``input`` without its axes of size 1, or without those listed.",
)


@export("squeeze")
def squeeze(
    input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None
) -> Tensor:
    """``input`` without axes of size 1.

    Args:
        input: a tensor.
        axis: the axes to drop, an int or a list; all of size 1 by default.
        name: of the operation; ``Squeeze`` by default.
        squeeze_dims: the old name of ``axis``.

    Raises:
        ValueError: a listed axis has another size.

    Gradient: dy in the shape of ``input``.

    >>> tf.squeeze(tf.zeros([1, 3, 1])).shape.as_list()
    [3]
    """
    axes = one_name("squeeze", axis=axis, squeeze_dims=squeeze_dims)
    if axes is None:
        axes = []
    elif np.ndim(axes) == 0:
        axes = [axes]
    return apply_op("Squeeze", input, squeeze_dims=[int(a) for a in axes], name=name)


# -------------------------------------------------------------------------------------- broadcast


def _broadcast_to_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[1], 1, "shape")
    dims, target = call_.shapes[0], call_.partial(1)
    if dims is None or target is None:
        return [target]
    try:
        fits = is_compatible(broadcast(dims, target), target)
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(f"{format_dims(dims)} does not broadcast to {format_dims(target)}")
    return [target]


def _broadcast_to_layout(call_: Call, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    target = call_.out_shapes[0]
    assert target is not None
    added = len(target) - len(shape)
    repeated = [
        0 if size == 1 and wanted != 1 else stride
        for size, wanted, stride in zip(shape, target[added:], strides, strict=True)
    ]
    return 0, target, (*(0,) * added, *repeated)


def _broadcast_to_reference(call_: Call, x: Any, shape: Any) -> Any:
    try:
        return np.broadcast_to(x, tuple(shape.tolist()))
    except ValueError:
        raise invalid(f"{list(x.shape)} does not broadcast to {shape.tolist()}") from None


define(
    "BroadcastTo",
    "input: T, shape: Tidx -> output: T",
    T=dtypes_of(ALL),
    Tidx=dtypes_of(INDEX, int32),
    infer=_broadcast_to_infer,
    kernel=View(_broadcast_to_layout),
    grad=lambda op, dy: (sum_to(dy, op.input, op.output), None),
    reference=_broadcast_to_reference,
    samples=(
        sample(f32(3, 1), i32([2, 3, 4]), const=(1,)),
        sample(f32(), i32([2, 2]), const=(1,)),
        sample(f32(1), i32([0]), const=(1,)),
        sample(f32(2, 3), i32([2, 3]), const=(1,)),
    ),
    errors=(
        error_sample(
            ValueError, r"\[2\] does not broadcast to \[1\]", f32(2), i32([1]), const=(1,)
        ),
        error_sample(Exception, "does not broadcast", f32(2), i32([1]), stage="run"),
    ),
    doc="``input`` repeated along axes of size 1 and new leading axes.",
)


@export("broadcast_to")
def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """``input`` repeated to ``shape``: along axes of size 1, and along new leading axes.

    Args:
        input: a tensor.
        shape: the sizes wanted.
        name: of the operation; ``BroadcastTo`` by default.

    Raises:
        ValueError: ``input`` does not broadcast to ``shape``.

    Gradient: dy summed over the repetitions.
    Cost: none: the elements are not copied.

    >>> tf.Session().run(tf.broadcast_to([1, 2, 3], [2, 3]))
    array([[1, 2, 3],
           [1, 2, 3]], dtype=int32)
    """
    return apply_op("BroadcastTo", input, size_vector(shape), name=name)
