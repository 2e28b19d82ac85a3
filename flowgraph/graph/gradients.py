"""``tf.gradients``: from a graph to a larger graph that also computes derivatives.

Going backward from ``ys``, each operation's ``grad`` rule turns the gradients flowing into its
outputs (dy) into gradients flowing out of its inputs (dx); a tensor with several consumers gets
their sum.  The result are ordinary tensors, so gradients of gradients need nothing new.

    between = operations on a path from xs to ys
    start:   dy of each y is ones, or grad_ys
    repeat:  take an operation whose consumers (within between) are all done
             sum up the dy of each output;  dx = rule(op, *dys);  hand dx to the inputs

The order of visits, and with it every name, is TensorFlow's:
``gradients/dense/MatMul_grad/MatMul``.  Everything is a loop, so chains of any length work, and
each operation is visited once.

Read next: cuts.py (why a gradient is None), gradient_registry.py (overrides, custom_gradient),
ops/jacobians.py (whole matrices of derivatives), any file of ops/ for rules.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from flowgraph.collector import without_collector
from flowgraph.errors import format_message
from flowgraph.graph.apply import OpView, call
from flowgraph.graph.convert import convert, convert_to_tensor, make_constant
from flowgraph.graph.core import Graph
from flowgraph.graph.default import graph_of, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.gradient_registry import registered_gradient
from flowgraph.graph.indexed_slices import (
    IndexedSlices,
    IndexedSlicesValue,
    concat_indexed_slices,
)
from flowgraph.graph.node import Operation, Tensor, describe
from flowgraph.graph.opdef import OPDEFS, NotDifferentiable
from flowgraph.graph.site import find_site, format_site
from flowgraph.shapes import format_dims, is_compatible, is_fully_known, merge

__all__ = [
    "AggregationMethod", "IndexedSlices", "IndexedSlicesValue", "UnconnectedGradients",
    "gradients",
]  # fmt: skip

#: What flows backward: a dense tensor, or some of its rows.
Gradient = Tensor | IndexedSlices


#: Ops whose gradient rule passes IndexedSlices on; others get a dense tensor.
_SPARSE_OPS = frozenset(("AddN", "Identity", "IdentityN"))

#: Linear ops that act on each element alone: the gradient of some rows is the gradient of the
#: others' zeros and theirs.
_ROWWISE_OPS = frozenset(("Cast", "Neg"))


@export("AggregationMethod")
class AggregationMethod:
    """Ways to sum the gradients of a tensor with several consumers.

    All of them give one ``AddN`` here: the planner decides about memory.
    """

    ADD_N = 0
    DEFAULT = ADD_N
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


@export("UnconnectedGradients")
class UnconnectedGradients(enum.Enum):
    """What ``tf.gradients`` gives for an x that no y depends on: None, or a tensor of zeros."""

    NONE = "none"
    ZERO = "zero"


@export("gradients")
@without_collector
def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
    stop_gradients: Any = None,
    unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
) -> list[Any]:
    """Derivatives of the sum of ``ys`` with respect to each of ``xs``.

    ``dx[j] = sum_i grad_ys[i] * d ys[i] / d xs[j]``

    Args:
        ys: tensor or list of tensors.
        xs: tensor or variable, or a list of them.  Paths from one x through another count.
        grad_ys: one gradient per y, of its shape; None (also inside the list) means ones.
        name: the name scope of the new operations.
        colocate_gradients_with_ops: give them the device of the operation they derive.
        gate_gradients: accepted; every run has a fixed order anyway.
        aggregation_method: accepted; see AggregationMethod.
        stop_gradients: tensors to be taken as constants, in addition to the xs' own inputs.
        unconnected_gradients: what stands for an x that does not influence ys.

    Returns:
        A list with one Tensor or IndexedSlices per x, or None where no derivative flows: there is
        no path, or every path goes through an op without gradient, an integer, or
        ``stop_gradient``.

    Raises:
        ValueError: lengths of ``ys`` and ``grad_ys`` differ, a gradient has another shape than
            its tensor, or an option has a value that it does not take.
        TypeError: a gradient has another dtype than its tensor, a complex y has no grad_ys, or a
            y is a string.
        LookupError: an overriding gradient is not registered.

    Source: tf.gradients (TensorFlow 1.15).
    """
    if aggregation_method not in (None, 0, 1, 2):
        raise ValueError(f"aggregation_method must be 0, 1 or 2, got {aggregation_method!r}")
    try:
        unconnected = UnconnectedGradients(unconnected_gradients)
    except ValueError:
        raise ValueError(
            f"gradients: unconnected_gradients must be 'none' or 'zero', got "
            f"{unconnected_gradients!r}"
        ) from None
    y_list, x_list, stop_list = _as_list(ys), _as_list(xs), _as_list(stop_gradients)
    given = _as_list(grad_ys) if grad_ys is not None else [None] * len(y_list)
    if len(given) != len(y_list):
        raise ValueError(f"gradients: {len(y_list)} ys were given, but {len(given)} grad_ys")
    graph = graph_of([*y_list, *x_list, *stop_list, *given])
    if graph.executes:
        raise RuntimeError(
            "tf.gradients is not supported when eager execution is enabled. Use tf.GradientTape "
            "instead."
        )
    with name_scope(name, "gradients", [*y_list, *x_list, *stop_list, *given]):
        y_tensors = [_dense(y, f"y_{i}") for i, y in enumerate(y_list)]
        x_tensors = [_source(x, f"x_{i}") for i, x in enumerate(x_list)]
        stops = [_source(x, f"stop_{i}") for i, x in enumerate(stop_list)]
        start = [_initial(y, dy, i) for i, (y, dy) in enumerate(zip(y_tensors, given, strict=True))]
        backward = _Backward(graph, y_tensors, x_tensors, stops, colocate_gradients_with_ops)
        for y, dy in zip(y_tensors, start, strict=True):
            backward.give(y, dy)
        backward.run()
        results: list[Any] = [backward.gradient_of(x) for x in x_tensors]
    if unconnected is UnconnectedGradients.ZERO:
        results = [
            call.ZerosLike(x, name="zeros_like") if dx is None else dx
            for x, dx in zip(x_tensors, results, strict=True)
        ]
    return results


# --------------------------------------------------------------------------- the backward walk


class _Backward:
    """Gradients on their way from ys to xs."""

    def __init__(
        self,
        graph: Graph,
        ys: Sequence[Tensor],
        xs: Sequence[Tensor],
        stops: Sequence[Tensor],
        colocate: bool,
    ) -> None:
        self.graph, self.colocate = graph, colocate
        self.scope = graph.get_name_scope()
        between = _operations_between([y.op for y in ys], [x.op for x in xs])
        members = set(between)
        #: Operation -> number of uses by operations that have not been visited.
        self.pending = dict.fromkeys(between, 0)
        for op in between:
            for tensor in op.inputs:
                if tensor.op in members:
                    self.pending[tensor.op] += 1
        #: Where the walk ends: stop_gradients, and xs that depend on no other x.
        self.ends = {tensor.op for tensor in stops}
        for x in xs:
            if not any(tensor.op in members for tensor in x.op.inputs):
                self.ends.add(x.op)
        self.flowing: dict[Tensor, list[Gradient]] = {}
        #: Sums by tensor, made when an operation is visited.
        self.sums: dict[Tensor, Gradient] = {}
        self.queue = deque(
            op for op in dict.fromkeys(y.op for y in ys) if self.pending.get(op) == 0
        )

    def give(self, tensor: Tensor, gradient: Gradient) -> None:
        """Add a gradient that flows into ``tensor``."""
        self.flowing.setdefault(tensor, []).append(gradient)

    def gradient_of(self, tensor: Tensor) -> Gradient | None:
        """The sum of what flowed into ``tensor``."""
        if tensor not in self.sums and tensor in self.flowing:
            self.sums[tensor] = total(self.flowing.pop(tensor))
        return self.sums.get(tensor)

    def run(self) -> None:
        """Visit every operation between xs and ys, consumers first."""
        while self.queue:
            op = self.queue.popleft()
            dys = [self.gradient_of(tensor) for tensor in op.outputs]
            if op not in self.ends and any(dy is not None for dy in dys):
                dxs = self._derive(op, dys)  # NB: the rule of a loop gives it more inputs
                for tensor, dx in zip(op.inputs, dxs, strict=True):
                    if dx is not None and _is_differentiable(tensor):
                        self.give(tensor, dx)
            for tensor in op.inputs:
                left = self.pending.get(tensor.op)
                if left is not None:
                    self.pending[tensor.op] = left - 1
                    if left == 1:
                        self.queue.append(tensor.op)

    def _derive(self, op: Operation, dys: list[Gradient | None]) -> Sequence[Gradient | None]:
        """dx for every input of ``op``, by its rule or the user's."""
        user_rule = registered_gradient(op)
        if user_rule is None:
            rule = OPDEFS[op.type].grad
            if isinstance(rule, NotDifferentiable):
                return [None] * len(op.inputs)
        scopes = self.graph._scopes
        before = scopes.name
        scopes.name = self.scope
        scopes.name = self.graph.unique_name(op.name + "_grad")
        try:
            if self.colocate:
                with self.graph.colocate_with(op):
                    dxs = self._apply_rule(op, dys, user_rule)
            else:
                dxs = self._apply_rule(op, dys, user_rule)
        finally:
            scopes.name = before
        for tensor, dx in zip(op.inputs, dxs, strict=True):
            if isinstance(dx, Tensor):
                _check(f"the gradient of {op.type}", tensor, dx, op)
        return dxs

    def _wants(self, tensor: Tensor) -> bool:
        """Whether a gradient that flows into ``tensor`` reaches an x."""
        return tensor.op in self.pending

    def _apply_rule(
        self, op: Operation, dys: list[Gradient | None], user_rule: Any
    ) -> Sequence[Gradient | None]:
        return apply_rule(op, dys, user_rule, self._wants)


def apply_rule(
    op: Operation, dys: list[Gradient | None], user_rule: Any, wants: Callable[[Tensor], bool]
) -> Sequence[Gradient | None]:
    """dx for every input of ``op``.

    Args:
        dys: what flows into its outputs.
        user_rule: a user's function that stands for the op's own rule, or None.
        wants: whether the gradient of an input leads anywhere.
    """
    if op.type not in _SPARSE_OPS:
        if op.type in _ROWWISE_OPS and user_rule is None:
            (dy,) = dys
            if isinstance(dy, IndexedSlices):
                opdef = OPDEFS[op.type]
                rule: Any = opdef.grad
                (values,) = rule(OpView(op, opdef, wants), dy.values)
                if values is None:
                    return [None]
                return [IndexedSlices(values, dy.indices, dy.dense_shape)]
        dys = [convert(dy, None, None) if dy is not None else None for dy in dys]
    if user_rule is None:
        opdef = OPDEFS[op.type]
        dxs = opdef.grad(OpView(op, opdef, wants), *dys)  # type: ignore[operator]
    else:
        # A user's function expects a tensor for every output, as in TensorFlow.
        filled = [
            call.ZerosLike(tensor) if dy is None and _is_differentiable(tensor) else dy
            for tensor, dy in zip(op.outputs, dys, strict=True)
        ]
        dxs = user_rule(op, *filled)
    listed = _flatten(dxs)
    if len(listed) != len(op.inputs):
        raise ValueError(
            format_message(
                f"the gradient of {op.type} gave {len(listed)} value(s) for "
                f"{len(op.inputs)} input(s)",
                [describe(f"inputs[{i}]", tensor) for i, tensor in enumerate(op.inputs)],
                (op.name, format_site(op.site)),
            )
        )
    return [
        dx if dx is None or isinstance(dx, (Tensor, IndexedSlices)) else convert_to_tensor(dx)
        for dx in listed
    ]


def _operations_between(ends: Iterable[Operation], starts: Iterable[Operation]) -> list[Operation]:
    """The operations on paths from ``starts`` to ``ends`` that derivatives can take."""
    reached: set[Operation] = set()
    todo = deque(starts)
    while todo:
        op = todo.popleft()
        if op not in reached:
            reached.add(op)
            for tensor in op.outputs:
                if tensor._consumers and _is_differentiable(tensor):
                    todo.extend(tensor._consumers)
    between: dict[Operation, None] = {}
    todo = deque(ends)
    while todo:
        op = todo.popleft()
        if op in reached and op not in between:
            between[op] = None
            todo.extend(tensor.op for tensor in op.inputs)
    return list(between)


def _is_differentiable(tensor: Tensor) -> bool:
    return tensor.dtype.np.kind in "fc"


def total(parts: list[Gradient]) -> Gradient:
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, IndexedSlices) for part in parts):
        return concat_indexed_slices([part for part in parts if isinstance(part, IndexedSlices)])
    return call.AddN(parts, name="AddN")


def _check(what: str, tensor: Tensor, gradient: Tensor, op: Operation | None = None) -> None:
    """ValueError or TypeError unless ``gradient`` has the shape and dtype of ``tensor``."""
    if tensor.dims != gradient.dims:
        if not is_compatible(tensor.dims, gradient.dims):
            got, wanted = format_dims(gradient.dims), format_dims(tensor.dims)
            raise ValueError(_mismatch(f"{what} is {got} for shape {wanted}", tensor, gradient, op))
        gradient.dims = merge(gradient.dims, tensor.dims)
    got, wanted = gradient.dtype.base_dtype.name, tensor.dtype.base_dtype.name
    if got != wanted:
        raise TypeError(_mismatch(f"{what} is {got} for {wanted}", tensor, gradient, op))


def _mismatch(headline: str, tensor: Tensor, gradient: Tensor, op: Operation | None) -> str:
    place = (op.name, format_site(op.site)) if op else ("gradients", format_site(find_site()))
    rows = [describe("tensor", tensor), describe("gradient", gradient)]
    fix = "a gradient has the shape and dtype of its tensor: sum, reshape or cast it"
    return format_message(f"gradients: {headline}", rows, place, fix)


# ------------------------------------------------------------------------------------- arguments


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _flatten(values: Any) -> list[Any]:
    """The gradients a rule returned, with the lists that stand for list arguments opened."""
    if not isinstance(values, (list, tuple)):
        return [values]
    flat: list[Any] = []
    for value in values:
        flat.extend(value if isinstance(value, (list, tuple)) else [value])
    return flat


def _dense(value: Any, name: str) -> Tensor:
    return convert(value, None, name)


def _source(value: Any, name: str) -> Tensor:
    """``value`` as the tensor to derive by; of a variable its own output, not one read of it."""
    if value is None:
        raise TypeError(f"gradients: {name} is None, which is no tensor")
    return value if isinstance(value, Tensor) else convert(value, None, name, as_ref=True)


def _initial(y: Tensor, dy: Any, i: int) -> Gradient:
    """The gradient that enters at ``y``: ``dy``, or ones."""
    if isinstance(dy, IndexedSlices):
        return dy
    if dy is not None:
        gradient = dy if isinstance(dy, Tensor) else convert(dy, y.dtype.base_dtype, f"grad_ys_{i}")
        if y.dtype.is_floating or y.dtype.is_complex:
            _check(f"grad_ys[{i}]", y, gradient)
        return call.Identity(gradient, name=f"grad_ys_{i}")
    if y.dtype.is_complex:
        raise TypeError(
            f"gradients: {y.name!r} is {y.dtype.base_dtype.name}; the derivative of a complex y "
            f"depends on its direction, so grad_ys[{i}] must be given"
        )
    if is_fully_known(y.dims):
        shape = make_constant(np.array(y.dims, np.int32), "Shape")
    else:
        shape = call.Shape(y)
    with name_scope(f"grad_ys_{i}") as scope:
        one = make_constant(_one(y), "Const")
        return call.Fill(shape, one, name=scope)


def _one(y: Tensor) -> np.ndarray[Any, Any]:
    if y.dtype.np.kind not in "fiub":
        raise TypeError(
            format_message(
                f"gradients: {y.name!r} is {y.dtype.name}, which has no derivative",
                [describe("y", y)],
                ("gradients", format_site(find_site())),
                "take the gradient of a tensor of floats",
            )
        )
    return np.array(1, y.dtype.np)
