"""Nodes that compute: map, filter, batch, padded_batch, window, unbatch, scan."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from flowgraph.data.functions import BoundFunction, Function
from flowgraph.data.node import (
    Bound,
    Component,
    Element,
    Env,
    Listed,
    Node,
    Numbers,
    bad,
    leaves_of,
    static_number,
)
from flowgraph.data.structure import Array, Leaf, Nested, compatible, map_leaves, pack
from flowgraph.dtypes import bool_
from flowgraph.graph.node import Tensor
from flowgraph.shapes import Dims, format_dims


class WithFunction(Node):
    """A node with one function."""

    def __init__(self, source: Node, function: Function) -> None:
        self.inputs, self.function = (source,), function

    def captured(self) -> list[Tensor]:
        """What the function takes from outside."""
        return self.function.captured


class Map(WithFunction):
    """The function of each element."""

    def __init__(self, source: Node, function: Function) -> None:
        super().__init__(source, function)
        self.structure = function.result

    def iterate(self, env: Env) -> Iterator[Element]:
        """The results; an error in one does not end the others."""
        return map(BoundFunction(self.function, env), self.inputs[0].iterate(env))


class Filter(WithFunction):
    """The elements for which the function is True."""

    def __init__(self, source: Node, function: Function, stop: bool = False) -> None:
        super().__init__(source, function)
        self.structure = source.structure
        self._select = itertools.takewhile if stop else filter
        result = function.result
        is_bool = isinstance(result, Leaf) and result.dtype is bool_
        if not is_bool or result.dims not in ((), None):
            raise ValueError(
                f"{function.name}: the predicate must return a scalar bool, not {result!r}"
            )

    def iterate(self, env: Env) -> Iterator[Element]:
        """Those for which it is True."""
        call = BoundFunction(self.function, env)
        return self._select(lambda element: bool(call(element)[0]), self.inputs[0].iterate(env))


class Scan(WithFunction):
    """The second part of ``function(state, element)``, whose first is the next state."""

    def __init__(
        self, source: Node, function: Function, initial: Sequence[Component], state: Any
    ) -> None:
        super().__init__(source, function)
        self.arguments = tuple(initial)
        result = function.result
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError("scan: the function must return a pair: the new state and an element")
        if not compatible(state, result[0]):
            raise TypeError(f"scan: the state was {state!r}, the function returns {result[0]!r}")
        self.structure = result[1]

    def iterate(self, env: Env) -> Iterator[Element]:
        """The second parts."""
        call = BoundFunction(self.function, env)
        state = tuple(env.value(c) for c in self.arguments)
        for element in self.inputs[0].iterate(env):
            out = call((*state, *element))
            state, result = out[: len(state)], out[len(state) :]
            yield result


# ---------------------------------------------------------------------------------------- batches


class Batch(Node):
    """Elements stacked, so many at a time."""

    def __init__(self, source: Node, size: Component, drop: Component) -> None:
        self.inputs, self.arguments = (source,), (size, drop)
        self.rows_in = batch_rows(size, drop)
        self.structure = map_leaves(self._stacked, source.structure)

    def _stacked(self, leaf: Any) -> Any:
        if isinstance(leaf, Nested):
            raise TypeError("batch: datasets cannot be stacked; use flat_map to take them apart")
        return Leaf(leaf.dtype, None if leaf.dims is None else (self.rows_in, *leaf.dims))

    def _sizes(self, env: Env) -> tuple[int, bool]:
        size = env.number(self.arguments[0])
        if size < 1:
            raise bad(f"batch: batch_size must be greater than zero, not {size}")
        return size, bool(env.value(self.arguments[1]))

    def iterate(self, env: Env) -> Iterator[Element]:
        """The batches."""
        size, drop = self._sizes(env)
        rows = self.inputs[0].rows(env)
        if rows is not None:
            return taken(rows[0], rows[1], size, drop)
        return Batches(self.inputs[0].iterate(env), size, drop, stack)


class Batches:
    """Iterator of what ``join`` makes of groups; errors in elements do not end it."""

    def __init__(
        self, source: Iterator[Element], size: int, drop: bool,
        join: Callable[[list[Element]], Element],
    ) -> None:  # fmt: skip
        self._source, self._size, self._drop, self._join = source, size, drop, join

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Element:
        group = list(itertools.islice(self._source, self._size))
        if not group or (self._drop and len(group) < self._size):
            raise StopIteration
        return self._join(group)


def batch_rows(size: Component, drop: Component) -> int | None:
    """The static number of rows of a batch."""
    return static_number(size) if static_number(drop) else None


def stack(group: list[Element]) -> Element:
    """Elements stacked."""
    try:
        return tuple([_stacked(arrays) for arrays in zip(*group, strict=True)])
    except ValueError:
        raise bad(_unequal(group)) from None


def _stacked(arrays: Sequence[Array]) -> Array:
    # NB: np.array is faster, but makes arrays of arrays of strings.
    return np.stack(arrays) if arrays[0].dtype.hasobject else np.array(arrays)


def _unequal(group: list[Element]) -> str:
    for place, arrays in enumerate(zip(*group, strict=True)):
        for number, array in enumerate(arrays):
            if array.shape != arrays[0].shape:
                return (
                    f"Cannot batch tensors with different shapes in component {place}. First "
                    f"element had shape {list(arrays[0].shape)} and element {number} had shape "
                    f"{list(array.shape)}; padded_batch makes them equal"
                )
    return "Cannot batch these elements"


def taken(
    arrays: list[Array], pieces: Iterator[Numbers], size: int, drop: bool
) -> Iterator[Element]:
    """Batches of rows of arrays, taken by number."""
    rest: Array | None = None
    for piece in pieces:
        start = 0
        if rest is not None:
            start = min(size - len(rest), len(piece))
            rest = np.concatenate([rest, piece[:start]])
            if len(rest) < size:
                continue
            yield _rows(arrays, rest)
            rest = None
        stop = len(piece) - (len(piece) - start) % size
        for at in range(start, stop, size):
            yield _rows(arrays, piece[at : at + size])
        if stop < len(piece):
            rest = np.asarray(piece[stop:])
    if rest is not None and not drop:
        yield _rows(arrays, rest)


def _rows(arrays: list[Array], numbers: Numbers) -> Element:
    if isinstance(numbers, range):
        return tuple([a[numbers.start : numbers.stop] for a in arrays])
    return tuple([a.take(numbers, 0) for a in arrays])


class PaddedBatch(Batch):
    """Elements padded to equal shapes and stacked."""

    def __init__(
        self, source: Node, size: Component, drop: Component, shapes: Sequence[Dims],
        fills: Sequence[Component],
    ) -> None:  # fmt: skip
        self.shapes = list(shapes)
        super().__init__(source, size, drop)
        self.arguments = (*self.arguments, *fills)
        leaves = [
            Leaf(leaf.dtype, None if shape is None else (self.rows_in, *shape))
            for leaf, shape in zip(leaves_of(source), self.shapes, strict=True)
        ]
        for leaf, shape in zip(leaves_of(source), self.shapes, strict=True):
            if leaf.dims is not None and shape is not None and len(shape) != len(leaf.dims):
                raise ValueError(
                    f"padded_batch: the padded shape {format_dims(shape)} is not compatible with "
                    f"an element of shape {format_dims(leaf.dims)}"
                )
        self.structure = pack(source.structure, leaves)

    def iterate(self, env: Env) -> Iterator[Element]:
        """The batches."""
        size, drop = self._sizes(env)
        fills = [env.value(c) for c in self.arguments[2:]]
        return Batches(
            self.inputs[0].iterate(env), size, drop, lambda group: self._padded(group, fills)
        )

    def _padded(self, group: list[Element], fills: list[Array]) -> Element:
        columns = zip(zip(*group, strict=True), self.shapes, fills, strict=True)
        return tuple(padded(arrays, shape, fill) for arrays, shape, fill in columns)


def padded(arrays: Sequence[Array], shape: Dims, fill: Array) -> Array:
    """Arrays in a corner of ``shape`` (None: as long as the longest) each, stacked."""
    rank = arrays[0].ndim
    if any(a.ndim != rank for a in arrays) or (shape is not None and len(shape) != rank):
        raise bad(
            "padded_batch: all elements of a batch must have the rank of the padded shape: got "
            f"shapes {', '.join(str(list(a.shape)) for a in arrays[:4])}"
        )
    longest = [max(a.shape[axis] for a in arrays) for axis in range(rank)]
    wanted = [n if d is None else d for n, d in zip(longest, shape or longest, strict=True)]
    for n, d in zip(longest, wanted, strict=True):
        if n > d:
            raise bad(
                f"padded_batch: an element is larger ({longest}) than the padded shape {wanted}"
            )
    out = np.empty((len(arrays), *wanted), arrays[0].dtype)
    out[...] = fill[()]
    for place, array in enumerate(arrays):
        corner: Any = (place, *(slice(n) for n in array.shape))
        out[corner] = array if rank else array[()]
    return out


class Window(Node):
    """Datasets of ``size`` elements, each beginning ``shift`` elements after the last."""

    def __init__(self, source: Node, arguments: Sequence[Component]) -> None:
        self.inputs, self.arguments = (source,), tuple(arguments)
        self.structure = map_leaves(Nested, source.structure)

    def iterate(self, env: Env) -> Iterator[Element]:
        """The windows."""
        size, shift, stride = (env.number(c) for c in self.arguments[:3])
        drop = bool(env.value(self.arguments[3]))
        for value, what in ((size, "size"), (shift, "shift"), (stride, "stride")):
            if value < 1:
                raise bad(f"window: {what} must be greater than zero, not {value}")
        source = self.inputs[0].iterate(env)
        span = (size - 1) * stride + 1
        held = list(itertools.islice(source, span))
        leaves = leaves_of(self.inputs[0])
        while held:
            if drop and len(held) < span:
                return
            window = held[:span:stride]
            yield tuple(
                Bound(Listed(leaf, [(element[i],) for element in window]), env)
                for i, leaf in enumerate(leaves)
            )
            gone = min(shift, len(held))
            held = held[gone:]
            for _ in itertools.islice(source, shift - gone):
                pass
            held += itertools.islice(source, span - len(held))


class Unbatch(Node):
    """The rows of every element, one by one."""

    def __init__(self, source: Node) -> None:
        self.inputs = (source,)
        for leaf in leaves_of(source):
            if not isinstance(leaf, Leaf) or leaf.dims == ():
                raise ValueError("unbatch: every part of an element needs at least one axis")
        self.structure = map_leaves(
            lambda leaf: Leaf(leaf.dtype, None if leaf.dims is None else leaf.dims[1:]),
            source.structure,
        )

    def iterate(self, env: Env) -> Iterator[Element]:
        """The rows."""
        for element in self.inputs[0].iterate(env):
            if len({a.shape[0] for a in element}) > 1:
                raise bad("unbatch: the parts of an element have different numbers of rows")
            for row in range(len(element[0])):
                yield tuple(a[row, ...] for a in element)


class IgnoreErrors(Node):
    """The elements that could be computed."""

    def __init__(self, source: Node) -> None:
        self.inputs, self.structure = (source,), source.structure

    def iterate(self, env: Env) -> Iterator[Element]:
        """Those without an error."""
        source = self.inputs[0].iterate(env)
        while True:
            try:
                element = next(source)
            except StopIteration:
                return
            except Exception:  # noqa: BLE001, S112 - that is what it is for
                continue
            yield element
