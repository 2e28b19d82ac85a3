"""Of boxes that overlap much, the best one: the NonMaxSuppression family.

    overlap (IoU) of two boxes = area both cover / area either covers

Boxes are taken in the order of their scores; one that overlaps a chosen one by more than the
threshold is dropped, or, in the soft form, its score shrinks by exp(-IoU**2 / (2 sigma)).
How many remain depends on values: the records run on the host.

Source: Bodla et al., "Soft-NMS" (2017).  Read next: boxes.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import float32, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import i32, invalid, only_one, require_rank
from flowgraph.ops.windows import image_dims
from flowgraph.shapes import Dims, ShapeError, format_dims, merge_size

Array = np.ndarray[Any, Any]

# -------------------------------------------------------------------------------- algorithm


class _Boxes:
    """Boxes whose corners may be given in either order, and how much they overlap, in float32."""

    def __init__(self, boxes: Any) -> None:
        corners = np.sort(np.asarray(boxes, np.float32).reshape(-1, 2, 2), axis=1)
        # (2, n): rows and columns apart, as products along short axes are slow
        self.low, self.high = (np.ascontiguousarray(corners[:, k].T) for k in (0, 1))
        self.area = (self.high[0] - self.low[0]) * (self.high[1] - self.low[1])

    def overlap(self, some: Any, others: Any) -> Array:
        """IoU of some boxes with others: (some, others)."""
        some = np.asarray(some, np.int64)[:, None]
        tall, wide = (
            np.minimum(high[some], high[others]) - np.maximum(low[some], low[others])
            for low, high in zip(self.low, self.high, strict=True)
        )
        common = np.maximum(tall, 0) * np.maximum(wide, 0)
        areas, own = self.area[others], self.area[some]
        with np.errstate(all="ignore"):
            found = common / (own + areas - common)
        return np.where((areas <= 0) | (own <= 0), np.float32(0), found)


#: Boxes whose overlaps with each other are computed at once.
_BLOCK = 128


def _choose(
    overlap: Callable[[Any, Any], Array], scores: Array, count: int, threshold: float, least: float
) -> tuple[list[int], list[float]]:
    """Indices of the boxes kept, best first, and their scores.

    overlap: (chosen boxes, others) -> how much these overlap them, a matrix.
    """
    order = np.argsort(-scores, kind="stable")  # of equal scores the first box
    order = order[scores[order] > least]
    chosen: list[int] = []
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        if chosen:
            block = block[~(overlap(chosen, block) > threshold).any(axis=0)]
        near = overlap(block, block) > threshold
        dropped = np.zeros(len(block), bool)
        for i, k in enumerate(block.tolist()):
            if len(chosen) == count:
                break
            if not dropped[i]:
                chosen.append(k)
                dropped |= near[i]
    return chosen, [float(scores[k]) for k in chosen]


def _choose_softly(
    boxes: _Boxes, scores: Array, count: int, least: float, sigma: float
) -> tuple[list[int], list[float]]:
    """As _choose, but boxes that overlap a chosen one lose score."""
    heap = [(-float(s), k, 0) for k, s in enumerate(scores) if s > least]
    heapq.heapify(heap)
    chosen: list[int] = []
    kept: list[float] = []
    while heap and len(chosen) < count:
        negative, k, seen = heapq.heappop(heap)
        score = before = np.float32(-negative)
        near = boxes.overlap([k], chosen[seen:][::-1])[0]
        for factor in np.exp(np.float32(-0.5 / sigma) * near * near):
            score = np.float32(score * factor)
            if score <= least:
                break
        if score == before:
            chosen.append(k)
            kept.append(float(score))
        elif score > least:
            heapq.heappush(heap, (-float(score), k, len(chosen)))
    return chosen, kept


def _number(value: Any, what: str) -> float:
    value = np.asarray(value)
    if value.size != 1:
        raise invalid(f"{what} must be one number, not of shape {list(value.shape)}")
    return float(value.reshape(()))


def _part(value: Any, what: str) -> float:
    """A threshold in [0, 1]."""
    number = _number(value, what)
    if not 0 <= number <= 1:
        raise invalid(f"{what} must be in [0, 1], not {number}")
    return number


def _count_of(value: Any, what: str = "max_output_size") -> int:
    count = only_one(np.asarray(value), what)
    if count < 0:
        raise invalid(f"{what} must be non-negative, not {count}")
    return count


def _reference(call_: Call, boxes: Any, scores: Any, size: Any, *rest: Any) -> Any:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise invalid(f"boxes of shape {list(boxes.shape)}, scores of {list(scores.shape)}")
    given = [*rest]
    iou = _part(given.pop(0) if given else call_.attrs["iou_threshold"], "iou_threshold")
    least = _number(given.pop(0), "score_threshold") if given else -np.inf
    sigma = _number(given.pop(0), "soft_nms_sigma") if given else 0.0
    if sigma < 0:
        raise invalid(f"soft_nms_sigma must be non-negative, not {sigma}")
    count = _count_of(size)
    found = _Boxes(boxes)
    if sigma > 0:
        chosen, kept = _choose_softly(found, scores, count, least, sigma)
    else:
        chosen, kept = _choose(found.overlap, scores, count, iou, least)
    return _results(call_, chosen, kept, count, scores.dtype)


def _results(call_: Call, chosen: list[int], kept: list[float], count: int, dtype: Any) -> Any:
    valid = np.int32(len(chosen))
    if call_.attrs.get("pad_to_max_output_size"):
        more = count - len(chosen)
        chosen, kept = chosen + [0] * more, kept + [0.0] * more
    indices = np.array(chosen, np.int32)
    if call_.type.endswith("V5"):
        return indices, np.array(kept, dtype), valid
    return (indices, valid) if call_.type.endswith("V4") else indices


def _overlaps_reference(
    call_: Call, overlaps: Any, scores: Any, size: Any, threshold: Any, least: Any
) -> Any:
    if overlaps.shape != (len(scores),) * 2:
        raise invalid(f"overlaps of shape {list(overlaps.shape)} for {len(scores)} scores")
    chosen, _ = _choose(
        lambda some, others: overlaps[np.ix_(others, some)].T,
        scores, _count_of(size), _number(threshold, "overlap_threshold"),
        _number(least, "score_threshold"),
    )  # fmt: skip
    return np.array(chosen, np.int32)


# ----------------------------------------------------------------------------------- shapes


def _infer(call_: Call) -> list[Dims]:
    count, four = image_dims(call_.shapes[0], 2, "boxes")
    if four not in (None, 4):
        raise ShapeError(f"boxes must have 4 numbers each, not {format_dims(call_.shapes[0])}")
    merge_size(count, image_dims(call_.shapes[1], 1, "scores")[0])
    for dims, name in zip(call_.shapes[2:], ("max_output_size", "iou_threshold", "score_threshold",
                                             "soft_nms_sigma"), strict=False):  # fmt: skip
        require_rank(dims, 0, name)
    size = call_.value(2)
    if size is not None and size < 0:
        raise ShapeError(f"max_output_size must be non-negative, not {size}")
    padded = call_.attrs.get("pad_to_max_output_size") and size is not None
    found: Dims = (int(size),) if padded else (None,)  # type: ignore[arg-type]
    number = call_.type[-2:]
    return [found, *([found] if number == "V5" else []), *([()] if number in ("V4", "V5") else [])]


def _overlaps_infer(call_: Call) -> list[Dims]:
    rows, columns = image_dims(call_.shapes[0], 2, "overlaps")
    merge_size(merge_size(rows, columns), image_dims(call_.shapes[1], 1, "scores")[0])
    for dims in call_.shapes[2:]:
        require_rank(dims, 0, "the size and the thresholds")
    return [(None,)]


# ---------------------------------------------------------------------------------- records

_NONE = not_differentiable("which boxes remain is not continuous")
_BOXES = np.array([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11],
                   [1, 11.1, 0, 10.1], [0, 100, 1, 101]], np.float32)  # fmt: skip
_SCORES = np.array([0.9, 0.75, 0.6, 0.95, 0.5, 0.3], np.float32)
_HALF, _LOW, _ZERO = np.float32(0.5), np.float32(0.4), np.float32(0)
_BOTH = dtypes_of(frozenset(("float16", "float32")), float32)
_ERRORS = (
    error_sample(ValueError, "4 numbers each", _BOXES[:, :3], _SCORES, i32(3)),
    error_sample(ValueError, "sizes 6 and 5 differ", _BOXES, _SCORES[:5], i32(3)),
    error_sample(Exception, "non-negative", _BOXES, _SCORES, i32(-1), stage="run"),
)

_VERSIONS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("", "", {"iou_threshold": 0.5}, ""),
    ("V2", ", iou_threshold: T_threshold", {"T_threshold": _BOTH}, ""),
    ("V3", ", iou_threshold: T_threshold, score_threshold: T_threshold", {"T_threshold": _BOTH},
     ""),
    ("V4", ", iou_threshold: T_threshold, score_threshold: T_threshold",
     {"T_threshold": _BOTH, "pad_to_max_output_size": False}, ", valid_outputs: int32"),
    ("V5", ", iou_threshold: T, score_threshold: T, soft_nms_sigma: T",
     {"pad_to_max_output_size": False}, ", selected_scores: T, valid_outputs: int32"),
)  # fmt: skip

for _version, _more, _attrs, _outputs in _VERSIONS:
    _T = "T" if _version else "float32"
    _own: dict[str, Any] = {"T": _BOTH} if _version else {}
    _rest: tuple[Any, ...] = {"": (), "V2": (_HALF,), "V5": (_HALF, _LOW, _ZERO)}.get(
        _version, (_HALF, _LOW)
    )
    _cases = [sample(_BOXES, _SCORES, i32(3), *_rest), sample(_BOXES, _SCORES, i32(9), *_rest),
              sample(_BOXES[:0], _SCORES[:0], i32(9), *_rest)]  # fmt: skip
    if _version in ("V4", "V5"):
        _cases.append(sample(_BOXES, _SCORES, i32(5), *_rest, pad_to_max_output_size=True,
                             const=(2,)))  # fmt: skip
    if _version == "V5":
        _cases.append(sample(_BOXES, _SCORES, i32(5), _HALF, np.float32(0.1), _HALF))
    define(
        "NonMaxSuppression" + _version,
        f"boxes: {_T}, scores: {_T}, max_output_size: int32{_more} -> selected_indices: int32"
        + _outputs,
        **_own,
        **_attrs,
        infer=_infer,
        grad=_NONE,
        reference=_reference,
        samples=_cases,
        errors=_ERRORS if not _version else (),
        doc="Indices of the boxes with the best scores that do not overlap much.",
    )

_OVERLAPS = _Boxes(_BOXES).overlap(range(6), range(6))
define(
    "NonMaxSuppressionWithOverlaps",
    "overlaps: float32, scores: float32, max_output_size: int32, overlap_threshold: float32,"
    " score_threshold: float32 -> selected_indices: int32",
    infer=_overlaps_infer,
    grad=_NONE,
    reference=_overlaps_reference,
    samples=(
        sample(_OVERLAPS, _SCORES, i32(3), _HALF, _ZERO),
        sample(_OVERLAPS, _SCORES, i32(9), _HALF, _LOW),
    ),
    errors=(
        error_sample(ValueError, "differ", _OVERLAPS[:, :3], _SCORES, i32(3), _HALF, _ZERO),
    ),
    doc="Indices of the boxes with the best scores that do not overlap much, by a given matrix.",
)  # fmt: skip


def _combined_infer(call_: Call) -> list[Dims]:
    batch, count, classes, four = image_dims(call_.shapes[0], 4, "boxes")
    n, m, q = image_dims(call_.shapes[1], 3, "scores")
    merge_size(count, m)
    if four not in (None, 4):
        raise ShapeError(f"boxes must have 4 numbers each, not {format_dims(call_.shapes[0])}")
    if classes not in (None, 1) and q is not None:
        merge_size(classes, q)
    batch = merge_size(batch, n)
    each, total = call_.value(2), call_.value(3)
    size = None if total is None else int(total)
    if call_.attrs["pad_per_class"]:
        known = None not in (each, size, q)
        size = min(size, int(each) * q) if known else None  # type: ignore[arg-type,operator,type-var]
    return [(batch, size, 4), (batch, size), (batch, size), (batch,)]


def _combined_reference(
    call_: Call, boxes: Any, scores: Any, each: Any, total: Any, iou: Any, least: Any
) -> Any:
    per_class = _count_of(each, "max_output_size_per_class")
    size = _count_of(total, "max_total_size")
    if per_class == 0 or size == 0:
        raise invalid("max_output_size_per_class and max_total_size must be positive")
    threshold, least = _part(iou, "iou_threshold"), _number(least, "score_threshold")
    classes = scores.shape[2]
    if call_.attrs["pad_per_class"]:
        size = min(size, per_class * classes)
    batch = len(boxes)
    made = [np.zeros((batch, size, 4), np.float32), np.zeros((batch, size), np.float32),
            np.zeros((batch, size), np.float32), np.zeros(batch, np.int32)]  # fmt: skip
    for n in range(batch):
        found: list[tuple[float, int, Array]] = []
        for c in range(classes):
            own = boxes[n, :, c if boxes.shape[2] > 1 else 0]
            chosen, kept = _choose(
                _Boxes(own).overlap, scores[n, :, c], per_class, threshold, least
            )
            found += [(s, c, own[k]) for k, s in zip(chosen, kept, strict=True)]
        found = sorted(found, key=lambda item: -item[0])[:size]
        made[3][n] = len(found)
        for k, (score, c, box) in enumerate(found):
            made[0][n, k] = np.clip(box, 0, 1) if call_.attrs["clip_boxes"] else box
            made[1][n, k], made[2][n, k] = score, c
    return tuple(made)


_STACK = np.stack([_BOXES, _BOXES[::-1]])[:, :, None]
_MANY = np.stack([_SCORES, _SCORES[::-1] * np.float32(0.9)], -1)[None].repeat(2, 0)
define(
    "CombinedNonMaxSuppression",
    "boxes: float32, scores: float32, max_output_size_per_class: int32, max_total_size: int32,"
    " iou_threshold: float32, score_threshold: float32 -> nmsed_boxes: float32,"
    " nmsed_scores: float32, nmsed_classes: float32, valid_detections: int32",
    pad_per_class=False,
    clip_boxes=True,
    infer=_combined_infer,
    grad=_NONE,
    reference=_combined_reference,
    samples=(
        sample(_STACK, _MANY, i32(2), i32(5), _HALF, _LOW, const=(2, 3)),
        sample(_STACK, _MANY, i32(2), i32(9), _HALF, _LOW, const=(2, 3), pad_per_class=True,
               clip_boxes=False),
        sample(_STACK.repeat(2, 2), _MANY, i32(3), i32(4), _HALF, _LOW, const=(2, 3)),
    ),
    errors=(
        error_sample(ValueError, "differ", _STACK, _MANY[:, :3], i32(2), i32(5), _HALF, _LOW),
    ),
    doc="The best boxes of every class that do not overlap much, and of these the best of all.",
)  # fmt: skip


# -------------------------------------------------------------------------------- functions


def _thresholds(*values: Any) -> list[Tensor]:
    return [convert_to_tensor(v, dtype=float32) for v in values]


@export("image.non_max_suppression")
def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    name: str | None = None,
) -> Tensor:
    """Of boxes that overlap much, the one with the best score.

    Args:
        boxes: (n, 4), each (y1, x1, y2, x2), in any unit.
        scores: (n,).
        max_output_size: how many are kept at most.
        iou_threshold: a box is dropped that overlaps a better one by more than this part of the
            area of both.
        score_threshold: a box is dropped whose score is not above this.
        name: of the operations; ``non_max_suppression`` by default.

    Returns:
        int32: indices of the boxes kept, best first; of equal scores the first.

    Raises:
        ValueError: shapes do not suit.
        InvalidArgumentError: a threshold outside [0, 1] (when run).

    Gradient: none.

    >>> boxes = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.1, 1.0, 1.1], [0.0, 5.0, 1.0, 6.0]]
    >>> tf.Session().run(tf.image.non_max_suppression(boxes, [0.9, 0.8, 0.7], 5))
    array([0, 2], dtype=int32)
    """
    with name_scope(name, "non_max_suppression"):
        thresholds = _thresholds(iou_threshold, score_threshold)
        return call.NonMaxSuppressionV3(boxes, scores, max_output_size, *thresholds)


@export("image.non_max_suppression_with_scores")
def non_max_suppression_with_scores(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    soft_nms_sigma: Any = 0.0,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """``non_max_suppression`` that lowers the scores of boxes that overlap, and tells them.

    Args:
        boxes, scores, max_output_size, iou_threshold, score_threshold: see there.
        soft_nms_sigma: a score is multiplied by exp(-IoU**2 / (2 sigma)) for every better box, and
            no box is dropped for its overlap; 0: as there.
        name: of the operations; ``non_max_suppression_with_scores`` by default.

    Returns:
        (indices, scores) of the boxes kept.

    Raises:
        ValueError: shapes do not suit.

    Gradient: none.
    """
    with name_scope(name, "non_max_suppression_with_scores"):
        thresholds = _thresholds(iou_threshold, score_threshold, soft_nms_sigma)
        found = call.NonMaxSuppressionV5(
            boxes, scores, max_output_size, *thresholds, pad_to_max_output_size=False
        )
        return found[0], found[1]


@export("image.non_max_suppression_padded")
def non_max_suppression_padded(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    pad_to_max_output_size: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """``non_max_suppression`` whose result can have a fixed length.

    Args:
        boxes, scores, max_output_size, iou_threshold, score_threshold: see there.
        pad_to_max_output_size: fill up with zeros.
        name: of the operations; ``non_max_suppression_padded`` by default.

    Returns:
        (indices, how many of them are meant).

    Raises:
        ValueError: shapes do not suit.

    Gradient: none.
    """
    with name_scope(name, "non_max_suppression_padded"):
        thresholds = _thresholds(iou_threshold, score_threshold)
        found = call.NonMaxSuppressionV4(
            boxes, scores, max_output_size, *thresholds,
            pad_to_max_output_size=bool(pad_to_max_output_size),
        )  # fmt: skip
        return found[0], found[1]


@export("image.non_max_suppression_overlaps")
def non_max_suppression_overlaps(
    overlaps: Any,
    scores: Any,
    max_output_size: Any,
    overlap_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    name: str | None = None,
) -> Tensor:
    """``non_max_suppression`` by a given measure of overlap.

    Args:
        overlaps: (n, n) float32: how much boxes overlap.
        scores: (n,).
        max_output_size, score_threshold: see there.
        overlap_threshold: a box is dropped whose overlap with a better one is above.
        name: of the operations; ``non_max_suppression_overlaps`` by default.

    Returns:
        int32: indices of the boxes kept, best first.

    Raises:
        ValueError: shapes do not suit.

    Gradient: none.
    """
    with name_scope(name, "non_max_suppression_overlaps"):
        return call.NonMaxSuppressionWithOverlaps(
            overlaps, scores, max_output_size, *_thresholds(overlap_threshold, score_threshold)
        )


@export("image.combined_non_max_suppression")
def combined_non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size_per_class: Any,
    max_total_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    pad_per_class: bool = False,
    clip_boxes: bool = True,
    name: str | None = None,
) -> list[Tensor]:
    """``non_max_suppression`` of every class of every image, and of these the best of all.

    Args:
        boxes: (batch, n, q, 4): q is 1, or the number of classes.
        scores: (batch, n, classes).
        max_output_size_per_class, max_total_size: how many are kept at most.
        iou_threshold, score_threshold: see there.
        pad_per_class: results have min(max_total_size, max_output_size_per_class * classes) rows
            instead of max_total_size.
        clip_boxes: clip the boxes returned to [0, 1].
        name: of the operations; ``combined_non_max_suppression`` by default.

    Returns:
        [boxes, scores, classes, how many rows are meant], the others 0.

    Raises:
        ValueError: shapes do not suit.

    Gradient: none.
    """
    with name_scope(name, "combined_non_max_suppression"):
        total = convert_to_tensor(max_total_size, dtype=int32, name="max_total_size")
        return apply_op(
            "CombinedNonMaxSuppression", boxes, scores, max_output_size_per_class, total,
            *_thresholds(iou_threshold, score_threshold), pad_per_class=bool(pad_per_class),
            clip_boxes=bool(clip_boxes),
        )  # fmt: skip
