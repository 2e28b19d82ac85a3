"""tf.contrib.rnn: cells under other names, layer normalisation, stacks of loops both ways.

Read next: lstm.py, loops.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.layers.base import Layer
from flowgraph.ops.embedding import embedding_lookup
from flowgraph.ops.initializers import Constant
from flowgraph.ops.joining import concat, split
from flowgraph.ops.layers import dropout
from flowgraph.ops.variable_scope import get_variable, variable_scope
from flowgraph.rnn.cell_wrappers import _Wrapper
from flowgraph.rnn.cells import GRUCell, RNNCell, activation_of, depth_of
from flowgraph.rnn.loops import bidirectional_dynamic_rnn, dynamic_rnn
from flowgraph.rnn.lstm import LSTMCell, LSTMStateTuple
from flowgraph.tensor_shape import as_dims, as_shape


@export("contrib.rnn.LSTMBlockCell")
class LSTMBlockCell(LSTMCell):
    """``tf.nn.rnn_cell.LSTMCell`` under the name of TensorFlow's fused one; all are fused here.

    Args:
        num_units: n, the size of c and h.
        forget_bias: added to the forget gate.
        cell_clip: the memory is clipped to [-cell_clip, cell_clip].
        use_peephole: whether the gates see the memory.
        dtype: of the variables; that of the inputs by default.
        reuse: whether variables that exist are used.
        name: of its scope.
    """

    _PEEPHOLES = ("i", "f", "o")

    def __init__(
        self,
        num_units: int,
        forget_bias: Any = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: bool | None = None,
        name: str | None = "lstm_cell",
    ) -> None:
        super().__init__(
            num_units, use_peepholes=use_peephole, cell_clip=_clip(cell_clip),
            forget_bias=forget_bias, reuse=reuse, name=name, dtype=dtype,
        )  # fmt: skip


def _clip(bound: float | None) -> float | None:
    """Negative: no bound."""
    return None if bound is None or bound < 0 else bound


@export("contrib.rnn.LSTMBlockFusedCell")
class LSTMBlockFusedCell(Layer):
    """An LSTM over whole sequences: a cell and its loop.

    Args:
        num_units: n, the size of c and h.
        forget_bias: added to the forget gate.
        cell_clip: the memory is clipped to [-cell_clip, cell_clip].
        use_peephole: whether the gates see the memory.
        reuse: whether variables that exist are used.
        dtype: of the variables; that of the inputs by default.
        name: of its scope.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: Any = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | None = None,
        dtype: Any = None,
        name: str | None = "lstm_fused_cell",
    ) -> None:
        super().__init__(name=name, dtype=dtype, _reuse=reuse)
        self._cell = LSTMBlockCell(num_units, forget_bias, cell_clip, use_peephole, dtype, reuse)
        self._num_units = int(num_units)

    @property
    def num_units(self) -> int:
        """The size of c and h."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Make the variables, in the scope of this layer."""
        cell, dims = self._cell, as_dims(as_shape(input_shape))
        assert dims is not None
        cell._scope, cell._dtype = self._scope, self._dtype
        cell.build(as_shape(dims[1:]))
        cell.built = True
        self._weights, self._trained = cell._weights, cell._trained
        self.built = True

    def call(  # type: ignore[override]
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None
    ) -> Any:
        """``(outputs [time, batch, n], LSTMStateTuple)`` of inputs [time, batch, depth]."""
        if initial_state is None and dtype is None:
            dtype = inputs.dtype.base_dtype
        return dynamic_rnn(
            self._cell, inputs, sequence_length, initial_state, dtype=dtype, time_major=True
        )


@export("contrib.rnn.GRUBlockCell")
class GRUBlockCell(GRUCell):
    """``tf.nn.rnn_cell.GRUCell`` under the name of TensorFlow's fused one; all are fused here.

    Args:
        num_units: the size of the state.
        cell_size: the older name of num_units.
        reuse: whether variables that exist are used.
        name: of its scope.

    Raises:
        ValueError: neither or both of num_units and cell_size are given.
    """

    def __init__(
        self,
        num_units: int | None = None,
        cell_size: int | None = None,
        reuse: bool | None = None,
        name: str | None = "gru_cell",
    ) -> None:
        if (num_units is None) == (cell_size is None):
            raise ValueError(
                "Exactly one of num_units or cell_size must be provided (cell_size is the older "
                "name)"
            )
        super().__init__(num_units if cell_size is None else cell_size, reuse=reuse, name=name)  # type: ignore[arg-type]


@export("contrib.rnn.LayerNormBasicLSTMCell")
class LayerNormBasicLSTMCell(RNNCell):
    """LSTM whose gates and memory are normalised over their units, with dropout of the candidate.

        y = (x - mean) / sqrt(variance + 1e-12) * gamma + beta          of i, j, f, o and c'

    Args:
        num_units: n, the size of c and h.
        forget_bias: added to the forget gate.
        input_size: accepted.
        activation: of j and c'; tanh by default.
        layer_norm: False: nothing is normalised, and there is a bias instead.
        norm_gain: gamma at the start.
        norm_shift: beta at the start.
        dropout_keep_prob: the probability that an element of the candidate j is kept.
        dropout_prob_seed: of the random numbers.
        reuse: whether variables that exist are used.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: Any = None,
        activation: Any = None,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._forget_bias = int(num_units), forget_bias
        self._activation = activation_of(activation, "nn.tanh")
        self._layer_norm, self._gain, self._shift = layer_norm, norm_gain, norm_shift
        self._keep_prob, self._seed = dropout_keep_prob, dropout_prob_seed

    @property
    def state_size(self) -> LSTMStateTuple:
        """Sizes of c and h."""
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> int:
        """n."""
        return self._num_units

    def call(self, inputs: Tensor, state: Any) -> Any:  # type: ignore[override]
        """One step."""
        c, h = state
        n, dtype = self._num_units, inputs.dtype.base_dtype
        height = depth_of(self, inputs.shape) + n
        kernel = get_variable("kernel", [height, 4 * n], dtype=dtype)
        z = call.MatMul(concat([inputs, h], 1), kernel)
        if not self._layer_norm:
            z = call.BiasAdd(z, get_variable("bias", [4 * n], dtype=dtype))
        i, j, f, o = split(z, 4, axis=1)
        names = ("input", "transform", "forget", "output")
        i, j, f, o = (self._normed(x, m) for x, m in zip((i, j, f, o), names, strict=True))
        candidate = self._activation(j)
        if not isinstance(self._keep_prob, (int, float)) or self._keep_prob < 1:
            candidate = dropout(candidate, keep_prob=self._keep_prob, seed=self._seed)
        new_c = c * call.Sigmoid(f + self._forget_bias) + call.Sigmoid(i) * candidate
        new_c = self._normed(new_c, "state")
        new_h = self._activation(new_c) * call.Sigmoid(o)
        return new_h, LSTMStateTuple(new_c, new_h)

    def _normed(self, x: Tensor, scope: str) -> Tensor:
        if not self._layer_norm:
            return x
        shape, dtype = [self._num_units], x.dtype.base_dtype
        with variable_scope(scope):
            gamma = get_variable("gamma", shape, dtype=dtype, initializer=Constant(self._gain))
            beta = get_variable("beta", shape, dtype=dtype, initializer=Constant(self._shift))
            last = np.array([-1], np.int32)
            mean = call.Mean(x, last, keep_dims=True)
            spread = call.Mean(call.Square(call.Sub(x, mean)), last, keep_dims=True)
            return (x - mean) * call.Rsqrt(spread + 1e-12) * gamma + beta


class _Projected(_Wrapper):
    """A wrapper with a dense layer, whose variables are made where it is called."""

    def _dense(self, x: Tensor, size: int) -> Tensor:
        dtype = x.dtype.base_dtype
        depth = depth_of(self, x.shape)
        kernel = get_variable("kernel", [depth, size], dtype=dtype)
        bias = get_variable("bias", [size], dtype=dtype, initializer=Constant(0.0))
        return call.BiasAdd(call.MatMul(x, kernel), bias)

    def __call__(self, inputs: Any, state: Any, scope: Any = None, **kwargs: Any) -> Any:
        """One step, in the scope of the wrapper.

        Args:
            inputs: of the step.
            state: of the cell inside.
            scope: of the wrapper; named after the class by default.
            kwargs: accepted.
        """
        return RNNCell.__call__(self, inputs, state, scope, **kwargs)

    def prepared(self, inputs: Any) -> None:
        """Nothing."""

    # The variables of the cell inside are made in this scope too, so all are noted here.
    trainable_weights = trainable_variables = RNNCell.trainable_weights
    non_trainable_weights = non_trainable_variables = RNNCell.non_trainable_weights


@export("contrib.rnn.InputProjectionWrapper")
class InputProjectionWrapper(_Projected):
    """A cell whose inputs go through a dense layer first.

    Args:
        cell: an RNNCell.
        num_proj: how many outputs the layer has.
        activation: of the layer; None for none.
        input_size: accepted.
        reuse: whether variables that exist are used.
    """

    def __init__(
        self,
        cell: Any,
        num_proj: int,
        activation: Any = None,
        input_size: Any = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, _reuse=reuse)
        self._num_proj, self._activation = int(num_proj), activation

    def call(self, inputs: Any, state: Any) -> Any:  # type: ignore[override]
        """One step."""
        projected = self._dense(inputs, self._num_proj)
        return self.cell(self._activation(projected) if self._activation else projected, state)


@export("contrib.rnn.OutputProjectionWrapper")
class OutputProjectionWrapper(_Projected):
    """A cell whose outputs go through a dense layer.

    Args:
        cell: an RNNCell.
        output_size: how many outputs the layer has.
        activation: of the layer; None for none.
        reuse: whether variables that exist are used.
    """

    def __init__(
        self, cell: Any, output_size: int, activation: Any = None, reuse: bool | None = None
    ) -> None:
        super().__init__(cell, _reuse=reuse)
        self._size, self._activation = int(output_size), activation

    @property
    def output_size(self) -> int:
        """That of the layer."""
        return self._size

    def call(self, inputs: Any, state: Any) -> Any:  # type: ignore[override]
        """One step."""
        output, new = self.cell(inputs, state)
        projected = self._dense(output, self._size)
        return (self._activation(projected) if self._activation else projected), new


@export("contrib.rnn.EmbeddingWrapper")
class EmbeddingWrapper(_Projected):
    """A cell whose inputs are class numbers, which are embedded first.

    Args:
        cell: an RNNCell.
        embedding_classes: how many classes there are.
        embedding_size: the size of an embedding.
        initializer: of the embeddings; uniform in [-sqrt(3), sqrt(3)] by default.
        reuse: whether variables that exist are used.

    Raises:
        ValueError: a size is not positive.
    """

    def __init__(
        self,
        cell: Any,
        embedding_classes: int,
        embedding_size: int,
        initializer: Callable[..., Any] | None = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, _reuse=reuse)
        if embedding_classes <= 0 or embedding_size <= 0:
            raise ValueError(
                "Both embedding_classes and embedding_size must be > 0: "
                f"{embedding_classes}, {embedding_size}."
            )
        self._shape, self._initializer = [embedding_classes, embedding_size], initializer

    def call(self, inputs: Any, state: Any) -> Any:  # type: ignore[override]
        """One step."""
        from_state = state[0] if isinstance(state, tuple) else state
        table = get_variable(
            "embedding", self._shape, dtype=as_dtype(from_state.dtype).base_dtype,
            initializer=self._initializer,
        )  # fmt: skip
        ids = call.Reshape(convert_to_tensor(inputs), np.array([-1], np.int32))
        return self.cell(embedding_lookup(table, call.Cast(ids, DstT=int32)), state)


@export("contrib.rnn.stack_bidirectional_dynamic_rnn")
def stack_bidirectional_dynamic_rnn(
    cells_fw: Sequence[Any],
    cells_bw: Sequence[Any],
    inputs: Any,
    initial_states_fw: Any = None,
    initial_states_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
    swap_memory: bool = False,
) -> Any:
    """Bidirectional loops one upon the other: both outputs of each are the inputs of the next.

    Args:
        cells_fw, cells_bw: lists of RNNCells, as many in both.
        inputs, sequence_length, dtype, time_major: as of ``tf.nn.dynamic_rnn``.
        initial_states_fw, initial_states_bw: lists of the states at the start; zeros by default.
        parallel_iterations: accepted.
        scope: of the variables; ``"stack_bidirectional_rnn"`` by default, with ``cell_0`` and so on
            inside.
        swap_memory: accepted.

    Returns:
        ``(outputs, states_fw, states_bw)``: the outputs of the last loop, both side by side, and
        tuples of the states.

    Raises:
        ValueError: the lists are empty or of different lengths.
    """
    for what, cells in (("cells_fw", cells_fw), ("cells_bw", cells_bw)):
        if not isinstance(cells, list):
            raise ValueError(f"{what} must be a list of RNNCells (one per layer).")
        if not cells:
            raise ValueError(f"Must specify at least one cell in {what}.")
    if len(cells_fw) != len(cells_bw):
        raise ValueError("Forward and Backward cells must have the same depth.")
    for what, states in (
        ("initial_states_fw", initial_states_fw),
        ("initial_states_bw", initial_states_bw),
    ):
        if states is not None and (not isinstance(states, list) or len(states) != len(cells_fw)):
            raise ValueError(f"{what} must be a list of state tensors (one per layer).")
    states_fw, states_bw = [], []
    with variable_scope(scope, "stack_bidirectional_rnn"):
        for number, (fw, bw) in enumerate(zip(cells_fw, cells_bw, strict=True)):
            with variable_scope(f"cell_{number}"):
                outputs, (state_fw, state_bw) = bidirectional_dynamic_rnn(
                    fw, bw, inputs, sequence_length,
                    initial_state_fw=initial_states_fw[number] if initial_states_fw else None,
                    initial_state_bw=initial_states_bw[number] if initial_states_bw else None,
                    dtype=dtype, parallel_iterations=parallel_iterations,
                    swap_memory=swap_memory, time_major=time_major,
                )  # fmt: skip
                inputs = concat(outputs, 2)
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return inputs, tuple(states_fw), tuple(states_bw)
