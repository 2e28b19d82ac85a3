"""Space moved into channels, and back: space_to_depth, depth_to_space.

    1 2 | 3 4    space_to_depth     [1 2 5 6] [3 4 7 8]       one image, four channels
    5 6 | 7 8

Read next: space_batch.py (into the batch), patches.py (windows that overlap).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL
from flowgraph.graph.apply import apply_op
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
from flowgraph.ops.rules import divided, f32, i32, require_rank
from flowgraph.shapes import Dims, ShapeError

_BLOCK = Attr("int", REQUIRED)

# -------------------------------------------------------------------------------- space and depth

#: [N, H*b, W*b, C] <-> [N, H, W, b, b, C]: runs of b*C elements stay together.
_CHANNELS_LAST = """
for row in range(start, stop):
    for i in range(b):
        for w in range(W):
            wide = ((row * b + i) * W + w) * b * C
            deep = ((row * W + w) * b + i) * b * C
            for e in independent(b * C):
                store(output, {to} + e, load(input, {source} + e))
return 0
"""

#: [N, C, H*b, W*b] <-> [N, b, b, C, H, W].
_CHANNELS_FIRST = """
for row in range(start, stop):
    h = row % H
    n = row // H
    for i in range(b):
        for j in range(b):
            for c in range(C):
                wide = (((n * C + c) * H + h) * b + i) * W * b + j
                deep = ((((n * b + i) * b + j) * C + c) * H + h) * W
                for e in independent(W):
                    store(output, {to}, load(input, {source}))
return 0
"""


def _depth_axes(call_: Call) -> tuple[int, int, int]:
    """The axes of channels, height and width."""
    data_format = call_.attrs["data_format"]
    if data_format not in ("NHWC", "NCHW"):
        raise ShapeError(f"data_format must be NHWC or NCHW, not {data_format!r}")
    if call_.attrs["block_size"] < 2:
        raise ShapeError(f"block_size must be at least 2, not {call_.attrs['block_size']}")
    return (3, 1, 2) if data_format == "NHWC" else (1, 2, 3)


def _depth_infer(to_depth: bool) -> Any:
    def infer(call_: Call) -> list[Dims]:
        c, h, w = _depth_axes(call_)
        dims = list(require_rank(call_.shapes[0], 4, "input"))
        b, channels = call_.attrs["block_size"], dims[c]
        if to_depth:
            dims[h], dims[w] = divided(dims[h], b, "height"), divided(dims[w], b, "width")
            dims[c] = None if channels is None else channels * b * b
        else:
            dims[c] = divided(channels, b * b, "an axis of channels")
            for axis in (h, w):
                size = dims[axis]
                dims[axis] = None if size is None else size * b
        return [tuple(dims)]

    return infer


def _depth_kernel(to_depth: bool) -> Procedure:
    deep = 0 if not to_depth else None

    def sizes(call_: Call) -> Mapping[str, int]:
        c, h, w = _depth_axes(call_)
        shape: Any = call_.shapes[0] if deep == 0 else call_.out_shapes[0]
        b = call_.attrs["block_size"]
        return {"b": b, "N": shape[0], "H": shape[h], "W": shape[w], "C": shape[c] // (b * b)}

    def choices(call_: Call) -> Mapping[str, str]:
        last = call_.attrs["data_format"] == "NHWC"
        wide, narrow = ("wide", "deep") if last else ("wide + e * b", "deep + e")
        to, source = (narrow, wide) if to_depth else (wide, narrow)
        text = _CHANNELS_LAST if last else _CHANNELS_FIRST
        return {"kernel": text.format(to=to, source=source)}

    def steps(call_: Call) -> int:
        at = sizes(call_)
        return at["N"] * at["H"]

    return Procedure("{kernel}", sizes=sizes, steps=steps, choices=choices, moves=("T",))


def _depth_reference(to_depth: bool) -> Any:
    def reference(call_: Call, x: Any) -> Any:
        b = call_.attrs["block_size"]
        if call_.attrs["data_format"] == "NCHW":
            x = np.moveaxis(x, 1, 3)
        n, h, w, c = x.shape
        if to_depth:
            blocks = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5)
            y = blocks.reshape(n, h // b, w // b, b * b * c)
        else:
            blocks = x.reshape(n, h, w, b, b, c // (b * b)).transpose(0, 1, 3, 2, 4, 5)
            y = blocks.reshape(n, h * b, w * b, c // (b * b))
        return np.ascontiguousarray(
            np.moveaxis(y, 3, 1) if call_.attrs["data_format"] == "NCHW" else y
        )

    return reference


def _define_depth(type: str, other: str, to_depth: bool, samples: Any, errors: Any) -> None:
    define(
        type,
        "input: T -> output: T",
        T=dtypes_of(ALL),
        block_size=_BLOCK,
        data_format="NHWC",
        infer=_depth_infer(to_depth),
        kernel=_depth_kernel(to_depth),
        grad=lambda op, dy: (
            apply_op(
                other,
                dy,
                block_size=op.attrs["block_size"],
                data_format=op.attrs["data_format"],
            ),
        ),
        reference=_depth_reference(to_depth),
        samples=samples,
        errors=errors,
        doc="Blocks of space become channels." if to_depth else "Channels become blocks of space.",
    )


_define_depth(
    "SpaceToDepth", "DepthToSpace", True,
    (
        sample(f32(2, 4, 6, 3), block_size=2),
        sample(f32(1, 6, 3, 5), block_size=3),
        sample(f32(2, 3, 4, 6), block_size=2, data_format="NCHW"),
        sample(f32(0, 4, 4, 1), block_size=2),
        sample(f32(1, 2, 4, 2) > 0, block_size=2),
        sample(i32(np.arange(16).reshape(1, 4, 4, 1)), block_size=4),
    ),
    (
        error_sample(ValueError, "height of 5 elements is not evenly", f32(1, 5, 4, 1),
                     block_size=2),
        error_sample(ValueError, "at least 2", f32(1, 4, 4, 1), block_size=1),
        error_sample(ValueError, "of rank 4", f32(4, 4, 1), block_size=2),
        error_sample(ValueError, "data_format", f32(1, 4, 4, 1), block_size=2, data_format="HWC"),
    ),
)  # fmt: skip
_define_depth(
    "DepthToSpace", "SpaceToDepth", False,
    (
        sample(f32(2, 2, 3, 12), block_size=2),
        sample(f32(1, 2, 1, 18), block_size=3),
        sample(f32(2, 8, 3, 2), block_size=2, data_format="NCHW"),
        sample(f32(2, 0, 2, 4), block_size=2),
        sample(i32(np.arange(16).reshape(1, 2, 2, 4)), block_size=2),
    ),
    (
        error_sample(ValueError, "channels of 6 elements is not evenly", f32(1, 2, 2, 6),
                     block_size=2),
    ),
)  # fmt: skip


@export("space_to_depth", "nn.space_to_depth")
def space_to_depth(
    input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC"
) -> Tensor:
    """Blocks of ``block_size`` x ``block_size`` pixels become the channels of one.

    y[n, h, w, (i*b + j)*C + c] = x[n, h*b + i, w*b + j, c]

    Args:
        input: (batch, height, width, channels), or as ``data_format`` says.
        block_size: b, at least 2; divides height and width.
        name: of the operation; ``SpaceToDepth`` by default.
        data_format: ``"NHWC"`` or ``"NCHW"``.

    Returns:
        (batch, height / b, width / b, channels * b * b).

    Raises:
        ValueError: b does not divide height and width.

    Gradient: depth_to_space of dy.

    >>> tf.Session().run(tf.space_to_depth([[[[1], [2]], [[3], [4]]]], 2))
    array([[[[1, 2, 3, 4]]]], dtype=int32)
    """
    return apply_op(
        "SpaceToDepth", input, block_size=int(block_size), data_format=data_format, name=name
    )


@export("depth_to_space", "nn.depth_to_space")
def depth_to_space(
    input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC"
) -> Tensor:
    """Channels become blocks of ``block_size`` x ``block_size`` pixels: undoes space_to_depth.

    Args:
        input: (batch, height, width, channels), or as ``data_format`` says.
        block_size: b, at least 2; b * b divides the channels.
        name: of the operation; ``DepthToSpace`` by default.
        data_format: ``"NHWC"`` or ``"NCHW"``.

    Returns:
        (batch, height * b, width * b, channels / (b * b)).

    Raises:
        ValueError: b * b does not divide the channels.

    Gradient: space_to_depth of dy.

    >>> tf.Session().run(tf.depth_to_space([[[[1, 2, 3, 4]]]], 2))[0, :, :, 0]
    array([[1, 2],
           [3, 4]], dtype=int32)
    """
    return apply_op(
        "DepthToSpace", input, block_size=int(block_size), data_format=data_format, name=name
    )
