"""SimpleRNN, GRU, LSTM: RNN with the cell of that kind.

Read next: recurrence.py, cells.py (the formulas).
"""

from __future__ import annotations

from typing import Any

from flowgraph.keras.layers.cells import GRUCell, LSTMCell, SimpleRNNCell
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
    formula, rest = (cell.__doc__ or "").split("Args:", 1)
    arguments, weights = rest.split("        kwargs: of every layer.\n", 1)
    return f"{first}\n\n    {formula.strip()}\n\n    Args:{arguments}{_SHARED}{weights}"


@keras1(**RECURRENT)
class SimpleRNN(CellRNN):
    __doc__ = _doc("A fully connected recurrent layer.", SimpleRNNCell)

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
    __doc__ = _doc("A layer of gated recurrent units.", GRUCell)

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
    __doc__ = _doc("A layer of long short-term memory.", LSTMCell)

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
