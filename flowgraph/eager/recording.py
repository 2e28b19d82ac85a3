"""What tapes note while operations execute: the operation, its inputs and its outputs.

A tape is interested in what derives from the tensors it watches, so it notes an operation when one
of its inputs is known to it.  Each thread has its own active tapes.

Read next: tape.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowgraph.eager.tensor import EagerTensor
    from flowgraph.eager.variables import EagerVariable

#: ``backward(dys) -> dxs``: one gradient (or None) per output, one (or None) per input.
Backward = Callable[[Sequence[Any]], Sequence[Any]]


class Entry:
    """One operation that was executed.

    backward: the gradient as a function, for what is no op of the table (custom gradients,
        functions); None: the op's rule.
    """

    __slots__ = ("attrs", "backward", "inputs", "outputs", "type")

    def __init__(
        self,
        type: str,
        attrs: dict[str, Any],
        inputs: Sequence[EagerTensor],
        outputs: Sequence[EagerTensor],
        backward: Backward | None = None,
    ) -> None:
        self.type, self.attrs = type, attrs
        self.inputs, self.outputs = inputs, outputs
        self.backward = backward


class Record:
    """What one tape has noted.

    Attributes:
        entries: the operations, in order.
        known: ids of the tensors that derive from watched ones (which the entries keep alive).
        watched: the tensors watched, and the values read of watched variables.
        variables: watched variable -> the values read of it.
        watches_variables: whether reading a trainable variable watches it.
    """

    def __init__(self, *, watches_variables: bool) -> None:
        self.entries: list[Entry] = []
        self.known: set[int] = set()
        self.watched: list[EagerTensor] = []
        self.variables: dict[EagerVariable, list[EagerTensor]] = {}
        self.watches_variables = watches_variables

    def watch(self, tensor: EagerTensor) -> None:
        """Note what derives from ``tensor`` from now on."""
        if id(tensor) not in self.known:
            self.known.add(id(tensor))
            self.watched.append(tensor)

    def watch_variable(self, variable: EagerVariable, value: EagerTensor) -> None:
        """Note what derives from this value of ``variable``."""
        values = self.variables.setdefault(variable, [])
        if not any(value is known for known in values):
            values.append(value)
        self.watch(value)

    def variable_read(self, variable: EagerVariable, value: EagerTensor) -> None:
        """``value`` of ``variable`` was read."""
        if variable in self.variables or (self.watches_variables and variable.trainable):
            self.watch_variable(variable, value)

    def note(self, entry: Entry) -> None:
        """The operation was executed."""
        known = self.known
        for tensor in entry.inputs:
            if id(tensor) in known:
                break
        else:
            return
        self.entries.append(entry)
        for tensor in entry.outputs:
            if tensor.dtype.np.kind in "fc":
                known.add(id(tensor))


class _Active(threading.local):
    records: tuple[Record, ...] = ()


_active = _Active()


def tapes() -> tuple[Record, ...]:
    """The tapes that note what this thread executes."""
    return _active.records


def note(
    type: str,
    attrs: dict[str, Any],
    inputs: Sequence[EagerTensor],
    outputs: Sequence[EagerTensor],
    backward: Backward | None = None,
) -> None:
    """Tell the active tapes that an operation was executed."""
    entry = Entry(type, attrs, inputs, outputs, backward)
    for record in _active.records:
        record.note(entry)


def start(record: Record) -> None:
    """Let ``record`` note what this thread executes."""
    _active.records = (*_active.records, record)


def stop(record: Record) -> None:
    """Let ``record`` note no more."""
    _active.records = tuple(other for other in _active.records if other is not record)


@contextmanager
def paused(*records: Record) -> Iterator[None]:
    """Without ``records`` (all when none is given) noting what happens inside."""
    before = _active.records
    _active.records = tuple(r for r in before if r not in records) if records else ()
    try:
        yield
    finally:
        _active.records = before
