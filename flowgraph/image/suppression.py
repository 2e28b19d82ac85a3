"""Of boxes that overlap much, the best one: the NonMaxSuppression family.

    overlap (IoU) of two boxes = area both cover / area either covers

Boxes are taken in the order of their scores; one that overlaps a chosen one by more than the
threshold is dropped, or, in the soft form, its score shrinks by exp(-IoU**2 / (2 sigma)).
How many remain depends on values: the records run between native instructions, as compiled loops.

Source: Bodla et al., "Soft-NMS" (2017).  Read next: overlaps.py (the algorithms), boxes.py.
"""

from __future__ import annotations

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
    Compiled,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.image.overlaps import (
    BY_BOXES,
    BY_MATRIX,
    CHOOSE,
    CHOOSE_SOFTLY,
    OVERLAP,
    Boxes,
    choose,
    choose_softly,
    corners,
    ordered,
    room,
)
from flowgraph.ops.rules import i32, invalid, only_one, require_rank
from flowgraph.ops.windows import image_dims
from flowgraph.shapes import Dims, ShapeError, format_dims, merge_size

Array = np.ndarray[Any, Any]

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


def _parsed(
    call_: Call, boxes: Any, scores: Any, size: Any, rest: Any
) -> tuple[int, float, float, float]:
    """How many at most, the threshold of overlap, the least score, and sigma."""
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise invalid(f"boxes of shape {list(boxes.shape)}, scores of {list(scores.shape)}")
    given = [*rest]
    iou = _part(given.pop(0) if given else call_.attrs["iou_threshold"], "iou_threshold")
    least = _number(given.pop(0), "score_threshold") if given else -np.inf
    sigma = _number(given.pop(0), "soft_nms_sigma") if given else 0.0
    if sigma < 0:
        raise invalid(f"soft_nms_sigma must be non-negative, not {sigma}")
    return _count_of(size), iou, least, sigma


def _reference(call_: Call, boxes: Any, scores: Any, size: Any, *rest: Any) -> Any:
    count, iou, least, sigma = _parsed(call_, boxes, scores, size, rest)
    found = Boxes(boxes)
    if sigma > 0:
        chosen, kept = choose_softly(found, scores, count, least, sigma)
    else:
        chosen, kept = choose(found.overlap, scores, count, iou, least)
    return _results(call_, chosen, kept, count, scores.dtype)


def _given(call_: Call, boxes: Any, scores: Any, size: Any, *rest: Any) -> dict[str, Any]:
    count, iou, least, sigma = _parsed(call_, boxes, scores, size, rest)
    order = ordered(scores, least)
    return {
        **corners(boxes), **room(count, len(order)), "order": order, "ordered": len(order),
        "threshold": np.array([iou], np.float32), "least": np.array([least], np.float32),
        "kept": scores.astype(np.float32), "soft": sigma > 0,
        "scale": np.array([-0.5 / sigma if sigma > 0 else 0.0], np.float32),
        "waits": np.ascontiguousarray(scores > least), "seen": np.zeros(len(scores), np.int64),
    }  # fmt: skip


def _made(call_: Call, values: Any) -> Any:
    chosen = values["chosen"][: int(values["length"][0])]
    kept = values["kept"][chosen].tolist()
    return _results(call_, chosen.tolist(), kept, values["count"], call_.dtypes[1].np)


def _matrix_given(
    call_: Call, overlaps: Any, scores: Any, size: Any, threshold: Any, least: Any
) -> dict[str, Any]:
    limits = _overlaps_parsed(overlaps, scores, size, threshold, least)
    order = ordered(scores, limits[2])
    return {
        **room(limits[0], len(order)), "order": order, "ordered": len(order),
        "overlaps": np.ascontiguousarray(overlaps), "n": len(scores),
        "threshold": np.array([limits[1]], np.float32),
    }  # fmt: skip


def _results(call_: Call, chosen: list[int], kept: list[float], count: int, dtype: Any) -> Any:
    valid = np.int32(len(chosen))
    if call_.attrs.get("pad_to_max_output_size"):
        more = count - len(chosen)
        chosen, kept = chosen + [0] * more, kept + [0.0] * more
    indices = np.array(chosen, np.int32)
    if call_.type.endswith("V5"):
        return indices, np.array(kept, dtype), valid
    return (indices, valid) if call_.type.endswith("V4") else indices


def _overlaps_parsed(
    overlaps: Any, scores: Any, size: Any, threshold: Any, least: Any
) -> tuple[int, float, float]:
    """How many at most, the threshold of overlap and the least score."""
    if overlaps.shape != (len(scores),) * 2:
        raise invalid(f"overlaps of shape {list(overlaps.shape)} for {len(scores)} scores")
    thresholds = _number(threshold, "overlap_threshold"), _number(least, "score_threshold")
    return _count_of(size), *thresholds


def _overlaps_reference(
    call_: Call, overlaps: Any, scores: Any, size: Any, threshold: Any, least: Any
) -> Any:
    limits = _overlaps_parsed(overlaps, scores, size, threshold, least)
    chosen, _ = choose(
        lambda some, others: overlaps[np.ix_(others, some)].T, scores, *limits
    )
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
        kernel=Compiled(CHOOSE_SOFTLY, _given, _made, OVERLAP + CHOOSE.format(**BY_BOXES)),
        grad=_NONE,
        reference=_reference,
        samples=_cases,
        errors=_ERRORS if not _version else (),
        doc="Indices of the boxes with the best scores that do not overlap much.",
    )

_OVERLAPS = Boxes(_BOXES).overlap(range(6), range(6))
define(
    "NonMaxSuppressionWithOverlaps",
    "overlaps: float32, scores: float32, max_output_size: int32, overlap_threshold: float32,"
    " score_threshold: float32 -> selected_indices: int32",
    infer=_overlaps_infer,
    kernel=Compiled(
        "store(length, 0, choose(order, ordered, count, chosen, overlaps, n, load(threshold, 0)))\n"
        "return 0\n",
        _matrix_given,
        lambda call_, values: values["chosen"][: int(values["length"][0])].astype(np.int32),
        CHOOSE.format(**BY_MATRIX),
    ),
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


def _combined_parsed(
    call_: Call, scores: Any, each: Any, total: Any, iou: Any, least: Any
) -> tuple[int, int, float, float]:
    """How many of a class, how many of an image, the threshold of overlap, the least score."""
    per_class = _count_of(each, "max_output_size_per_class")
    size = _count_of(total, "max_total_size")
    if per_class == 0 or size == 0:
        raise invalid("max_output_size_per_class and max_total_size must be positive")
    if call_.attrs["pad_per_class"]:
        size = min(size, per_class * scores.shape[2])
    return per_class, size, _part(iou, "iou_threshold"), _number(least, "score_threshold")


def _combined_reference(call_: Call, boxes: Any, scores: Any, *limits: Any) -> Any:
    per_class, size, threshold, least = _combined_parsed(call_, scores, *limits)
    batch, _, classes = scores.shape
    made = [np.zeros((batch, size, 4), np.float32), np.zeros((batch, size), np.float32),
            np.zeros((batch, size), np.float32), np.zeros(batch, np.int32)]  # fmt: skip
    for n in range(batch):
        found: list[tuple[float, int, Array]] = []
        for c in range(classes):
            own = boxes[n, :, c if boxes.shape[2] > 1 else 0]
            chosen, kept = choose(
                Boxes(own).overlap, scores[n, :, c], per_class, threshold, least
            )
            found += [(s, c, own[k]) for k, s in zip(chosen, kept, strict=True)]
        found = sorted(found, key=lambda item: -item[0])[:size]
        made[3][n] = len(found)
        for k, (score, c, box) in enumerate(found):
            made[0][n, k] = np.clip(box, 0, 1) if call_.attrs["clip_boxes"] else box
            made[1][n, k], made[2][n, k] = score, c
    return tuple(made)


#: Every class of every image by itself; ``own``: whether each class has boxes of its own.
_CHOOSE_CLASSES = """
for b in range(batch):
    for c in range(classes):
        boxes = (b * sets + (c if own != 0 else 0)) * n
        part = b * classes + c
        made = choose(
            offset(order, part * n), load(ordered, part), each, offset(chosen, part * each),
            offset(low, 2 * boxes), offset(high, 2 * boxes), offset(area, boxes), n,
            load(threshold, 0),
        )
        store(length, part, made)
return 0
"""


def _combined_given(call_: Call, boxes: Any, scores: Any, *limits: Any) -> dict[str, Any]:
    each, size, threshold, least = _combined_parsed(call_, scores, *limits)
    batch, n, classes = scores.shape
    sets = boxes.shape[2]
    found = Boxes(np.moveaxis(boxes, 2, 1))  # of one set after the other
    low, high = (
        np.ascontiguousarray(np.moveaxis(part.reshape(2, batch * sets, n), 0, 1))
        for part in (found.low, found.high)
    )
    by_class = np.ascontiguousarray(np.moveaxis(scores, 2, 1)).reshape(batch * classes, n)
    each = min(each, n)
    return {
        "batch": batch, "classes": classes, "n": n, "sets": sets, "own": sets > 1, "each": each,
        "low": low, "high": high, "area": np.ascontiguousarray(found.area),
        "order": np.ascontiguousarray(np.argsort(-by_class, axis=1, kind="stable"), np.int64),
        "ordered": np.count_nonzero(by_class > least, axis=1).astype(np.int64),
        "threshold": np.array([threshold], np.float32), "boxes_of": boxes, "scores": by_class,
        "chosen": np.zeros((batch * classes, each), np.int64), "size": size,
        "length": np.zeros(batch * classes, np.int64),
    }  # fmt: skip


def _combined_made(call_: Call, values: Any) -> Any:
    batch, each, size = (values[name] for name in ("batch", "each", "size"))
    chosen, boxes = values["chosen"], values["boxes_of"]
    real = np.arange(each) < values["length"][:, None]
    scores = np.take_along_axis(values["scores"], chosen, 1) if chosen.size else real
    scores = np.where(real, scores, -np.inf).reshape(batch, -1)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :size]
    kept = np.take_along_axis(scores, best, 1)
    counts = np.minimum(real.reshape(batch, -1).sum(1), size).astype(np.int32)
    valid = np.arange(best.shape[1]) < counts[:, None]
    class_of = best // max(each, 1)
    index = np.take_along_axis(chosen.reshape(batch, -1), best, 1)
    sets = class_of if values["own"] else np.zeros_like(class_of)
    found = boxes[np.arange(batch)[:, None], index, sets] if boxes.size else boxes[:, :0, 0]
    found = np.clip(found, 0, 1) if call_.attrs["clip_boxes"] else found
    made = [np.zeros((batch, size, 4), np.float32), np.zeros((batch, size), np.float32),
            np.zeros((batch, size), np.float32)]  # fmt: skip
    width = best.shape[1]
    made[0][:, :width] = np.where(valid[..., None], found, 0)
    made[1][:, :width] = np.where(valid, kept, 0)
    made[2][:, :width] = np.where(valid, class_of, 0)
    return *made, counts


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
    kernel=Compiled(
        _CHOOSE_CLASSES, _combined_given, _combined_made, OVERLAP + CHOOSE.format(**BY_BOXES)
    ),
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
