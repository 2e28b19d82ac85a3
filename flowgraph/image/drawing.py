"""Frames drawn into images: DrawBoundingBoxes.

Read next: boxes.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import float32
from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import concrete, f32
from flowgraph.ops.windows import image_dims
from flowgraph.shapes import Dims, ShapeError, format_dims, merge_size

#: Red, green, blue, opacity of the first, second ... box: yellow, blue, red, lime, purple, olive,
#: maroon, navy, aqua, fuchsia.
_COLOURS = (
    (1, 1, 0, 1), (0, 0, 1, 1), (1, 0, 0, 1), (0, 1, 0, 1), (0.5, 0, 0.5, 1),
    (0.5, 0.5, 0, 1), (0.5, 0, 0, 1), (0, 0, 0.5, 1), (0, 1, 1, 1), (1, 0, 1, 1),
)  # fmt: skip


def _infer(call_: Call) -> list[Dims]:
    dims = image_dims(call_.shapes[0], 4, "images")
    boxes = image_dims(call_.shapes[1], 3, "boxes")
    if dims[3] not in (None, 1, 3, 4):
        raise ShapeError(f"images must have 1, 3 or 4 channels, not {dims[3]}")
    if boxes[2] not in (None, 4):
        raise ShapeError(f"boxes must have 4 numbers each, not shape {format_dims(boxes)}")
    if len(call_.shapes) > 2:
        colours = image_dims(call_.shapes[2], 2, "colors")
        if None not in (colours[1], dims[3]) and colours[1] < dims[3]:  # type: ignore[operator]
            raise ShapeError(f"colors have {colours[1]} channels, the images {dims[3]}")
    return [(merge_size(dims[0], boxes[0]), *dims[1:])]


#: A side is drawn where it lies inside; a box that is turned over, or NaN, or outside, is not.
_KERNEL = """
{table}
for n in range(start, stop):
    for k in range(H * W * C):
        store(output, n * H * W * C + k, load(images, n * H * W * C + k))
    for b in range(boxes_each):
        at = (n * boxes_each + b) * 4
        y1 = load(boxes, at) * float32(H - 1)
        x1 = load(boxes, at + 1) * float32(W - 1)
        y2 = load(boxes, at + 2) * float32(H - 1)
        x2 = load(boxes, at + 3) * float32(W - 1)
        far = float32(1e9)
        fine = (y1 > -far) & (y1 < far) & (x1 > -far) & (x1 < far)
        fine = fine & (y2 > -far) & (y2 < far) & (x2 > -far) & (x2 < far)
        if fine:
            top = int64(y1)
            left = int64(x1)
            bottom = int64(y2)
            right = int64(x2)
            seen = (top <= bottom) & (left <= right) & (top < H) & (bottom >= 0)
            if seen & (left < W) & (right >= 0):
                colour = (b % colours) * pitch
                from_x = maximum(left, 0)
                to_x = minimum(right, W - 1)
                from_y = maximum(top, 0)
                to_y = minimum(bottom, H - 1)
                for c in range(C):
                    v = {T}({read})
                    if top >= 0:
                        for x in range(from_x, to_x + 1):
                            store(output, ((n * H + top) * W + x) * C + c, v)
                    if bottom < H:
                        for x in range(from_x, to_x + 1):
                            store(output, ((n * H + bottom) * W + x) * C + c, v)
                    if left >= 0:
                        for y in range(from_y, to_y + 1):
                            store(output, ((n * H + y) * W + left) * C + c, v)
                    if right < W:
                        for y in range(from_y, to_y + 1):
                            store(output, ((n * H + y) * W + right) * C + c, v)
return 0
"""


def _given(call_: Call) -> bool:
    """True where colours are given."""
    return len(call_.shapes) > 2 and concrete(call_.shapes[2])[0] > 0


def _sizes(call_: Call) -> Mapping[str, int]:
    image, boxes = concrete(call_.shapes[0]), concrete(call_.shapes[1])
    table = concrete(call_.shapes[2]) if _given(call_) else (len(_COLOURS), 4)
    return {
        "H": image[1], "W": image[2], "C": image[3], "boxes_each": boxes[1],
        "colours": table[0], "pitch": table[1],
    }  # fmt: skip


def _choices(call_: Call) -> Mapping[str, str]:
    if _given(call_):
        return {"table": "", "read": "load(colors, colour + c)"}
    lines = [f"table = float32_stack({4 * len(_COLOURS)})"]
    grey = concrete(call_.shapes[0])[3] == 1
    for k, colour in enumerate(_COLOURS):
        values = (1,) * 4 if grey else colour
        lines += [f"store(table, {4 * k + c}, float32({v}))" for c, v in enumerate(values)]
    return {"table": "\n".join(lines), "read": "load(table, colour + c)"}


def _reference(call_: Call, images: Any, boxes: Any, colors: Any = None) -> Any:
    drawn = images.copy()
    height, width, channels = images.shape[1:]
    if colors is None or not len(colors):
        colors = np.ones((1, 1)) if channels == 1 else np.array(_COLOURS)
    for n, each in enumerate(boxes):
        for b, box in enumerate(each):
            if not np.isfinite(box).all():
                continue
            scaled = box * np.array([height - 1, width - 1] * 2, np.float32)
            top, left, bottom, right = (int(v) for v in scaled)
            if top > bottom or left > right or top >= height or left >= width:
                continue
            if bottom < 0 or right < 0:
                continue
            colour = colors[b % len(colors)][:channels]
            rows = slice(max(top, 0), min(bottom, height - 1) + 1)
            columns = slice(max(left, 0), min(right, width - 1) + 1)
            for row in (top, bottom):
                if 0 <= row < height:
                    drawn[n, row, columns] = colour
            for column in (left, right):
                if 0 <= column < width:
                    drawn[n, rows, column] = colour
    return drawn


_BOXES = np.array([
    [[0.1, 0.2, 0.7, 0.8], [-0.5, 0.3, 0.5, 1.6], [0.5, 0.5, 0.2, 0.2]],
    [[0, 0, 1, 1], [0.2, 0.9, 0.8, 0.95], [0.4, 0.4, 0.4, 0.9]],
], np.float32)  # fmt: skip
_NONE = not_differentiable("the frames replace pixels")


def _procedure() -> Procedure:
    return Procedure(
        _KERNEL,
        sizes=_sizes,
        steps=lambda call_: concrete(call_.shapes[0])[0],
        choices=_choices,
        flops=lambda call_: math.prod(concrete(call_.shapes[0])),
    )


_ERRORS = (
    error_sample(ValueError, "1, 3 or 4 channels", f32(2, 3, 3, 2), _BOXES),
    error_sample(ValueError, "4 numbers each", f32(2, 3, 3, 1), f32(2, 3, 3)),
    error_sample(ValueError, "sizes 1 and 2 differ", f32(1, 3, 3, 1), _BOXES),
)
define(
    "DrawBoundingBoxes",
    "images: T, boxes: float32 -> output: T",
    T=dtypes_of(frozenset(("float16", "float32")), float32),
    infer=_infer,
    kernel=_procedure(),
    grad=_NONE,
    reference=_reference,
    samples=(
        sample(f32(2, 7, 9, 3), _BOXES),
        sample(f32(2, 7, 9, 1), _BOXES),
        sample(f32(2, 7, 9, 4), _BOXES[:, :0]),
    ),
    errors=_ERRORS,
    doc="Frames of boxes drawn into images, in colours of their own.",
)
define(
    "DrawBoundingBoxesV2",
    "images: T, boxes: float32, colors: float32 -> output: T",
    T=dtypes_of(frozenset(("float16", "float32")), float32),
    infer=_infer,
    kernel=_procedure(),
    grad=_NONE,
    reference=_reference,
    samples=(
        sample(f32(2, 7, 9, 3), _BOXES, f32(2, 3)),
        sample(f32(2, 7, 9, 3), _BOXES, f32(0, 3)),
        sample(f32(2, 7, 9, 1), _BOXES, f32(4, 2)),
    ),
    errors=(
        error_sample(ValueError, "colors have 2 channels", f32(2, 3, 3, 3), _BOXES, f32(1, 2)),
    ),
    doc="Frames of boxes drawn into images, in the colours given.",
)


@export("image.draw_bounding_boxes")
def draw_bounding_boxes(
    images: Any, boxes: Any, name: str | None = None, colors: Any = None
) -> Tensor:
    """Frames of boxes drawn into images, one pixel wide.

    Args:
        images: (batch, height, width, channels) floats in [0, 1]; 1, 3 or 4 channels.
        boxes: (batch, n, 4) float32, each (y1, x1, y2, x2) in parts of the image.
        name: of the operation; ``DrawBoundingBoxesV2`` by default.
        colors: (m, channels) float32, used in turn; by default ten different ones, and 1 for one
            channel.

    Returns:
        The images with the frames; sides outside the image are not drawn.

    Raises:
        ValueError: shapes do not suit.

    Gradient: none.

    >>> y = tf.image.draw_bounding_boxes(tf.zeros([1, 3, 3, 1]), [[[0.0, 0.0, 1.0, 0.5]]])
    >>> tf.Session().run(y)[0, :, :, 0]
    array([[1., 1., 0.],
           [1., 1., 0.],
           [1., 1., 0.]], dtype=float32)
    """
    if colors is None:
        return apply_op("DrawBoundingBoxes", images, boxes, name=name)
    return apply_op("DrawBoundingBoxesV2", images, boxes, colors, name=name)
