"""Iterators: the operations that give the elements of a dataset to a graph.

    IteratorV2 / OneShotIterator   a handle: the name under which a session keeps the iterator
    MakeIterator                   (re)start it with a dataset
    IteratorGetNext                its next element; OutOfRangeError after the last

What runs is a resource of the session (State.resources).  Handles are strings, so that a
placeholder can choose between iterators.

Read next: dataset.py.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any

import numpy as np

from flowgraph.data.node import Element, Env, Node, Shared
from flowgraph.data.structure import (
    Nested,
    compatible,
    fits,
    flatten,
    map_leaves,
    of_types,
    pack,
    shapes_of,
    types_of,
)
from flowgraph.dtypes import string
from flowgraph.eager.tensor import wrap
from flowgraph.errors import FailedPreconditionError, OutOfRangeError
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import (
    HOST,
    OPDEFS,
    REQUIRED,
    Attr,
    Call,
    define,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import scalar_shape
from flowgraph.ops.texts import filled, texts
from flowgraph.runtime.state import current_state

_NO_GRADIENT = not_differentiable("input data depend on nothing")

_TYPES = Attr("list(type)", REQUIRED)
_SHAPES = Attr("list(shape)", REQUIRED)


class Running:
    """An iterator of a session: where a pipeline stands.

    Args:
        node: the pipeline.
        values: of ``node.tensors()``.
        lasting: what earlier initialisations left.
    """

    def __init__(self, node: Node, values: Any, lasting: dict[Any, Any]) -> None:
        self.lasting = lasting
        shared = Shared(lasting)
        tensors = node.tensors()
        known = {id(t): v.copy() for t, v in zip(tensors, values, strict=True)}
        self._tensors = tensors  # NB: their ids must stay theirs
        self._elements = node.iterate(Env(known, shared))
        self.close = weakref.finalize(self, shared.close)
        self.close.atexit = False

    def next(self) -> Element:
        """The next element; OutOfRangeError after the last."""
        for element in self._elements:
            return element
        raise OutOfRangeError(None, None, "End of sequence")


def _text(handle: Any) -> str:
    value = handle[()] if isinstance(handle, np.ndarray) else handle
    return value.decode() if isinstance(value, bytes) else str(value)


def _start(name: str, node: Node, values: Any) -> None:
    resources = current_state().resources
    old = resources.get(name)
    if old is not None:
        old.close()
    resources[name] = Running(node, values, {} if old is None else old.lasting)


def _make(call_: Call, *arguments: Any) -> tuple[()]:
    *values, handle = arguments
    _start(_text(handle), call_.attrs["dataset_factory"], values)
    return ()


def _one_shot(call_: Call, *values: Any) -> Any:
    name = call_.attrs["shared_name"]
    if name not in current_state().resources:
        _start(name, call_.attrs["dataset_factory"], values)
    return _handle(name)


@functools.lru_cache(1024)
def _handle(name: str) -> Any:
    return texts(name)


def _get_next(call_: Call, handle: Any) -> Element:
    running = current_state().resources.get(_text(handle))
    if running is None:
        raise FailedPreconditionError(
            None, None,
            "GetNext() failed because the iterator has not been initialized. Ensure that you have "
            "run the initializer operation for this iterator before getting the next element.",
        )  # fmt: skip
    element = running.next()
    attrs = call_.attrs
    for array, dtype, dims in zip(
        element, attrs["output_types"], attrs["output_shapes"], strict=True
    ):
        if (array.dtype is not dtype.np and array.dtype != dtype.np) or not fits(dims, array.shape):
            raise FailedPreconditionError(
                None, None,
                f"the dataset gave {array.dtype}{list(array.shape)} where {dtype.name}"
                f"{'' if dims is None else list(dims)} was promised",
            )  # fmt: skip
    return element


define(
    "IteratorV2",
    "-> handle: string",
    shared_name="",
    container="",
    output_types=_TYPES,
    output_shapes=_SHAPES,
    infer=scalar_shape,
    grad=_NO_GRADIENT,
    reference=lambda call_: texts(call_.attrs["shared_name"]),
    samples=(sample(shared_name="numbers", output_types=["float32"], output_shapes=[[]]),),
    doc="The handle of an iterator that MakeIterator starts.",
)

define(
    "OneShotIterator",
    "components: [Tin] -> handle: string",
    dataset_factory=Attr("func", REQUIRED),
    Tin=_TYPES,
    shared_name="",
    container="",
    output_types=_TYPES,
    output_shapes=_SHAPES,
    infer=scalar_shape,
    grad=_NO_GRADIENT,
    reference=_one_shot,
    samples=(),
    effect=HOST,
    doc="The handle of an iterator that starts when it is first used.",
)

define(
    "MakeIterator",
    "components: [Tin], iterator: string ->",
    dataset_factory=Attr("func", REQUIRED),
    Tin=_TYPES,
    infer=lambda call_: [],
    grad=_NO_GRADIENT,
    reference=_make,
    samples=(),
    effect=HOST,
    doc="Starts an iterator at the first element of a dataset.",
)

define(
    "IteratorGetNext",
    "iterator: string -> components: [output_types]",
    output_types=_TYPES,
    output_shapes=_SHAPES,
    structure=Attr("func", None),
    infer=lambda call_: list(call_.attrs["output_shapes"]),
    grad=_NO_GRADIENT,
    reference=_get_next,
    samples=(),
    effect=HOST,
    doc="The next element of an iterator; OutOfRangeError after the last.",
)

define(
    "IteratorToStringHandle",
    "resource_handle: string -> string_handle: string",
    infer=scalar_shape,
    grad=_NO_GRADIENT,
    reference=lambda call_, handle: filled([handle[()]], ()),
    samples=(sample(texts("numbers")),),
    doc="The handle of an iterator as a string that can be fed.",
)

define(
    "IteratorFromStringHandleV2",
    "string_handle: string -> resource_handle: string",
    output_types=Attr("list(type)", []),
    output_shapes=Attr("list(shape)", []),
    infer=scalar_shape,
    grad=_NO_GRADIENT,
    reference=lambda call_, handle: filled([handle[()]], ()),
    samples=(sample(texts("numbers")),),
    doc="The iterator whose handle a string is.",
)


def _signature(structure: Any) -> dict[str, Any]:
    leaves = flatten(structure)
    if any(isinstance(leaf, Nested) for leaf in leaves):
        raise TypeError(
            "the elements hold datasets, which an iterator cannot give to a graph; use flat_map to "
            "take them apart"
        )
    return {
        "output_types": [leaf.dtype for leaf in leaves],
        "output_shapes": [leaf.dims for leaf in leaves],
    }


@export("data.Iterator")
class Iterator:
    """Gives the elements of a dataset to a graph.

    Made by ``tf.data.make_one_shot_iterator``, ``make_initializable_iterator``,
    ``Iterator.from_structure`` and ``Iterator.from_string_handle``.
    """

    def __init__(
        self,
        iterator_resource: Any,
        initializer: Any,
        output_types: Any,
        output_shapes: Any,
        output_classes: Any = None,
    ) -> None:
        self._handle = iterator_resource
        self._initializer = initializer
        self._structure = of_types(output_types, output_shapes)
        self._string: Tensor | None = None

    @staticmethod
    def from_structure(
        output_types: Any,
        output_shapes: Any = None,
        shared_name: str | None = None,
        output_classes: Any = None,
    ) -> Iterator:
        """An iterator that ``make_initializer(dataset)`` starts with one dataset or another.

        Args:
            output_types: nested dtypes of the elements.
            output_shapes: their static shapes; unknown by default.
            shared_name: iterators of one name are one.
            output_classes: tf.Tensor, nested; not needed.

        >>> it = tf.data.Iterator.from_structure(tf.int64, [])
        >>> value, start = it.get_next(), it.make_initializer(tf.data.Dataset.range(3))
        >>> with tf.Session() as sess:
        ...     sess.run(start)
        ...     print(sess.run(value))
        0
        """
        structure = of_types(output_types, output_shapes)
        handle = _resource(structure, shared_name)
        return Iterator(handle, None, types_of(structure), shapes_of(structure))

    @staticmethod
    def from_string_handle(
        string_handle: Any,
        output_types: Any,
        output_shapes: Any = None,
        output_classes: Any = None,
    ) -> Iterator:
        """The iterator whose ``string_handle()`` is fed.

        Args:
            string_handle: a scalar string: a placeholder.
            output_types, output_shapes: nested dtypes and static shapes of the elements.
            output_classes: tf.Tensor, nested; not needed.
        """
        structure = of_types(output_types, output_shapes)
        handle = call.IteratorFromStringHandleV2(
            convert_to_tensor(string_handle, string), **_signature(structure)
        )
        return Iterator(handle, None, types_of(structure), shapes_of(structure))

    @property
    def initializer(self) -> Operation:
        """The operation that starts it at the first element.

        Raises:
            ValueError: it starts by itself, or make_initializer starts it.
        """
        if self._initializer is None:
            raise ValueError(
                "Iterator does not have an initializer: one-shot iterators start by themselves, "
                "those of from_structure with make_initializer(dataset)"
            )
        return self._initializer

    def make_initializer(self, dataset: Any, name: str | None = None) -> Operation:
        """An operation that starts this iterator with ``dataset``.

        Args:
            dataset: whose elements have the iterator's structure, dtypes and shapes.
            name: of the operation.

        Raises:
            TypeError: they have not.
        """
        node = dataset._node
        if not compatible(self._structure, node.structure):
            raise TypeError(
                f"Expected output types {types_of(self._structure)!r} and shapes "
                f"{shapes_of(self._structure)!r}, but got dataset with output types "
                f"{types_of(node.structure)!r} and shapes {shapes_of(node.structure)!r}"
            )
        return _make_iterator(node, self._handle, name)

    def get_next(self, name: str | None = None) -> Any:
        """The next element: a tensor, or the structure of them.

        Args:
            name: of the operation; ``IteratorGetNext`` by default.

        Raises:
            OutOfRangeError: there is none (when run).
            FailedPreconditionError: the iterator was not initialised (when run).

        NB: make it once and run it often; every call makes another operation.
        """
        components = call.IteratorGetNext(
            self._handle, structure=self._structure, name=name, **_signature(self._structure)
        )
        return pack(self._structure, components)

    def string_handle(self, name: str | None = None) -> Tensor:
        """A scalar string that stands for this iterator in its session.

        Args:
            name: of the operation.
        """
        if name is None and self._string is not None:
            return self._string
        found = call.IteratorToStringHandle(self._handle, name=name)
        if name is None:
            self._string = found
        return found

    @property
    def output_types(self) -> Any:
        """The dtypes of the elements, nested."""
        return types_of(self._structure)

    @property
    def output_shapes(self) -> Any:
        """The static shapes of the elements, nested."""
        return shapes_of(self._structure)

    @property
    def output_classes(self) -> Any:
        """tf.Tensor, nested."""
        return map_leaves(lambda _: Tensor, self._structure)


def _resource(structure: Any, shared_name: str | None) -> Tensor:
    graph = get_default_graph()
    name = shared_name or graph.unique_name("IteratorV2", mark_as_used=False)
    return call.IteratorV2(shared_name=name, **_signature(structure))


def _make_iterator(node: Node, handle: Tensor, name: str | None) -> Operation:
    return call.MakeIterator(node.tensors(), handle, dataset_factory=node, name=name)


def initializable(node: Node, shared_name: str | None) -> Iterator:
    """An iterator with an initializer."""
    handle = _resource(node.structure, shared_name)
    start = _make_iterator(node, handle, None)
    return Iterator(handle, start, types_of(node.structure), shapes_of(node.structure))


def one_shot(node: Node) -> Iterator:
    """An iterator that starts by itself."""
    tensors = node.tensors()
    for tensor in tensors:
        _check_captured(tensor)
    name = get_default_graph().unique_name("OneShotIterator", mark_as_used=False)
    handle = call.OneShotIterator(
        tensors, dataset_factory=node, shared_name=name, **_signature(node.structure)
    )
    return Iterator(handle, None, types_of(node.structure), shapes_of(node.structure))


def _check_captured(tensor: Tensor) -> None:
    """ValueError when the value of ``tensor`` may change, or must be fed."""
    todo, seen = [tensor.op], {tensor.op}
    while todo:
        op = todo.pop()
        if op.type.startswith("Placeholder"):
            raise ValueError(
                f"make_one_shot_iterator: Cannot capture a placeholder (name:{op.name}, type:"
                f"{op.type}) by value; use make_initializable_iterator, and feed it when running "
                "iterator.initializer"
            )
        if OPDEFS[op.type].effect or op.type == "VariableV2":
            raise ValueError(
                f"make_one_shot_iterator: Cannot capture a stateful node (name:{op.name}, type:"
                f"{op.type}) by value; use make_initializable_iterator"
            )
        more = [t.op for t in op.inputs if t.op not in seen]
        seen.update(more)
        todo += more


class EagerIterator:
    """Iterates over a dataset while operations are executed."""

    def __init__(self, node: Node) -> None:
        if node.tensors():
            raise RuntimeError("the dataset depends on tensors of a graph; iterate in its session")
        self._structure = node.structure
        self._running = Running(node, (), {})

    def __iter__(self) -> EagerIterator:
        return self

    def __next__(self) -> Any:
        try:
            element = self._running.next()
        except OutOfRangeError:
            raise StopIteration from None
        return self._packed(element)

    next = __next__

    def _packed(self, element: Element) -> Any:
        return wrapped(self._structure, element)

    def get_next(self, name: str | None = None) -> Any:
        """The next element; OutOfRangeError after the last."""
        return self._packed(self._running.next())

    output_types = property(lambda self: types_of(self._structure))
    output_shapes = property(lambda self: shapes_of(self._structure))


def wrapped(structure: Any, element: Element) -> Any:
    """A flat element as eager tensors."""
    leaves = flatten(structure)
    values = [
        WRAP_DATASET[0](value) if isinstance(leaf, Nested) else wrap(value, leaf.dtype)
        for value, leaf in zip(element, leaves, strict=True)
    ]
    return pack(structure, values)


#: Makes a dataset of a Bound one; dataset.py puts it here.
WRAP_DATASET: list[Any] = []
