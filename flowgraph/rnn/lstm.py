"""Long short-term memory: BasicLSTMCell and LSTMCell.

    i, j, f, o = [x, h] @ kernel + bias                    the four parts, in this order
    c' = sigmoid(f + forget_bias) * c + sigmoid(i) * tanh(j)
    h' = sigmoid(o) * tanh(c')

Read next: cells.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.layers.base import ZEROS
from flowgraph.ops.comparison import clip_by_value
from flowgraph.ops.joining import concat, split
from flowgraph.rnn.cells import (
    Prepared,
    RNNCell,
    activation_of,
    depth_of,
    product_of_all,
    rows_of,
)


class _StateFields(NamedTuple):
    c: Any
    h: Any


@export("nn.rnn_cell.LSTMStateTuple", "contrib.rnn.LSTMStateTuple")
class LSTMStateTuple(_StateFields):
    """The state of an LSTM.

    Args:
        c: the memory.
        h: the output.
    """

    __slots__ = ()

    @property
    def dtype(self) -> Any:
        """The dtype of both.

        Raises:
            TypeError: they differ.
        """
        c, h = self
        if c.dtype != h.dtype:
            raise TypeError(f"Inconsistent internal state: {c.dtype} vs {h.dtype}")
        return c.dtype


class _LSTM(RNNCell):
    """What all LSTM cells share: the packing of their state."""

    _num_units: int
    _projected: int
    _state_is_tuple: bool

    @property
    def state_size(self) -> Any:
        """Sizes of c and h; their sum unless ``state_is_tuple``."""
        if self._state_is_tuple:
            return LSTMStateTuple(self._num_units, self._projected)
        return self._num_units + self._projected

    @property
    def output_size(self) -> int:
        """The size of h."""
        return self._projected

    def _unpacked(self, state: Any) -> tuple[Tensor, Tensor]:
        if self._state_is_tuple:
            c, h = state
            return convert_to_tensor(c), convert_to_tensor(h)
        c, h = split(state, [self._num_units, self._projected], axis=1)
        return c, h

    def _packed(self, c: Tensor, h: Tensor) -> Any:
        return LSTMStateTuple(c, h) if self._state_is_tuple else concat([c, h], 1)


@export("nn.rnn_cell.BasicLSTMCell", "contrib.rnn.BasicLSTMCell")
class BasicLSTMCell(_LSTM):
    """LSTM without peepholes, clipping or projection.

    Args:
        num_units: n, the size of c and h.
        forget_bias: added to the forget gate, so that the memory is kept at the beginning.
        state_is_tuple: False: the state is one tensor [batch, 2 n], c beside h.
        activation: of j and c'; a function, or the name of one of tf.nn; tanh by default.
        reuse: whether variables that exist are used.
        name: of its scope; ``basic_lstm_cell`` by default.
        dtype: of the variables; that of the inputs by default.
        kwargs: ``trainable``.

    Variables: ``kernel`` [depth + n, 4 n], ``bias`` [4 n] (zeros).

    >>> cell = tf.nn.rnn_cell.BasicLSTMCell(3)
    >>> output, state = cell(tf.ones([2, 5]), cell.zero_state(2, tf.float32))
    >>> output.shape.as_list(), state.c.shape.as_list(), cell.kernel.shape.as_list()
    ([2, 3], [2, 3], [8, 12])
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: Any = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = self._projected = int(num_units)
        self._forget_bias, self._state_is_tuple = forget_bias, state_is_tuple
        self._activation = activation_of(activation, "nn.tanh")

    def build(self, input_shape: Any) -> None:
        """Make ``kernel`` and ``bias``."""
        n, self._depth = self._num_units, depth_of(self, input_shape)
        self.kernel = self.add_weight("kernel", [self._depth + n, 4 * n])
        self.bias = self.add_weight("bias", [4 * n], initializer=ZEROS)
        self.built = True

    def call(self, inputs: Tensor, state: Any) -> Any:  # type: ignore[override]
        """One step."""
        c, h = self._unpacked(state)
        z = call.BiasAdd(call.MatMul(concat([inputs, h], 1), self.kernel), self.bias)
        return self._stepped(z, c)

    def _stepped(self, z: Tensor, c: Tensor) -> Any:
        i, j, f, o = split(z, 4, axis=1)
        bias = convert_to_tensor(self._forget_bias, f.dtype.base_dtype)
        kept = call.Mul(c, call.Sigmoid(call.AddV2(f, bias, name="Add")))
        new_c = call.AddV2(kept, call.Mul(call.Sigmoid(i), self._activation(j)), name="Add")
        new_h = call.Mul(self._activation(new_c), call.Sigmoid(o))
        return new_h, self._packed(new_c, new_h)

    def prepare_inputs(self, inputs: Tensor) -> Prepared:
        """x @ kernel + bias of all steps."""
        of_x, of_h = rows_of(self.kernel, self._depth)

        def step(row: Tensor, state: Any) -> Any:
            c, h = self._unpacked(state)
            return self._stepped(row + call.MatMul(h, of_h), c)

        return Prepared(product_of_all(inputs, of_x, self.bias), step)


@export("nn.rnn_cell.LSTMCell", "contrib.rnn.LSTMCell")
class LSTMCell(_LSTM):
    """LSTM with peepholes, clipping and projection of the output.

        c' = clip(sigmoid(f + forget_bias + w_f_diag * c) * c
                  + sigmoid(i + w_i_diag * c) * activation(j))
        h' = clip(sigmoid(o + w_o_diag * c') * activation(c') @ projection/kernel)

    Args:
        num_units: n, the size of c.
        use_peepholes: whether the gates see the memory, through ``w_f_diag``, ``w_i_diag``,
            ``w_o_diag`` [n].
        cell_clip: c' is clipped to [-cell_clip, cell_clip].
        initializer: of the kernels and peepholes.
        num_proj: p, the size of h after ``projection/kernel`` [n, p]; n and no projection by
            default.
        proj_clip: with num_proj: h' is clipped to [-proj_clip, proj_clip].
        num_unit_shards, num_proj_shards: accepted; variables are whole.
        forget_bias: added to the forget gate.
        state_is_tuple: False: the state is one tensor [batch, n + p], c beside h.
        activation: of j and c'; a function, or the name of one of tf.nn; tanh by default.
        reuse: whether variables that exist are used.
        name: of its scope; ``lstm_cell`` by default.
        dtype: of the variables; that of the inputs by default.
        kwargs: ``trainable``.

    Variables: ``kernel`` [depth + p, 4 n], ``bias`` [4 n] (zeros), and those above.
    """

    #: The order in which peepholes are made.
    _PEEPHOLES = ("f", "i", "o")

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: Any = None,
        num_proj_shards: Any = None,
        forget_bias: Any = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = int(num_units)
        self._num_proj = num_proj
        self._projected = int(num_proj) if num_proj else self._num_units
        self._use_peepholes, self._initializer = use_peepholes, initializer
        self._cell_clip, self._proj_clip = cell_clip, proj_clip
        self._forget_bias, self._state_is_tuple = forget_bias, state_is_tuple
        self._activation = activation_of(activation, "nn.tanh")

    def build(self, input_shape: Any) -> None:
        """Make kernels, bias and peepholes."""
        n, p, self._depth = self._num_units, self._projected, depth_of(self, input_shape)
        start = self._initializer
        self.kernel = self.add_weight("kernel", [self._depth + p, 4 * n], initializer=start)
        self.bias = self.add_weight("bias", [4 * n], initializer=ZEROS)
        if self._use_peepholes:
            self._peepholes = {
                gate: self.add_weight(f"w_{gate}_diag", [n], initializer=start)
                for gate in self._PEEPHOLES
            }
        if self._num_proj:
            self._projection = self.add_weight("projection/kernel", [n, p], initializer=start)
        self.built = True

    def call(self, inputs: Tensor, state: Any) -> Any:  # type: ignore[override]
        """One step."""
        c, h = self._unpacked(state)
        z = call.BiasAdd(call.MatMul(concat([inputs, h], 1), self.kernel), self.bias)
        return self._stepped(z, c)

    def _seeing(self, gate: Tensor, name: str, c: Tensor) -> Tensor:
        return gate + self._peepholes[name] * c if self._use_peepholes else gate

    def _stepped(self, z: Tensor, c: Tensor) -> Any:
        i, j, f, o = split(z, 4, axis=1)
        forget = call.Sigmoid(self._seeing(f + self._forget_bias, "f", c))
        new_c = forget * c + call.Sigmoid(self._seeing(i, "i", c)) * self._activation(j)
        if self._cell_clip is not None:
            new_c = clip_by_value(new_c, -self._cell_clip, self._cell_clip)
        new_h = call.Sigmoid(self._seeing(o, "o", new_c)) * self._activation(new_c)
        if self._num_proj:
            new_h = call.MatMul(new_h, self._projection)
            if self._proj_clip is not None:
                new_h = clip_by_value(new_h, -self._proj_clip, self._proj_clip)
        return new_h, self._packed(new_c, new_h)

    def prepare_inputs(self, inputs: Tensor) -> Prepared:
        """x @ kernel + bias of all steps."""
        of_x, of_h = rows_of(self.kernel, self._depth)

        def step(row: Tensor, state: Any) -> Any:
            c, h = self._unpacked(state)
            return self._stepped(row + call.MatMul(h, of_h), c)

        return Prepared(product_of_all(inputs, of_x, self.bias), step)
