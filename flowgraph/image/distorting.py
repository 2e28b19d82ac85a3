"""A random crop that still shows an object: SampleDistortedBoundingBox.

A ratio of width to height is drawn, then a height whose area suits, then a place; the first such
crop that covers enough of any box is taken, after ``max_attempts`` the whole image.

Random numbers are taken as TensorFlow takes them, so that explicit seeds give its crops.

Read next: ops/philox.py.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from flowgraph.dtypes import float32
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    RANDOM,
    Attr,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.philox import Stream
from flowgraph.ops.random_seeds import seeds_of
from flowgraph.ops.rules import i32, invalid, require_rank
from flowgraph.ops.windows import image_dims
from flowgraph.shapes import Dims, ShapeError, format_dims

Box = tuple[int, int, int, int]  # top, left, bottom, right
_SINGLE = np.float32


class _Words:
    """One uint32 after the other, from blocks reserved at once."""

    def __init__(self, stream: Stream, blocks: int) -> None:
        self.stream, self.next = stream, 0
        self.words = stream.blocks(stream.reserve(blocks), blocks).reshape(-1).tolist()

    def word(self) -> int:
        self.next += 1
        return self.words[self.next - 1]

    def part(self) -> Any:
        """In [0, 1): 23 bits."""
        return _SINGLE((self.word() & 0x7FFFFF) / 2.0**23)

    def below(self, n: int) -> int:
        """In [0, n), without preference."""
        if n & (n - 1) == 0:
            return self.word() & (n - 1)
        rest = 0xFFFFFFFF % n + 1
        while True:
            word = self.word()
            if word >= rest:
                return word % n


def _rint(value: Any) -> int:
    return int(np.rint(_SINGLE(value)))


def _crop(words: _Words, height: int, width: int, areas: tuple[Any, Any], ratio: Any) -> Box | None:
    """A crop with that ratio of width to height, or None when what was drawn does not suit."""
    least, most = (_SINGLE(_SINGLE(area * _SINGLE(width)) * _SINGLE(height)) for area in areas)
    rows = _rint(np.sqrt(_SINGLE(least / ratio)))
    limit = _rint(np.sqrt(_SINGLE(most / ratio)))
    if _rint(limit * ratio) > width:
        limit = int((width + 0.5 - 1e-7) / ratio)
        if _rint(limit * ratio) > width:
            limit -= 1
    limit = min(limit, height)
    rows = min(rows, limit)
    if rows < limit:
        rows += words.below(limit - rows + 1)
    columns = _rint(rows * ratio)
    # rounding may have left the range of areas by one row
    if columns * rows < least:
        rows += 1
        columns = _rint(rows * ratio)
    if columns * rows > most:
        rows -= 1
        columns = _rint(rows * ratio)
    if not (least <= columns * rows <= most and 0 < columns <= width and 0 < rows <= height):
        return None
    top = words.below(height - rows) if rows < height else 0
    left = words.below(width - columns) if columns < width else 0
    return top, left, top + rows, left + columns


def _covers(crop: Box, boxes: list[Box], least: float) -> bool:
    """True when the crop holds that part of any box."""
    for box in boxes:
        area = (box[2] - box[0]) * (box[3] - box[1])
        if area < 1:
            continue
        tall = max(0, min(crop[2], box[2]) - max(crop[0], box[0]))
        wide = max(0, min(crop[3], box[3]) - max(crop[1], box[1]))
        if _SINGLE(tall * wide) / _SINGLE(area) >= least:
            return True
    return False


def _boxes(given: Any, height: int, width: int) -> list[Box]:
    flat = np.asarray(given, np.float32).reshape(-1, 4)
    if flat.size:
        inside = (flat >= 0) & (flat <= 1)
        if not inside.all():
            raise invalid(f"all bounding boxes must be in [0, 1], not {flat[~inside][0]}")
        if (flat[:, 0] >= flat[:, 2]).any() or (flat[:, 1] >= flat[:, 3]).any():
            raise invalid("a bounding box must have y1 < y2 and x1 < x2")
    scale = np.array([height, width, height, width], np.float32)
    return [tuple(int(v) for v in row) for row in flat * scale]  # type: ignore[misc]


def _reference(call_: Call, counter: Any, size: Any, boxes: Any, covered: Any = None) -> Any:
    attrs = call_.attrs
    least = float(np.asarray(attrs["min_object_covered"] if covered is None else covered))
    if not 0 <= least <= 1:
        raise invalid(f"min_object_covered must be in [0, 1], not {least}")
    height, width = (int(v) for v in size[:2])
    if height <= 0 or width <= 0:
        raise invalid(f"image height and width must be positive, not {height} x {width}")
    whole = (0, 0, height, width)
    found = _boxes(boxes, height, width)
    if not found and not attrs["use_image_if_no_bounding_boxes"]:
        raise invalid("no bounding boxes provided; set use_image_if_no_bounding_boxes=True for the"
                      " whole image")  # fmt: skip
    stream = Stream(attrs["seed"], attrs["seed2"], counter)
    words = _Words(stream, attrs["max_attempts"])
    low, high = (_SINGLE(r) for r in attrs["aspect_ratio_range"])
    areas = tuple(_SINGLE(a) for a in attrs["area_range"])
    crop = whole
    for _ in range(attrs["max_attempts"]):
        if words.next + 4 > len(words.words):
            break  # some were drawn again: the reservation is used up
        ratio = _SINGLE(words.part() * _SINGLE(high - low)) + low
        made = _crop(words, height, width, areas, ratio)  # type: ignore[arg-type]
        if made is not None and _covers(made, found or [whole], least):
            crop = made
            break
    top, left, bottom, right = crop
    dtype = size.dtype
    scale = np.array([height, width, height, width], np.float32)
    return (
        np.array([top, left, 0]).astype(dtype),
        np.array([bottom - top, right - left, -1]).astype(dtype),
        (np.array(crop, np.float32) / scale).reshape(1, 1, 4),
    )


def _infer(call_: Call) -> list[Dims]:
    (three,) = image_dims(call_.shapes[0], 1, "image_size")
    if three not in (None, 3):
        raise ShapeError(f"image_size must hold height, width, channels, not {three} numbers")
    boxes = image_dims(call_.shapes[1], 3, "bounding_boxes")
    if boxes[2] not in (None, 4):
        raise ShapeError(f"bounding_boxes must have 4 numbers each, not {format_dims(boxes)}")
    if len(call_.shapes) > 2:
        require_rank(call_.shapes[2], 0, "min_object_covered")
    attrs = call_.attrs
    for name in ("aspect_ratio_range", "area_range"):
        numbers = attrs[name]
        if len(numbers) != 2 or not 0 < numbers[0] <= numbers[1]:
            raise ShapeError(f"{name} must hold two positive numbers in order, not {list(numbers)}")
    if attrs["area_range"][1] > 1:
        raise ShapeError(f"area_range must lie within 1, not {list(attrs['area_range'])}")
    if attrs["max_attempts"] < 1:
        raise ShapeError(f"max_attempts must be positive, not {attrs['max_attempts']}")
    return [(3,), (3,), (1, 1, 4)]


_ATTRS: dict[str, Any] = {
    "seed": 0,
    "seed2": 0,
    "aspect_ratio_range": Attr("list(float)", [0.75, 1.33]),
    "area_range": Attr("list(float)", [0.05, 1.0]),
    "max_attempts": 100,
    "use_image_if_no_bounding_boxes": False,
}
_SIZE, _BOX = i32([40, 60, 3]), np.array([[[0.1, 0.2, 0.9, 0.8]]], np.float32)
_SEEDS: dict[str, Any] = {"seed": 3, "seed2": 5}

for _version in ("", "V2"):
    _more = (np.float32(0.3),) if _version else ()
    define(
        "SampleDistortedBoundingBox" + _version,
        "image_size: T, bounding_boxes: float32"
        + (", min_object_covered: float32" if _version else "")
        + " -> begin: T, size: T, bboxes: float32",
        T=dtypes_of(frozenset(("uint8", "int8", "int16", "int32", "int64"))),
        **({} if _version else {"min_object_covered": 0.1}),  # type: ignore[arg-type]
        **_ATTRS,
        infer=_infer,
        grad=not_differentiable("a crop is drawn, not computed"),
        reference=_reference,
        samples=(
            sample(_SIZE, _BOX, *_more, **_SEEDS),
            sample(_SIZE, _BOX[:, :0], *_more, use_image_if_no_bounding_boxes=True, **_SEEDS),
        ),
        errors=(
            error_sample(ValueError, "height, width, channels", _SIZE[:2], _BOX, *_more),
            error_sample(ValueError, "4 numbers each", _SIZE, _BOX[..., :3], *_more),
            error_sample(ValueError, "in order", _SIZE, _BOX, *_more, area_range=[0.5, 0.1]),
            error_sample(Exception, "no bounding boxes", _SIZE, _BOX[:, :0], *_more, stage="run"),
            error_sample(Exception, "must be in", _SIZE, _BOX * 2, *_more, stage="run"),
        ),
        effect=RANDOM,
        doc="A random crop of an image that covers enough of one of its boxes.",
    )

SampleDistortedBoundingBoxV2 = namedtuple(
    "SampleDistortedBoundingBoxV2", ["begin", "size", "bboxes"]
)


@export("image.sample_distorted_bounding_box")
def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: int | None = None,
    seed2: int | None = None,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: int | None = None,
    use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> SampleDistortedBoundingBoxV2:
    """A random crop of an image that covers enough of one of its boxes.

    Args:
        image_size: [height, width, channels].
        bounding_boxes: (batch, n, 4) float32, each (y1, x1, y2, x2) in parts of the image.
        seed, seed2: of the random numbers; by default the operation's name decides.
        min_object_covered: the part of a box that the crop must hold.
        aspect_ratio_range: least and greatest ratio of width to height; [0.75, 1.33] by default.
        area_range: least and greatest part of the image; [0.05, 1] by default.
        max_attempts: crops drawn before the whole image is taken; 100 by default.
        use_image_if_no_bounding_boxes: the whole image is the box where none is given.
        name: of the operations; ``sample_distorted_bounding_box`` by default.

    Returns:
        A named tuple: begin [top, left, 0] and size [height, width, -1] as ``tf.slice`` takes them,
        and the crop as a box (1, 1, 4).

    Raises:
        ValueError: shapes or ranges do not suit.
        InvalidArgumentError: no boxes, or boxes that lie outside (when run).

    Gradient: none.

    >>> crop = tf.image.sample_distorted_bounding_box([20, 30, 3], [[[0.0, 0.0, 1.0, 1.0]]])
    >>> tf.Session().run(tf.slice(tf.zeros([20, 30, 3]), crop.begin, crop.size)).shape[2]
    3
    """
    given = {
        "aspect_ratio_range": aspect_ratio_range,
        "area_range": area_range,
        "max_attempts": max_attempts,
        "use_image_if_no_bounding_boxes": use_image_if_no_bounding_boxes,
    }
    attrs = {key: value for key, value in given.items() if value is not None}
    for key in ("aspect_ratio_range", "area_range"):
        if key in attrs:
            attrs[key] = [float(v) for v in attrs[key]]
    with name_scope(name, "sample_distorted_bounding_box"):
        seeds: dict[str, Any] = {"seed": int(seed or 0), "seed2": int(seed2 or 0)}
        if not any(seeds.values()):
            seeds = seeds_of(None, "SampleDistortedBoundingBoxV2")
        covered = convert_to_tensor(min_object_covered, dtype=float32, name="min_object_covered")
        found = apply_op(
            "SampleDistortedBoundingBoxV2", image_size, bounding_boxes, covered, **seeds, **attrs
        )
        return SampleDistortedBoundingBoxV2(*found)
