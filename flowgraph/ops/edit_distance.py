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
    Compiled,
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


def _groups_of(given: Sequence[Any]) -> Any:
    """The sizes of the axes that count sequences."""
    shapes = given[2], given[5]
    if shapes[0].size != shapes[1].size or shapes[0].size < 2:
        raise invalid(
            f"hypothesis of {shapes[0].size} and truth of {shapes[1].size} axes: both must have "
            "the same number, at least 2"
        )
    return np.maximum(shapes[0], shapes[1])[:-1]


def _reference(call_: Call, *given: Any) -> Any:
    groups = _groups_of(given)
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


#: Wagner and Fischer's rows, each over the one before; ``diagonal`` is what stood left above.
_DISTANCES = """
for g in range(n):
    a = load(starts_a, g)
    b = load(starts_b, g)
    rows = load(starts_a, g + 1) - a
    columns = load(starts_b, g + 1) - b
    for j in range(columns + 1):
        store(costs, j, j)
    for i in range(rows):
        item = load(items_a, a + i)
        diagonal = load(costs, 0)
        store(costs, 0, i + 1)
        for j in range(columns):
            changed = diagonal + (0 if load(items_b, b + j) == item else 1)
            diagonal = load(costs, j + 1)
            other = minimum(diagonal, load(costs, j)) + 1
            store(costs, j + 1, minimum(changed, other))
    store(distances, g, load(costs, columns))
return 0
"""


def _sorted(given: Sequence[Any], groups: Any) -> tuple[Any, Any]:
    """Values, sequence after sequence, and where each begins."""
    indices, values, shape = given
    check_sparse(indices, values, shape)
    numbers = flat_places(indices[:, :-1], groups)
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], np.arange(int(np.prod(groups)) + 1))
    return values[order], starts.astype(np.int64)


def _given(call_: Call, *given: Any) -> dict[str, Any]:
    groups = _groups_of(given)
    (guesses, starts_a), (truths, starts_b) = (_sorted(given[k : k + 3], groups) for k in (0, 3))
    # any dtype, also strings: equal values get equal numbers
    _, items = np.unique(np.concatenate([guesses, truths]), return_inverse=True, equal_nan=False)
    items = items.astype(np.int64).reshape(-1)
    return {
        "n": len(starts_a) - 1, "starts_a": starts_a, "starts_b": starts_b,
        "items_a": np.ascontiguousarray(items[: len(guesses)]),
        "items_b": np.ascontiguousarray(items[len(guesses) :]),
        "costs": np.empty(int(np.diff(starts_b).max(initial=0)) + 1, np.int64),
        "distances": np.zeros(len(starts_a) - 1, np.int64), "groups": groups.astype(np.int64),
    }  # fmt: skip


def _made(call_: Call, values: Any) -> Any:
    distances = values["distances"].astype(np.float32)
    if call_.attrs["normalize"]:
        sizes = np.diff(values["starts_b"])
        some = np.diff(values["starts_a"]) + sizes > 0
        distances = np.where(some, distances / sizes.astype(np.float32), np.float32(0))
    return distances.reshape(values["groups"])


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
    kernel=Compiled(_DISTANCES, _given, _made),
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
