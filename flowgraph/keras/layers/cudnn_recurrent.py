"""CuDNNGRU, CuDNNLSTM: GRU and LSTM whose weights are laid out as CuDNN's.

Nothing here needs a GPU: the layers are for models, and weights, that were made for one.  CuDNN
computes ``W x`` with a (units, size) matrix for each gate; Keras calls that memory (size, units).
So the matrix of a gate is ``transpose(reshape(kernel of the gate, (units, size)))``.

Read next: cells.py.
"""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras.layers.cells import GRUCell, LSTMCell, Masks, add_gate_bias, product
from flowgraph.keras.layers.recurrence import CellRNN
from flowgraph.rnn.cells import Prepared

#: Settings of the plain cells that CuDNN fixes.
_FIXED = frozenset(
    ["activation", "recurrent_activation", "use_bias", "dropout", "recurrent_dropout",
     "implementation", "reset_after"]
)  # fmt: skip


def _unpacked(kernel: Any, gates: int, units: int) -> Any:
    """The matrices (size, units) side by side that a kernel stands for."""
    size = kernel.shape.as_list()[0]
    parts = tf.split(tf.convert_to_tensor(kernel), gates, axis=1)
    return tf.concat([tf.transpose(tf.reshape(p, [units, size])) for p in parts], 1)


class _CuDNNGRUCell(GRUCell):
    """GRU, ``reset_after``, with CuDNN's weights: two biases behind each other."""

    def _make_bias(self) -> Any:
        return self._weight("bias", (6 * self.units,))

    def prepare(self, x: Any, masks: Masks) -> Prepared:
        """What needs no states, and what is left to each step."""
        n = self.units
        of_x, of_h = tf.split(self.bias, 2)
        recurrent = _unpacked(self.recurrent_kernel, 3, n)

        def step(rows: Any, states: Any) -> Any:
            inner = tf.nn.bias_add(tf.matmul(states[0], recurrent), of_h)
            z, r = tf.split(tf.sigmoid(rows[0][:, : 2 * n] + inner[:, : 2 * n]), 2, axis=1)
            return self._mixed(z, states[0], rows[0][:, 2 * n :] + r * inner[:, 2 * n :])

        return Prepared([product(x, _unpacked(self.kernel, 3, n), of_x)], step)


class _CuDNNLSTMCell(LSTMCell):
    """LSTM with CuDNN's weights: two biases behind each other, which are added."""

    def _make_bias(self) -> Any:
        return add_gate_bias(self, [self.units] * 8, 5 if self.unit_forget_bias else None)

    def prepare(self, x: Any, masks: Masks) -> Prepared:
        """What needs no states, and what is left to each step."""
        of_x, of_h = tf.split(self.bias, 2)
        recurrent = _unpacked(self.recurrent_kernel, 4, self.units)

        def step(rows: Any, states: Any) -> Any:
            h, c = states
            i, f, new, o = tf.split(rows[0] + tf.matmul(h, recurrent), 4, axis=1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(new)
            h = tf.sigmoid(o) * tf.tanh(c)
            return h, [h, c]

        return Prepared([product(x, _unpacked(self.kernel, 4, self.units), of_x + of_h)], step)


class _CuDNN(CellRNN):
    """What both layers share: fewer settings, and no masks."""

    def __init__(self, cell: Any, values: dict[str, Any], kwargs: dict[str, Any]) -> None:
        super().__init__(cell, values, kwargs)
        self.supports_masking = False

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None.

        Raises:
            TypeError: there is a mask: CuDNN knows none.
        """
        found = mask if isinstance(mask, list) else [mask]
        if any(m is not None for m in found):
            raise TypeError(
                f"{self._word} does not support masking, but its input has a mask; take GRU or LSTM"
            )
        return super().compute_mask(inputs, None)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain data."""
        return {k: v for k, v in super().get_config().items() if k not in {*_FIXED, "unroll"}}


_ARGS = """
    It computes everywhere; a GPU is not needed.

    Args:
        units: the size of the state.
        kernel_initializer, recurrent_initializer, bias_initializer: the first values of weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the loss.
        activity_regularizer: what the output adds to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after every update.
        return_sequences, return_state, go_backwards, stateful: as of RNN.
"""


class CuDNNGRU(_CuDNN):
    __doc__ = f"""GRU (``reset_after``, sigmoid, tanh) with weights as CuDNN's.
{_ARGS}        kwargs: of every layer.

    Weights: kernel (size, 3 units), recurrent_kernel (units, 3 units), bias (6 units,).
    """

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = _CuDNNGRUCell(
            units, recurrent_activation="sigmoid", reset_after=True,
            kernel_initializer=kernel_initializer, recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer, bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint, recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )  # fmt: skip
        values = {
            "return_sequences": return_sequences, "return_state": return_state,
            "go_backwards": go_backwards, "stateful": stateful,
            "activity_regularizer": activity_regularizer,
        }  # fmt: skip
        super().__init__(cell, values, kwargs)


class CuDNNLSTM(_CuDNN):
    __doc__ = f"""LSTM (sigmoid, tanh) with weights as CuDNN's.
{_ARGS}        unit_forget_bias: whether the bias of f begins with 1.
        kwargs: of every layer.

    Weights: kernel (size, 4 units), recurrent_kernel (units, 4 units), bias (8 units,).
    """

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = _CuDNNLSTMCell(
            units, recurrent_activation="sigmoid", kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer, bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias, kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer, bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint, recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )  # fmt: skip
        values = {
            "return_sequences": return_sequences, "return_state": return_state,
            "go_backwards": go_backwards, "stateful": stateful,
            "activity_regularizer": activity_regularizer,
        }  # fmt: skip
        super().__init__(cell, values, kwargs)
