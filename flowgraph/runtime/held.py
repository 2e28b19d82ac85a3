"""Tensors that stay in a session between runs: what ``tf.get_session_handle`` gives when run."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.runtime.state import State


class HeldTensor:
    """The value of a tensor, as a resource of its session."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __str__(self) -> str:
        return f"a tensor of shape {list(self.array.shape)}"

    def close(self) -> None:
        """The session ends."""


class TensorHandle(bytes):
    """Stands for a tensor that a session holds.  It is a string that can be fed.

    The session forgets the tensor when the handle is deleted, or no longer there.
    """

    _state: State
    _kept: bool

    def __new__(cls, text: str, state: State, array: np.ndarray) -> TensorHandle:
        """Let the session keep ``array`` under ``text``."""
        made = super().__new__(cls, text.encode())
        made._state, made._kept = state, True
        state.resources[text] = HeldTensor(array)
        return made

    def __str__(self) -> str:
        return self.handle

    def __repr__(self) -> str:
        return f"<TensorHandle {self.handle!r}>"

    __hash__ = bytes.__hash__

    def __eq__(self, other: object) -> bool:
        return bytes.__eq__(self, other)

    def __del__(self) -> None:
        if getattr(self, "_kept", False):
            self._state.resources.pop(self.handle, None)

    @property
    def handle(self) -> str:
        """Its text, which can be fed to what ``tf.get_session_tensor`` gives."""
        return self.decode()

    def get_raw_handle(self) -> str:
        """The text, for use beyond the life of this object: it deletes the tensor no more."""
        self._kept = False
        return self.handle

    def eval(self) -> Any:
        """The value of the tensor.

        Raises:
            TypeError: it was deleted, or its session is closed.
        """
        found = self._state.resources.get(self.handle)
        if found is None:
            raise TypeError(f"Persistent tensor {self.handle} may have already been deleted.")
        return found.array.copy()[()]

    def to_numpy_array(self) -> np.ndarray:
        """The value of the tensor as an array."""
        return np.asarray(self.eval())

    def delete(self) -> None:
        """Let the session forget the tensor.

        Raises:
            TypeError: it was deleted before.
        """
        if self._state.resources.pop(self.handle, None) is None:
            raise TypeError(f"Persistent tensor {self.handle} may have already been deleted.")
        self._kept = False
