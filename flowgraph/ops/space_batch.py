"""Space moved into the batch, and back: space_to_batch, batch_to_space, of any number of axes.

    1 2 | 3 4                  [1 3] [2 4]
    5 6 | 7 8    block 2, 2    [5 7] [6 8]    four images of two pixels

Read next: space.py, patches.py (windows that overlap).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    sample,
)
from flowgraph.graph.static import constant_value
from flowgraph.ops.rules import concrete, divided, f32, i32, invalid, one_name, require_rank
from flowgraph.shapes import Dims, ShapeError, format_dims


def _blocks(call_: Call) -> tuple[list[int] | None, np.ndarray[Any, Any] | None]:
    """(block, paddings or crops) of a call, as far as known; ShapeError when they do not suit."""
    if "block_size" in call_.attrs:
        block: Any = [call_.attrs["block_size"]] * 2
        frame, dims, what = call_.value(1), call_.shapes[1], call_.type
    else:
        given = call_.value(1)
        block = None if given is None else [int(n) for n in given.reshape(-1)]
        frame, dims, what = call_.value(2), call_.shapes[2], "paddings"
        (count,) = require_rank(call_.shapes[1], 1, "block_shape")
        if block is None and count is not None and dims is not None and len(dims) == 2:
            if dims[0] not in (None, count):
                raise ShapeError(f"block_shape has {count} numbers, paddings {dims[0]} rows")
    what = "crops" if "BatchToSpace" in call_.type else "paddings"
    if dims is not None and (
        len(dims) != 2
        or dims[1] not in (None, 2)
        or (block is not None and dims[0] not in (None, len(block)))
    ):
        rows = "n" if block is None else len(block)
        raise ShapeError(f"{what} must have shape [{rows}, 2], not {format_dims(dims)}")
    if block is not None and any(n < 1 for n in block):
        raise ShapeError(f"block_shape must be positive: {block}")
    if frame is not None and np.any(frame < 0):
        raise ShapeError(f"{what} must not be negative: {frame.tolist()}")
    return block, frame


def _batch_infer(to_batch: bool) -> Any:
    def infer(call_: Call) -> list[Dims]:
        block, frame = _blocks(call_)
        dims = call_.shapes[0]
        if dims is None:
            return [None]
        if block is None:
            return [(None,) * len(dims)]
        if len(dims) < len(block) + 1:
            raise ShapeError(
                f"input of shape {format_dims(dims)} has no {len(block)} axes of space"
            )
        result = list(dims)
        count = math.prod(block)
        if to_batch:
            result[0] = None if dims[0] is None else dims[0] * count
        else:
            result[0] = divided(dims[0], count, "a batch")
        for axis, b in enumerate(block, 1):
            size, extra = dims[axis], None if frame is None else int(frame[axis - 1].sum())
            if size is None or extra is None:
                result[axis] = None
            elif to_batch:
                result[axis] = divided(size + extra, b, "a padded axis")
            elif size * b < extra:
                raise ShapeError(f"crops {frame[axis - 1].tolist()} leave nothing of {size * b}")  # type: ignore[index]
            else:
                result[axis] = size * b - extra
        return [tuple(result)]

    return infer


def _batch_kernel_text(block: Sequence[int], to_batch: bool, zero: str) -> str:
    """Loops over the result, its batch outermost; ``Ok`` are the narrow sizes, ``Sk`` the wide."""
    lines = ["for o in range(start, stop):"]
    axes = range(len(block))
    if to_batch:
        lines += ["    n = o % N", "    t = o // N"]
        for k in reversed(axes):
            lines += [f"    i{k} = t % B{k}", f"    t = t // B{k}"]
    indent = "    "
    narrow, wide, inside = ("o" if to_batch else "t"), ("n" if to_batch else "o"), []
    for k in axes:
        if to_batch:
            lines.append(f"{indent}for j{k} in range(O{k}):")
            lines.append(f"{indent}    s{k} = j{k} * B{k} + i{k} - P{k}")
            inside.append(f"s{k} >= 0 and s{k} < S{k}")
        else:
            lines.append(f"{indent}for s{k} in range(S{k}):")
            lines.append(f"{indent}    q{k} = s{k} + P{k}")
        narrow, wide = f"({narrow}) * O{k} + j{k}", f"({wide}) * S{k} + s{k}"
        indent += "    "
    if to_batch:
        lines += [
            f"{indent}to = ({narrow}) * rest",
            f"{indent}if {' and '.join(inside) or 'True'}:",
            f"{indent}    at = ({wide}) * rest",
            f"{indent}    for e in independent(rest):",
            f"{indent}        store(output, to + e, load(input, at + e))",
            f"{indent}else:",
            f"{indent}    for e in independent(rest):",
            f"{indent}        store(output, to + e, {zero})",
        ]
    else:
        lines.append(f"{indent}t = int64(0)")
        for k in axes:
            lines += [f"{indent}j{k} = q{k} // B{k}", f"{indent}t = t * B{k} + q{k} % B{k}"]
        lines += [
            f"{indent}t = t * N + o",
            f"{indent}at = ({narrow}) * rest",
            f"{indent}to = ({wide}) * rest",
            f"{indent}for e in independent(rest):",
            f"{indent}    store(output, to + e, load(input, at + e))",
        ]
    return "\n".join([*lines, "return 0"])


def _batch_kernel(to_batch: bool, known: tuple[int, ...]) -> Procedure:
    def sizes(call_: Call) -> Mapping[str, int]:
        block, frame = _blocks(call_)
        assert block is not None and frame is not None
        wide: Any = call_.shapes[0] if to_batch else call_.out_shapes[0]
        narrow: Any = call_.out_shapes[0] if to_batch else call_.shapes[0]
        found = {"N": wide[0], "rest": math.prod(wide[len(block) + 1 :])}
        for k, b in enumerate(block):
            found[f"B{k}"], found[f"P{k}"] = b, int(frame[k, 0])
            found[f"S{k}"], found[f"O{k}"] = wide[k + 1], narrow[k + 1]
        return found

    def choices(call_: Call) -> Mapping[str, str]:
        dtype = call_.dtypes[0].base_dtype.name
        zero = "False" if dtype == "bool" else f"{dtype}(0)"
        return {"kernel": _batch_kernel_text(_blocks(call_)[0] or (), to_batch, zero)}

    return Procedure(
        "{kernel}",
        sizes=sizes,
        steps=lambda call_: concrete(call_.out_shapes[0])[0],
        known=known,
        choices=choices,
        whole=True,
    )


def _batch_reference(to_batch: bool) -> Any:
    infer = _batch_infer(to_batch)

    def reference(call_: Call, x: Any, *given: Any) -> Any:
        now = Call(
            call_.type,
            call_.attrs,
            call_.dtypes,
            (x.shape, *(g.shape for g in given)),
            value=(x, *given).__getitem__,
        )
        try:
            infer(now)
        except ShapeError as error:
            raise invalid(error.headline) from None
        block, frame = _blocks(now)
        assert block is not None and frame is not None
        m, n, rest = len(block), x.shape[0], x.shape[len(block) + 1 :]
        if to_batch:
            padded = np.pad(x, [(0, 0), *frame.tolist(), *[(0, 0)] * len(rest)])
            split = [k for size, b in zip(padded.shape[1:], block, strict=False)
                     for k in (size // b, b)]  # fmt: skip
            pixels = padded.reshape(n, *split, *rest)
            order = [*range(2, 2 * m + 1, 2), 0, *range(1, 2 * m + 1, 2)]
            moved = pixels.transpose(*order, *range(2 * m + 1, pixels.ndim))
            return moved.reshape(n * math.prod(block), *split[::2], *rest)
        count = n // math.prod(block)
        pixels = x.reshape(*block, count, *x.shape[1:])
        order = [m, *(axis for k in range(m) for axis in (m + 1 + k, k))]
        moved = pixels.transpose(*order, *range(2 * m + 1, pixels.ndim))
        whole = [size * b for size, b in zip(x.shape[1:], block, strict=False)]
        cut = [slice(a, size - b) for size, (a, b) in zip(whole, frame.tolist(), strict=True)]
        return moved.reshape(count, *whole, *rest)[(slice(None), *cut)]

    return reference


def _define_batch(type: str, other: str, to_batch: bool, samples: Any, errors: Any) -> None:
    """``type`` (block and frame are inputs) and its older form for images of square blocks."""
    frame = "paddings" if to_batch else "crops"

    def grad(op: Any, dy: Any) -> tuple[Any, ...]:
        return apply_op(other, dy, *op.inputs[1:]), None, None

    kinds: dict[str, Any] = {f"T{frame}": dtypes_of(INDEX, int32)}
    define(
        type,
        f"input: T, block_shape: Tblock_shape, {frame}: T{frame} -> output: T",
        T=dtypes_of(ALL),
        Tblock_shape=dtypes_of(INDEX, int32),
        **kinds,
        infer=_batch_infer(to_batch),
        kernel=_batch_kernel(to_batch, (1, 2)),
        grad=grad,
        reference=_batch_reference(to_batch),
        samples=samples,
        errors=errors,
        doc="Pixels of every block go to different images."
        if to_batch
        else "Pixels of different images form blocks.",
    )
    older = type.removesuffix("ND")
    dtype = "Tpaddings" if to_batch else "Tidx"
    kinds = {dtype: dtypes_of(INDEX, int32)}

    def older_grad(op: Any, dy: Any) -> tuple[Any, ...]:
        size = op.attrs["block_size"]
        return apply_op(other.removesuffix("ND"), dy, op.inputs[1], block_size=size), None

    define(
        older,
        f"input: T, {frame}: {dtype} -> output: T",
        T=dtypes_of(ALL),
        block_size=Attr("int", REQUIRED),
        **kinds,
        infer=_batch_infer(to_batch),
        kernel=_batch_kernel(to_batch, (1,)),
        grad=older_grad,
        reference=_batch_reference(to_batch),
        samples=(
            sample(f32(4, 4, 2, 3), i32([[1, 1], [2, 0]]), const=(1,), block_size=2),
            sample(f32(4, 2, 2, 1), i32([[0, 0], [0, 0]]), block_size=2),
        ),
        doc=f"{type} of images, with square blocks.",
    )


_define_batch(
    "SpaceToBatchND", "BatchToSpaceND", True,
    (
        sample(f32(2, 4, 6, 3), i32([2, 3]), i32([[0, 0], [0, 0]]), const=(1, 2)),
        sample(f32(2, 5, 3), i32([3]), i32([[2, 2]]), const=(1, 2)),
        sample(f32(1, 3, 4, 5, 2), i32([2, 1, 2]), i32([[0, 1], [1, 0], [2, 1]]), const=(1, 2)),
        sample(f32(2, 3), i32([]), i32(np.zeros((0, 2))), const=(1, 2)),
        sample(f32(2, 4, 6), i32([2, 2]), i32([[0, 0], [1, 1]])),
        sample(f32(2, 0, 3), i32([2]), i32([[2, 2]]), const=(1, 2)),
        sample(f32(2, 4) > 0, np.array([2]), i32([[1, 1]]), const=(1, 2)),
    ),
    (
        error_sample(ValueError, "a padded axis of 5 elements is not evenly", f32(1, 4, 1),
                     i32([2]), i32([[1, 0]]), const=(1, 2)),
        error_sample(ValueError, "block_shape must be positive", f32(1, 4, 1), i32([0]),
                     i32([[0, 0]]), const=(1, 2)),
        error_sample(ValueError, "paddings must not be negative", f32(1, 4, 1), i32([2]),
                     i32([[-1, 1]]), const=(1, 2)),
        error_sample(ValueError, r"paddings must have shape \[1, 2\]", f32(1, 4, 1), i32([2]),
                     i32([1, 1]), const=(1, 2)),
        error_sample(ValueError, "has no 2 axes of space", f32(1, 4), i32([2, 2]),
                     i32([[0, 0], [0, 0]]), const=(1, 2)),
        error_sample(ValueError, "not evenly", f32(1, 4, 1), i32([3]), i32([[0, 0]]),
                     stage="run"),
    ),
)  # fmt: skip
_define_batch(
    "BatchToSpaceND", "SpaceToBatchND", False,
    (
        sample(f32(6, 2, 3, 2), i32([2, 3]), i32([[0, 0], [0, 0]]), const=(1, 2)),
        sample(f32(6, 4, 3), i32([3]), i32([[2, 5]]), const=(1, 2)),
        sample(f32(4, 2, 4, 3, 2), i32([2, 1, 2]), i32([[0, 1], [1, 0], [2, 1]]), const=(1, 2)),
        sample(f32(2, 3), i32([]), i32(np.zeros((0, 2))), const=(1, 2)),
        sample(f32(8, 1, 2), i32([2, 2]), i32([[0, 0], [1, 1]])),
        sample(f32(0, 2, 3), i32([2]), i32([[0, 0]]), const=(1, 2)),
    ),
    (
        error_sample(ValueError, "a batch of 3 elements is not evenly", f32(3, 4, 1), i32([2]),
                     i32([[0, 0]]), const=(1, 2)),
        error_sample(ValueError, "leave nothing of 4", f32(2, 2, 1), i32([2]), i32([[3, 2]]),
                     const=(1, 2)),
        error_sample(ValueError, "crops must not be negative", f32(2, 2, 1), i32([2]),
                     i32([[-1, 0]]), const=(1, 2)),
    ),
)  # fmt: skip


@export("space_to_batch_nd", "manip.space_to_batch_nd")
def space_to_batch_nd(
    input: Any, block_shape: Any, paddings: Any, name: str | None = None
) -> Tensor:
    """The pixels of every block go to different images of a larger batch.

    y[(i*B2 + j)*N + n, h, w, ...] = padded x[n, h*B1 + i, w*B2 + j, ...], and so for any number
    of axes: what strided windows see becomes adjacent.

    Args:
        input: (batch, size 1, ..., size m, ...).
        block_shape: m positive integers.
        paddings: (m, 2): zeros before and behind every axis; the padded sizes are multiples of the
            block's.
        name: of the operation; ``SpaceToBatchND`` by default.

    Raises:
        ValueError: the block does not divide the padded sizes.

    Gradient: batch_to_space_nd of dy.

    >>> tf.Session().run(tf.space_to_batch_nd([[1, 2, 3]], [2], [[0, 1]]))
    array([[1, 3],
           [2, 0]], dtype=int32)
    """
    return apply_op("SpaceToBatchND", input, block_shape, paddings, name=name)


@export("batch_to_space_nd", "manip.batch_to_space_nd")
def batch_to_space_nd(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Tensor:
    """Pixels of different images form blocks: undoes space_to_batch_nd.

    Args:
        input: (batch, size 1, ..., size m, ...); the batch is a multiple of the block's volume.
        block_shape: m positive integers.
        crops: (m, 2): how much to cut off before and behind every axis.
        name: of the operation; ``BatchToSpaceND`` by default.

    Raises:
        ValueError: the batch is no such multiple, or nothing would be left.

    Gradient: space_to_batch_nd of dy.

    >>> tf.Session().run(tf.batch_to_space_nd([[1, 3], [2, 0]], [2], [[0, 1]]))
    array([[1, 2, 3]], dtype=int32)
    """
    return apply_op("BatchToSpaceND", input, block_shape, crops, name=name)


def _square(function: str, block_size: Any, block_shape: Any) -> Any:
    block = one_name(function, block_size=block_size, block_shape=block_shape)
    if block is None:
        raise ValueError(f"{function} needs a block_size")
    return np.array([block, block], np.int32) if np.ndim(block) == 0 else block


@export("space_to_batch", "nn.space_to_batch")
def space_to_batch(
    input: Any,
    paddings: Any,
    block_size: Any = None,
    name: str | None = None,
    block_shape: Any = None,
) -> Tensor:
    """space_to_batch_nd of images (batch, height, width, channels), with square blocks.

    Args:
        input, paddings: see ``space_to_batch_nd``.
        block_size: the side of the blocks.
        name: of the operation; ``SpaceToBatchND`` by default.
        block_shape: the same, or both sides.
    """
    block = _square("space_to_batch", block_size, block_shape)
    return apply_op("SpaceToBatchND", input, block, paddings, name=name)


@export("batch_to_space")
def batch_to_space(
    input: Any,
    crops: Any,
    block_size: Any = None,
    name: str | None = None,
    block_shape: Any = None,
) -> Tensor:
    """batch_to_space_nd of images (batch, height, width, channels), with square blocks.

    Args:
        input, crops: see ``batch_to_space_nd``.
        block_size: the side of the blocks.
        name: of the operation; ``BatchToSpaceND`` by default.
        block_shape: the same, or both sides.
    """
    block = _square("batch_to_space", block_size, block_shape)
    return apply_op("BatchToSpaceND", input, block, crops, name=name)


@export("required_space_to_batch_paddings")
def required_space_to_batch_paddings(
    input_shape: Any, block_shape: Any, base_paddings: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """How much to pad so that blocks divide the sizes, and how much of it to cut off afterwards.

    Args:
        input_shape: m sizes.
        block_shape: m positive integers.
        base_paddings: (m, 2): what is padded anyway; 0 by default.
        name: of the operations; ``required_space_to_batch_paddings`` by default.

    Returns:
        (paddings, crops), both (m, 2) int32: for space_to_batch_nd and batch_to_space_nd.

    Gradient: none.

    >>> tf.Session().run(tf.required_space_to_batch_paddings([5], [3]))
    (array([[0, 1]], dtype=int32), array([[0, 1]], dtype=int32))
    """
    with name_scope(name, "required_space_to_batch_paddings", [input_shape, block_shape]):
        sizes = convert_to_tensor(input_shape, dtype=int32, name="input_shape")
        block = convert_to_tensor(block_shape, dtype=int32, name="block_shape")
        if base_paddings is None:
            frame = np.zeros((concrete(sizes.dims)[0], 2), np.int32)
            base = convert_to_tensor(frame, name="base_paddings")
        else:
            base = convert_to_tensor(base_paddings, dtype=int32, name="base_paddings")
        size, side, frame = (constant_value(t) for t in (sizes, block, base))
        if size is not None and side is not None and frame is not None:
            extra = ((-(size + frame.sum(1))) % side).astype(np.int32)
            none = np.zeros_like(extra)
            return (
                convert_to_tensor(np.stack([frame[:, 0], frame[:, 1] + extra], 1), name="paddings"),
                convert_to_tensor(np.stack([none, extra], 1), name="crops"),
            )
        before, behind = base[:, 0], base[:, 1]
        missing = call.FloorMod(-(sizes + before + behind), block)
        return (
            call.Pack([before, behind + missing], axis=1, name="paddings"),
            call.Pack([call.ZerosLike(missing), missing], axis=1, name="crops"),
        )
