"""Cells made of cells: MultiRNNCell, DropoutWrapper, ResidualWrapper, DeviceWrapper.

A wrapper has no scope and no variables of its own: those of its cell keep their names.

Read next: cells.py.
"""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import device, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops import nest
from flowgraph.ops.joining import concat, split
from flowgraph.ops.layers import dropout
from flowgraph.ops.random import random_uniform
from flowgraph.ops.variable_scope import variable_scope
from flowgraph.rnn.cells import Prepared, RNNCell, map_sizes, require_cell
from flowgraph.rnn.lstm import LSTMStateTuple
from flowgraph.tensor_shape import as_dims, as_shape


@export("nn.rnn_cell.MultiRNNCell", "contrib.rnn.MultiRNNCell")
class MultiRNNCell(RNNCell):
    """Cells one upon the other: the output of each is the input of the next.

    Args:
        cells: a list of RNNCells, the first one gets the inputs.
        state_is_tuple: False: all states lie side by side in one tensor.

    Raises:
        ValueError: no cells, or a cell's state is a tuple and state_is_tuple is False.
        TypeError: ``cells`` is no list or tuple, or one of them is no RNNCell.

    Scope: ``multi_rnn_cell``, with ``cell_0``, ``cell_1`` and so on inside.

    >>> layers = [tf.nn.rnn_cell.GRUCell(4), tf.nn.rnn_cell.GRUCell(2)]
    >>> cell = tf.nn.rnn_cell.MultiRNNCell(layers)
    >>> cell.state_size, cell.output_size
    ((4, 2), 2)
    """

    def __init__(self, cells: Sequence[Any], state_is_tuple: bool = True) -> None:
        super().__init__()
        if not isinstance(cells, (list, tuple)):
            raise TypeError(f"cells must be a list or tuple, but saw: {cells!r}.")
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        for number, cell in enumerate(cells):
            require_cell(f"cells[{number}]", cell)
        self._cells, self._state_is_tuple = list(cells), state_is_tuple
        #: Whether all cells have made their variables.
        self._called = False
        if not state_is_tuple and any(nest.is_nested(c.state_size) for c in cells):
            raise ValueError(
                "Some cells return tuples of states, but the flag state_is_tuple is not set.  "
                f"State sizes are: {[c.state_size for c in cells]}"
            )

    @property
    def state_size(self) -> Any:
        """The sizes of all cells; their sum unless ``state_is_tuple``."""
        sizes = tuple(cell.state_size for cell in self._cells)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        """That of the last cell."""
        return self._cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The zero states of all cells.

        Args:
            batch_size: a number or a scalar tensor.
            dtype: of the state.
        """
        if not self._state_is_tuple:
            return super().zero_state(batch_size, dtype)
        with name_scope("MultiRNNCellZeroState"):
            return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)

    @property
    def trainable_weights(self) -> list[Any]:
        """The variables of all cells that are trained."""
        return [v for c in self._cells for v in c.trainable_weights] if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The other variables of all cells."""
        others = [v for c in self._cells for v in c.non_trainable_weights]
        if self.trainable:
            return others
        return [v for c in self._cells for v in c.trainable_weights] + others

    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    @property
    def variables(self) -> list[Any]:
        """The variables of all cells."""
        return [*self.trainable_weights, *self.non_trainable_weights]

    weights = variables

    def _states(self, state: Any) -> list[Any]:
        if not self._state_is_tuple:
            return split(state, [cell.state_size for cell in self._cells], axis=1)
        if not nest.is_nested(state) or len(state) != len(self._cells):
            raise ValueError(
                f"Expected state to be a tuple of length {len(self._cells)}, but received: {state}"
            )
        return list(state)

    def call(self, inputs: Any, state: Any) -> Any:  # type: ignore[override]
        """One step of every cell."""
        self._called = True
        return self._through(self._cells[0], inputs, state)

    def _through(self, first: Callable[..., Any], inputs: Any, state: Any) -> Any:
        """Every cell; ``first`` is called in place of the first."""
        new = []
        output = inputs
        for number, (cell, old) in enumerate(zip(self._cells, self._states(state), strict=True)):
            with variable_scope(f"cell_{number}"):
                output, after = (cell if number else first)(output, old)
            new.append(after)
        return output, tuple(new) if self._state_is_tuple else concat(new, 1)

    def prepare_inputs(self, inputs: Tensor) -> Prepared | None:
        """What the first cell prepares."""
        with variable_scope("cell_0"):
            found = _prepared(self._cells[0], inputs)
        if found is None:
            return None
        first = found.step

        def step(rows: Any, state: Any) -> Any:
            self.built = self._called
            with self._open_scope(None):
                found = self._through(first, rows, state)
            self.built = self._called = True
            return found

        return Prepared(found.rows, step)


def _prepared(cell: Any, inputs: Any) -> Prepared | None:
    function = getattr(cell, "prepared", None)
    return None if function is None else function(inputs)


class _Wrapper(RNNCell):
    """A cell around another one."""

    def __init__(self, cell: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_cell("cell", cell)
        self.cell = cell

    @property
    def wrapped_cell(self) -> Any:
        """The cell inside."""
        return self.cell

    @property
    def state_size(self) -> Any:
        """That of the cell inside."""
        return self.cell.state_size

    @property
    def output_size(self) -> Any:
        """That of the cell inside."""
        return self.cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """That of the cell inside.

        Args:
            batch_size: a number or a scalar tensor.
            dtype: of the state.
        """
        with name_scope(f"{type(self).__name__}ZeroState"):
            return self.cell.zero_state(batch_size, dtype)

    @property
    def trainable_weights(self) -> list[Any]:
        """Those of the cell inside."""
        return list(getattr(self.cell, "trainable_weights", []))

    @property
    def non_trainable_weights(self) -> list[Any]:
        """Those of the cell inside."""
        return list(getattr(self.cell, "non_trainable_weights", []))

    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    @property
    def variables(self) -> list[Any]:
        """Those of the cell inside."""
        return [*self.trainable_weights, *self.non_trainable_weights]

    weights = variables

    def __call__(self, inputs: Any, state: Any, scope: Any = None, **kwargs: Any) -> Any:
        """One step.

        Args:
            inputs: of the cell inside.
            state: of the cell inside.
            scope: of the cell inside.
            kwargs: given to the cell inside.
        """
        more = kwargs if scope is None else {**kwargs, "scope": scope}
        return self._around(inputs, state, lambda x, s: self.cell(x, s, **more))

    def _around(self, inputs: Any, state: Any, step: Callable[[Any, Any], Any]) -> Any:
        """One step, with ``step`` for the cell inside."""
        raise NotImplementedError

    def prepared(self, inputs: Any) -> Prepared | None:
        """What the cell inside prepares."""
        found = _prepared(self.cell, inputs)
        if found is None:
            return None
        inner = found.step
        # the inputs go along, for wrappers that look at them
        return Prepared(
            (inputs, found.rows),
            lambda rows, state: self._around(rows[0], state, lambda _, s: inner(rows[1], s)),
        )


@export("nn.rnn_cell.DropoutWrapper", "contrib.rnn.DropoutWrapper")
class DropoutWrapper(_Wrapper):
    """A cell with dropout of its inputs, outputs and state; see tf.nn.dropout.

    Args:
        cell: an RNNCell.
        input_keep_prob, output_keep_prob, state_keep_prob: the probability that an element is
            kept: a number, where 1 drops nothing, or a scalar tensor.
        variational_recurrent: True: the same elements are dropped in every step (and in all
            examples of a batch); needs dtype, and input_size when inputs are dropped.
        input_size: the size of the inputs without the batch axis: a TensorShape, an integer or
            several.
        dtype: of inputs, outputs and state, for variational_recurrent.
        seed: of the random numbers.
        dropout_state_filter_visitor: ``f(state)`` returns a structure of bools: which tensors of
            the state are dropped; by default all but the memory ``c`` of LSTMs.
        kwargs: ``name``, ``trainable``.

    Raises:
        TypeError: ``cell`` is no RNNCell; the visitor is no function.
        ValueError: a probability is not between 0 and 1; dtype or input_size is missing.
    """

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cell, dtype=dtype, **kwargs)
        visitor = dropout_state_filter_visitor
        if visitor is not None and not callable(visitor):
            raise TypeError("dropout_state_filter_visitor must be callable")
        self._visitor = visitor or _is_dropped
        self._keep = {
            "input": _probability("input_keep_prob", input_keep_prob),
            "state": _probability("state_keep_prob", state_keep_prob),
            "output": _probability("output_keep_prob", output_keep_prob),
        }
        self._variational, self._seed = variational_recurrent, seed
        self._noise: dict[str, list[Tensor]] = {}
        if variational_recurrent:
            self._make_noise(input_size, dtype)

    def _make_noise(self, input_size: Any, dtype: Any) -> None:
        if dtype is None:
            raise ValueError("When variational_recurrent=True, dtype must be provided")
        sizes = {"state": self.cell.state_size, "output": self.cell.output_size}
        if _drops(self._keep["input"]):
            if input_size is None:
                raise ValueError(
                    "When variational_recurrent=True and input_keep_prob < 1.0 or is unknown, "
                    "input_size must be provided"
                )
            sizes = {"input": input_size, **sizes}
        for what, structure in sizes.items():
            made: list[Tensor] = []

            def make(size: Any, what: str = what, made: list[Tensor] = made) -> None:
                dims = as_dims(as_shape([size] if np.ndim(size) == 0 else size))
                seed = self._seed_of(what, len(made))
                made.append(random_uniform([1, *(dims or ())], dtype=as_dtype(dtype), seed=seed))

            map_sizes(make, structure)
            self._noise[what] = made

    def _seed_of(self, what: str, number: int) -> int | None:
        if self._seed is None:
            return None
        salted = f"{self._seed}{what}_{number}".encode()
        return int(hashlib.md5(salted, usedforsecurity=False).hexdigest()[:8], 16) & 0x7FFFFFFF

    def _dropped(self, values: Any, what: str, which: Any = None) -> Any:
        """``values`` with some elements dropped, in the tensors that ``which`` says."""
        keep = self._keep[what]
        if not _drops(keep):
            return values
        flat = nest.flatten(values)
        flags = [True] * len(flat) if which is None else _spread(which, values)
        new = []
        for number, (value, flag) in enumerate(zip(flat, flags, strict=True)):
            if not flag or hasattr(value, "_parts"):
                new.append(value)
            elif self._variational:
                new.append(self._masked(value, self._noise[what][number], keep))
            else:
                seed = self._seed_of(what, number)
                new.append(dropout(value, keep_prob=keep, seed=seed))
        return nest.pack_sequence_as(values, new)

    def _masked(self, value: Any, noise: Tensor, keep: Any) -> Tensor:
        value = convert_to_tensor(value)
        kept = convert_to_tensor(keep, value.dtype.base_dtype)
        result = call.Mul(call.RealDiv(value, kept), call.Floor(call.AddV2(kept, noise)))
        result.set_shape(value.dims)
        return result

    def _around(self, inputs: Any, state: Any, step: Callable[[Any, Any], Any]) -> Any:
        output, new = step(self._dropped(inputs, "input"), state)
        if _drops(self._keep["state"]):
            new = self._dropped(new, "state", _visited(self._visitor, new))
        return self._dropped(output, "output"), new

    def prepared(self, inputs: Any) -> Prepared | None:
        """What the cell inside prepares, unless its inputs are dropped."""
        return None if _drops(self._keep["input"]) else super().prepared(inputs)


def _probability(name: str, keep: Any) -> Any:
    if isinstance(keep, Tensor) or (hasattr(keep, "dtype") and not isinstance(keep, np.generic)):
        return keep
    if not isinstance(keep, numbers.Real):
        raise TypeError(f"Parameter {name} must be a number or a tensor, got {keep!r}")
    if not 0 <= float(keep) <= 1:
        raise ValueError(f"Parameter {name} must be between 0 and 1: {keep}")
    return float(keep)


def _drops(keep: Any) -> bool:
    return not isinstance(keep, float) or keep < 1


def _is_dropped(substate: Any) -> Any:
    """Which parts of a state are dropped: all but the memory of LSTMs."""
    if isinstance(substate, LSTMStateTuple):
        return LSTMStateTuple(c=False, h=True)
    return not hasattr(substate, "_parts")


def _visited(visitor: Callable[[Any], Any], state: Any) -> Any:
    """What the visitor says of a state; of its parts, where it says nothing but True."""
    found = visitor(state)
    if found is True and nest.is_nested(state):
        parts = state.values() if isinstance(state, dict) else state
        flags = [_visited(visitor, part) for part in parts]
        return dict(zip(state, flags, strict=True)) if isinstance(state, dict) else flags
    return found


def _spread(which: Any, values: Any) -> list[bool]:
    """A flag for every leaf of ``values``: a flag of ``which`` stands for all below it."""
    if not nest.is_nested(which):
        return [bool(which)] * len(nest.flatten(values))
    if isinstance(which, dict):
        return [flag for k in sorted(which) for flag in _spread(which[k], values[k])]
    pairs = zip(which, values, strict=True)
    return [flag for part, value in pairs for flag in _spread(part, value)]


@export("nn.rnn_cell.ResidualWrapper", "contrib.rnn.ResidualWrapper")
class ResidualWrapper(_Wrapper):
    """A cell whose inputs are added to its outputs.

    Args:
        cell: an RNNCell.
        residual_fn: ``f(inputs, outputs)`` returns the output instead of their sum.
        kwargs: ``name``, ``trainable``, ``dtype``.

    Raises (when called):
        ValueError: inputs and outputs have other structures or shapes.
    """

    def __init__(self, cell: Any, residual_fn: Any = None, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self._residual_fn = residual_fn

    def _around(self, inputs: Any, state: Any, step: Callable[[Any, Any], Any]) -> Any:
        outputs, new = step(inputs, state)
        return (self._residual_fn or _sum)(inputs, outputs), new


def _sum(inputs: Any, outputs: Any) -> Any:
    nest.assert_same_structure(inputs, outputs)

    def add(x: Any, y: Any) -> Any:
        x, y = convert_to_tensor(x), convert_to_tensor(y)
        if not x.shape.is_compatible_with(y.shape):
            raise ValueError(f"Shapes {x.shape} and {y.shape} are incompatible")
        return x + y

    return nest.map_structure(add, inputs, outputs)


@export("nn.rnn_cell.DeviceWrapper", "contrib.rnn.DeviceWrapper")
class DeviceWrapper(_Wrapper):
    """A cell whose operations get a device.

    Args:
        cell: an RNNCell.
        device: as for tf.device.
        kwargs: ``name``, ``trainable``, ``dtype``.
    """

    def __init__(self, cell: Any, device: Any, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self._device = device

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """That of the cell inside.

        Args:
            batch_size: a number or a scalar tensor.
            dtype: of the state.
        """
        with device(self._device):
            return super().zero_state(batch_size, dtype)

    def _around(self, inputs: Any, state: Any, step: Callable[[Any, Any], Any]) -> Any:
        with device(self._device):
            return step(inputs, state)
