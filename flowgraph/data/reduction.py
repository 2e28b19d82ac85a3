"""Dataset.reduce and get_single_element: from a dataset to tensors, without an iterator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowgraph.data.functions import BoundFunction, Function
from flowgraph.data.iterators import wrapped
from flowgraph.data.node import Element, Env, Node, Shared, bad
from flowgraph.data.structure import Leaf, compatible, component, flatten, map_leaves, pack
from flowgraph.graph.apply import call
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import HOST, REQUIRED, Attr, Call, define, not_differentiable


class Reduction(Node):
    """One element: the last state."""

    def __init__(self, source: Node, initial: Any, function: Function) -> None:
        nested = map_leaves(component, initial)
        self.inputs, self.arguments = (source,), tuple(flatten(nested))
        self.structure = function.result
        self.function = function

    def captured(self) -> list[Tensor]:
        """What the function takes from outside."""
        return self.function.captured

    def iterate(self, env: Env) -> Any:
        """The last state."""
        step = BoundFunction(self.function, env)
        state = tuple(env.value(c) for c in self.arguments)
        for element in self.inputs[0].iterate(env):
            state = step((*state, *element))
        return iter([state])


def reduced(source: Node, initial: Any, function: Callable[..., Any]) -> Any:
    """The tensors of Dataset.reduce."""
    if isinstance(initial, list):
        initial = tuple(initial)
    state = map_leaves(lambda c: Leaf(c.dtype, c.dims), map_leaves(component, initial))
    traced = Function(function, (state, source.structure), "Reduce")
    if not compatible(state, traced.result):
        raise TypeError(
            f"reduce: the state was {state!r}, but reduce_func returns {traced.result!r}"
        )
    return single_element(Reduction(source, initial, traced))


def single_element(node: Node, name: str | None = None) -> Any:
    """The only element of a dataset, as tensors."""
    if get_default_graph().executes:
        return wrapped(node.structure, _only(node, {}))
    leaves = flatten(node.structure)
    values = call.DatasetToSingleElement(
        node.tensors(), dataset_factory=node, output_types=[leaf.dtype for leaf in leaves],
        output_shapes=[leaf.dims for leaf in leaves], name=name,
    )  # fmt: skip
    return pack(node.structure, values)


def _only(node: Node, values: dict[int, Any]) -> Element:
    shared = Shared({})
    try:
        stream = node.iterate(Env(values, shared))
        element = next(stream, None)
        if element is None:
            raise bad("Dataset was empty.")
        if next(stream, None) is not None:
            raise bad("Dataset had more than one element.")
        return element
    finally:
        shared.close()


def _reference(call_: Call, *arrays: Any) -> Element:
    node = call_.attrs["dataset_factory"]
    known = {id(t): v.copy() for t, v in zip(node.tensors(), arrays, strict=True)}
    return _only(node, known)


define(
    "DatasetToSingleElement",
    "inputs: [Tin] -> components: [output_types]",
    dataset_factory=Attr("func", REQUIRED),
    Tin=Attr("list(type)", REQUIRED),
    output_types=Attr("list(type)", REQUIRED),
    output_shapes=Attr("list(shape)", REQUIRED),
    infer=lambda call_: list(call_.attrs["output_shapes"]),
    grad=not_differentiable("input data depend on nothing"),
    reference=_reference,
    samples=(),
    effect=HOST,
    doc="The only element of a dataset; an error when it has none or several.",
)
