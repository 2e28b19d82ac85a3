"""Which boxes remain of those that overlap: the algorithms, in NumPy and as kernel text.

    boxes, scores  ->  indices of the chosen boxes, the best first

Read next: suppression.py (the operations).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# ---------------------------------------------------------------------------------- in NumPy


class Boxes:
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


def choose(
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


def choose_softly(
    boxes: Boxes, scores: Array, count: int, least: float, sigma: float
) -> tuple[list[int], list[float]]:
    """As choose, but boxes that overlap a chosen one lose score."""
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


# ------------------------------------------------------------------------------- compiled loops

#: IoU of two boxes by the arrays of Boxes; ``n`` boxes.
OVERLAP = """
def iou(low, high, area, n, i, j):
    tall = minimum(load(high, i), load(high, j)) - maximum(load(low, i), load(low, j))
    i2, j2 = n + i, n + j
    wide = minimum(load(high, i2), load(high, j2)) - maximum(load(low, i2), load(low, j2))
    common = maximum(tall, float32(0)) * maximum(wide, float32(0))
    some, other = load(area, i), load(area, j)
    empty = (some <= float32(0)) | (other <= float32(0))
    return select(empty, float32(0), common / (some + other - common))

"""

#: From ``order``, the best first, those that overlap no chosen one by more than ``threshold``.
CHOOSE = """
def choose(order, ordered, count, chosen, {given}, threshold):
    made = int64(0)
    for o in range(ordered):
        if made < count:
            i = load(order, o)
            free = True
            c = int64(0)
            while free and c < made:
                j = load(chosen, c)
                free = not ({overlap} > threshold)
                c += 1
            if free:
                store(chosen, made, i)
                made += 1
    return made

"""
BY_BOXES = {"given": "low, high, area, n", "overlap": "iou(low, high, area, n, j, i)"}
BY_MATRIX = {"given": "overlaps, n", "overlap": "load(overlaps, i * n + j)"}

#: The box of the greatest score, the first of equal ones, is chosen if nothing chosen since its
#: score was last reckoned overlaps it; else its score shrinks, and it waits again.
CHOOSE_SOFTLY = """
made = int64(0)
best = int64(0)
while soft != 0 and made < count and best >= 0:
    best = int64(-1)
    for k in range(n):
        if load(waits, k):
            if best < 0:
                best = k
            elif load(kept, k) > load(kept, best):
                best = k
    if best >= 0:
        before = load(kept, best)
        score = before
        c = made - 1
        while c >= load(seen, best) and score > load(least, 0):
            near = iou(low, high, area, n, load(chosen, c), best)
            score = score * exp(load(scale, 0) * near * near)
            c -= 1
        store(kept, best, score)
        store(seen, best, made)
        if score == before:
            store(chosen, made, best)
            made += 1
        if score == before or score <= load(least, 0):
            store(waits, best, bool_(0))
if soft == 0:
    made = choose(order, ordered, count, chosen, low, high, area, n, load(threshold, 0))
store(length, 0, made)
return 0
"""


def ordered(scores: Array, least: float) -> Array:
    """Indices of the boxes of scores above ``least``, the best first, of equal ones the first."""
    order = np.argsort(-scores, kind="stable")
    return np.ascontiguousarray(order[scores[order] > least], np.int64)


def room(count: int, n: int) -> dict[str, Any]:
    return {
        "count": count,
        "chosen": np.empty(min(count, n), np.int64),
        "length": np.zeros(1, np.int64),
    }


def corners(boxes: Any) -> dict[str, Any]:
    found = Boxes(boxes)
    return {"n": len(found.area), "low": found.low, "high": found.high,
            "area": np.ascontiguousarray(found.area)}  # fmt: skip
