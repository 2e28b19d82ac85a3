"""Stored weights of GRU and LSTM for CuDNNGRU and CuDNNLSTM, and the other way round.

    plain    kernel: W of every gate side by side; bias (gates * units,), of a GRU (2, 3 * units)
    CuDNN's  kernel: the memory of transpose(W), called (size, units); bias (2 * gates * units,)

Which of them stored weights are, their bias tells.

Read next: cudnn_recurrent.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Named = Sequence[tuple[str, np.ndarray]]


def translated(cell: Any, arrays: Named) -> Named:
    """Stored weights as ``cell`` has them.

    Args:
        cell: a GRUCell or LSTMCell, plain or CuDNN's, with its weights.
        arrays: (name, array) pairs: kernel, recurrent kernel, bias.

    Raises:
        ValueError: they are of a GRU that computes something else.
    """
    if cell.bias is None or len(arrays) != 3:
        return arrays
    (k, kernel), (r, recurrent), (b, bias) = arrays
    gates, own = cell._gates, tuple(cell.bias.shape.as_list())
    wide = gates * cell.units
    if bias.shape == own or bias.size not in (wide, 2 * wide):
        return arrays
    stored_is_cudnn, own_is_cudnn = bias.shape == (2 * wide,), own == (2 * wide,)
    if gates == 3 and (bias.size != 2 * wide or own == (wide,)):
        raise ValueError(
            f"{type(cell).__name__}: weights of a GRU with reset_after=False do not fit one with "
            "reset_after=True, as CuDNN's is: they compute different things"
        )
    if stored_is_cudnn == own_is_cudnn:
        return arrays
    turn = _to_cudnn if own_is_cudnn else _from_cudnn
    if gates == 3:
        bias = bias.reshape(own)
    else:  # both are added: half of it each
        bias = np.tile(bias / 2, 2) if own_is_cudnn else bias.reshape(2, -1).sum(0)
    return [(k, turn(kernel, gates)), (r, turn(recurrent, gates)), (b, bias.astype(kernel.dtype))]


def _from_cudnn(kernel: np.ndarray, gates: int) -> np.ndarray:
    parts = np.split(kernel, gates, 1)
    return np.hstack([np.reshape(p, p.shape[::-1]).T for p in parts])


def _to_cudnn(kernel: np.ndarray, gates: int) -> np.ndarray:
    parts = np.split(kernel, gates, 1)
    return np.hstack([np.reshape(p.T, p.shape) for p in parts])
