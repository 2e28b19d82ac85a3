"""Cells of recurrent networks: one step of a sequence.

    output, state = cell(inputs, state)         inputs [batch, depth],  output [batch, n]

A loop over a sequence (loops.py) asks its cell for ``prepare_inputs`` first: what can be computed
of the inputs of *all* steps at once is one matrix product there, of [time * batch, depth] rows, and
only the product with the state is left to each step.  The kernel [depth + n, m] is split between
the two: its first rows belong to the inputs, the others to the state.

Read next: lstm.py, cell_wrappers.py, loops.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from flowgraph.dtypes import as_dtype, int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.report import call_message
from flowgraph.graph.static import constant_value
from flowgraph.layers.base import ONES, ZEROS, Layer, known_size
from flowgraph.ops import nest
from flowgraph.ops.constants import zeros
from flowgraph.ops.joining import concat, split
from flowgraph.ops.variable_scope import get_variable_scope, variable_scope
from flowgraph.shapes import is_fully_known
from flowgraph.tensor_shape import TensorShape, as_dims, as_shape


class Prepared(NamedTuple):
    """What a loop over a sequence runs instead of the cell.

    rows: tensors with one row per step, nested.
    step: ``step(rows of one step, state)`` returns what ``cell(inputs, state)`` would.
    """

    rows: Any
    step: Callable[[Any, Any], Any]


def activation_of(activation: Any, default: str) -> Callable[[Any], Any]:
    """A function; of a name (``"relu"``) the one that is called so in tf.nn."""
    if activation is None:
        return EXPORTS[default]
    if isinstance(activation, str):
        if activation == "linear":
            return lambda x: x
        found = EXPORTS.get(f"nn.{activation}")
        if found is None:
            raise ValueError(f"Unknown activation function: {activation}")
        return found
    if not callable(activation):
        raise TypeError(f"activation must be a function, got {activation!r}")
    return activation


def is_cell(cell: Any) -> bool:
    """True for what can be run like an RNNCell."""
    return (
        hasattr(cell, "output_size")
        and hasattr(cell, "state_size")
        and (hasattr(cell, "get_initial_state") or hasattr(cell, "zero_state"))
        and callable(cell)
    )


def require_cell(name: str, cell: Any) -> None:
    """TypeError unless ``cell`` can be run like an RNNCell."""
    if not is_cell(cell):
        raise TypeError(
            f"The argument {name!r} ({cell!r}) is not an RNNCell: it must be callable and have "
            "output_size, state_size, and zero_state or get_initial_state"
        )


def batch_shape(batch: Any, size: Any) -> Any:
    """The shape [batch, *size], static as far as it is known, as an argument of tf.zeros."""
    rest = [int(d) for d in as_dims(as_shape([size] if np.ndim(size) == 0 else size)) or ()]  # type: ignore[arg-type]
    if isinstance(batch, Tensor):
        known = constant_value(batch)
        if known is None:
            first = call.Reshape(call.Cast(batch, DstT=int32), np.array([1], np.int32))
            return call.ConcatV2([first, np.array(rest, np.int32)], 0)
        batch = known
    return [int(batch), *rest]


def zeros_of(state_size: Any, batch: Any, dtype: Any) -> Any:
    """Zeros of shape [batch, *size] for each size of a structure."""

    def make(size: Any) -> Tensor:
        made = zeros(batch_shape(batch, size), dtype)
        dims = as_dims(as_shape([size] if np.ndim(size) == 0 else size))
        if made.dims is None or not is_fully_known(made.dims):
            made.set_shape((None, *(dims or ())))
        return made

    return map_sizes(make, state_size)


def map_sizes(f: Callable[[Any], Any], sizes: Any) -> Any:
    """``f`` of every size (an integer or a TensorShape) of a structure."""
    if isinstance(sizes, TensorShape):
        return f(sizes)
    return nest.map_structure(f, sizes)


class _Scope:
    """Sets the variables that ``get_variable`` makes in the calls of a cell down as the cell's."""

    def __init__(self, cell: RNNCell) -> None:
        self.cell = cell

    def __call__(self, getter: Any, *args: Any, **kwargs: Any) -> Any:
        variable = getter(*args, **kwargs)
        self.cell._note(variable)
        return variable


@export("nn.rnn_cell.RNNCell", "contrib.rnn.RNNCell")
class RNNCell(Layer):
    """Base class of the cells.

    A cell of one's own has the properties ``state_size`` and ``output_size`` and overrides
    ``call(inputs, state)``, which returns ``(output, next state)``; its variables are made by
    ``tf.get_variable`` there, or by ``self.add_weight`` in ``build(input_shape)``.

    Args:
        trainable: whether its variables join ``GraphKeys.TRAINABLE_VARIABLES``.
        name: of its scope; made from the class name by default.
        dtype: of its variables; that of the first input by default.

    >>> class Sum(tf.nn.rnn_cell.RNNCell):
    ...     state_size = output_size = 2
    ...     def call(self, inputs, state):
    ...         total = inputs + state
    ...         return total, total
    >>> y, total = tf.nn.dynamic_rnn(Sum(), tf.ones([1, 3, 2]), dtype=tf.float32)
    >>> tf.Session().run(y)
    array([[[1., 1.],
            [2., 2.],
            [3., 3.]]], dtype=float32)
    """

    def __call__(self, inputs: Any, state: Any, scope: Any = None, **kwargs: Any) -> Any:
        """One step.

        Args:
            inputs: of shape [batch, depth].
            state: of the sizes that ``state_size`` tells, with a batch axis in front.
            scope: the scope of the first call; named after the class by default.
            kwargs: given to ``call``.

        Returns:
            The output [batch, output_size] and the next state.
        """
        around = get_variable_scope() if scope is None else scope
        if type(self).build is not Layer.build:  # a cell that makes its variables beforehand
            return super().__call__(inputs, state, scope=scope, **kwargs)
        with variable_scope(around, custom_getter=_Scope(self)) as opened:
            inner = None if scope is None else opened
            return super().__call__(inputs, state, scope=inner, **kwargs)

    def _note(self, variable: Any) -> None:
        if not any(variable is v for v in self._weights):
            self._weights.append(variable)
            if getattr(variable, "trainable", True):
                self._trained.add(variable)

    @property
    def state_size(self) -> Any:
        """The size of the state without the batch axis: an integer, a TensorShape or several."""
        raise NotImplementedError("Abstract method")

    @property
    def output_size(self) -> Any:
        """The size of the output without the batch axis: an integer or a TensorShape."""
        raise NotImplementedError("Abstract method")

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        """The state at the start: zeros.

        Args:
            inputs: of the first step: tells the other two.
            batch_size: a number or a scalar tensor.
            dtype: of the state.

        Raises:
            ValueError: inputs tell another batch size or dtype, or one of them is not known.
        """
        if inputs is not None:
            first = convert_to_tensor(nest.flatten(inputs)[0])
            known = None if batch_size is None else _number(batch_size)
            size = None if first.dims is None else first.dims[0]
            if known is not None and size is not None and known != size:
                raise ValueError(
                    "batch size from input tensor is different from the input param. Input tensor "
                    f"batch: {size}, batch_size: {known}"
                )
            if dtype is not None and as_dtype(dtype).base_dtype is not first.dtype.base_dtype:
                raise ValueError(
                    "dtype from input tensor is different from the input param. Input tensor "
                    f"dtype: {first.dtype!r}, dtype: {dtype!r}"
                )
            batch_size = size if size is not None else call.Shape(first)[0]
            dtype = first.dtype.base_dtype
        if batch_size is None or dtype is None:
            raise ValueError(
                "batch_size and dtype cannot be None while constructing initial state: "
                f"batch_size={batch_size}, dtype={dtype}"
            )
        return self.zero_state(batch_size, dtype)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Zeros in the structure of the state.

        Args:
            batch_size: a number or a scalar tensor.
            dtype: of the state.

        >>> [t.shape.as_list() for t in tf.nn.rnn_cell.LSTMCell(3).zero_state(2, tf.float32)]
        [[2, 3], [2, 3]]
        """
        with name_scope(f"{type(self).__name__}ZeroState"):
            return zeros_of(self.state_size, batch_size, dtype)

    # ---------------------------------------------------------------------- all steps beforehand

    def prepare_inputs(self, inputs: Tensor) -> Prepared | None:
        """What can be computed of the inputs of all steps at once; None: nothing.

        Args:
            inputs: of shape [time, batch, depth].
        """
        return None

    def prepared(self, inputs: Any) -> Prepared | None:
        """``prepare_inputs`` in the scope of a call, with the variables made."""
        if not isinstance(inputs, Tensor) or inputs.dims is None or len(inputs.dims) != 3:
            return None
        if type(self).__call__ is not RNNCell.__call__ or not self._is_as_defined("prepare_inputs"):
            return None
        with self._open_scope(None):
            if not self.built:
                if self._dtype is None:
                    self._dtype = inputs.dtype.base_dtype
                self.build(as_shape(inputs.dims[1:]))
                self.built = True
            found = self.prepare_inputs(inputs)
        if found is None:
            return None
        step, base = found.step, self._base_name

        def named(rows: Any, state: Any) -> Any:
            with name_scope(base):
                return step(rows, state)

        return Prepared(found.rows, named)

    def _is_as_defined(self, method: str) -> bool:
        """True when no subclass overrides ``call`` or ``build`` below the class of ``method``."""
        for kind in type(self).__mro__:
            if method in vars(kind):
                return True
            if any(name in vars(kind) for name in ("call", "build", "state_size", "output_size")):
                return False
        return False


def _number(size: Any) -> int | None:
    value = constant_value(size) if isinstance(size, Tensor) else size
    return None if value is None else int(value)


# ------------------------------------------------------------------------------- what cells share


def depth_of(cell: RNNCell, input_shape: Any) -> int:
    """The size of the last axis of the inputs.

    Raises:
        ValueError: it is not known.
    """
    dims = as_dims(as_shape(input_shape))
    if dims is None or dims[-1] is None:
        raise ValueError(
            call_message(
                f"Expected inputs.shape[-1] to be known, saw shape: {input_shape}",
                [("cell", cell)],
                fix="inputs of a recurrent network are [batch, time, features], features known",
            )
        )
    return known_size(type(cell).__name__, input_shape, -1)


def product_of_all(inputs: Tensor, kernel: Any, bias: Any = None) -> Tensor:
    """``inputs[t] @ kernel + bias`` for all steps t, by one matrix product."""
    assert inputs.dims is not None
    depth, width = inputs.dims[-1], kernel.shape.as_list()[-1]
    rows = call.Reshape(inputs, np.array([-1, depth], np.int32))
    result = call.MatMul(rows, kernel)
    if bias is not None:
        result = call.BiasAdd(result, bias)
    if is_fully_known(inputs.dims):
        return call.Reshape(result, np.array([*inputs.dims[:2], width], np.int32))
    first = call.Slice(call.Shape(inputs), np.array([0], np.int32), np.array([2], np.int32))
    shaped = call.Reshape(result, call.ConcatV2([first, np.array([width], np.int32)], 0))
    shaped.set_shape((*inputs.dims[:2], width))
    return shaped


def rows_of(kernel: Any, depth: int) -> tuple[Tensor, Tensor]:
    """The rows of a kernel that belong to the inputs, and those that belong to the state."""
    tensor = convert_to_tensor(kernel)
    assert tensor.dims is not None
    height, width = tensor.dims
    assert height is not None
    above = call.Slice(tensor, np.array([0, 0], np.int32), np.array([depth, width], np.int32))
    below = call.Slice(
        tensor, np.array([depth, 0], np.int32), np.array([height - depth, width], np.int32)
    )
    return above, below


# -------------------------------------------------------------------------------- the plain cells


@export("nn.rnn_cell.BasicRNNCell", "contrib.rnn.BasicRNNCell")
class BasicRNNCell(RNNCell):
    """The simplest cell: ``h' = activation([x, h] @ kernel + bias)``, output and state alike.

    Args:
        num_units: n, the size of the state.
        activation: a function, or the name of one of tf.nn; tanh by default.
        reuse: whether variables that exist are used.
        name: of its scope; ``basic_rnn_cell`` by default.
        dtype: of the variables; that of the inputs by default.
        kwargs: ``trainable``.

    Variables: ``kernel`` [depth + n, n], ``bias`` [n] (zeros).
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = int(num_units)
        self._activation = activation_of(activation, "nn.tanh")

    @property
    def state_size(self) -> int:
        """n."""
        return self._num_units

    @property
    def output_size(self) -> int:
        """n."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Make ``kernel`` and ``bias``."""
        n, self._depth = self._num_units, depth_of(self, input_shape)
        self._kernel = self.add_weight("kernel", [self._depth + n, n])
        self._bias = self.add_weight("bias", [n], initializer=ZEROS)
        self.built = True

    def call(self, inputs: Tensor, state: Any) -> Any:  # type: ignore[override]
        """One step."""
        z = call.BiasAdd(call.MatMul(concat([inputs, state], 1), self._kernel), self._bias)
        output = self._activation(z)
        return output, output

    def prepare_inputs(self, inputs: Tensor) -> Prepared:
        """x @ kernel + bias of all steps."""
        of_x, of_h = rows_of(self._kernel, self._depth)

        def step(row: Tensor, state: Any) -> Any:
            output = self._activation(row + call.MatMul(state, of_h))
            return output, output

        return Prepared(product_of_all(inputs, of_x, self._bias), step)


@export("nn.rnn_cell.GRUCell", "contrib.rnn.GRUCell")
class GRUCell(RNNCell):
    """Gated recurrent unit.

        r, u = sigmoid([x, h] @ gates/kernel + gates/bias)
        c    = activation([x, r * h] @ candidate/kernel + candidate/bias)
        h'   = u * h + (1 - u) * c

    Args:
        num_units: n, the size of the state.
        activation: a function, or the name of one of tf.nn; tanh by default.
        reuse: whether variables that exist are used.
        kernel_initializer: of both kernels.
        bias_initializer: of both biases; 1 for the gates and 0 for the candidate by default.
        name: of its scope; ``gru_cell`` by default.
        dtype: of the variables; that of the inputs by default.
        kwargs: ``trainable``.

    Variables: ``gates/kernel`` [depth + n, 2 n], ``gates/bias`` [2 n], ``candidate/kernel``
    [depth + n, n], ``candidate/bias`` [n].
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: bool | None = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = int(num_units)
        self._activation = activation_of(activation, "nn.tanh")
        self._kernel_initializer, self._bias_initializer = kernel_initializer, bias_initializer

    @property
    def state_size(self) -> int:
        """n."""
        return self._num_units

    @property
    def output_size(self) -> int:
        """n."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Make kernels and biases."""
        n, self._depth = self._num_units, depth_of(self, input_shape)
        given, start = self._kernel_initializer, self._bias_initializer
        height = self._depth + n
        self._gate_kernel = self.add_weight("gates/kernel", [height, 2 * n], initializer=given)
        self._gate_bias = self.add_weight(
            "gates/bias", [2 * n], initializer=ONES if start is None else start
        )
        self._candidate_kernel = self.add_weight("candidate/kernel", [height, n], initializer=given)
        self._candidate_bias = self.add_weight(
            "candidate/bias", [n], initializer=ZEROS if start is None else start
        )
        self.built = True

    def call(self, inputs: Tensor, state: Any) -> Any:  # type: ignore[override]
        """One step."""
        both = call.MatMul(concat([inputs, state], 1), self._gate_kernel)
        gates = call.Sigmoid(call.BiasAdd(both, self._gate_bias))
        r, u = split(gates, 2, axis=1)
        joined = concat([inputs, r * state], 1)
        candidate = call.BiasAdd(
            call.MatMul(joined, self._candidate_kernel), self._candidate_bias
        )
        return self._mixed(u, state, candidate)

    def _mixed(self, u: Tensor, state: Any, candidate: Tensor) -> Any:
        new = u * state + (1 - u) * self._activation(candidate)
        return new, new

    def prepare_inputs(self, inputs: Tensor) -> Prepared:
        """x times both kernels, for all steps."""
        gates_x, gates_h = rows_of(self._gate_kernel, self._depth)
        candidate_x, candidate_h = rows_of(self._candidate_kernel, self._depth)
        rows = (
            product_of_all(inputs, gates_x, self._gate_bias),
            product_of_all(inputs, candidate_x, self._candidate_bias),
        )

        def step(row: Any, state: Any) -> Any:
            r, u = split(call.Sigmoid(row[0] + call.MatMul(state, gates_h)), 2, axis=1)
            return self._mixed(u, state, row[1] + call.MatMul(r * state, candidate_h))

        return Prepared(rows, step)
