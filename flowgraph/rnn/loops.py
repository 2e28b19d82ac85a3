"""dynamic_rnn and bidirectional_dynamic_rnn: a cell over the steps of a sequence, in a loop.

    outputs[t], state = cell(inputs[t], state)          for t below the longest sequence

Past the end of its sequence, an example's outputs are zero and its state is copied.  Inputs are
turned to [time, batch, depth]; what the cell can compute of them at once stands in front of the
loop (``RNNCell.prepare_inputs``), and outputs are pushed straight into the result.

Read next: cells.py, raw_loops.py, static_loops.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.default import control_dependencies
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.report import call_message
from flowgraph.ops import nest
from flowgraph.ops.loops import while_loop
from flowgraph.ops.padding import reverse
from flowgraph.ops.rearranging import reverse_sequence
from flowgraph.ops.transposing import transpose
from flowgraph.ops.variable_scope import variable_scope
from flowgraph.rnn.cells import map_sizes, require_cell
from flowgraph.shapes import merge
from flowgraph.tensor_shape import as_dims, as_shape

ZERO, ONE = np.array(0, np.int32), np.array(1, np.int32)


def turned(x: Tensor) -> Tensor:
    """``x`` with its first two axes exchanged."""
    if x.dims is None:
        rank = call.Rank(x)
        rest = call.Range(make_constant(np.array(2, np.int32)), rank, make_constant(ONE))
        return transpose(x, call.ConcatV2([np.array([1, 0], np.int32), rest], 0))
    if len(x.dims) < 2:
        raise ValueError(
            f"Expected input tensor {x.name} to have rank at least 2, but saw shape: {x.shape}"
        )
    return transpose(x, [1, 0, *range(2, len(x.dims))])


def lengths_of(sequence_length: Any) -> Tensor | None:
    """``sequence_length`` as an int32 vector, or None.

    Raises:
        ValueError: it is no vector.
    """
    if sequence_length is None:
        return None
    lengths = convert_to_tensor(sequence_length)
    if lengths.dims is not None and len(lengths.dims) != 1:
        raise ValueError(
            "sequence_length must be a vector of length batch_size, but saw shape: "
            f"{lengths.shape}"
        )
    if lengths.dtype.base_dtype is not int32:
        lengths = call.Cast(lengths, DstT=int32, name="ToInt32")
    return call.Identity(lengths, name="sequence_length")


def checked_lengths(lengths: Tensor, batch: Any) -> Tensor:
    """``lengths``, with an error when it is run and there are not ``batch`` of them."""
    size = None if lengths.dims is None else lengths.dims[0]
    if isinstance(batch, int) and size is not None:
        if size != batch:
            raise ValueError(
                f"Dimensions must be equal: sequence_length has {size} elements for a batch of "
                f"{batch}"
            )
        return lengths
    found = call.Shape(lengths)
    equal = call.All(call.Equal(found, call.Reshape(batch, np.array([1], np.int32))), [0])
    text = f"Expected shape for Tensor {lengths.name} is "
    test = call.Assert(equal, [text, batch, " but saw shape: ", found])
    with control_dependencies([getattr(test, "op", test)]):
        return call.Identity(lengths, name="CheckSeqLen")


def first_sizes(tensors: list[Tensor], axis: int) -> Any:
    """The size of all tensors along an axis: an integer when known, else a tensor.

    Raises:
        ValueError: two are known to differ.
    """
    size: Any = None
    for tensor in tensors:
        if tensor.dims is None:
            continue
        if len(tensor.dims) <= axis:
            raise ValueError(
                f"Expected input tensor {tensor.name} to have rank at least {axis + 1}, but saw "
                f"shape: {tensor.shape}"
            )
        (size,) = merge((size,), (tensor.dims[axis],))  # type: ignore[misc]
    return size if size is not None else call.Shape(tensors[0])[axis]


def start_of(cell: Any, initial_state: Any, dtype: Any, batch: Any) -> Any:
    """The state at the start, of tensors.

    Raises:
        ValueError: neither a state nor a dtype is given.
    """
    if initial_state is not None:
        return nest.map_structure(
            lambda leaf: leaf if hasattr(leaf, "_parts") else convert_to_tensor(leaf),
            initial_state,
        )
    if dtype is None:
        raise ValueError(
            call_message(
                "If there is no initial_state, you must give a dtype: if no initial_state is "
                "provided, argument `dtype` must be specified",
                [("cell", cell)],
                fix="add dtype=tf.float32",
            )
        )
    if getattr(cell, "get_initial_state", None) is not None:
        return cell.get_initial_state(inputs=None, batch_size=batch, dtype=dtype)
    return cell.zero_state(batch, dtype)


def require_depth(tensors: list[Tensor]) -> None:
    """ValueError for inputs [time, batch, ...] with an unknown size behind the batch axis."""
    for tensor in tensors:
        if tensor.dims is not None and None in tensor.dims[2:]:
            raise ValueError(
                "Input size (depth of inputs) must be accessible via shape inference, but saw "
                f"value None for input={tensor}."
            )


def chosen(mask: Tensor, x: Any, y: Any) -> Any:
    """``x`` for the examples with ``mask``, else ``y``; scalars and arrays are always ``y``.

    mask: a bool vector.
    """
    if hasattr(y, "_parts"):
        return y
    x, y = convert_to_tensor(x), convert_to_tensor(y)
    if y.dims == () or x.dims == ():
        return y
    if y.dims is None:
        return call.Select(mask, x, y)
    shaped = call.Reshape(mask, np.array([-1] + [1] * (len(y.dims) - 1), np.int32))
    result = call.SelectV2(shaped, x, y)
    result.set_shape(merge(x.dims, y.dims))
    return result


@export("nn.dynamic_rnn")
def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> Any:
    """Run a cell over sequences, all of one batch together.

    Args:
        cell: an RNNCell.
        inputs: of shape [batch, time, ...] ([time, batch, ...] when ``time_major``), or a nested
            structure of such tensors, of which the cell gets one step each.
        sequence_length: int32 of shape [batch]: how long each sequence is; the outputs behind its
            end are zeros, and its state stays as it is.  All are as long as ``inputs`` by default.
        initial_state: in the structure of the state; zeros by default.
        dtype: of the state, when there is no initial_state, and of the outputs.
        parallel_iterations: accepted.
        swap_memory: accepted.
        time_major: whether the first axis of inputs and outputs is the time.
        scope: of the variables; ``"rnn"`` by default.

    Returns:
        ``(outputs, state)``: the outputs [batch, time, output_size] (when ``time_major``: [time,
        batch, output_size]), nested like ``cell.output_size``, and the state at the end.

    Raises:
        TypeError: ``cell`` is no RNNCell.
        ValueError: the depth of the inputs is not known; there is neither initial_state nor dtype;
            sequence_length is no vector.
        InvalidArgumentError (when run): sequence_length has another size than the batch.

    >>> cell = tf.nn.rnn_cell.BasicRNNCell(2)
    >>> x = tf.placeholder(tf.float32, [None, 5, 3])
    >>> outputs, state = tf.nn.dynamic_rnn(cell, x, sequence_length=[5, 2], dtype=tf.float32)
    >>> outputs.shape.as_list(), state.shape.as_list(), [v.name for v in cell.variables]
    ([None, 5, 2], [None, 2], ['rnn/basic_rnn_cell/kernel:0', 'rnn/basic_rnn_cell/bias:0'])
    """
    require_cell("cell", cell)
    with variable_scope("rnn" if scope is None else scope):
        flat = [convert_to_tensor(x) for x in nest.flatten(inputs)]
        if not time_major:
            flat = [turned(x) for x in flat]
        lengths = lengths_of(sequence_length)
        batch = first_sizes(flat, 1)
        state = start_of(cell, initial_state, dtype, batch)
        if lengths is not None:
            lengths = checked_lengths(lengths, batch)
        steps = _Steps(cell, nest.pack_sequence_as(inputs, flat), lengths, batch, dtype)
        outputs, state = steps.run(state, parallel_iterations or 32, swap_memory)
        if not time_major:
            outputs = nest.map_structure(turned, outputs)
        return outputs, state


class _Steps:
    """One loop over the steps of inputs [time, batch, ...]."""

    def __init__(self, cell: Any, inputs: Any, lengths: Any, batch: Any, dtype: Any) -> None:
        self.cell, self.inputs, self.lengths, self.batch = cell, inputs, lengths, batch
        flat = nest.flatten(inputs)
        require_depth(flat)
        self.steps = first_sizes(flat, 0)
        self.dtypes = [None if dtype is None else as_dtype(dtype)] * len(
            flatten_sizes(cell.output_size)
        )
        prepared = getattr(cell, "prepared", None)
        found = prepared(inputs) if prepared is not None else None
        self.rows = inputs if found is None else found.rows
        self.step = cell if found is None else found.step

    def run(self, state: Any, parallel: int, swap: bool) -> tuple[Any, Any]:
        """(outputs [time, batch, ...], state at the end)."""
        cell = self.cell
        sizes = flatten_sizes(cell.output_size)
        first = next((s for s in nest.flatten(state) if isinstance(s, Tensor)), None)
        dtypes = [d or first.dtype.base_dtype for d in self.dtypes]  # type: ignore[union-attr]
        count = convert_to_tensor(self.steps, int32)
        limit = count
        if self.lengths is not None:
            longest = call.Max(self.lengths, np.array([0], np.int32))
            limit = call.Minimum(count, call.Maximum(make_constant(ONE), longest))
        known = self.batch if isinstance(self.batch, int) else None
        stacks = [self._stack(count, size, d) for size, d in zip(sizes, dtypes, strict=True)]
        rows_of = nest.flatten(self.rows)

        def body(t: Tensor, stacks: Any, state: Any) -> Any:
            rows = [call.GatherV2(x, t, 0) for x in rows_of]
            for row, x in zip(rows, rows_of, strict=True):
                row.set_shape(None if x.dims is None else x.dims[1:])
            output, new = self.step(nest.pack_sequence_as(self.rows, rows), state)
            nest.assert_same_structure(state, new, check_types=False)
            flat = [convert_to_tensor(y) for y in flatten_outputs(output, cell.output_size)]
            if self.lengths is not None:
                ended = call.GreaterEqual(t, self.lengths)
                flat = [chosen(ended, call.ZerosLike(y), y) for y in flat]
                pairs = zip(nest.flatten(state), nest.flatten(new), strict=True)
                new = [chosen(ended, old, after) for old, after in pairs]
            pushed = [call.StackStore(s, t, y) for s, y in zip(stacks, flat, strict=True)]
            new = nest.pack_sequence_as(state, nest.flatten(new))
            return call.AddV2(t, ONE), pushed, new

        _, stacks, state = while_loop(
            lambda t, *_: call.Less(t, limit),
            body,
            (make_constant(ZERO), stacks, state),
            parallel_iterations=parallel,
            swap_memory=swap,
            maximum_iterations=count,
        )
        outputs = []
        for stack, size in zip(stacks, sizes, strict=True):
            length = self.steps if isinstance(self.steps, int) else None
            stack.set_shape((length, known, *as_dims_of(size)))
            outputs.append(stack)
        return pack_outputs(outputs, cell.output_size), state

    def _stack(self, count: Tensor, size: Any, dtype: Any) -> Tensor:
        """Room for the outputs; zeros where none is pushed."""
        known = self.batch if isinstance(self.batch, int) else None
        shape = (known, *as_dims_of(size))
        return call.EmptyStack(count, dtype=dtype, row_shape=shape)


def as_dims_of(size: Any) -> tuple[int | None, ...]:
    """The sizes behind the batch axis that an output_size or state_size says."""
    return tuple(as_dims(as_shape([size] if np.ndim(size) == 0 else size)) or ())


def flatten_sizes(sizes: Any) -> list[Any]:
    """The sizes of a structure; a TensorShape is one."""
    found: list[Any] = []
    map_sizes(found.append, sizes)
    return found


def flatten_outputs(outputs: Any, sizes: Any) -> list[Any]:
    """The outputs, as many as there are sizes.

    Raises:
        ValueError: they are not in the structure of output_size.
    """
    flat = nest.flatten(outputs)
    count = len(flatten_sizes(sizes))
    if len(flat) != count:
        raise ValueError(f"the cell returns {len(flat)} outputs, its output_size tells {count}")
    return flat


def pack_outputs(flat: list[Any], sizes: Any) -> Any:
    """The outputs in the structure of output_size."""
    items = iter(flat)
    return map_sizes(lambda _: next(items), sizes)


@export("nn.bidirectional_dynamic_rnn")
def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> Any:
    """Two cells over sequences, one of them from the end to the beginning.

    Args:
        cell_fw, cell_bw: the RNNCells; the second one runs backward.
        inputs, sequence_length, dtype, time_major: as of ``tf.nn.dynamic_rnn``.
        initial_state_fw, initial_state_bw: states at the start of either; zeros by default.
        parallel_iterations: accepted.
        swap_memory: accepted.
        scope: of the variables; ``"bidirectional_rnn"`` by default, with ``fw`` and ``bw`` inside.

    Returns:
        ``((outputs_fw, outputs_bw), (state_fw, state_bw))``; both outputs in the order of inputs.

    Raises:
        TypeError, ValueError, InvalidArgumentError: as of ``tf.nn.dynamic_rnn``.
    """
    require_cell("cell_fw", cell_fw)
    require_cell("cell_bw", cell_bw)
    axis, batch_axis = (0, 1) if time_major else (1, 0)

    def backward(x: Any) -> Tensor:
        tensor = convert_to_tensor(x)
        if sequence_length is None:
            return reverse(tensor, [axis])
        return reverse_sequence(
            tensor, sequence_length, seq_axis=axis, batch_axis=batch_axis
        )

    common = {
        "sequence_length": sequence_length,
        "dtype": dtype,
        "parallel_iterations": parallel_iterations,
        "swap_memory": swap_memory,
        "time_major": time_major,
    }
    with variable_scope("bidirectional_rnn" if scope is None else scope):
        with variable_scope("fw") as inner:
            output_fw, state_fw = dynamic_rnn(
                cell_fw, inputs, initial_state=initial_state_fw, scope=inner, **common
            )
        with variable_scope("bw") as inner:
            turned_inputs = nest.map_structure(backward, inputs)
            output_bw, state_bw = dynamic_rnn(
                cell_bw, turned_inputs, initial_state=initial_state_bw, scope=inner, **common
            )
    output_bw = nest.map_structure(backward, output_bw)
    return (output_fw, output_bw), (state_fw, state_bw)
