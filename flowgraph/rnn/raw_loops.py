"""raw_rnn: a cell in a loop whose inputs and end a function decides, step by step.

Read next: loops.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops import nest
from flowgraph.ops.loops import while_loop
from flowgraph.ops.tensor_array import TensorArray
from flowgraph.ops.variable_scope import variable_scope
from flowgraph.rnn.cells import map_sizes, require_cell, zeros_of
from flowgraph.rnn.loops import ONE, ZERO, chosen, first_sizes
from flowgraph.tensor_shape import TensorShape


@export("nn.raw_rnn")
def raw_rnn(
    cell: Any,
    loop_fn: Callable[..., Any],
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: Any = None,
) -> Any:
    """Run a cell as long as ``loop_fn`` says, on inputs that it gives.

    ``loop_fn(time, cell_output, cell_state, loop_state)`` returns ``(finished, next_input,
    next_cell_state, emit_output, next_loop_state)``.  It is called once before the first step, with
    ``cell_output``, ``cell_state`` and ``loop_state`` None: then ``next_cell_state`` is the state
    at the start, and ``emit_output`` tells shapes (without the batch axis) and dtypes of what is
    emitted; None: as ``cell.output_size``.

    Args:
        cell: an RNNCell.
        loop_fn: the function above; ``finished`` is a bool vector, the others tensors or nested
            structures; ``next_loop_state`` may be None.
        parallel_iterations: accepted.
        swap_memory: accepted.
        scope: of the variables; ``"rnn"`` by default.

    Returns:
        ``(emit_ta, state, loop_state)``: TensorArrays of what was emitted (zeros for examples that
        were finished), the state of every example when it was finished, and the last loop state.

    Raises:
        TypeError: ``cell`` is no RNNCell, ``loop_fn`` no function.
    """
    require_cell("cell", cell)
    if not callable(loop_fn):
        raise TypeError(f"loop_fn must be a callable, got {loop_fn!r}")
    with variable_scope("rnn" if scope is None else scope):
        time = make_constant(ZERO)
        finished, next_input, state, emitted, loop_state = loop_fn(time, None, None, None)
        has_loop_state = loop_state is not None
        if not has_loop_state:
            loop_state = make_constant(ZERO)
        flat_input = [convert_to_tensor(x) for x in nest.flatten(next_input)]
        next_input = nest.pack_sequence_as(next_input, flat_input)
        state = nest.map_structure(_as_tensor, state)
        batch = first_sizes(flat_input, 0)
        structure, sizes, dtypes = _emitted(cell, emitted, state)
        zeros = [zeros_of(size, batch, d) for size, d in zip(sizes, dtypes, strict=True)]
        arrays = [
            TensorArray(d, 0, dynamic_size=True, element_shape=zero.dims)
            for zero, d in zip(zeros, dtypes, strict=True)
        ]
        finished = convert_to_tensor(finished)

        def body(t: Tensor, done: Any, arrays: Any, x: Any, old: Any, loop_state: Any) -> Any:
            output, new = cell(x, old)
            next_time = call.AddV2(t, ONE)
            ended, following, new, emit, after = loop_fn(
                next_time, output, new, loop_state if has_loop_state else None
            )
            flat = [convert_to_tensor(y) for y in nest.flatten(emit)]
            flat = [chosen(done, zero, y) for zero, y in zip(zeros, flat, strict=True)]
            written = [a.write(t, y) for a, y in zip(arrays, flat, strict=True)]
            nest.assert_same_structure(old, new, check_types=False)
            pairs = zip(nest.flatten(old), nest.flatten(new), strict=True)
            kept = [chosen(done, before, value) for before, value in pairs]
            done = call.LogicalOr(ended, done)
            after = after if has_loop_state else loop_state
            return next_time, done, written, following, nest.pack_sequence_as(old, kept), after

        results = while_loop(
            lambda _, done, *rest: call.LogicalNot(call.All(done, np.array([0], np.int32))),
            body,
            (time, finished, arrays, next_input, state, loop_state),
            parallel_iterations=parallel_iterations or 32,
            swap_memory=swap_memory,
        )
        emit_ta = nest.pack_sequence_as(structure, results[2])
        return emit_ta, results[4], results[5] if has_loop_state else None


def _as_tensor(leaf: Any) -> Any:
    return leaf if hasattr(leaf, "_parts") else convert_to_tensor(leaf)


def _emitted(cell: Any, emitted: Any, state: Any) -> tuple[Any, list[Any], list[Any]]:
    """(structure, sizes without batch, dtypes) of what is emitted."""
    if emitted is None:
        sizes: list[Any] = []
        map_sizes(sizes.append, cell.output_size)
        structure = map_sizes(lambda _: 0, cell.output_size)
        dtype = nest.flatten(state)[0].dtype.base_dtype
        return structure, sizes, [dtype] * len(sizes)
    flat = [convert_to_tensor(e) for e in nest.flatten(emitted)]
    sizes = [TensorShape(e.dims) for e in flat]
    return emitted, sizes, [e.dtype.base_dtype for e in flat]
