"""Sums of products over named or paired axes: einsum and tensordot.

    einsum("bij,bjk,k->bi", x, y, z)
      ==>  every operand: diagonals of repeated labels, sums over labels that nobody else has
      ==>  pairs, in the cheapest order:  y.z -> [b, j],  x.that -> [b, i]
      ==>  each pair a batched matrix product, or a multiplication where nothing is summed

Sizes may be unknown; labels and ranks are known.  The parts are views and products, so that
gradients need no rule.

Read next: linalg.py (the products), lower/gemm.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.report import call_message
from flowgraph.graph.static import constant_value
from flowgraph.ops.rules import constant_axes, of_one_dtype
from flowgraph.shapes import format_dims

#: Sizes of some axes: numbers, or scalar tensors where only the run knows.
Sizes = list[Any]


def _sizes(x: Tensor, axes: Sequence[int]) -> Sizes:
    assert x.dims is not None
    return [x.dims[i] if x.dims[i] is not None else call.Shape(x)[i] for i in axes]


def _product(sizes: Sizes) -> Any:
    known = math.prod(size for size in sizes if isinstance(size, int))
    result: Any = known
    for size in sizes:
        if not isinstance(size, int):
            result = size if isinstance(result, int) and result == 1 else size * result
    return result


def _shape_tensor(sizes: Sizes) -> Any:
    if all(isinstance(size, int) for size in sizes):
        return np.array(sizes, np.int32)
    return call.Pack([s if isinstance(s, Tensor) else np.array(s, np.int32) for s in sizes])


def _transposed(x: Tensor, order: Sequence[int]) -> Tensor:
    if list(order) == list(range(len(order))):
        return x
    return call.Transpose(x, np.array(order, np.int32))


# ------------------------------------------------------------------------------------- tensordot


@export("tensordot", "linalg.tensordot")
def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """Sum of products over pairs of axes.

    Args:
        a, b: tensors of one dtype.
        axes: N: the last N axes of ``a`` against the first N of ``b``; or (axes of a, axes of b):
            two numbers, two lists, or an int32 tensor of shape [2, N].
        name: of the operation; ``Tensordot`` by default.

    Returns:
        The remaining axes of ``a``, then those of ``b``.

    Raises:
        ValueError: the paired sizes differ, or ``axes`` does not suit the ranks.

    Gradient: through the transposes, reshapes and the product it is made of.

    >>> import flowgraph as tf
    >>> x, y = tf.ones([2, 3, 4]), tf.ones([4, 3, 5])
    >>> tf.tensordot(x, y, [[1, 2], [1, 0]]).shape
    TensorShape([Dimension(2), Dimension(5)])
    """
    with name_scope(name, "Tensordot", [a, b, axes]) as scope:
        a, b = of_one_dtype(a, b)
        axes_a, axes_b = _paired_axes(a, b, axes)
        left, free_a = _as_matrix(a, axes_a, rows_first=True)
        right, free_b = _as_matrix(b, axes_b, rows_first=False)
        product = call.MatMul(left, right)
        if isinstance(free_a, list) and isinstance(free_b, list):
            shape = _shape_tensor(free_a + free_b)
        else:
            parts = [_shape_tensor(s) if isinstance(s, list) else s for s in (free_a, free_b)]
            shape = call.ConcatV2(parts, 0)
        return call.Reshape(product, shape, name=scope)


def _paired_axes(a: Tensor, b: Tensor, axes: Any) -> tuple[Any, Any]:
    """The axes of a and of b: lists that count from the front, or int32 vectors."""
    ranks = [None if x.dims is None else len(x.dims) for x in (a, b)]
    if isinstance(axes, Tensor):
        value = constant_value(axes)
        if value is None:
            axes = call.Cast(axes, DstT=int32)
            return axes[0], axes[1]
        axes = value if value.ndim else int(value)
    if isinstance(axes, (int, np.integer)):
        if axes < 0:
            raise ValueError(f"tensordot: axes must be at least 0, not {axes}")
        if any(rank is not None and axes > rank for rank in ranks):
            raise ValueError(f"tensordot: axes={axes} needs as many axes in both tensors")
        first: Any = list(range(-int(axes), 0))
        second = list(range(int(axes)))
    else:
        if len(axes) != 2:
            raise ValueError(
                f"tensordot: axes must be a number or have length 2 (axes of a, of b), not {axes}"
            )
        first, second = ([int(i) for i in np.atleast_1d(np.asarray(part, int))] for part in axes)
        if len(first) != len(second):
            raise ValueError(
                f"tensordot: axes pairs {len(first)} axes of a with {len(second)} of b"
            )
    return _from_front(first, ranks[0], "a"), _from_front(second, ranks[1], "b")


def _from_front(axes: list[int], rank: int | None, what: str) -> list[int] | Tensor:
    if rank is None:
        return constant_axes(axes)
    for axis in axes:
        if not -rank <= axis < rank:
            raise ValueError(f"tensordot: axis {axis} of {what} is not in [-{rank}, {rank})")
    counted = [axis % rank for axis in axes] if rank else []
    if len(set(counted)) != len(counted):
        raise ValueError(f"tensordot: axes {axes} of {what} name an axis twice")
    return counted


def _as_matrix(x: Tensor, paired: Any, *, rows_first: bool) -> tuple[Tensor, Any]:
    """``x`` with free axes as rows and paired ones as columns (or the other way round).

    Also the sizes of the free axes: a list, or a vector where ranks or axes are not known.
    """
    if isinstance(paired, Tensor) or x.dims is None:
        return _as_matrix_unknown(x, paired, rows_first=rows_first)
    free = [i for i in range(len(x.dims)) if i not in paired]
    groups = (free, paired) if rows_first else (paired, free)
    x_ordered = _transposed(x, [*groups[0], *groups[1]])
    shape = _shape_tensor([_product(_sizes(x, group)) for group in groups])
    return call.Reshape(x_ordered, shape), _sizes(x, free)


def _as_matrix_unknown(x: Tensor, paired: Any, *, rows_first: bool) -> tuple[Tensor, Tensor]:
    shape, rank = call.Shape(x), call.Rank(x)
    paired = call.Select(call.Less(paired, 0), paired + rank, paired)
    every = call.Range(0, rank, 1)
    is_free = call.All(call.NotEqual(call.ExpandDims(every, 1), call.ExpandDims(paired, 0)), [1])
    free = call.Reshape(call.Cast(call.Where(is_free), DstT=int32), [-1])
    groups = [free, paired] if rows_first else [paired, free]
    ordered = call.Transpose(x, call.ConcatV2(groups, 0))
    sizes = [call.GatherV2(shape, group, 0) for group in groups]
    matrix = call.Reshape(ordered, call.Pack([call.Prod(size, [0]) for size in sizes]))
    return matrix, sizes[0] if rows_first else sizes[1]


# ---------------------------------------------------------------------------------------- einsum


@dataclass(frozen=True, slots=True)
class _Term:
    """A tensor and the label of each axis.  Axes under an ellipsis have labels "0", "1", ..."""

    tensor: Tensor
    labels: tuple[str, ...]


@export("einsum", "linalg.einsum")
def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Tensor:
    """Sums of products over named axes.

    The equation names the axes of every operand, and those of the result: ``"ij,jk->ik"`` is the
    product of two matrices.  Axes of one name run together; names that the result lacks are summed
    over.

    | equation | what it computes |
    |---|---|
    | ``ij->ji`` | transpose |
    | ``ii->i``, ``ii->`` | diagonal, trace |
    | ``bij,bjk->bik`` | products of a batch of matrices |
    | ``i,j->ij`` | outer product |
    | ``...ij,...jk->...ik`` | leading axes of any number, which broadcast |

    Args:
        equation: labels are letters, one per axis; operands are separated by commas; ``...`` stands
            for any number of axes, aligned from the right.  Without ``->`` the result has the axes
            of the ellipsis and then the labels that occur once, in alphabetical order.
        *inputs: as many tensors of one dtype as the equation has operands.
        **kwargs: ``name``: of the operations, ``einsum`` by default; ``optimize``: accepted, the
            order of products is always chosen by cost.

    Returns:
        A tensor with the axes named after ``->``.

    Raises:
        ValueError: the equation is malformed, or ranks or sizes do not suit it.
        TypeError: dtypes differ; an unknown keyword.

    Gradient: as of the products, sums and transposes it is made of.
    Numerics: the order of products is chosen by the sizes that are known when the graph is built;
    it decides rounding.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, -1.0]))
    array([-1., -1.], dtype=float32)
    """
    name = kwargs.pop("name", None)
    kwargs.pop("optimize", None)
    if kwargs:
        raise TypeError(f"einsum: unknown keyword arguments {', '.join(kwargs)}; it takes name")
    with name_scope(name, "einsum", list(inputs)):
        operands, result = _parse(equation)
        if len(operands) != len(inputs):
            raise ValueError(
                f"einsum: {equation!r} has {len(operands)} operands, {len(inputs)} were given"
            )
        terms = [
            _labelled(equation, text, x)
            for text, x in zip(operands, _of_one_dtype(inputs), strict=True)
        ]
        wanted = _result_labels(equation, operands, result, terms)
        sizes = _label_sizes(equation, terms)
        terms = [_with_distinct_labels(term) for term in terms]
        for i, term in enumerate(terms):
            others = {label for t in (*terms[:i], *terms[i + 1 :]) for label in t.labels}
            terms[i] = _summed(term, [x for x in term.labels if x not in {*others, *wanted}])
        term = _evaluate(_cheapest(terms, wanted, sizes), terms, wanted)
        return _transposed(term.tensor, [term.labels.index(label) for label in wanted])


_OPERAND = r"[a-zA-Z]*(?:\.\.\.)?[a-zA-Z]*"
_EQUATION = re.compile(rf"({_OPERAND}(?:,{_OPERAND})*)(?:->({_OPERAND}))?$")


def _parse(equation: str) -> tuple[list[str], str | None]:
    match = _EQUATION.match(equation.replace(" ", ""))
    if match is None:
        raise ValueError(
            f"einsum: {equation!r} is no equation of labels a-z, A-Z and '...', like 'ij,jk->ik'"
        )
    return match[1].split(","), match[2]


def _of_one_dtype(inputs: Sequence[Any]) -> list[Tensor]:
    """All as tensors; plain values take the dtype of the first tensor among them."""
    dtype = next((x.dtype.base_dtype for x in inputs if isinstance(x, Tensor)), None)
    found = []
    for x in inputs:
        found.append(convert_to_tensor(x, dtype_hint=dtype))
        dtype = dtype or found[-1].dtype.base_dtype
    return found


def _labelled(equation: str, text: str, x: Tensor) -> _Term:
    """``x`` with a label for each axis."""
    before, dots, after = text.partition("...")
    named = len(before) + len(after)
    if x.dims is None:
        if dots:
            raise ValueError(
                f"einsum: {equation!r} needs tensors of known rank for '...'; set_shape tells it"
            )
        x = call.Identity(x)
        x.set_shape([None] * named)
    assert x.dims is not None
    rest = len(x.dims) - named
    if rest < 0 or (rest > 0 and not dots):
        raise ValueError(
            f"einsum: {text!r} of {equation!r} names {named} axes, the tensor has shape "
            f"{format_dims(x.dims)}"
        )
    # labels of the ellipsis count from the right
    middle = [str(i) for i in reversed(range(rest))]
    return _Term(x, (*before, *middle, *after))


def _result_labels(
    equation: str, operands: list[str], result: str | None, terms: list[_Term]
) -> tuple[str, ...]:
    """The labels of the result, in order."""
    every = [label for term in terms for label in term.labels]
    dots = sorted({label for label in every if label.isdigit()}, key=int, reverse=True)
    if result is None:
        letters = [c for c in "".join(operands) if c.isalpha()]
        return (*dots, *sorted(c for c in letters if letters.count(c) == 1))
    before, has_dots, after = result.partition("...")
    if dots and not has_dots:
        raise ValueError(f"einsum: the result of {equation!r} needs '...', as its operands have it")
    for label in before + after:
        if label not in every:
            raise ValueError(f"einsum: no operand has label {label!r} of the result: {equation!r}")
        if (before + after).count(label) > 1:
            raise ValueError(f"einsum: label {label!r} is twice in the result: {equation!r}")
    return (*before, *dots, *after)


def _label_sizes(equation: str, terms: list[_Term]) -> dict[str, int | None]:
    """What is known of the size of each label; axes of the ellipsis broadcast."""
    sizes: dict[str, int | None] = {}
    for term in terms:
        assert term.tensor.dims is not None
        for label, size in zip(term.labels, term.tensor.dims, strict=True):
            known = sizes.setdefault(label, size)
            if known is None or (label.isdigit() and known == 1):
                sizes[label] = size if size is not None else known
            elif size is not None and size != known and not (label.isdigit() and size == 1):
                what = "an axis under '...'" if label.isdigit() else f"label {label!r}"
                raise ValueError(
                    call_message(
                        f"einsum: {what} of {equation!r} has sizes {known} and {size}",
                        [(",".join(t.labels), t.tensor) for t in terms],
                        fix="one label stands for one size: check the order of the labels, or "
                        "give the axes labels of their own",
                    )
                )
    return sizes


def _with_distinct_labels(term: _Term) -> _Term:
    """The diagonal along axes of one label."""
    while len(set(term.labels)) < len(term.labels):
        label = next(x for x in term.labels if term.labels.count(x) > 1)
        first = term.labels.index(label)
        second = term.labels.index(label, first + 1)
        rest = [i for i in range(len(term.labels)) if i not in (first, second)]
        x = _transposed(term.tensor, [*rest, first, second])
        if x.dims[-1] is None or x.dims[-1] != x.dims[-2]:  # type: ignore[index]
            # a square, or the reshape fails
            sizes = _sizes(term.tensor, [*rest, first, first])
            x = call.Reshape(x, _shape_tensor(sizes))
        labels = (*(term.labels[i] for i in rest), label)
        term = _Term(call.MatrixDiagPart(x), labels)
    return term


def _summed(term: _Term, labels: Sequence[str]) -> _Term:
    """Without ``labels``: the sum over their axes."""
    if not labels:
        return term
    axes = constant_axes([term.labels.index(label) for label in labels])
    kept = tuple(label for label in term.labels if label not in labels)
    return _Term(call.Sum(term.tensor, axes), kept)


# ---------------------------------------------------------------------------- the order of products

#: The size that is assumed of an axis of which nothing is known.
_ASSUMED_SIZE = 64

#: Up to this many operands all orders are compared.
_EXHAUSTIVE = 7

#: Which terms to multiply: the number of one, or a pair of trees.
Tree = Any


def _cheapest(terms: list[_Term], wanted: Sequence[str], sizes: Mapping[str, int | None]) -> Tree:
    """The tree of pairwise products with the fewest multiplications."""
    count = len(terms)
    members = [frozenset(term.labels) for term in terms]
    everyone = (1 << count) - 1

    def outside(mask: int) -> frozenset[str]:
        """Labels that the product of the terms in ``mask`` must keep."""
        rest = [members[i] for i in range(count) if not mask >> i & 1]
        return frozenset(wanted).union(*rest)

    def labels(mask: int) -> frozenset[str]:
        own = frozenset().union(*(members[i] for i in range(count) if mask >> i & 1))
        return own if mask.bit_count() == 1 else own & outside(mask)

    def cost(one: int, other: int) -> int:
        known = (sizes[label] for label in labels(one) | labels(other))
        return math.prod(_ASSUMED_SIZE if size is None else max(size, 1) for size in known)

    singles = [1 << i for i in range(count)]
    if count > _EXHAUSTIVE:
        return _greedy(singles, cost)
    best: dict[int, tuple[int, Tree]] = {mask: (0, i) for i, mask in enumerate(singles)}
    for mask in range(1, everyone + 1):
        for part in _parts(mask):
            rest = mask ^ part
            total = best[part][0] + best[rest][0] + cost(part, rest)
            if mask not in best or total < best[mask][0]:
                best[mask] = total, (best[part][1], best[rest][1])
    return best[everyone][1]


def _parts(mask: int) -> Iterator[int]:
    """Proper subsets that hold the lowest member: one of each way to cut the set in two."""
    lowest = mask & -mask
    part = (mask - 1) & mask
    while part:
        if part & lowest:
            yield part
        part = (part - 1) & mask


def _greedy(masks: list[int], cost: Any) -> Tree:
    """Multiply the cheapest pair until one is left."""
    trees: dict[int, Tree] = {mask: i for i, mask in enumerate(masks)}
    while len(trees) > 1:
        pairs = [(x, y) for i, x in enumerate(trees) for y in list(trees)[i + 1 :]]
        one, other = min(pairs, key=lambda pair: cost(*pair))
        trees[one | other] = (trees.pop(one), trees.pop(other))
    return next(iter(trees.values()))


def _evaluate(tree: Tree, terms: list[_Term], wanted: Sequence[str]) -> _Term:
    """The product of the terms of ``tree``, with the labels ``wanted`` or others left over."""
    if isinstance(tree, int):
        return terms[tree]
    outer = _members(tree)
    rest = {x for i, term in enumerate(terms) if i not in outer for x in term.labels}
    one, other = (_evaluate(part, terms, wanted) for part in tree)
    return _multiplied(one, other, {*wanted, *rest}, wanted)


def _members(tree: Tree) -> set[int]:
    return {tree} if isinstance(tree, int) else _members(tree[0]) | _members(tree[1])


# ----------------------------------------------------------------------------------- one product


def _multiplied(a: _Term, b: _Term, keep: set[str], wanted: Sequence[str]) -> _Term:
    """The product of two terms, summed over the labels that nobody keeps."""
    if wanted and wanted[-1] in a.labels and wanted[-1] not in b.labels:
        a, b = b, a  # columns of the product come from b
    both = [label for label in a.labels if label in b.labels]
    batch = [label for label in both if label in keep]
    summed = [label for label in both if label not in keep]
    free_a = [label for label in a.labels if label not in both]
    free_b = [label for label in b.labels if label not in both]
    if not summed or not (free_a or free_b):
        labels = (*batch, *free_a, *free_b, *summed)
        product = call.Mul(_aligned(a, labels), _aligned(b, labels))
        return _summed(_Term(product, labels), summed)
    left = _grouped(a, batch, free_a, summed)
    right = _grouped(b, batch, summed, free_b)
    product = call.BatchMatMulV2(left, right) if batch else call.MatMul(left, right)
    if len(free_a) != 1 or len(free_b) != 1:
        shape = _sizes(product, range(len(batch)))
        shape += _sizes(a.tensor, [a.labels.index(label) for label in free_a])
        shape += _sizes(b.tensor, [b.labels.index(label) for label in free_b])
        product = call.Reshape(product, _shape_tensor(shape))
    return _Term(product, (*batch, *free_a, *free_b))


def _aligned(term: _Term, labels: Sequence[str]) -> Tensor:
    """The tensor with an axis for each of ``labels``, of size 1 where it has none."""
    own = [label for label in labels if label in term.labels]
    x = _transposed(term.tensor, [term.labels.index(label) for label in own])
    missing = [i for i, label in enumerate(labels) if label not in term.labels]
    if not missing or len(missing) == missing[-1] + 1:
        return x  # broadcasting adds leading axes
    sizes = iter(_sizes(x, range(len(own))))
    return call.Reshape(x, _shape_tensor([next(sizes) if label in own else 1 for label in labels]))


def _grouped(term: _Term, batch: list[str], rows: list[str], columns: list[str]) -> Tensor:
    """The tensor as matrices: batch axes, then one axis of all rows and one of all columns."""
    order = [term.labels.index(label) for label in (*batch, *rows, *columns)]
    x = _transposed(term.tensor, order)
    if len(rows) == len(columns) == 1:
        return x
    sizes = _sizes(x, range(len(order)))
    first, last = len(batch), len(batch) + len(rows)
    matrix = [_product(sizes[first:last]), _product(sizes[last:])]
    return call.Reshape(x, _shape_tensor([*sizes[:first], *matrix]))
