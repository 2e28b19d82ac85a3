"""Shapes inside the library: tuples with unknown sizes, and the rules they follow.

``Dims`` is ``(None, 3)`` for "any number of rows, 3 columns" and ``None`` for unknown rank.  The
functions on Dims raise ShapeError, whose text knows nothing of graphs; graph/apply.py adds operands
and lines.
"""

from __future__ import annotations

from collections.abc import Iterable

Dims = tuple[int | None, ...] | None


class ShapeError(ValueError):
    """Shapes that do not fit: ``headline`` (without op name) and, when there is one, a fix."""

    def __init__(self, headline: str, fix: str = "") -> None:
        super().__init__(headline)
        self.headline, self.fix = headline, fix


def format_dims(dims: Dims) -> str:
    """``[?, 3]``, ``[]``, or ``<unknown>``: how messages and printed graphs show a shape."""
    if dims is None:
        return "<unknown>"
    return "[" + ", ".join("?" if d is None else str(d) for d in dims) + "]"


def format_tuple(dims: Dims) -> str:
    """``(?, 3)``, ``(3,)``, ``()``, or ``<unknown>``: how TensorFlow prints a shape."""
    if dims is None:
        return "<unknown>"
    inner = ", ".join("?" if d is None else str(d) for d in dims)
    return f"({inner},)" if len(dims) == 1 else f"({inner})"


def is_fully_known(dims: Dims) -> bool:
    """True when the rank and every size are known."""
    return dims is not None and None not in dims


def num_elements(dims: Dims) -> int | None:
    """Product of the sizes; None when one is unknown."""
    if dims is None:
        return None
    count = 1
    for size in dims:
        if size is None:
            return None
        count *= size
    return count


def is_compatible(a: Dims, b: Dims) -> bool:
    """True when one concrete shape could be both ``a`` and ``b``."""
    if a is None or b is None:
        return True
    return len(a) == len(b) and all(
        x is None or y is None or x == y for x, y in zip(a, b, strict=True)
    )


def merge(a: Dims, b: Dims) -> Dims:
    """What is known of a shape that is both ``a`` and ``b``; ShapeError when none can be.

    >>> merge((None, 3), (2, None))
    (2, 3)
    """
    if a is None:
        return b
    if b is None:
        return a
    if not is_compatible(a, b):
        raise ShapeError(f"shapes {format_dims(a)} and {format_dims(b)} are not compatible")
    return tuple(y if x is None else x for x, y in zip(a, b, strict=True))


def merge_size(a: int | None, b: int | None) -> int | None:
    """What is known of a size that is both ``a`` and ``b``; ShapeError when they differ."""
    if a is None or b is None:
        return b if a is None else a
    if a != b:
        raise ShapeError(f"sizes {a} and {b} differ")
    return a


def broadcast(a: Dims, b: Dims) -> Dims:
    """The shape of an elementwise result: aligned from the right, sizes equal or 1.

    An unknown size against a known one above 1 must be that size or 1, so the result is known;
    against 1 it stays unknown.

    >>> broadcast((4, None), (3, 1, 5))
    (3, 4, 5)
    """
    if a == b:
        return a
    if a is None or b is None:
        return None
    if len(a) < len(b):
        a, b = b, a
    result = list(a)
    offset = len(a) - len(b)
    for axis, y in enumerate(b, offset):
        x = a[axis]
        if x == y or y == 1:
            continue
        if x == 1:
            result[axis] = y
        elif x is None:
            result[axis] = y
        elif y is not None:
            raise ShapeError(
                f"shapes {format_dims(a)} and {format_dims(b)} do not broadcast: "
                "aligned from the right, sizes must be equal or 1"
            )
    return tuple(result)


def broadcast_all(shapes: Iterable[Dims]) -> Dims:
    """The broadcast shape of several inputs; ``()`` of none."""
    result: Dims = ()
    for dims in shapes:
        result = broadcast(result, dims)
    return result


def normalize_axis(axis: int, rank: int, what: str = "axis") -> int:
    """``axis`` counted from the front; ShapeError unless ``-rank <= axis < rank``."""
    if not -rank <= axis < rank:
        allowed = f"[{-rank}, {rank})" if rank else "a scalar, which has no axes"
        raise ShapeError(f"{what} {axis} is out of range for rank {rank}: must lie in {allowed}")
    return axis + rank if axis < 0 else axis


def normalize_axes(axes: int | Iterable[int] | None, rank: int) -> tuple[int, ...]:
    """Sorted axes counted from the front, each once; None means all of them.

    >>> normalize_axes([-1, 0], 3)
    (0, 2)
    """
    if axes is None:
        return tuple(range(rank))
    listed = [axes] if isinstance(axes, int) else list(axes)
    return tuple(sorted({normalize_axis(int(axis), rank) for axis in listed}))


def reduce_dims(dims: Dims, axes: Iterable[int] | None, keepdims: bool) -> Dims:
    """``dims`` without ``axes`` (or with 1 there): the shape of a reduction.

    ``axes`` of None are axes not known yet: only the rank survives, and only with ``keepdims``.
    """
    if dims is None:
        return None
    if axes is None:
        return (None,) * len(dims) if keepdims else None
    reduced = set(normalize_axes(axes, len(dims)))
    if keepdims:
        return tuple(1 if axis in reduced else d for axis, d in enumerate(dims))
    return tuple(d for axis, d in enumerate(dims) if axis not in reduced)


def with_rank(dims: Dims, rank: int) -> tuple[int | None, ...]:
    """``dims``, all unknown when its rank is; ShapeError when the rank is another."""
    if dims is None:
        return (None,) * rank
    if len(dims) != rank:
        raise ShapeError(f"shape {format_dims(dims)} must have rank {rank}")
    return dims
