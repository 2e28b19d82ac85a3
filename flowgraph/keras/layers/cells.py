"""Cells: one step of a recurrent layer.

    output, states = cell.call(inputs of one step, states)

A cell of the library says in ``prepare`` what of a step needs no states: ``x @ kernel + bias``.  A
layer asks that of the inputs of all steps at once, which is one product, and only ``h @
recurrent_kernel`` is left to the loop.  Masks of dropout are made there too, so every step has the
same ones (Gal and Ghahramani 2016).

A cell of one's own has ``state_size`` (an integer or a list of them), ``build`` and ``call``.

Read next: recurrence.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras import initializers
from flowgraph.keras.engine.serialization import deserialize, serialize
from flowgraph.keras.layers.common import Configured, Shape, positive, share
from flowgraph.keras.utils.generic_utils import has_arg, to_list
from flowgraph.rnn.cells import Prepared, product_of_all, zeros_of


class Masks:
    """Masks of dropout for one call of a layer: of inputs and of the state, a list each or None."""

    def __init__(self, inputs: list[Any] | None = None, state: list[Any] | None = None) -> None:
        self.inputs, self.state = inputs, state


class Cell(Configured):
    """What the cells of the library share."""

    #: How many matrices stand side by side in the kernels.
    _gates = 1

    def _settle_cell(self, units: int, **settings: Any) -> None:
        word = type(self).__name__
        for name in ("dropout", "recurrent_dropout"):
            settings[name] = share(word, name, settings[name])
        if settings.get("implementation", 1) == 0:
            warnings.warn(
                "implementation=0 is no longer there: 1 is used", DeprecationWarning, stacklevel=3
            )
            settings["implementation"] = 1
        self._settle(units=positive(word, "units", units), **settings)

    @property
    def state_size(self) -> Any:
        """The size of the state; a list for several."""
        return self.units

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self.units

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        self._input_size = self._size(input_shape, -1)
        wide = self.units * self._gates
        self.kernel = self._weight("kernel", (self._input_size, wide))
        self.recurrent_kernel = self._weight("recurrent_kernel", (self.units, wide), "recurrent")
        self.bias = self._make_bias() if self.use_bias else None
        self.built = True

    def _make_bias(self) -> Any:
        return self._weight("bias", (self.units * self._gates,))

    def masks(self, batch: Any, training: Any = None) -> Masks:
        """New masks of dropout.

        Args:
            batch: the number of samples.
            training: a bool or tensor; the learning phase by default.
        """
        each = self._gates if vars(self).get("implementation", 1) == 1 else 1

        def made(rate: float, size: int) -> list[Any] | None:
            if not 0.0 < rate < 1.0:
                return None
            ones = tf.ones(tf.stack([batch, size]), self.dtype)
            return [
                K.in_train_phase(lambda: K.dropout(ones, rate), ones, training=training)
                for _ in range(each)
            ]

        return Masks(made(self.dropout, self._input_size), made(self.recurrent_dropout, self.units))

    def prepare(self, x: Any, masks: Masks) -> Prepared:
        """What needs no states, and what is left to each step.

        Args:
            x: (samples, size), or (steps, samples, size).
            masks: of dropout.
        """
        raise NotImplementedError

    def call(self, inputs: Any, states: Sequence[Any], training: Any = None) -> Any:
        """One step: the output and the list of states."""
        masks = self.masks(tf.shape(inputs)[0], training)
        rows, step = self.prepare(inputs, masks)
        return step(rows, states)

    def _part(self, weight: Any, gate: int) -> Any:
        """The columns of a gate."""
        return weight[..., gate * self.units : (gate + 1) * self.units]

    def _projected(self, x: Any, masks: Masks, bias: Any) -> Any:
        """``x @ kernel + bias``."""
        if masks.inputs is None:
            return product(x, self.kernel, bias)
        if len(masks.inputs) == 1:
            return product(x * masks.inputs[0], self.kernel, bias)
        parts = [product(x * m, self._part(self.kernel, i)) for i, m in enumerate(masks.inputs)]
        joined = tf.concat(parts, -1)
        return joined if bias is None else joined + bias

    def _recurrent(self, masks: Masks, count: int | None = None) -> Any:
        """``h -> h @ recurrent_kernel``, of the first ``count`` gates."""
        wide = self.units * (count or self._gates)
        kernel = tf.convert_to_tensor(self.recurrent_kernel)
        kernel = kernel if wide == self.units * self._gates else kernel[:, :wide]
        dropped = masks.state
        if dropped is None:
            return lambda h: tf.matmul(h, kernel)
        if len(dropped) == 1:
            return lambda h: tf.matmul(h * dropped[0], kernel)
        parts = [self._part(kernel, i) for i in range(wide // self.units)]
        return lambda h: tf.concat(
            [tf.matmul(h * dropped[i], part) for i, part in enumerate(parts)], 1
        )


def product(x: Any, kernel: Any, bias: Any = None) -> Any:
    """``x @ kernel + bias`` of rows, or of rows of all steps."""
    if x.shape.ndims == 3:
        return product_of_all(x, tf.convert_to_tensor(kernel), bias)
    found = tf.matmul(x, kernel)
    return found if bias is None else tf.nn.bias_add(found, bias)


class AbstractRNNCell(Configured):
    """Base class of tf.keras for cells of one's own.

    Args:
        kwargs: of every layer.

    A cell of one's own overrides ``state_size``, ``output_size`` where that is not the size of the
    first state, ``build``, and ``call(inputs, states)``, which gives ``(output, states)``.

    >>> from flowgraph import keras
    >>> class Sum(AbstractRNNCell):
    ...     state_size = output_size = 2
    ...     def call(self, inputs, states):
    ...         return inputs + states[0], [inputs + states[0]]
    >>> x = keras.Input((3, 2))
    >>> tf.Session().run(keras.layers.RNN(Sum())(x), {x: np.ones((1, 3, 2))})
    array([[3., 3.]], dtype=float32)
    """

    def call(self, inputs: Any, states: Sequence[Any]) -> Any:
        """One step: the output and the states."""
        raise NotImplementedError(f"{type(self).__name__} does not say what a step computes")

    @property
    def state_size(self) -> Any:
        """The size of the state; a list for several."""
        raise NotImplementedError(f"{type(self).__name__} does not say the size of its state")

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return sizes_of_state(self)[0]

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        """The states before the first step: zeros.

        Args:
            inputs: the inputs of all steps; they tell the other two.
            batch_size: how many samples there are.
            dtype: of the states.
        """
        if inputs is not None:
            batch_size, dtype = tf.shape(inputs)[0], inputs.dtype
        states = zeros_of(sizes_of_state(self), batch_size, dtype)
        return states if isinstance(self.state_size, (list, tuple)) else states[0]


class SimpleRNNCell(Cell):
    """The simplest cell: its state is its output.

        h' = activation(x @ kernel + h @ recurrent_kernel + bias)

    Args:
        units: the size of the state.
        activation: a name or function.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: the first values of weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after every update.
        dropout: in training, the share of the inputs that is 0.
        recurrent_dropout: in training, the share of the state that is 0 in the product.
        kwargs: of every layer.

    Weights: kernel (size, units), recurrent_kernel (units, units), bias (units,).
    """

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settle_cell(
            units, activation=activation, use_bias=use_bias,
            kernel_initializer=kernel_initializer, recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer, bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint, recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint, dropout=dropout, recurrent_dropout=recurrent_dropout,
        )  # fmt: skip

    def prepare(self, x: Any, masks: Masks) -> Prepared:
        """What needs no states, and what is left to each step."""
        of_h = self._recurrent(masks)

        def step(rows: Any, states: Any) -> Any:
            h = self.activation(rows[0] + of_h(states[0]))
            return h, [h]

        return Prepared([self._projected(x, masks, self.bias)], step)


class GRUCell(Cell):
    """Gated recurrent unit (Cho et al. 2014).

        z, r = recurrent_activation(x @ kernel + h @ recurrent_kernel + bias)
        c    = activation(x @ kernel + (r * h) @ recurrent_kernel + bias)
        h'   = z * h + (1 - z) * c

    Args:
        units: the size of the state.
        activation: of c.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: the first values of weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after every update.
        dropout: in training, the share of the inputs that is 0.
        recurrent_dropout: in training, the share of the state that is 0 in the products.
        implementation: 1: other masks of dropout for each gate; 2: the same.
        reset_after: ``r * (h @ recurrent_kernel + bias)`` in c, as CuDNN has it.
        kwargs: of every layer.

    Weights: kernel (size, 3 units), recurrent_kernel (units, 3 units), bias (3 units,), or, with
    ``reset_after``, (2, 3 units): of inputs and of states.  The order is z, r, c.
    """

    _gates = 3

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        reset_after: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settle_cell(
            units, activation=activation, recurrent_activation=recurrent_activation,
            use_bias=use_bias, kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer, bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer, recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer, kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint, bias_constraint=bias_constraint,
            dropout=dropout, recurrent_dropout=recurrent_dropout, implementation=implementation,
            reset_after=reset_after,
        )  # fmt: skip

    def _make_bias(self) -> Any:
        wide = 3 * self.units
        return self._weight("bias", (2, wide) if self.reset_after else (wide,))

    def _mixed(self, z: Any, h: Any, c: Any) -> Any:
        new = z * h + (1.0 - z) * self.activation(c)
        return new, [new]

    def prepare(self, x: Any, masks: Masks) -> Prepared:
        """What needs no states, and what is left to each step."""
        n = self.units
        bias, of_state = self.bias, None
        if bias is not None and self.reset_after:
            bias, of_state = tf.unstack(bias)
        rows = [self._projected(x, masks, bias)]
        if self.reset_after:
            of_h = self._recurrent(masks)

            def reset_after(rows: Any, states: Any) -> Any:
                inner = of_h(states[0])
                if of_state is not None:
                    inner += of_state
                gates = self.recurrent_activation(rows[0][:, : 2 * n] + inner[:, : 2 * n])
                z, r = tf.split(gates, 2, axis=1)
                return self._mixed(z, states[0], rows[0][:, 2 * n :] + r * inner[:, 2 * n :])

            return Prepared(rows, reset_after)
        of_gates, kernel = self._recurrent(masks, 2), self._part(self.recurrent_kernel, 2)
        dropped = None if masks.state is None else masks.state[-1]

        def step(rows: Any, states: Any) -> Any:
            h = states[0]
            gates = self.recurrent_activation(rows[0][:, : 2 * n] + of_gates(h))
            z, r = tf.split(gates, 2, axis=1)
            kept = r * h if dropped is None else r * h * dropped
            return self._mixed(z, h, rows[0][:, 2 * n :] + tf.matmul(kept, kernel))

        return Prepared(rows, step)


class LSTMCell(Cell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997).

        i, f, o = recurrent_activation(x @ kernel + h @ recurrent_kernel + bias)
        c'      = f * c + i * activation(x @ kernel + h @ recurrent_kernel + bias)
        h'      = o * activation(c')

    Args:
        units: the size of the states h and c.
        activation: of what joins c, and of c.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: the first values of weights.
        unit_forget_bias: whether the bias of f begins with 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: what they add to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after every update.
        dropout: in training, the share of the inputs that is 0.
        recurrent_dropout: in training, the share of the state that is 0 in the products.
        implementation: 1: other masks of dropout for each gate; 2: the same.
        kwargs: of every layer.

    Weights: kernel (size, 4 units), recurrent_kernel (units, 4 units), bias (4 units,).  The order
    is i, f, c, o.
    """

    _gates = 4

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settle_cell(
            units, activation=activation, recurrent_activation=recurrent_activation,
            use_bias=use_bias, kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer, bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias, kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer, bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint, recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint, dropout=dropout, recurrent_dropout=recurrent_dropout,
            implementation=implementation,
        )  # fmt: skip

    @property
    def state_size(self) -> list[int]:
        """The sizes of h and c."""
        return [self.units, self.units]

    def _make_bias(self) -> Any:
        return add_gate_bias(self, [self.units] * 4, 1 if self.unit_forget_bias else None)

    def prepare(self, x: Any, masks: Masks) -> Prepared:
        """What needs no states, and what is left to each step."""
        of_h = self._recurrent(masks)

        def step(rows: Any, states: Any) -> Any:
            h, c = states
            parts = tf.split(rows[0] + of_h(h), 4, axis=1)
            h, c = gated(self, parts, c)
            return h, [h, c]

        return Prepared([self._projected(x, masks, self.bias)], step)


def gated(cell: Any, parts: Sequence[Any], c: Any) -> tuple[Any, Any]:
    """The next h and c of i, f, c, o before their activations."""
    i, f, new, o = parts
    i, f = cell.recurrent_activation(i), cell.recurrent_activation(f)
    c = f * c + i * cell.activation(new)
    return cell.recurrent_activation(o) * cell.activation(c), c


def add_gate_bias(cell: Any, counts: Sequence[int], ones: int | None) -> Any:
    """The bias of gates with ``counts`` numbers each, the gate number ``ones`` beginning with 1."""
    given = cell.bias_initializer

    def first(shape: Any, dtype: Any = None) -> Any:
        if ones is None:
            return given(shape, dtype=dtype)
        before, behind = sum(counts[:ones]), sum(counts[ones + 1 :])
        parts = [given((before,), dtype=dtype)] if before else []
        parts.append(initializers.Ones()((counts[ones],), dtype=dtype))
        parts += [given((behind,), dtype=dtype)] if behind else []
        return tf.concat(parts, 0)

    return cell.add_weight(
        name="bias", shape=(sum(counts),), initializer=first,
        regularizer=cell.bias_regularizer, constraint=cell.bias_constraint,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------- stacked


def sizes_of_state(cell: Any) -> list[Any]:
    """The sizes of the states of a cell."""
    size = cell.state_size
    return list(size) if isinstance(size, (list, tuple)) else [size]


def is_prepared(cell: Any) -> bool:
    """Whether the cell's call is that of the library, which ``prepare`` takes apart."""
    if isinstance(cell, StackedRNNCells):
        return type(cell).call is StackedRNNCells.call and all(map(is_prepared, cell.cells))
    return isinstance(cell, Cell) and type(cell).call is Cell.call


def call_cell(cell: Any, x: Any, states: Any, training: Any, constants: Sequence[Any]) -> Any:
    """One step of any cell, with the arguments that its ``call`` takes."""
    given: dict[str, Any] = {}
    if has_arg(cell.call, "training"):
        given["training"] = training
    if constants:
        given["constants"] = list(constants)
    output, new = cell.call(x, states, **given)
    return output, to_list(new, allow_tuple=True)


class StackedRNNCells(Configured):
    """Cells of which each takes the output of the one before.

    Args:
        cells: a list of cells.
        kwargs: of every layer.

    The states are those of the last cell first (h2, c2, h1, c1), so that the first state has the
    size of the output.
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        cells = list(cells)
        for cell in cells:
            for what in ("call", "state_size"):
                if not hasattr(cell, what):
                    raise ValueError(f"StackedRNNCells: all cells must have {what}; {cell!r} has "
                                     "none")  # fmt: skip
        kwargs.pop("reverse_state_order", None)  # of later releases
        super().__init__(**kwargs)
        self.cells = cells

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states, those of the last cell first."""
        return [size for cell in reversed(self.cells) for size in sizes_of_state(cell)]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        last = self.cells[-1]
        return getattr(last, "output_size", sizes_of_state(last)[0])

    def build(self, input_shape: Any) -> None:
        """Build the cells, each for the output of the one before."""
        constants = input_shape[1:] if isinstance(input_shape, list) else []
        shape = tuple(input_shape[0] if isinstance(input_shape, list) else input_shape)
        for cell in self.cells:
            build_cell(cell, shape, constants)
            size = getattr(cell, "output_size", sizes_of_state(cell)[0])
            shape = (shape[0], *(size if isinstance(size, (list, tuple)) else (size,)))
        self.built = True

    def _of_each(self, states: Sequence[Any]) -> list[list[Any]]:
        """The states of each cell, first cell first."""
        found, end = [], len(states)
        for cell in self.cells:
            count = len(sizes_of_state(cell))
            found.append(list(states[end - count : end]))
            end -= count
        return found

    def call(
        self, inputs: Any, states: Sequence[Any], training: Any = None, constants: Any = None
    ) -> Any:
        """One step: the output and the list of states."""
        new: list[Any] = []
        for cell, own in zip(self.cells, self._of_each(states), strict=True):
            taken = (constants or ()) if has_arg(cell.call, "constants") else ()
            inputs, after = call_cell(cell, inputs, own, training, taken)
            new = after + new
        return inputs, new

    def masks(self, batch: Any, training: Any = None) -> list[Any]:
        """New masks of dropout of every cell."""
        return [cell.masks(batch, training) for cell in self.cells]

    def prepare(self, x: Any, masks: Any) -> Prepared:
        """What needs no states (of the first cell), and what is left to each step."""
        first = self.cells[0].prepare(x, masks[0])

        def step(rows: Any, states: Any) -> Any:
            owns = self._of_each(states)
            output, new = first.step(rows, owns[0])
            for cell, own, mask in zip(self.cells[1:], owns[1:], masks[1:], strict=True):
                later = cell.prepare(output, mask)
                output, after = later.step(later.rows, own)
                new = list(after) + list(new)
            return output, list(new)

        return Prepared(first.rows, step)

    def get_config(self) -> dict[str, Any]:
        """The cells, as plain data."""
        return {**super().get_config(), "cells": [serialize(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> StackedRNNCells:
        """The stack of these cells.

        Args:
            config: as ``get_config`` gives it.
            custom_objects: name -> class, for cells of one's own.
        """
        given = dict(config)
        cells = [deserialize(cell, custom_objects) for cell in given.pop("cells")]
        return cls(cells, **given)


def build_cell(cell: Any, shape: Shape, constants: Sequence[Any] = ()) -> None:
    """Make the weights of a cell, unless it has them or needs none."""
    if getattr(cell, "built", False) or not hasattr(cell, "build"):
        return
    takes = constants and has_arg(cell.call, "constants")
    cell.build([shape, *constants] if takes else shape)
    cell.built = True
