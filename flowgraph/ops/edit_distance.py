"""How many insertions, deletions and substitutions make one sequence of another: edit_distance.

Read next: sets.py, sparse_rules.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL
from flowgraph.graph.apply import apply_op
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
from flowgraph.ops.rules import f32, i32, invalid
from flowgraph.ops.sparse_rules import (
    as_sparse,
    check_sparse,
    flat_places,
    parts,
    sparse_parts,
    sparse_sample,
)
from flowgraph.shapes import Dims, ShapeError, merge_size


def _distance(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> int:
    """Wagner and Fischer's rows: costs[j] is the distance of a[:i] and b[:j]."""
    steps = np.arange(b.size + 1)
    costs = steps
    for i, item in enumerate(a.tolist()):
        kept = np.empty_like(costs)
        kept[0] = i + 1
        kept[1:] = np.minimum(costs[1:] + 1, costs[:-1] + (b != item))
        # insertions: the least of kept[k] + (j - k) over k <= j
        costs = np.minimum.accumulate(kept - steps) + steps
    return int(costs[-1])


def _sequences(given: Sequence[Any], groups: Any) -> dict[int, Any]:
    """Number of the sequence among ``groups`` -> its elements, in the order given."""
    indices, values, shape = given
    check_sparse(indices, values, shape)
    numbers = flat_places(indices[:, :-1], groups)
    order = np.argsort(numbers, kind="stable")
    found, starts = np.unique(numbers[order], return_index=True)
    return dict(zip(found.tolist(), np.split(values[order], starts[1:]), strict=False))


def _reference(call_: Call, *given: Any) -> Any:
    shapes = given[2], given[5]
    if shapes[0].size != shapes[1].size or shapes[0].size < 2:
        raise invalid(
            f"hypothesis of {shapes[0].size} and truth of {shapes[1].size} axes: both must have "
            "the same number, at least 2"
        )
    groups = np.maximum(shapes[0], shapes[1])[:-1]
    guesses, truths = (_sequences(given[k : k + 3], groups) for k in (0, 3))
    result = np.zeros(int(np.prod(groups)), np.float32)
    nothing = given[1][:0]
    for number in {*guesses, *truths}:
        guess, truth = guesses.get(number, nothing), truths.get(number, nothing)
        distance = float(_distance(guess, truth))
        if call_.attrs["normalize"]:
            distance = distance / truth.size if truth.size else np.inf
        result[number] = distance
    return result.reshape(groups)


def _infer(call_: Call) -> list[Dims]:
    ranks = [sparse_parts(call_, k, what)[1] for k, what in ((0, "hypothesis"), (3, "truth"))]
    try:
        rank = merge_size(*ranks)
    except ShapeError:
        raise ShapeError(f"hypothesis of {ranks[0]} and truth of {ranks[1]} axes") from None
    if rank is not None and rank < 2:
        raise ShapeError(f"hypothesis and truth must have at least 2 axes, not {rank}")
    shapes = call_.partial(2), call_.partial(5)
    if None in shapes:
        return [None if rank is None else (None,) * (rank - 1)]
    pairs = list(zip(*shapes, strict=True))[:-1]  # type: ignore[arg-type]
    return [tuple(None if a is None or b is None else max(a, b) for a, b in pairs)]


_GUESS = sparse_sample(i32([[[1, 2, 3]], [[4, 0, 0]]]))
_TRUTH = sparse_sample(i32([[[0, 0], [1, 3]], [[4, 0], [5, 6]]]))
_LETTERS = sparse_sample(np.array([[b"k", b"i", b"t", b"t", b"e", b"n"]], object))
_OTHERS = sparse_sample(np.array([[b"s", b"i", b"t", b"t", b"i", b"n", b"g"]], object))

define(
    "EditDistance",
    "hypothesis_indices: int64, hypothesis_values: T, hypothesis_shape: int64, "
    "truth_indices: int64, truth_values: T, truth_shape: int64 -> output: float32",
    normalize=True,
    T=dtypes_of(ALL),
    infer=_infer,
    grad=not_differentiable("it counts"),
    reference=_reference,
    samples=(
        sample(*_GUESS, *_TRUTH, const=(2, 5)),
        sample(*_GUESS, *_TRUTH, normalize=False),
        sample(*_LETTERS, *_OTHERS, const=(2, 5), normalize=False),
        sample(*sparse_sample(f32(2, 3)), *sparse_sample(f32(2, 4)), const=(2, 5)),
        sample(*sparse_sample(i32(np.zeros((2, 3)))), *sparse_sample(i32(np.zeros((2, 3))))),
    ),
    errors=(
        error_sample(ValueError, "hypothesis of 3 and truth of 2 axes", *_GUESS,
                     *sparse_sample(i32([[1]]))),
        error_sample(ValueError, "must have at least 2 axes", *sparse_sample(i32([1])),
                     *sparse_sample(i32([1]))),
        error_sample(Exception, "is outside shape", np.array([[3, 0]]), i32([1]),
                     np.array([1, 3]), *sparse_sample(i32([[1]])), stage="run"),
    ),
    doc="Levenshtein's distance of every sequence of two sparse tensors.",
)  # fmt: skip


@export("edit_distance")
def edit_distance(
    hypothesis: Any, truth: Any, normalize: bool = True, name: str | None = "edit_distance"
) -> Tensor:
    """How many insertions, deletions and substitutions make ``hypothesis`` out of ``truth``.

    Args:
        hypothesis: a SparseTensor of at least two axes; sequences lie along the last.
        truth: a SparseTensor of the same dtype and number of axes.
        normalize: divide by the length of the true sequence.
        name: of the operation.

    Returns:
        A float32 tensor of one axis less, with the larger of the sizes of the two.  Where there is
        no sequence, it is empty; an empty truth and a hypothesis that is not give inf when
        normalized.

    Raises:
        TypeError: one is no SparseTensor.   ValueError: the numbers of axes do not fit.

    Gradient: none.
    Cost: the product of the lengths.

    >>> one = tf.sparse.from_dense([["k", "i", "t", "t", "e", "n"]])
    >>> other = tf.sparse.from_dense([["s", "i", "t", "t", "i", "n", "g"]])
    >>> print(tf.Session().run(tf.edit_distance(one, other, normalize=False)))
    [3.]
    """
    given = parts(as_sparse(hypothesis, "hypothesis")), parts(as_sparse(truth, "truth"))
    return apply_op("EditDistance", *given[0], *given[1], normalize=normalize, name=name)
