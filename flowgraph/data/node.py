"""Node: one step of an input pipeline; Env: what a running one knows.

A Node has no state: it says what its elements look like (``structure``), which tensors of the
user's graph it needs (``tensors``), and makes iterators over flat elements (``iterate``).  All that
changes while a pipeline runs lies in iterators and in the Env they are given.

    Session.run(iterator.initializer)  ->  Env(values of the tensors)  ->  node.iterate(env)

Elements that are rows of arrays in memory need not exist one by one: such nodes also say which rows
come, in what order (``rows``), and ``batch`` takes them all at once.

Read next: sources.py, steps.py, order.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from flowgraph.data.structure import Array, Component, component, flatten
from flowgraph.dtypes import int64
from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.apply import call
from flowgraph.graph.node import Tensor

#: A flat element: arrays, and Bound datasets where datasets are nested.
Element = tuple[Any, ...]
#: Numbers of rows: one behind the other, or any.
Numbers = range | Array
#: Arrays, and which of their rows, in pieces.
Rows = tuple[list[Array], Iterator[Numbers]]


class Node:
    """A step of a pipeline.

    Attributes:
        structure: nested Leafs: what an element is.
        inputs: the nodes that this one takes elements from.
        arguments: values other than elements that it needs.
    """

    structure: Any
    inputs: tuple[Node, ...] = ()
    arguments: tuple[Component, ...] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}Dataset"

    def tensors(self) -> list[Tensor]:
        """The tensors of the surrounding graph that it depends on, each once."""
        found: dict[int, Tensor] = {}
        for node in self.inputs:
            found.update((id(t), t) for t in node.tensors())
        found.update((id(t), t) for argument in self.arguments for t in argument.tensors)
        found.update((id(t), t) for t in self.captured())
        return list(found.values())

    def captured(self) -> list[Tensor]:
        """Those that its functions take from outside."""
        return []

    def iterate(self, env: Env) -> Iterator[Element]:
        """The elements, from the first on."""
        raise NotImplementedError

    def rows(self, env: Env) -> Rows | None:
        """The arrays whose rows the elements are, and which rows; None: they are not."""
        return None


class Shared:
    """What the iterators of one initialisation share, through all nested datasets.

    Attributes:
        lasting: what stays from one initialisation to the next, by node.
        stop: set when the iterator is not needed any more.
    """

    def __init__(self, lasting: dict[Any, Any]) -> None:
        self.lasting = lasting
        self.stop = threading.Event()
        #: The functions that have begun their random streams.
        self.started: set[Any] = set()
        self.closers: list[Callable[[], None]] = []

    def close(self) -> None:
        """End the threads."""
        self.stop.set()
        while self.closers:
            self.closers.pop()()


class Env:
    """Where a pipeline runs.

    Attributes:
        values: id of a tensor -> its value.
        datasets: the nested datasets that a function was given, by the node that stands for each.
        own: what nodes keep between the iterations of one repeat.
    """

    def __init__(
        self,
        values: dict[int, Array],
        shared: Shared,
        datasets: dict[Node, Bound] | None = None,
    ) -> None:
        self.values, self.shared, self.datasets = values, shared, datasets or {}
        self.own: dict[Any, Any] = {}

    def value(self, argument: Component) -> Array:
        """The array of an argument."""
        value = argument.value
        return self.values[id(value)] if isinstance(value, Tensor) else value

    def number(self, argument: Component) -> int:
        """The int of an argument."""
        return int(self.value(argument))


class Bound:
    """A nested dataset that can be iterated: a node, and where it runs."""

    def __init__(self, node: Node, env: Env) -> None:
        self.node, self.env = node, env

    def iterate(self) -> Iterator[Element]:
        """The elements."""
        return self.node.iterate(self.env)


class Argument(Node):
    """Stands for a nested dataset while a function is traced."""

    def __init__(self, structure: Any) -> None:
        self.structure = structure

    def iterate(self, env: Env) -> Iterator[Element]:
        """Of the dataset that the function was called with."""
        return env.datasets[self].iterate()


class Listed(Node):
    """Elements that are there already."""

    def __init__(self, structure: Any, elements: Sequence[Element]) -> None:
        self.structure, self.elements = structure, elements

    def iterate(self, env: Env) -> Iterator[Element]:
        """One after the other."""
        return iter(self.elements)


def count_argument(value: Any, what: str) -> Component:
    """A scalar int64 argument."""
    if isinstance(value, float):
        raise TypeError(f"{what} must be an integer, not {value!r}")
    if isinstance(value, Tensor) and value.dtype is not int64 and value.dtype.is_integer:
        value = call.Cast(value, DstT=int64)
    found = component(value, None if isinstance(value, np.ndarray) else int64)
    if found.dims is not None and len(found.dims):
        raise ValueError(f"{what} must be a scalar, not of shape {list(found.dims)}")
    return found


def static_number(argument: Component) -> int | None:
    """The value of a scalar argument if it is known before running."""
    if isinstance(argument.value, Tensor):
        op = argument.value.op
        return int(op.attrs["value"]) if op.type == "Const" else None
    return int(argument.value)


def bad(text: str) -> InvalidArgumentError:
    """The error of an argument that does not suit, raised when running."""
    return InvalidArgumentError(None, None, text)


def leaves_of(node: Node) -> list[Any]:
    """The flat structure of a node's elements."""
    return flatten(node.structure)
