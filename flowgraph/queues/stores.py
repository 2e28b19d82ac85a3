"""Where a queue keeps its elements, and which of them comes out next.

    Fifo       the oldest
    Shuffled   any, while more than a minimum is there
    Priority   the one with the smallest first component; of equals the oldest

An element is a tuple of arrays, one per component.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from flowgraph.ops.philox import philox

Element = tuple[Any, ...]

#: Random blocks made at one time; a block is four numbers.
_BLOCKS = 64


class Store(Protocol):
    """What a queue asks of the place for its elements."""

    def __len__(self) -> int: ...

    def put(self, element: Element) -> None:
        """Take an element in."""

    def take(self) -> Element:
        """The next element; there is one."""

    def put_back(self, elements: Sequence[Element]) -> None:
        """Undo the last ``take`` calls, whose results these are, in order."""

    def ready(self, closed: bool) -> int:
        """How many elements may be taken now."""


class Fifo:
    """First in, first out."""

    def __init__(self) -> None:
        self._elements: deque[Element] = deque()

    def __len__(self) -> int:
        return len(self._elements)

    def put(self, element: Element) -> None:
        """Take an element in."""
        self._elements.append(element)

    def take(self) -> Element:
        """The oldest."""
        return self._elements.popleft()

    def put_back(self, elements: Sequence[Element]) -> None:
        """To the front."""
        self._elements.extendleft(reversed(elements))

    def ready(self, closed: bool) -> int:
        """All."""
        return len(self._elements)


class Shuffled:
    """A random one; at least ``minimum`` stay behind for the next to be chosen from.

    The choice is TensorFlow's: the same seeds give the same order.
    """

    def __init__(self, minimum: int, seed: int, seed2: int) -> None:
        self._minimum, self._seeds = minimum, (seed, seed2)
        self._elements: list[Element] = []
        self._numbers: list[int] = []
        self._block = 0

    def __len__(self) -> int:
        return len(self._elements)

    def put(self, element: Element) -> None:
        """Take an element in."""
        self._elements.append(element)

    def take(self) -> Element:
        """A random one: the last takes its place."""
        if not self._numbers:
            places = np.arange(self._block, self._block + _BLOCKS, dtype=np.uint64)
            self._numbers = philox(*self._seeds, places).reshape(-1)[::-1].tolist()
            self._block += _BLOCKS
        elements = self._elements
        place = self._numbers.pop() % len(elements)
        elements[place], elements[-1] = elements[-1], elements[place]
        return elements.pop()

    def put_back(self, elements: Sequence[Element]) -> None:
        """To the others: their order means nothing."""
        self._elements += elements

    def ready(self, closed: bool) -> int:
        """What is above the minimum; all, when no more will come."""
        return len(self._elements) - (0 if closed else self._minimum)


class Priority:
    """The smallest first component; of equals the oldest."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Element]] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, element: Element) -> None:
        """Take an element in."""
        heapq.heappush(self._heap, (int(element[0]), next(self._count), element))

    def take(self) -> Element:
        """The one with the smallest first component."""
        return heapq.heappop(self._heap)[2]

    def put_back(self, elements: Sequence[Element]) -> None:
        """Before those of equal priority."""
        for element in reversed(elements):
            heapq.heappush(self._heap, (int(element[0]), -next(self._count), element))

    def ready(self, closed: bool) -> int:
        """All."""
        return len(self._heap)
