"""Operations that only order or gather others: NoOp, group, tuple.

Read next: state.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import define, not_differentiable, sample
from flowgraph.graph.sparse_tensor import SparseTensor

define(
    "NoOp",
    "->",
    infer=lambda call_: [],
    grad=not_differentiable("it has no inputs"),
    reference=lambda call_: (),
    samples=(sample(),),
    doc="Does nothing; its control inputs run.",
)


@export("no_op")
def no_op(name: str | None = None) -> Operation:
    """An operation that does nothing; inside ``control_dependencies`` it waits for those."""
    return call.NoOp(name=name)


@export("group")
def group(*inputs: Any, **kwargs: Any) -> Operation:
    """One operation that runs all ``inputs``.

    Args:
        inputs: operations, tensors or variables, or nested lists of them.
        name: of the operation.

    Returns:
        An Operation without outputs.

    Raises:
        TypeError: an input is none of these.   ValueError: an unknown keyword.

    >>> import flowgraph as tf
    >>> v = tf.Variable(1.0)
    >>> tf.group(v.assign_add(1.0), name="step").name
    'step'
    """
    name = kwargs.pop("name", None)
    if kwargs:
        raise ValueError("Unknown keyword arguments: " + ", ".join(kwargs))
    operations = [_operation(item) for item in _flatten(inputs)]
    with name_scope(name, "group_deps", operations) as scope, control_dependencies(operations):
        return call.NoOp(name=scope)


def _flatten(items: Any) -> Iterable[Any]:
    for item in items:
        if isinstance(item, (list, tuple)) and not isinstance(item, IndexedSlices):
            yield from _flatten(item)
        elif item is not None:
            yield item


def _operation(item: Any) -> Operation:
    if isinstance(item, Operation):
        return item
    operation = getattr(item, "op", None)
    if not isinstance(operation, Operation):
        raise TypeError(
            f"Expected tf.group() expected Tensor, Operation or Variable objects, got {item!r}"
        )
    return operation


@export("tuple")
def tuple_(
    tensors: Iterable[Any], name: str | None = None, control_inputs: Iterable[Any] | None = None
) -> list[Any]:
    """The same tensors, none of which is ready before all are.

    Args:
        tensors: tensors, IndexedSlices or SparseTensors; None stays None.
        control_inputs: further operations or tensors to wait for.
        name: of the scope.

    Returns:
        A list like ``tensors``.

    Raises:
        ValueError: there is no tensor.   TypeError: a control input is no operation or tensor.
    """
    given = list(tensors)
    present = [t for t in given if t is not None]
    with name_scope(name, "tuple", present):
        gates = [_operation(t) for t in present]
        for control in control_inputs or ():
            if not isinstance(control, (Operation, Tensor)):
                raise TypeError(f"Control input must be Operation or Tensor: {control!r}")
            gates.append(_operation(control))
        if not gates:
            raise ValueError("Must have at least one Tensor: None given")
        gate = group(*gates)
        with control_dependencies([gate]):
            return [_gated(t) for t in given]


def _gated(tensor: Any) -> Any:
    if tensor is None:
        return None
    if isinstance(tensor, IndexedSlices):
        values = call.Identity(tensor.values, name="control_dependency")
        return IndexedSlices(values, tensor.indices, tensor.dense_shape)
    if isinstance(tensor, SparseTensor):
        values = call.Identity(tensor.values, name="control_dependency")
        return SparseTensor(tensor.indices, values, tensor.dense_shape)
    return call.Identity(convert_to_tensor(tensor), name="control_dependency")
