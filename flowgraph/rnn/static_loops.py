"""static_rnn and its like: a cell over a Python list of inputs, every step in the graph.

Read next: loops.py, which makes graphs that do not grow with the number of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.default import control_dependencies
from flowgraph.graph.export import export
from flowgraph.ops import nest
from flowgraph.ops.joining import concat, stack, unstack
from flowgraph.ops.rearranging import reverse_sequence
from flowgraph.ops.variable_scope import variable_scope
from flowgraph.rnn.cells import require_cell
from flowgraph.rnn.loops import chosen, first_sizes, lengths_of, start_of


@export("nn.static_rnn", "contrib.rnn.static_rnn")
def static_rnn(
    cell: Any,
    inputs: Sequence[Any],
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """Run a cell over a list of inputs.

    Args:
        cell: an RNNCell.
        inputs: a list with a tensor [batch, depth], or a nested structure of them, for every step.
        initial_state: in the structure of the state; zeros by default.
        dtype: of the state, when there is no initial_state.
        sequence_length: int32 of shape [batch]: outputs behind the end are zeros, the state stays.
        scope: of the variables; ``"rnn"`` by default.

    Returns:
        ``(outputs, state)``: a list of the outputs, and the state at the end.

    Raises:
        TypeError: ``cell`` is no RNNCell, ``inputs`` no list.
        ValueError: there are no inputs, their depth is not known, or neither initial_state nor
            dtype is given.

    >>> cell = tf.nn.rnn_cell.GRUCell(2)
    >>> outputs, state = tf.nn.static_rnn(cell, [tf.ones([3, 4])] * 5, dtype=tf.float32)
    >>> len(outputs), state is outputs[-1]
    (5, True)
    """
    require_cell("cell", cell)
    if not nest.is_nested(inputs) or isinstance(inputs, dict):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    with variable_scope("rnn" if scope is None else scope):
        steps = [nest.map_structure(convert_to_tensor, x) for x in inputs]
        flat = [x for step in steps for x in nest.flatten(step)]
        for x in flat:
            if x.dims is not None and None in x.dims[1:]:
                raise ValueError(
                    "Input size (dimension 1 of inputs) must be accessible via shape inference, "
                    f"but saw value None: {x}"
                )
        lengths = lengths_of(sequence_length)
        state = start_of(cell, initial_state, dtype, first_sizes(flat, 0))
        outputs = []
        for time, x in enumerate(steps):
            output, new = cell(x, state)
            if lengths is not None:
                ended = call.GreaterEqual(make_constant(np.array(time, np.int32)), lengths)
                output = nest.map_structure(
                    lambda y, ended=ended: chosen(ended, call.ZerosLike(y), y), output
                )
                nest.assert_same_structure(state, new, check_types=False)
                pairs = zip(nest.flatten(state), nest.flatten(new), strict=True)
                kept = [chosen(ended, old, after) for old, after in pairs]
                new = nest.pack_sequence_as(state, kept)
            outputs.append(output)
            state = new
        return outputs, state


@export("nn.static_state_saving_rnn", "contrib.rnn.static_state_saving_rnn")
def static_state_saving_rnn(
    cell: Any,
    inputs: Sequence[Any],
    state_saver: Any,
    state_name: Any,
    sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """``static_rnn`` whose state comes from, and goes to, an object.

    Args:
        cell: an RNNCell.
        inputs: a list with a tensor [batch, depth] for every step.
        state_saver: has ``state(name)``, and ``save_state(name, value)``, which returns an
            operation.
        state_name: the name of the state; a tuple of them in the structure of the state.
        sequence_length: as of ``tf.nn.static_rnn``.
        scope: as of ``tf.nn.static_rnn``.

    Returns:
        ``(outputs, state)``; the last output waits until the state is saved.

    Raises:
        ValueError: there are not as many names as tensors of the state.
    """
    sizes = nest.flatten(cell.state_size)
    nested = nest.is_nested(cell.state_size)
    if nested != isinstance(state_name, tuple):
        raise ValueError(
            "state_name should be the same type as cell.state_size.  state_name: "
            f"{state_name!r}, cell.state_size: {cell.state_size}"
        )
    names = nest.flatten(state_name) if nested else [state_name]
    if len(names) != len(sizes):
        raise ValueError(
            "#elems(state_name) != #elems(cell.state_size): "
            f"{len(names)} vs. {len(sizes)}"
        )
    start = [state_saver.state(name) for name in names]
    initial = nest.pack_sequence_as(cell.state_size, start)
    outputs, state = static_rnn(
        cell, inputs, initial_state=initial, sequence_length=sequence_length, scope=scope
    )
    values = nest.flatten(state)
    saved = [state_saver.save_state(n, v) for n, v in zip(names, values, strict=True)]
    with control_dependencies(saved):
        last = nest.map_structure(call.Identity, outputs[-1])
        state = nest.map_structure(call.Identity, state)
    return [*outputs[:-1], last], state


@export("nn.static_bidirectional_rnn", "contrib.rnn.static_bidirectional_rnn")
def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Sequence[Any],
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """Two cells over a list of inputs, one of them from the end to the beginning.

    Args:
        cell_fw, cell_bw: the RNNCells; the second one runs backward.
        inputs, dtype, sequence_length: as of ``tf.nn.static_rnn``.
        initial_state_fw, initial_state_bw: states at the start of either; zeros by default.
        scope: of the variables; ``"bidirectional_rnn"`` by default, with ``fw`` and ``bw`` inside.

    Returns:
        ``(outputs, state_fw, state_bw)``: a list of both outputs side by side, and the states.

    Raises:
        TypeError, ValueError: as of ``tf.nn.static_rnn``.
    """
    require_cell("cell_fw", cell_fw)
    require_cell("cell_bw", cell_bw)
    if not nest.is_nested(inputs) or isinstance(inputs, dict):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    with variable_scope("bidirectional_rnn" if scope is None else scope):
        with variable_scope("fw") as inner:
            output_fw, state_fw = static_rnn(
                cell_fw, inputs, initial_state_fw, dtype, sequence_length, scope=inner
            )
        with variable_scope("bw") as inner:
            output_bw, state_bw = static_rnn(
                cell_bw, _backward(inputs, sequence_length), initial_state_bw, dtype,
                sequence_length, scope=inner,
            )  # fmt: skip
    output_bw = _backward(output_bw, sequence_length)
    flat_fw, flat_bw = nest.flatten(output_fw), nest.flatten(output_bw)
    joined = [concat([fw, bw], 1) for fw, bw in zip(flat_fw, flat_bw, strict=True)]
    return nest.pack_sequence_as(output_fw, joined), state_fw, state_bw


def _backward(steps: Sequence[Any], lengths: Any) -> list[Any]:
    """The steps from the end to the beginning; with lengths, each example from its own end."""
    if lengths is None:
        return list(reversed(steps))
    columns = zip(*(nest.flatten(step) for step in steps), strict=True)
    turned = []
    for column in columns:
        together = stack(list(column))
        turned.append(unstack(reverse_sequence(together, lengths, seq_axis=0, batch_axis=1)))
    rows = zip(*turned, strict=True)
    return [
        nest.pack_sequence_as(step, list(row)) for step, row in zip(steps, rows, strict=True)
    ]
