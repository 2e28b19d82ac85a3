"""Which elements, how often, in what order: shuffle, repeat, take, skip, shard, concatenate.

With seeds given, ``shuffle`` has TensorFlow's order: its buffer is refilled before every draw, and
draw k takes element ``word k mod (size of the buffer)`` of a Philox stream.

    buffer [first ... last]: the drawn one changes places with the first, which then leaves
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from flowgraph.data.node import Element, Env, Node, Numbers, Rows, bad
from flowgraph.data.structure import Array, Component, Leaf, compatible, flatten, pack
from flowgraph.dtypes import int64
from flowgraph.ops.philox import philox

#: Blocks of four words computed at once.
_BLOCKS = 256
#: Row numbers that a shuffle hands on at once.
_PIECE = 1024


class Words:
    """The uint32 numbers of a Philox stream, one by one or many at once."""

    def __init__(self, seed: int, seed2: int) -> None:
        self._seeds, self._position = (seed, seed2), 0
        self._ready = np.empty(0, np.int64)

    def take(self, count: int) -> Array:
        """The next ``count``, as int64."""
        if len(self._ready) < count:
            number = max(_BLOCKS, count // 4 + 1)
            blocks = np.arange(self._position, self._position + number, dtype=np.uint64)
            self._position += number
            fresh = philox(*self._seeds, blocks).reshape(-1).astype(np.int64)
            self._ready = np.concatenate([self._ready, fresh])
        found, self._ready = self._ready[:count], self._ready[count:]
        return found

    def __iter__(self) -> Iterator[int]:
        while True:
            yield from self.take(4 * _BLOCKS).tolist()


def shuffled(items: Iterator[Any], size: int, draws: Iterator[int]) -> Iterator[Any]:
    """``items`` by way of a buffer of ``size``, from which ``draws`` picks."""
    buffer = list(itertools.islice(items, size))
    if len(buffer) < size:
        yield from _exhausted(buffer, draws)
        return
    # NB: a ring.  Full, its first element stands where the next one is going to be put.
    first = 0
    for item in items:
        place = (first + next(draws) % size) % size
        drawn = buffer[place]
        buffer[place] = buffer[first]
        buffer[first] = item
        first = (first + 1) % size
        yield drawn
    yield from _exhausted(buffer[first:] + buffer[:first], draws)


def _exhausted(buffer: list[Any], draws: Iterator[int]) -> Iterator[Any]:
    """What is left when nothing comes in: Fisher and Yates' shuffle from the front."""
    size = len(buffer)
    for first, draw in zip(range(size), draws):  # noqa: B905 - draws never end
        place = first + draw % (size - first)
        drawn = buffer[place]
        buffer[place] = buffer[first]
        yield drawn


def shuffled_numbers(numbers: Iterator[int], size: int, draws: Words) -> Iterator[Array]:
    """``shuffled``, in pieces: a hundred times as fast, but it looks ahead."""
    buffer = list(itertools.islice(numbers, size))
    if len(buffer) == size:
        first = 0
        while incoming := list(itertools.islice(numbers, _PIECE)):
            count = len(incoming)
            firsts = (first + np.arange(count)) % size
            places = (firsts + draws.take(count) % size) % size
            drawn = []
            for item, place, at in zip(incoming, places.tolist(), firsts.tolist(), strict=True):
                drawn.append(buffer[place])
                buffer[place] = buffer[at]
                buffer[at] = item
            first = (first + count) % size
            yield np.array(drawn)
        buffer = buffer[first:] + buffer[:first]
    left = len(buffer)
    for start in range(0, left, _PIECE):
        firsts = np.arange(start, min(start + _PIECE, left))
        places = firsts + draws.take(len(firsts)) % (left - firsts)
        drawn = []
        for at, place in enumerate(places.tolist(), start):
            drawn.append(buffer[place])
            buffer[place] = buffer[at]
        yield np.array(drawn)


class Shuffle(Node):
    """See the module docstring.

    Args:
        seeds: (seed, seed2) of the stream.
        is_fixed: the user gave a seed: every initialisation has the same order.
        reshuffle: every repetition has another order.
    """

    def __init__(
        self, source: Node, size: Component, seeds: tuple[int, int], is_fixed: bool,
        reshuffle: bool,
    ) -> None:  # fmt: skip
        self.inputs, self.arguments, self.structure = (source,), (size,), source.structure
        self.seeds, self.is_fixed, self.reshuffle = seeds, is_fixed, reshuffle

    def _draws(self, env: Env) -> Words:
        if not self.reshuffle:
            return Words(*self.seeds)
        # NB: without a seed of the user the next initialisation goes on where this one is.
        kept = env.own if self.is_fixed else env.shared.lasting
        parent = kept.setdefault(self, None)
        if parent is None:
            parent = kept[self] = Words(*self.seeds)
        return Words(*parent.take(2).tolist())

    def _size(self, env: Env) -> int:
        size = env.number(self.arguments[0])
        if size < 1:
            raise bad(f"shuffle: buffer_size must be greater than zero, not {size}")
        return size

    def iterate(self, env: Env) -> Iterator[Element]:
        """The elements of the input in another order."""
        size, draws = self._size(env), self._draws(env)
        return shuffled(self.inputs[0].iterate(env), size, iter(draws))

    def rows(self, env: Env) -> Rows | None:
        """The rows of the input in another order."""
        found = self.inputs[0].rows(env)
        if found is None:
            return None
        arrays, pieces = found
        numbers = itertools.chain.from_iterable(pieces)
        return arrays, shuffled_numbers(numbers, self._size(env), self._draws(env))


class Repeat(Node):
    """The elements ``count`` times; -1: without end."""

    def __init__(self, source: Node, count: Component) -> None:
        self.inputs, self.arguments, self.structure = (source,), (count,), source.structure

    def iterate(self, env: Env) -> Iterator[Element]:
        """The elements, again and again."""
        for _ in _times(env.number(self.arguments[0])):
            empty = True
            for element in self.inputs[0].iterate(env):
                empty = False
                yield element
            if empty or env.shared.stop.is_set():
                return

    def rows(self, env: Env) -> Rows | None:
        """The rows, again and again."""
        found = self.inputs[0].rows(env)
        return None if found is None else (found[0], self._pieces(found, env))

    def _pieces(self, found: Rows | None, env: Env) -> Iterator[Numbers]:
        for _ in _times(env.number(self.arguments[0])):
            empty = True
            found = found or self.inputs[0].rows(env)
            assert found is not None
            for piece in found[1]:
                if len(piece):
                    empty = False
                    yield piece
            found = None
            if empty:
                return


def _times(count: int) -> Iterator[int]:
    return itertools.count() if count < 0 else iter(range(count))


class Part(Node):
    """The elements from ``start`` to ``stop`` by ``step``: take, skip, shard."""

    def __init__(
        self, source: Node, arguments: Sequence[Component],
        bounds: Callable[..., tuple[int, int | None, int]],
    ) -> None:  # fmt: skip
        self.inputs, self.arguments, self.structure = (source,), tuple(arguments), source.structure
        self.bounds = bounds

    def iterate(self, env: Env) -> Iterator[Element]:
        """Some of the elements."""
        start, stop, step = self.bounds(*(env.number(c) for c in self.arguments))
        return itertools.islice(self.inputs[0].iterate(env), start, stop, step)


def take_bounds(count: int) -> tuple[int, int | None, int]:
    """Of the first ``count``; all when it is negative."""
    return 0, None if count < 0 else count, 1


def skip_bounds(count: int) -> tuple[int, int | None, int]:
    """Of all but the first ``count``; none when it is negative."""
    return (0, 0, 1) if count < 0 else (count, None, 1)


def shard_bounds(shards: int, index: int) -> tuple[int, int | None, int]:
    """Of every ``shards``-th, from number ``index`` on."""
    if shards <= 0:
        raise bad(f"shard: num_shards must be greater than zero, not {shards}")
    if not 0 <= index < shards:
        raise bad(f"shard: index must be between 0 and {shards - 1}, not {index}")
    return index, None, shards


class Concatenate(Node):
    """The elements of one dataset, then those of another."""

    def __init__(self, first: Node, second: Node) -> None:
        if not compatible(first.structure, second.structure) and not _same_types(first, second):
            raise TypeError(
                "concatenate: the datasets have elements of different types or structure: "
                f"{first.structure!r} and {second.structure!r}"
            )
        leaves = [
            a if a == b or not isinstance(a, Leaf) else Leaf(a.dtype, _common(a.dims, b.dims))
            for a, b in zip(flatten(first.structure), flatten(second.structure), strict=True)
        ]
        self.inputs, self.structure = (first, second), pack(first.structure, leaves)

    def iterate(self, env: Env) -> Iterator[Element]:
        """One after the other."""
        yield from self.inputs[0].iterate(env)
        yield from self.inputs[1].iterate(env)


def _same_types(first: Node, second: Node) -> bool:
    def loose(leaf: Any) -> Any:
        return Leaf(leaf.dtype, None) if isinstance(leaf, Leaf) else leaf

    a, b = flatten(first.structure), flatten(second.structure)
    return len(a) == len(b) and compatible(
        pack(first.structure, [loose(x) for x in a]), pack(second.structure, [loose(x) for x in b])
    )


def _common(a: Any, b: Any) -> Any:
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(m if m == n else None for m, n in zip(a, b, strict=True))


class Zip(Node):
    """One element of each dataset side by side, as long as all have some."""

    def __init__(self, nested: Any, nodes: Sequence[Node]) -> None:
        self.inputs = tuple(nodes)
        self.structure = pack(nested, [node.structure for node in nodes])

    def iterate(self, env: Env) -> Iterator[Element]:
        """The elements side by side."""
        streams = [node.iterate(env) for node in self.inputs]
        return (tuple(itertools.chain(*together)) for together in zip(*streams))  # noqa: B905

    def rows(self, env: Env) -> Rows | None:
        """Rows of all the arrays, when all are taken in order and are equally many."""
        found = [node.rows(env) for node in self.inputs]
        arrays: list[Any] = []
        for one in found:
            if one is None:
                return None
            arrays += one[0]
        pieces = [list(itertools.islice(one[1], 2)) for one in found if one is not None]
        whole = range(min(len(a) for a in arrays))
        # NB: the streams have been read from; iterate makes new ones.
        if any(len(p) != 1 or p[0] != range(len(p[0])) or len(p[0]) < len(whole) for p in pieces):
            return None
        return arrays, iter([whole])


class Enumerate(Node):
    """The elements with their numbers."""

    def __init__(self, source: Node, start: Component) -> None:
        self.inputs, self.arguments = (source,), (start,)
        self.structure = (Leaf(int64, ()), source.structure)

    def iterate(self, env: Env) -> Iterator[Element]:
        """The numbered elements."""
        stream = enumerate(self.inputs[0].iterate(env), env.number(self.arguments[0]))
        return ((np.array(i, np.int64), *element) for i, element in stream)


class Flat(Node):
    """The elements of nested datasets, one dataset after the other (flat_map)."""

    def __init__(self, source: Node, structure: Any) -> None:
        self.inputs, self.structure = (source,), structure

    def iterate(self, env: Env) -> Iterator[Element]:
        """The elements of each nested dataset."""
        for (bound,) in self.inputs[0].iterate(env):
            yield from bound.iterate()


class Interleave(Node):
    """The elements of several nested datasets in turn, ``block_length`` of each at a time."""

    def __init__(self, source: Node, structure: Any, cycle: Component, block: Component) -> None:
        self.inputs, self.arguments, self.structure = (source,), (cycle, block), structure

    def iterate(self, env: Env) -> Iterator[Element]:
        """The elements of the nested datasets in turn."""
        cycle, block = (env.number(c) for c in self.arguments)
        if cycle < 1 or block < 1:
            raise bad(
                f"interleave: cycle_length and block_length must be greater than zero, not {cycle} "
                f"and {block}"
            )
        source: Iterator[Any] | None = self.inputs[0].iterate(env)
        open_ones: list[Iterator[Element] | None] = [None] * cycle
        place = 0
        while source is not None or any(stream is not None for stream in open_ones):
            stream = open_ones[place]
            if stream is None and source is not None:
                for (bound,) in source:
                    stream = open_ones[place] = bound.iterate()
                    break
                else:
                    source = None
            if stream is not None:
                taken = 0
                for element in itertools.islice(stream, block):
                    taken += 1
                    yield element
                if taken < block:
                    open_ones[place] = None
            place = (place + 1) % cycle


class Cache(Node):
    """The elements, remembered in memory after the first time."""

    def __init__(self, source: Node) -> None:
        self.inputs, self.structure = (source,), source.structure

    def iterate(self, env: Env) -> Iterator[Element]:
        """From memory, or from the input while remembering."""
        known = env.own.get(self)
        return iter(known) if known is not None else self._remember(env)

    def _remember(self, env: Env) -> Iterator[Element]:
        kept = []
        for element in self.inputs[0].iterate(env):
            kept.append(element)
            yield element
        env.own[self] = kept
