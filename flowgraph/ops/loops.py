"""Loops: while_loop.

The condition and the body are functions of the loop variables, called once each; their operations
run inside the native plan, as often as the condition holds.

Read next: control_flow.py (the records), conditionals.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import bool_, int32
from flowgraph.errors import format_message
from flowgraph.graph.apply import call, note_effects
from flowgraph.graph.contexts import Context
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor, describe
from flowgraph.graph.site import find_site, format_site
from flowgraph.ops import nest
from flowgraph.ops.flow_rules import (
    as_output,
    packed,
    parts_like,
    parts_of,
)
from flowgraph.ops.tensor_array import TensorArray
from flowgraph.ops.trips import Trips
from flowgraph.shapes import Dims, format_dims
from flowgraph.tensor_shape import as_dims


@export("while_loop")
def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """Repeat ``body`` while ``cond`` holds: ``while cond(*v): v = body(*v)``.

    Both functions are called once to make the operations of the loop.

    Args:
        cond: ``cond(*loop_vars)`` returns a bool tensor without axes.
        body: ``body(*loop_vars)`` returns the loop variables of the next iteration, in the same
            structure.
        loop_vars: initial values: a list or tuple of tensors, or of nested structures of them.
        shape_invariants: for each loop variable the shape (TensorShape) that it has in every
            iteration; default: the shape of its initial value.
        parallel_iterations: accepted; must be positive.
        back_prop: False: no gradient flows through the loop.
        swap_memory: accepted.
        name: of the name scope; ``"while"`` by default.
        maximum_iterations: the most iterations; an integer tensor without axes.
        return_same_structure: True returns a list of one variable as a list.

    Returns:
        The loop variables when ``cond`` no longer holds, in the structure of ``loop_vars`` (a
        single one alone).

    Raises:
        TypeError: cond or body is not callable; cond returns no bool; parallel_iterations is not a
            positive integer.
        ValueError: no loop variables; the body returns another structure, dtype, or a shape that
            the variable may not have.

    >>> i, total = tf.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, s + i),
    ...                          [tf.constant(0), tf.constant(0)])
    >>> with tf.Session() as sess:
    ...     print(sess.run(total))
    10
    """
    for what, function in (("cond", cond), ("body", body)):
        if not callable(function):
            raise TypeError(f"while_loop: {what} must be a function, got {function!r}")
    if not isinstance(parallel_iterations, int) or parallel_iterations < 1:
        raise TypeError(
            "while_loop: parallel_iterations must be a positive integer, not "
            f"{parallel_iterations!r}"
        )
    if not nest.is_nested(loop_vars) or not len(loop_vars):
        raise ValueError(f"while_loop: loop_vars holds no variables: {loop_vars!r}")
    current = get_default_graph()
    if current.executes:
        return current.while_loop(  # type: ignore[attr-defined]
            cond, body, loop_vars, maximum_iterations, return_same_structure
        )
    with name_scope(name, "while", nest.flatten(loop_vars)) as scope:
        if maximum_iterations is not None:
            return _bounded(cond, body, loop_vars, shape_invariants, scope, maximum_iterations,
                            back_prop, return_same_structure)  # fmt: skip
        results = _Loop(scope[:-1], loop_vars, shape_invariants).run(cond, body, back_prop)
    return _unpacked(results, return_same_structure)


#: The invariant of a loop variable that keeps the shape of its initial value.
KEEP = object()


def _flatten_shapes(invariants: Any, structure: Any) -> list[Any]:
    flat = nest.flatten(invariants)
    count = len(nest.flatten(structure))
    if len(flat) != count:
        raise ValueError(
            f"while_loop: {len(flat)} shape_invariants were given for {count} loop variables"
        )
    return flat


def _unpacked(results: Any, keep: bool) -> Any:
    alone = not keep and isinstance(results, (list, tuple)) and len(results) == 1
    return results[0] if alone else results


def _bounded(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any,
    scope: str,
    maximum: Any,
    back_prop: bool,
    keep: bool,
) -> Any:
    """The loop with a counter in front of its variables."""
    limit = convert_to_tensor(maximum, int32, name="maximum_iterations")
    if limit.dims not in ((), None):
        raise ValueError(
            "while_loop: maximum_iterations must be a scalar, not of shape "
            f"{format_dims(limit.dims)}"
        )

    def bounded_cond(i: Tensor, inner: Any) -> Any:
        return call.LogicalAnd(call.Less(i, limit), _as_bool(cond(*inner)))

    def bounded_body(i: Tensor, inner: Any) -> Any:
        return call.AddV2(i, 1), _as_sequence(body(*inner), inner)

    invariants = None if shape_invariants is None else (KEEP, shape_invariants)
    start = call.Const(value=np.array(0, np.int32), dtype=int32)
    loop = _Loop(scope[:-1], (start, loop_vars), invariants)
    _, results = loop.run(bounded_cond, bounded_body, back_prop)
    return _unpacked(results, keep)


def _as_bool(value: Any) -> Tensor:
    tensor = convert_to_tensor(value)
    if tensor.dtype.base_dtype is not bool_:
        raise TypeError(
            format_message(
                f"while_loop: cond must return a bool, not {tensor.dtype.base_dtype.name}",
                [describe("cond", tensor)],
                ("cond", format_site(find_site())),
                "compare it with something: lambda i: i < 10",
            )
        )
    return tensor


def _as_sequence(returned: Any, like: Any) -> Any:
    """What a body returned, as a sequence where it is one variable alone."""
    if not nest.is_nested(returned) or (
        len(like) == 1 and not isinstance(returned, (list, tuple))
    ):
        return type(like)([returned]) if not hasattr(like, "_fields") else type(like)(returned)
    return returned


class _Loop:
    """One while_loop being made."""

    def __init__(self, scope: str, loop_vars: Any, shape_invariants: Any) -> None:
        self.scope, self.structure = scope, loop_vars
        self.leaves = nest.flatten(loop_vars)
        self.initial = [convert_to_tensor(v) for leaf in self.leaves for v in parts_of(leaf)]
        self.graph: Graph = self.initial[0].graph
        self.dims = [t.dims for t in self.initial]
        position = 0
        for leaf in self.leaves:
            if isinstance(leaf, TensorArray) and leaf.dynamic_size:
                for k in range(position, position + len(parts_of(leaf)) - 1):
                    dims = self.dims[k]  # how many there will be is found out in the end
                    self.dims[k] = None if not dims else (None, *dims[1:])
            position += len(parts_of(leaf))
        if shape_invariants is not None:
            self._widen(shape_invariants)

    def _widen(self, shape_invariants: Any) -> None:
        flat = []  # one for each part
        for leaf, invariant in zip(
            self.leaves, _flatten_shapes(shape_invariants, self.structure), strict=True
        ):
            parts = parts_of(leaf)
            flat += [invariant] if len(parts) == 1 and parts[0] is leaf else [KEEP] * len(parts)
        for k, (initial, invariant) in enumerate(zip(self.initial, flat, strict=True)):
            if invariant is KEEP:
                continue
            dims = as_dims(invariant)
            if not _contains(dims, initial.dims):
                raise ValueError(
                    format_message(
                        f"while_loop: loop variable {k} starts with shape "
                        f"{format_dims(initial.dims)}, which its invariant {format_dims(dims)} "
                        "does not allow",
                        [describe(f"loop variable {k}", initial)],
                        (self.scope, format_site(find_site())),
                    )
                )
            self.dims[k] = dims

    def run(self, cond: Callable[..., Any], body: Callable[..., Any], back_prop: bool) -> Any:
        graph = self.graph
        with graph._inside("cond", self.scope) as condition:
            pred = _as_bool(cond(*self._arguments(condition, "cond/Arg")))
            if pred.dims not in ((), None):
                raise ValueError(
                    format_message(
                        "while_loop: cond must return a scalar, not shape "
                        f"{format_dims(pred.dims)}",
                        [describe("cond", pred)],
                        (self.scope, format_site(find_site())),
                    )
                )
            condition.close(graph, [call.Identity(pred, name="LoopCond")])
        with graph._inside("body", self.scope) as context:
            structure = self._arguments(context, "Identity")
            returned = _as_sequence(body(*structure), self.structure)
            context.close(graph, self._outputs(returned, context))
        captures = list(dict.fromkeys([*condition.captures, *context.captures]))
        sizes = self._make_room(condition, context, nest.flatten(returned), captures)
        results = call.While(
            self.initial, captures, cond=condition, body=context, back_prop=bool(back_prop)
        )
        note_effects(graph, results[0].op, [condition, context])
        exits = [call.Identity(result, name="Exit") for result in results]
        ends = nest.flatten(packed(self.structure, self.leaves, exits))
        for k, end in enumerate(ends):
            if isinstance(end, TensorArray):
                ends[k] = end._in_a_loop(sizes.get(k))
        return nest.pack_sequence_as(self.structure, ends)

    def _make_room(
        self, cond: Context, body: Context, returned: Sequence[Any], captures: Sequence[Tensor]
    ) -> dict[int, Tensor]:
        """Let growing arrays start with room for all that the loop writes.

        Returns:
            Leaf number -> the array's size in the end, where a formula tells.
        """
        sizes: dict[int, Tensor] = {}
        position = 0
        trips = Trips(self.graph, cond, body, self.initial)
        for k, (leaf, result) in enumerate(zip(self.leaves, returned, strict=True)):
            count = len(parts_of(leaf))
            if isinstance(leaf, TensorArray) and leaf.dynamic_size:
                last = position + count - 1
                size = _final_size(trips, self.initial[last], result._noted)
                if size is None:
                    room = call.StackCapacity(trips.count_beforehand(last, captures))
                else:
                    room = sizes[k] = size
                self.initial[position : position + count] = leaf._with_room(room)
            position += count
        return sizes

    def _arguments(self, context: Context, name: str) -> Any:
        for initial, dims in zip(self.initial, self.dims, strict=True):
            context.args.append(call.Arg(dtype=initial.dtype.base_dtype, shape=dims, name=name))
        return nest.map_structure(
            lambda leaf: leaf._in_a_loop() if isinstance(leaf, TensorArray) else leaf,
            packed(self.structure, self.leaves, context.args),
        )

    def _outputs(self, returned: Any, context: Context) -> list[Tensor]:
        """The body's results, checked against the loop variables."""
        place = (self.scope, format_site(find_site()))
        try:
            nest.assert_same_structure(self.structure, returned, check_types=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                format_message(
                    "while_loop: the body returns another structure than the loop variables: "
                    f"{error}",
                    [],
                    place,
                    "return one value for each loop variable, in the same nesting",
                )
            ) from None
        values = []
        for leaf, value in zip(self.leaves, nest.flatten(returned), strict=True):
            try:
                values += parts_like(value, leaf)
            except TypeError as error:
                raise TypeError(format_message(f"while_loop: {error}", [], place)) from None
        outputs = []
        for k, (value, arg) in enumerate(zip(values, context.args, strict=True)):
            output = as_output(value, arg.dtype)
            rows = [describe(f"loop variable {k}", self.initial[k]), describe("returned", output)]
            if output.dtype.base_dtype is not arg.dtype.base_dtype:
                raise TypeError(
                    format_message(
                        f"while_loop: loop variable {k} is {arg.dtype.name}, the body returns "
                        f"{output.dtype.base_dtype.name}",
                        rows,
                        place,
                        "cast it",
                    )
                )
            if not _contains(arg.dims, output.dims):
                raise ValueError(
                    format_message(
                        f"while_loop: loop variable {k} enters with shape "
                        f"{format_dims(arg.dims)} and has shape {format_dims(output.dims)} after "
                        "one iteration",
                        rows,
                        place,
                        "give shape_invariants=[...] with None where the size changes",
                    )
                )
            outputs.append(output)
        return outputs


def _final_size(
    trips: Trips, start: Tensor, indices: Sequence[Tensor] | None
) -> Tensor | None:
    """The size of an array of ``start`` elements, when the loop writes at counters."""
    count = trips.count() if indices is not None else None
    if indices is None or count is None:
        return None
    size = start
    one = make_constant(np.array(1, np.int32))
    for index in indices:
        line, last = trips.line(index), trips.last(index, count)
        if line is None or last is None or int(line[1].op.attrs["value"]) < 0:
            return None
        # without an iteration nothing is written
        written = call.Mul(call.AddV2(last, one), call.Minimum(count, one))
        size = call.Maximum(size, written)
    return size


def _contains(wide: Dims, narrow: Dims) -> bool:
    """True when every shape that ``narrow`` stands for is one of ``wide``'s."""
    if wide is None:
        return True
    if narrow is None or len(wide) != len(narrow):
        return False
    return all(w is None or w == n for w, n in zip(wide, narrow, strict=True))
