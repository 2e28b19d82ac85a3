"""RNN: a cell over the steps of sequences.

    x [samples, steps, size] -> turned [steps, samples, size] -> cell.prepare (one product)
      -> a loop over the steps (backend/recurrent.py) -> outputs, states

Read next: cells.py, recurrent_layers.py (SimpleRNN, GRU, LSTM).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.backend.recurrent import over_steps
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.engine.serialization import deserialize, serialize
from flowgraph.keras.layers.cells import (
    StackedRNNCells,
    build_cell,
    call_cell,
    is_prepared,
    sizes_of_state,
)
from flowgraph.keras.layers.common import Configured
from flowgraph.keras.layers.cudnn_weights import translated
from flowgraph.keras.utils.generic_utils import to_list
from flowgraph.rnn.loops import turned


def _as_sizes(size: Any) -> tuple[int, ...]:
    """A size of a state as the sizes behind the samples' axis."""
    return tuple(size) if isinstance(size, (list, tuple)) else (int(size),)


class RNN(Configured):
    """A cell over the steps of sequences.

    Args:
        cell: a cell; or a list of cells, which are stacked.
        return_sequences: whether the output has all steps, or the last one only.
        return_state: whether the states behind the last step are outputs, too.
        go_backwards: begin with the last step; the output is in the order of computation then.
        stateful: a batch begins with the states that the batch before has ended with; the batch
            size must be known (``batch_input_shape=...``).
        unroll: make the operations of every step instead of a loop.
        kwargs: of every layer.

    Input shape: (samples, steps, size).   Output shape: (samples, units), or (samples, steps,
    units) with ``return_sequences``; then, with ``return_state``, (samples, units) for each state.

    Steps that a mask excludes copy output and states of the step before.  ``layer(x,
    initial_state=[...])`` begins with given tensors instead of zeros; ``layer(x, constants=[...])``
    gives tensors to every call of the cell.
    """

    _axes_of_input_dim = 2

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("time_major", False):  # files of later releases have it
            raise ValueError(f"{type(self).__name__}: time_major is not known; transpose the input")
        kwargs.pop("zero_output_for_mask", None)
        regularizer = kwargs.pop("activity_regularizer", None)
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        for what in ("call", "state_size"):
            if not hasattr(cell, what):
                raise ValueError(
                    f"{type(self).__name__}: a cell must have {what} (state_size is an integer, or "
                    f"a list of them, one for each state); {cell!r} has none"
                )
        self.cell = cell
        self._settle(
            return_sequences=return_sequences, return_state=return_state,
            go_backwards=go_backwards, stateful=stateful, unroll=unroll,
        )  # fmt: skip
        if regularizer is not None:
            self._settle(activity_regularizer=regularizer)
        self.supports_masking = True
        self.input_spec = self._spec()
        self._states: list[Any] | None = None
        self._num_constants = 0

    def _spec(self, shape: Any = None) -> InputSpec:
        if shape is None:  # a cell of one's own may take more axes
            return InputSpec(ndim=3) if is_prepared(self.cell) else InputSpec(min_ndim=3)
        return InputSpec(shape=(shape[0] if self.stateful else None, None, *shape[2:]))

    # ----------------------------------------------------------------------------------- shapes

    @property
    def state_sizes(self) -> list[Any]:
        """The sizes of the states."""
        return sizes_of_state(self.cell)

    def _state_shapes(self, input_shape: Any) -> list[tuple[int | None, ...]]:
        return [(input_shape[0], *_as_sizes(size)) for size in self.state_sizes]

    def _output_sizes(self, input_shape: Any) -> tuple[int | None, ...]:
        """The sizes of an output behind the samples' axis."""
        size = getattr(self.cell, "output_size", None)
        return _as_sizes(self.state_sizes[0] if size is None else size)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output; a list with those of the states with ``return_state``."""
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        sizes = self._output_sizes(shape)
        output = (shape[0], shape[1], *sizes) if self.return_sequences else (shape[0], *sizes)
        return [output, *self._state_shapes(shape)] if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's mask where the output has steps."""
        of_input = mask[0] if isinstance(mask, list) else mask
        kept = of_input if self.return_sequences else None
        return [kept, *([None] * len(self.state_sizes))] if self.return_state else kept

    def build(self, input_shape: Any) -> None:
        """Make the weights of the cell and, when stateful, the states."""
        many = isinstance(input_shape, list)
        shape = input_shape[0] if many else input_shape
        constants = input_shape[len(input_shape) - self._num_constants :] if many else []
        build_cell(self.cell, (shape[0], *shape[2:]), constants)
        spec = self._spec(shape)
        self.input_spec = [spec, *([None] * (len(input_shape) - 1))] if many else spec
        if self.stateful:
            self._make_states(shape)
        self.built = True

    # ------------------------------------------------------------------------------------ states

    @property
    def states(self) -> list[Any]:
        """The variables with the states, of a stateful layer; else None for each."""
        return [None] * len(self.state_sizes) if self._states is None else self._states

    def _make_states(self, shape: Any) -> None:
        shapes = self._state_shapes(shape)
        if shape[0] is None or any(None in s for s in shapes):
            raise ValueError(
                f"{self._word} is stateful: it must know its batch size, found an input of shape "
                f"{tuple(shape)}; give the first layer batch_input_shape=(samples, ...), or "
                "Input(batch_shape=...)"
            )
        self._states = [
            tf.Variable(tf.zeros(s, self.dtype), trainable=False, name="state") for s in shapes
        ]

    def reset_states(self, states: Any = None) -> None:
        """Set the states of a stateful layer.

        Args:
            states: an array, or a list with one for each state; zeros by default.

        Raises:
            AttributeError: the layer is not stateful.
            ValueError: the layer was not called yet; too many, too few, or another shape.
        """
        if not self.stateful:
            raise AttributeError(f"{self._word} is not stateful: it keeps no states")
        if self._states is None:
            raise ValueError(f"{self._word} has no states yet: call it first")
        if states is None:
            values = [np.zeros(s.shape.as_list(), s.dtype.as_numpy_dtype) for s in self._states]
        else:
            values = to_list(states, allow_tuple=True)
        if len(values) != len(self._states):
            raise ValueError(
                f"{self._word} has {len(self._states)} states, {len(values)} values were given"
            )
        for i, (value, state) in enumerate(zip(values, self._states, strict=True)):
            if np.shape(value) != K.int_shape(state):
                raise ValueError(
                    f"{self._word}: state {i} has shape {K.int_shape(state)}, the value given for "
                    f"it {np.shape(value)}"
                )
        K.batch_set_value(zip(self._states, values, strict=True))

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """What the cell's ``get_initial_state`` gives, if it has one; else zeros, for each state.

        Args:
            inputs: the input of the layer.
        """
        if hasattr(self.cell, "get_initial_state"):
            found = self.cell.get_initial_state(inputs=inputs, batch_size=None, dtype=None)
            return to_list(found, allow_tuple=True)
        batch = K.int_shape(inputs)[0]  # type: ignore[index]
        first = tf.shape(inputs)[0] if batch is None else batch
        states = []
        for size in self.state_sizes:
            sizes = _as_sizes(size)
            state = tf.zeros(tf.stack([first, *sizes]) if batch is None else [batch, *sizes],
                             inputs.dtype)  # fmt: skip
            state.set_shape([batch, *sizes])
            states.append(state)
        return states

    # ----------------------------------------------------------------------------------- calling

    def __call__(
        self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any
    ) -> Any:
        """The output for ``inputs``.

        Args:
            inputs: a tensor; or a list of it, the initial states, and the constants.
            initial_state: a tensor or a list of them.
            constants: a tensor or a list of them, which every call of the cell gets.
            kwargs: ``mask``, ``training``.
        """
        if constants is not None:
            constants = to_list(constants, allow_tuple=True)
            self._num_constants = len(constants)
        if isinstance(inputs, (list, tuple)) and not isinstance(inputs, tf.Tensor):
            given = list(inputs)
        else:
            states = [] if initial_state is None else to_list(initial_state, allow_tuple=True)
            given = [inputs, *states, *(constants or [])]
            initial_state = constants = None
        if initial_state is not None or constants is not None:
            raise ValueError(
                f"{self._word}: the list of inputs has the initial states and constants already"
            )
        spec = self.input_spec[0] if isinstance(self.input_spec, list) else self.input_spec
        self.input_spec = spec if len(given) == 1 else [spec, *([None] * (len(given) - 1))]
        try:
            return super().__call__(given[0] if len(given) == 1 else given, **kwargs)
        finally:
            found = self.input_spec
            self.input_spec = found[0] if isinstance(found, list) else found

    def _apart(self, inputs: Any) -> tuple[Any, list[Any] | None, list[Any]]:
        """The input, the initial states (None: not given) and the constants."""
        if not isinstance(inputs, (list, tuple)):
            return inputs, None, []
        end = len(inputs) - self._num_constants
        states = list(inputs[1:end])
        return inputs[0], states or None, list(inputs[end:])

    def _first_states(self, x: Any, given: list[Any] | None) -> list[Any]:
        states = given
        if states is None:
            if self.stateful:
                return [tf.convert_to_tensor(s) for s in self.states]
            return self.get_initial_state(x)
        wanted = self._state_shapes(K.int_shape(x))
        found = [K.int_shape(s) for s in states]
        fits = len(found) == len(wanted) and all(
            tf.TensorShape(a).is_compatible_with(b) for a, b in zip(found, wanted, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{self._word}: its {len(wanted)} states have shapes {wanted}, the initial states "
                f"that were passed {found}"
            )
        return states

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """The operations of the layer."""
        x, given, constants = self._apart(inputs)
        mask = mask[0] if isinstance(mask, list) else mask
        if self.unroll and K.int_shape(x)[1] is None:  # type: ignore[index]
            raise ValueError(
                f"{self._word}: unroll needs a known number of steps, found an input of shape "
                f"{K.int_shape(x)}; give the first layer an input_shape with it"
            )
        rows, step, known = self._steps(turned(x), training, constants)
        states = self._first_states(x, given)
        last, outputs, states = over_steps(
            step, rows, states, backward=self.go_backwards, mask=mask, unroll=self.unroll,
            output_is_state=known,
        )  # fmt: skip
        if self.stateful:
            self.add_update(list(zip(self.states, states, strict=True)), x)
        output = turned(outputs) if self.return_sequences else last
        return [output, *states] if self.return_state else output

    def _steps(self, x: Any, training: Any, constants: list[Any]) -> tuple[list[Any], Any, bool]:
        """(rows, step function, whether the output is the first state)."""
        cell = self.cell
        if is_prepared(cell) and not constants:
            batch = x.shape[1].value
            masks = cell.masks(tf.shape(x)[1] if batch is None else batch, training)
            rows, step = cell.prepare(x, masks)
            return list(rows), step, True
        return (
            [x],
            lambda row, states: call_cell(cell, row[0], states, training, constants),
            False,
        )

    # ------------------------------------------------------------------------------------ configs

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain data."""
        config = super().get_config()
        if self._num_constants:
            config["num_constants"] = self._num_constants
        config["cell"] = serialize(self.cell)
        return config

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> RNN:
        """The layer with these arguments.

        Args:
            config: as ``get_config`` gives it.
            custom_objects: name -> class, for cells of one's own.
        """
        given = dict(config)
        constants = given.pop("num_constants", None) or 0
        if "cell" in given:
            given["cell"] = deserialize(given["cell"], custom_objects)
        layer = cls(**given)
        layer._num_constants = constants
        return layer


class CellRNN(RNN):
    """A layer whose cell is of its own kind: its settings are the cell's."""

    def __init__(self, cell: Any, settings: Mapping[str, Any], kwargs: Mapping[str, Any]) -> None:
        given = {key: value for key, value in settings.items() if not key.startswith("_")}
        super().__init__(cell, **given, **kwargs)

    def __getattr__(self, name: str) -> Any:
        cell = self.__dict__.get("cell")
        if cell is not None and name in vars(cell).get("_settings", ()):
            return getattr(cell, name)
        if cell is not None and name in ("kernel", "recurrent_kernel", "bias"):
            return getattr(cell, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _of_stored(self, arrays: Any) -> Any:
        """Stored weights in this layer's layout."""
        return translated(self.cell, arrays) if hasattr(self.cell, "units") else arrays

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain data."""
        config = super().get_config()
        config.pop("cell")
        config.setdefault("activity_regularizer", None)
        inner = self.cell.get_config()
        return {**config, **{name: inner[name] for name in vars(self.cell)["_settings"]}}
