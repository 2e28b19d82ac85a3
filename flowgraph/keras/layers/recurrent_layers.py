"""SimpleRNN, GRU, LSTM: RNN with the cell of that kind.

Read next: recurrence.py, cells.py (the formulas).
"""

from __future__ import annotations

from typing import Any

from flowgraph.keras.layers.cells import GRUCell, LSTMCell, SimpleRNNCell
from flowgraph.keras.layers.common import described
from flowgraph.keras.layers.keras1 import RECURRENT, keras1
from flowgraph.keras.layers.recurrence import CellRNN

_OF_LAYER = (
    "return_sequences", "return_state", "go_backwards", "stateful", "unroll",
    "activity_regularizer",
)  # fmt: skip


def apart(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The arguments of a constructor: those of the cell, of RNN, and of every layer."""
    kwargs = values.pop("kwargs")
    of_layer = {name: values.pop(name) for name in _OF_LAYER if name in values}
    for name in ("self", "__class__"):
        values.pop(name, None)
    if kwargs.get("dtype") is not None:
        values["dtype"] = kwargs["dtype"]
    return values, of_layer, kwargs


_SHARED = """\
        activity_regularizer: what the output adds to the loss.
        return_sequences, return_state, go_backwards, stateful, unroll: as of RNN.
        kwargs: of every layer.
"""


def _doc(first: str, cell: Any) -> str:
    """The docstring of a layer, of that of its cell."""
    last = "        kwargs: of every layer.\n"
    base = type("_", (), {"__doc__": (cell.__doc__ or "").replace(last, _SHARED)})
    name = cell.__name__.removesuffix("Cell")
    example = f"""
        >>> from flowgraph import keras
        >>> x = keras.Input((20, 8))
        >>> print({name}(16)(x).shape, {name}(16, return_sequences=True)(x).shape)
        (?, 16) (?, 20, 16)
        """
    return described(first, base, example)


@keras1(**RECURRENT)
class SimpleRNN(CellRNN):
    __doc__ = _doc("The simplest recurrent layer: its state is its output.", SimpleRNNCell)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("implementation", None)  # Keras 2.0's, without a meaning
        of_cell, of_layer, kwargs = apart(dict(locals()))
        super().__init__(SimpleRNNCell(**of_cell), of_layer, kwargs)


@keras1(**RECURRENT)
class GRU(CellRNN):
    __doc__ = _doc("Gated recurrent units (Cho et al. 2014).", GRUCell)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = False,
        **kwargs: Any,
    ) -> None:
        of_cell, of_layer, kwargs = apart(dict(locals()))
        super().__init__(GRUCell(**of_cell), of_layer, kwargs)


@keras1(**RECURRENT)
class LSTM(CellRNN):
    __doc__ = _doc("Long short-term memory (Hochreiter and Schmidhuber 1997).", LSTMCell)

    def __init__(
        self,
        units: int,
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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        of_cell, of_layer, kwargs = apart(dict(locals()))
        super().__init__(LSTMCell(**of_cell), of_layer, kwargs)
