"""keras.layers.recurrent: the names that programs import from here."""

from flowgraph.keras.layers.cells import (
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
    StackedRNNCells,
)
from flowgraph.keras.layers.convolutional_recurrent import ConvLSTM2D
from flowgraph.keras.layers.recurrence import RNN
from flowgraph.keras.layers.recurrent_layers import GRU, LSTM, SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "ConvLSTM2D",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
