"""Shapes as users see them: TensorShape and Dimension, with TensorFlow 1.15's behaviour.

Inside the library a shape is a tuple (shapes.py); ``as_dims`` turns whatever a user gives into one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowgraph.shapes import (
    Dims,
    format_tuple,
    is_compatible,
    is_fully_known,
    merge,
    num_elements,
)


def as_dims(shape: Any) -> Dims:
    """Dims from a TensorShape, a list of sizes (int, None, Dimension), one size, or None."""
    if shape is None:
        return None
    if type(shape) is tuple and all(type(d) is int and d >= 0 for d in shape):
        return shape
    return TensorShape(shape).to_dims()


def _size_of(value: Any) -> int | None:
    """The size meant by an int, None, Dimension, or anything with ``__index__``."""
    if value is None or type(value) is int:
        size = value
    elif isinstance(value, Dimension):
        return value._value
    else:
        try:
            size = value.__index__()
        except AttributeError:
            raise TypeError(
                f"a dimension must be an integer or None, got {value!r} of type "
                f"{type(value).__name__}"
            ) from None
    if size is not None and size < 0:
        raise ValueError(f"Dimension {size} must be >= 0")
    return size


class Dimension:
    """A size that may be unknown: ``x.shape[0]``.

    Arithmetic with an unknown size is unknown, and so are comparisons: they give None.

    >>> Dimension(3) * 2, Dimension(None) + 1, Dimension(3) == 3, Dimension(None) == 3
    (Dimension(6), Dimension(None), True, None)
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # equality is not transitive

    def __init__(self, value: Any) -> None:
        self._value = _size_of(value)

    @property
    def value(self) -> int | None:
        """The size, or None."""
        return self._value

    def __repr__(self) -> str:
        return f"Dimension({self._value})"

    def __str__(self) -> str:
        return "?" if self._value is None else str(self._value)

    def __int__(self) -> int:
        if self._value is None:
            raise TypeError("an unknown Dimension has no integer value")
        return self._value

    def __index__(self) -> int:
        return int(self)

    def _compare(self, other: Any, op: Any) -> Any:
        try:
            other = as_dimension(other)
        except (TypeError, ValueError):
            return NotImplemented
        if self._value is None or other._value is None:
            return None
        return op(self._value, other._value)

    def __eq__(self, other: object) -> Any:
        return self._compare(other, lambda a, b: a == b)

    def __ne__(self, other: object) -> Any:
        return self._compare(other, lambda a, b: a != b)

    def __lt__(self, other: Any) -> Any:
        return self._compare(other, lambda a, b: a < b)

    def __le__(self, other: Any) -> Any:
        return self._compare(other, lambda a, b: a <= b)

    def __gt__(self, other: Any) -> Any:
        return self._compare(other, lambda a, b: a > b)

    def __ge__(self, other: Any) -> Any:
        return self._compare(other, lambda a, b: a >= b)

    def _combine(self, other: Any, op: Any, swap: bool = False) -> Any:
        try:
            other = as_dimension(other)
        except (TypeError, ValueError):
            return NotImplemented
        a, b = (other._value, self._value) if swap else (self._value, other._value)
        return Dimension(None if a is None or b is None else op(a, b))

    def __add__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a + b)

    def __radd__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a + b, swap=True)

    def __sub__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a - b, swap=True)

    def __mul__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a * b)

    def __rmul__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a * b, swap=True)

    def __floordiv__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a // b)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a // b, swap=True)

    def __mod__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a % b)

    def __rmod__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a % b, swap=True)

    def __truediv__(self, other: Any) -> Any:
        raise TypeError("a Dimension has no true division, use // instead")

    __rtruediv__ = __truediv__
    __div__ = __floordiv__

    def is_compatible_with(self, other: Any) -> bool:
        """True when the sizes are equal or one is unknown."""
        other = as_dimension(other)
        return self._value is None or other._value is None or self._value == other._value

    def assert_is_compatible_with(self, other: Any) -> None:
        """ValueError when both sizes are known and differ."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Dimensions {self} and {as_dimension(other)} are not compatible")

    def merge_with(self, other: Any) -> Dimension:
        """The known one of two compatible sizes; ValueError when they differ."""
        other = as_dimension(other)
        self.assert_is_compatible_with(other)
        return Dimension(other._value if self._value is None else self._value)

    def __reduce__(self) -> tuple[Any, ...]:
        return Dimension, (self._value,)


def as_dimension(value: Any) -> Dimension:
    """``value`` as a Dimension."""
    return value if isinstance(value, Dimension) else Dimension(value)


def dimension_value(dimension: Any) -> Any:
    """The int (or None) of a Dimension; anything else unchanged."""
    return dimension._value if isinstance(dimension, Dimension) else dimension


class TensorShape:
    """The shape of a tensor: a list of Dimension, or unknown.

    >>> TensorShape([None, 3])
    TensorShape([Dimension(None), Dimension(3)])
    >>> print(TensorShape([None, 3]))
    (?, 3)
    """

    __slots__ = ("_sizes",)
    _sizes: Dims

    def __init__(self, dims: Any) -> None:
        if dims is None:
            self._sizes = None
        elif isinstance(dims, TensorShape):
            self._sizes = dims._sizes
        elif isinstance(dims, (str, bytes)):
            raise TypeError(f"a shape is a size or a list of sizes, got {dims!r}")
        elif hasattr(dims, "unknown_rank") and hasattr(dims, "dim"):  # a TensorShapeProto
            self._sizes = (
                None
                if dims.unknown_rank
                else tuple(None if d.size == -1 else int(d.size) for d in dims.dim)
            )
        else:
            try:
                sizes = iter(dims)
            except TypeError:
                self._sizes = (_size_of(dims),)
            else:
                self._sizes = tuple(_size_of(size) for size in sizes)

    def to_dims(self) -> Dims:
        """The shape as flowgraph holds it: a tuple of int or None, or None."""
        return self._sizes

    def _known(self, what: str) -> tuple[int | None, ...]:
        if self._sizes is None:
            raise ValueError(f"{what} an unknown TensorShape")
        return self._sizes

    # ---- reading

    @property
    def dims(self) -> list[Dimension] | None:
        """List of Dimension, or None when the rank is unknown."""
        return None if self._sizes is None else [Dimension(size) for size in self._sizes]

    @property
    def ndims(self) -> int | None:
        """Rank, or None."""
        return None if self._sizes is None else len(self._sizes)

    rank = ndims

    def as_list(self) -> list[int | None]:
        """``[None, 3]``; ValueError when the rank is unknown."""
        return list(self._known("as_list() is not defined on"))

    def is_fully_defined(self) -> bool:
        """True when the rank and every size are known."""
        return is_fully_known(self._sizes)

    def num_elements(self) -> int | None:
        """Product of the sizes, or None."""
        return num_elements(self._sizes)

    def __len__(self) -> int:
        return len(self._known("there is no length of"))

    def __bool__(self) -> bool:
        return self._sizes is not None

    __nonzero__ = __bool__

    def __iter__(self) -> Iterator[Dimension]:
        return (Dimension(size) for size in self._known("cannot iterate over"))

    def __getitem__(self, key: int | slice) -> Any:
        if self._sizes is not None:
            if isinstance(key, slice):
                return TensorShape(self._sizes[key])
            return Dimension(self._sizes[key])
        if not isinstance(key, slice):
            return Dimension(None)
        # The length of a slice of an unknown shape is known when both ends count from the front.
        start, stop = key.start or 0, key.stop
        if key.step not in (None, 1):
            raise ValueError("a slice of an unknown TensorShape cannot have a step")
        if stop is None or start < 0 or stop < 0:
            return TensorShape(None)
        return TensorShape([None] * max(0, stop - start))

    # ---- combining

    def merge_with(self, other: Any) -> TensorShape:
        """What is known of a shape that is both; ValueError when they are not compatible."""
        other = as_shape(other)
        if not is_compatible(self._sizes, other._sizes):
            raise ValueError(f"Shapes {self} and {other} are not compatible")
        return TensorShape(merge(self._sizes, other._sizes))

    def concatenate(self, other: Any) -> TensorShape:
        """The sizes of this followed by those of ``other``; unknown when either rank is."""
        other = as_shape(other)
        if self._sizes is None or other._sizes is None:
            return TensorShape(None)
        return TensorShape(self._sizes + other._sizes)

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> TensorShape:
        return as_shape(other).concatenate(self)

    def most_specific_compatible_shape(self, other: Any) -> TensorShape:
        """The shape that allows both: sizes that differ become unknown."""
        other = as_shape(other)
        if self._sizes is None or other._sizes is None or len(self._sizes) != len(other._sizes):
            return TensorShape(None)
        return TensorShape(
            [a if a == b else None for a, b in zip(self._sizes, other._sizes, strict=True)]
        )

    def with_rank(self, rank: int) -> TensorShape:
        """This shape, of unknown sizes when its rank is unknown; ValueError for another rank."""
        if self._sizes is None:
            return TensorShape([None] * rank)
        self.assert_has_rank(rank)
        return self

    def with_rank_at_least(self, rank: int) -> TensorShape:
        """This shape; ValueError when its rank is known and lower."""
        if self._sizes is not None and len(self._sizes) < rank:
            raise ValueError(f"Shape {self} must have rank at least {rank}")
        return self

    def with_rank_at_most(self, rank: int) -> TensorShape:
        """This shape; ValueError when its rank is known and higher."""
        if self._sizes is not None and len(self._sizes) > rank:
            raise ValueError(f"Shape {self} must have rank at most {rank}")
        return self

    # ---- assertions

    def is_compatible_with(self, other: Any) -> bool:
        """True when one concrete shape could be both."""
        return is_compatible(self._sizes, as_shape(other)._sizes)

    def assert_is_compatible_with(self, other: Any) -> None:
        """ValueError unless ``is_compatible_with(other)``."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {as_shape(other)} are incompatible")

    def assert_has_rank(self, rank: int) -> None:
        """ValueError when the rank is known and not ``rank``."""
        if self._sizes is not None and len(self._sizes) != rank:
            raise ValueError(f"Shape {self} must have rank {rank}")

    def assert_same_rank(self, other: Any) -> None:
        """ValueError when both ranks are known and differ."""
        other = as_shape(other)
        if None not in (self.ndims, other.ndims) and self.ndims != other.ndims:
            raise ValueError(f"Shapes {self} and {other} must have the same rank")

    def assert_is_fully_defined(self) -> None:
        """ValueError unless every size is known."""
        if not self.is_fully_defined():
            raise ValueError(f"Shape {self} is not fully defined")

    # ---- protocol

    def __eq__(self, other: object) -> Any:
        try:
            return self._sizes == as_shape(other)._sizes
        except (TypeError, ValueError):
            return NotImplemented

    def __hash__(self) -> int:
        return hash(self._sizes)

    def __repr__(self) -> str:
        return f"TensorShape({self.dims})"

    def __str__(self) -> str:
        return format_tuple(self._sizes)

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorShape, (self._sizes,)


def as_shape(shape: Any) -> TensorShape:
    """``shape`` as a TensorShape."""
    return shape if isinstance(shape, TensorShape) else TensorShape(shape)


def unknown_shape(rank: int | None = None, ndims: int | None = None) -> TensorShape:
    """A shape of unknown sizes, or of unknown rank too when ``rank`` is None."""
    rank = ndims if rank is None else rank
    return TensorShape(None if rank is None else [None] * rank)


#: Public names of this module, under ``tf``.
PUBLIC: dict[str, Any] = {
    "TensorShape": TensorShape,
    "Dimension": Dimension,
    "dimension_value": dimension_value,
    "unknown_shape": unknown_shape,
}
