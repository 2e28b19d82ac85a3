"""What candidate samplers share: their signature, tries of a stream, expected counts.

    tries:  value, value, value ...  of the words of the op's stream (philox.py)
    unique: a value that was drawn before is tried again; the number of tries decides the
            expected counts: -expm1(tries * log1p(-p)) instead of p * num_sampled

Read next: candidate_sampling.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.graph.opdef import Attr, Call, error_sample, not_differentiable, sample
from flowgraph.ops.philox import Stream
from flowgraph.ops.rules import invalid, require_rank
from flowgraph.shapes import Dims, ShapeError, merge_size

NO_GRADIENT = not_differentiable("classes and their counts do not depend on anything smoothly")

#: Blocks reserved for each candidate: 2048 words.
BLOCKS_EACH = 512


def infer_candidates(call_: Call) -> list[Dims]:
    batch, count = require_rank(call_.shapes[0], 2, "true_classes")
    attrs = call_.attrs
    for name in ("num_true", "num_sampled", "range_max"):
        if attrs.get(name, 1) < 1:
            raise ShapeError(f"{name} must be at least 1, not {attrs[name]}")
    try:
        merge_size(count, attrs["num_true"])
    except ShapeError:
        raise ShapeError(
            f"true_classes has {count} columns, num_true is {attrs['num_true']}"
        ) from None
    size = attrs["num_sampled"]
    return [(size,), (batch, attrs["num_true"]), (size,)]


def check_unique(call_: Call, candidates: int) -> None:
    if call_.attrs["unique"] and call_.attrs["num_sampled"] > candidates:
        raise invalid(
            f"{call_.attrs['num_sampled']} different classes cannot be drawn from {candidates}"
        )


def expected_count(call_: Call, p: Any, tries: int) -> Any:
    """How often a class of probability ``p`` is among the candidates."""
    count = call_.attrs["num_sampled"]
    if tries == count:
        return (p * count).astype(np.float32)
    return (-np.expm1(tries * np.log1p(-np.asarray(p, np.float64)))).astype(np.float32)


def collect(call_: Call, draw: Callable[[int, int], Any]) -> tuple[Any, int]:
    """Candidates and the number of tries; ``draw(start, count)`` gives tries in order."""
    wanted = call_.attrs["num_sampled"]
    if not call_.attrs["unique"]:
        return draw(0, wanted), wanted
    found: dict[int, int] = {}  # value -> the try that found it
    tries, batch = 0, 2 * wanted
    while True:
        for i, value in enumerate(draw(tries, batch).tolist(), tries):
            if value not in found:
                found[value] = i
                if len(found) == wanted:
                    return np.array(list(found), np.int64), i + 1
        tries += batch


def words_of(stream: Stream, first: int, start: int, count: int) -> Any:
    """uint32 (count, 2): the words of tries ``start`` to ``start + count``."""
    blocks = stream.blocks(first + start // 2, (start + count + 1) // 2 - start // 2 + 1)
    return blocks.reshape(-1, 2)[start % 2 :][:count]


def uniforms_of(words: Any) -> Any:
    bits = (words[:, 0].astype(np.uint64) & np.uint64(0xFFFFF)) << np.uint64(32)
    return (bits | words[:, 1] | np.uint64(0x3FF0000000000000)).view(np.float64) - 1


SAMPLE_CLASSES = np.array([[1, 7], [90, 3]], np.int64)
SAMPLE_SEEDS: dict[str, Any] = {"seed": 5, "seed2": 7}


def samples_of(**more: Any) -> tuple[Any, ...]:
    attrs = {"num_true": 2, "range_max": 100, **SAMPLE_SEEDS, **more}
    return (
        sample(SAMPLE_CLASSES, num_sampled=20, unique=True, **attrs),
        sample(SAMPLE_CLASSES, num_sampled=95, unique=True, **attrs),
        sample(SAMPLE_CLASSES, num_sampled=21, unique=False, **attrs),
        sample(SAMPLE_CLASSES[:0], num_sampled=3, unique=True, **attrs),
    )


def errors_of(**more: Any) -> tuple[Any, ...]:
    attrs = {"num_true": 2, "num_sampled": 3, "unique": True, "range_max": 100, **more}
    return (
        error_sample(ValueError, "true_classes has 2 columns", SAMPLE_CLASSES,
                     **{**attrs, "num_true": 1}),
        error_sample(ValueError, "must be a matrix", SAMPLE_CLASSES[0], **attrs),
        error_sample(ValueError, "num_sampled must be at least 1", SAMPLE_CLASSES,
                     **{**attrs, "num_sampled": 0}),
        error_sample(Exception, "cannot be drawn from|invalid argument", SAMPLE_CLASSES,
                     **{**attrs, "num_sampled": 101}, stage="run"),
    )  # fmt: skip


CANDIDATE_ATTRS: dict[str, Any] = {
    "num_true": Attr("int", 1),
    "num_sampled": Attr("int", 1),
    "unique": Attr("bool", False),
    "range_max": Attr("int", 1),
}
SIGNATURE = (
    "true_classes: int64 -> sampled_candidates: int64, true_expected_count: float32, "
    "sampled_expected_count: float32"
)
