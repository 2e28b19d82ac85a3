"""ConvLSTM2D: an LSTM over sequences of images, with convolutions for products (Shi et al. 2015).

Read next: recurrence.py, cells.py.
"""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.cells import Cell, Masks, add_gate_bias, gated
from flowgraph.keras.layers.common import Shape, described, positive, share
from flowgraph.keras.layers.convolutions import Spatial
from flowgraph.keras.layers.keras1 import CONVOLUTION, RECURRENT, keras1
from flowgraph.keras.layers.recurrence import CellRNN
from flowgraph.keras.layers.recurrent_layers import apart
from flowgraph.layers.base import one_of
from flowgraph.layers.convolutional import window_size
from flowgraph.rnn.cells import Prepared


class ConvLSTM2DCell(Cell, Spatial):
    """One step of ConvLSTM2D.

        i, f, o = recurrent_activation(conv(x, kernel) + conv(h, recurrent_kernel) + bias)
        c'      = f * c + i * activation(conv(x, kernel) + conv(h, recurrent_kernel) + bias)
        h'      = o * activation(c')

    Args:
        filters: the number of channels of the states h and c.
        kernel_size: of the window: a number, or (rows, columns).
        strides, padding, data_format, dilation_rate: of the convolution of x, as of Conv2D; that of
            h has strides 1 and padding "same".
        activation: of what joins c, and of c.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: the first values of weights.
        unit_forget_bias: whether the bias of f begins with 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after every update.
        dropout: in training, the share of the inputs that is 0.
        recurrent_dropout: in training, the share of the state that is 0 in the convolution.
        kwargs: of every layer.

    Weights: kernel (*kernel_size, channels, 4 filters), recurrent_kernel (*kernel_size, filters,
    4 filters), bias (4 filters,).  The order is i, f, c, o.
    """

    _gates = 4
    _window_axes = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        word = "ConvLSTM2D"
        self._settle(
            filters=positive(word, "filters", filters),
            kernel_size=self._sizes(kernel_size, "kernel_size"),
            strides=self._sizes(strides, "strides"),
            padding=one_of(word, padding, "padding", "valid", "same"),
            data_format=self._format(data_format),
            dilation_rate=self._sizes(dilation_rate, "dilation_rate"), activation=activation,
            recurrent_activation=recurrent_activation, use_bias=use_bias,
            kernel_initializer=kernel_initializer, recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer, unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer, recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer, kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint, bias_constraint=bias_constraint,
            dropout=share(word, "dropout", dropout),
            recurrent_dropout=share(word, "recurrent_dropout", recurrent_dropout),
        )  # fmt: skip

    @property
    def state_size(self) -> list[int]:
        """The channels of h and c."""
        return [self.filters, self.filters]

    @property
    def output_size(self) -> int:
        """The channels of the output."""
        return self.filters

    def state_shape(self, input_shape: Any) -> Shape:
        """The shape of a state, for one step's inputs of ``input_shape``."""
        places = [
            window_size(input_shape[axis], self.kernel_size[i], self.padding, self.strides[i],
                        self.dilation_rate[i])
            for i, axis in enumerate(self._places)
        ]  # fmt: skip
        return self._shape_with(input_shape, places, self.filters)

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        channels = self._size(input_shape, self._channel_axis)
        self._input_shape = tuple(input_shape)
        wide = self.filters * 4
        self.kernel = self._weight("kernel", (*self.kernel_size, channels, wide))
        self.recurrent_kernel = self._weight(
            "recurrent_kernel", (*self.kernel_size, self.filters, wide), "recurrent"
        )
        ones = 1 if self.unit_forget_bias else None
        self.bias = add_gate_bias(self, [self.filters] * 4, ones) if self.use_bias else None
        self.built = True

    def masks(self, batch: Any, training: Any = None) -> Masks:
        """New masks of dropout, each of one sample's inputs or state."""

        def made(rate: float, shape: Any) -> list[Any] | None:
            if not 0.0 < rate < 1.0:
                return None
            if None in shape[1:]:
                raise ValueError(f"{self._word}: dropout needs inputs of known size, not {shape}")
            ones = tf.ones(tf.stack([batch, *shape[1:]]), self.dtype)
            return [
                K.in_train_phase(lambda: K.dropout(ones, rate), ones, training=training)
                for _ in range(4)
            ]

        return Masks(
            made(self.dropout, self._input_shape),
            made(self.recurrent_dropout, self.state_shape(self._input_shape)),
        )

    def _gate(self, weight: Any, gate: int) -> Any:
        return weight[..., gate * self.filters : (gate + 1) * self.filters]

    def _of_input(self, x: Any, kernel: Any) -> Any:
        """The convolution of images (samples, ...), or of all steps' (steps, samples, ...)."""
        sizes = None
        if x.shape.ndims == 5:  # one convolution of all
            sizes, static = tf.shape(x), x.shape.as_list()
            x = tf.reshape(x, tf.concat([[-1], sizes[2:]], 0))
            x.set_shape([None, *static[2:]])
        y = K.conv2d(x, kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        if sizes is None:
            return y
        known = [*static[:2], *y.shape.as_list()[1:]]
        y = tf.reshape(y, tf.concat([sizes[:2], tf.shape(y)[1:]], 0))
        y.set_shape(known)
        return y

    def _of_state(self, h: Any, kernel: Any) -> Any:
        return K.conv2d(h, kernel, (1, 1), "same", self.data_format)

    def prepare(self, x: Any, masks: Masks) -> Prepared:
        """What needs no states, and what is left to each step."""
        axis = 1 if self.data_format == "channels_first" else 3
        behind = axis - 4  # the channels' axis with and without steps in front
        if masks.inputs is None:
            row = self._of_input(x, self.kernel)
        else:
            parts = [
                self._of_input(x * m, self._gate(self.kernel, i))
                for i, m in enumerate(masks.inputs)
            ]
            row = tf.concat(parts, behind)
        if self.use_bias:
            bias = tf.convert_to_tensor(self.bias)
            row += tf.reshape(bias, [-1, 1, 1]) if axis == 1 else bias
        kernels = [self._gate(self.recurrent_kernel, i) for i in range(4)]

        def step(rows: Any, states: Any) -> Any:
            h, c = states
            if masks.state is None:
                inner = self._of_state(h, self.recurrent_kernel)
            else:
                pairs = zip(masks.state, kernels, strict=True)
                inner = tf.concat([self._of_state(h * m, k) for m, k in pairs], axis)
            h, c = gated(self, tf.split(rows[0] + inner, 4, axis=axis), c)
            return h, [h, c]

        return Prepared([row], step)


class ConvRNN2D(CellRNN):
    """A cell over the steps of sequences of images.

    Args:
        cell: a ConvLSTM2DCell, or a cell of one's own with ``state_shape``.
        settings: ``return_sequences``, ``return_state``, ``go_backwards``, ``stateful``.
        kwargs: of every layer.
    """

    def _state_shapes(self, input_shape: Any) -> list[Shape]:
        shape = self.cell.state_shape((input_shape[0], *input_shape[2:]))
        return [shape] * len(self.state_sizes)

    def _output_sizes(self, input_shape: Any) -> Shape:
        return self._state_shapes(input_shape)[0][1:]

    def _spec(self, shape: Any = None) -> InputSpec:
        if shape is None:
            return InputSpec(ndim=5)
        axis = 2 if self.cell.data_format == "channels_first" else 4
        return InputSpec(ndim=5, axes={axis: shape[axis]})

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """Zeros, for each state.

        Args:
            inputs: the input of the layer.
        """
        # of the places of the first step's convolution, which are known when it is run
        first, cell = inputs[:, 0], self.cell
        channels = int(first.shape[cell._channel_axis])
        zeros = tf.zeros([*cell.kernel_size, channels, cell.filters], inputs.dtype)
        state = tf.zeros_like(
            K.conv2d(first, zeros, cell.strides, cell.padding, cell.data_format, cell.dilation_rate)
        )
        return [state] * len(self.state_sizes)


_OLD = {**RECURRENT, **CONVOLUTION, "subsample": "strides"}
_OLD.pop("output_dim")


@keras1(**_OLD)
class ConvLSTM2D(ConvRNN2D):
    __doc__ = described(
        "An LSTM over sequences of images, with convolutions (Shi et al. 2015).",
        ConvLSTM2DCell,
        """
        >>> from flowgraph import keras
        >>> print(ConvLSTM2D(8, 3, padding="same")(keras.Input((None, 16, 16, 1))).shape)
        (?, 16, 16, 8)
        """,
    ).replace(
        "    kwargs: of",
        "    activity_regularizer: what the output adds to the loss.\n"
        "    return_sequences, return_state, go_backwards, stateful: as of RNN.\n"
        "    kwargs: of",
    )

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
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
        go_backwards: bool = False,
        stateful: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_state: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("unroll", None)  # files of later releases have it
        of_cell, of_layer, kwargs = apart(dict(locals()))
        super().__init__(ConvLSTM2DCell(**of_cell), of_layer, kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain data."""
        config = super().get_config()
        config.pop("unroll")
        return config
