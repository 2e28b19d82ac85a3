"""Adagrad and its kin: rates divided by the root of the sum of squared gradients.

Read next: rmsprop.py, which forgets old gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.ops.constants import fill
from flowgraph.ops.initializers import Constant
from flowgraph.ops.sizes import shape
from flowgraph.ops.variables import Variable
from flowgraph.train.optimizer import StepOptimizer
from flowgraph.train.slots import create_slot


class _Accumulating(StepOptimizer):
    """With a slot of squared gradients that starts at a constant."""

    def _accumulator(self, var: Variable, start: float, slot_name: str, op_name: str) -> None:
        if var.shape.is_fully_defined():
            dtype = var.dtype.base_dtype
            initializer = Constant(start, dtype=dtype)
            self._get_or_make_slot_with_initializer(
                var, initializer, var.shape, dtype, slot_name, op_name
            )
            return
        slots = self._slot_dict(slot_name)
        if var not in slots:
            start_ = call.Cast(start, DstT=var.dtype.base_dtype)
            slots[var] = create_slot(var, fill(shape(var), start_), op_name)


def _check_positive(value: float, name: str) -> None:
    if value <= 0.0:
        raise ValueError(f"{name} must be positive: {value}")


@export("train.AdagradOptimizer")
class AdagradOptimizer(_Accumulating):
    """Adagrad (Duchi, Hazan and Singer 2011).

    accumulator <- accumulator + g**2
    w <- w - learning_rate * g / sqrt(accumulator)

    A sparse gradient moves only the rows that it names.

    Args:
        learning_rate: float, scalar tensor, or a function without arguments that gives one.
        initial_accumulator_value: what accumulators start at; positive.
        use_locking: accepted; updates never race here.
        name: prefix of the operations, and name of the slot.

    Raises:
        ValueError: ``initial_accumulator_value`` is not positive.
    """

    _step = "Adagrad"

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        _check_positive(initial_accumulator_value, "initial_accumulator_value")
        super().__init__(use_locking, name, learning_rate=learning_rate)
        self._start = initial_accumulator_value

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self._accumulator(var, self._start, "accumulator", self._name)

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        return [*self._slots_of(var, "accumulator"), *self._numbers(var, "learning_rate"), *grad]


@export("train.ProximalAdagradOptimizer")
class ProximalAdagradOptimizer(_Accumulating):
    """Adagrad on the loss, with exact steps on ``l1 |w| + l2/2 w**2`` (Duchi and Singer 2009).

    accumulator <- accumulator + g**2,  rate = learning_rate / sqrt(accumulator)
    x = w - rate * g,  w <- sign(x) * max(|x| - rate * l1, 0) / (1 + rate * l2)

    Args:
        learning_rate: float, scalar tensor, or a function without arguments that gives one.
        initial_accumulator_value: what accumulators start at; positive.
        l1_regularization_strength, l2_regularization_strength: l1 and l2, not negative.
        use_locking: accepted.
        name: prefix of the operations, and name of the slot.

    Raises:
        ValueError: ``initial_accumulator_value`` is not positive.
    """

    _step = "ProximalAdagrad"

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        _check_positive(initial_accumulator_value, "initial_accumulator_value")
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )
        self._start = initial_accumulator_value

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self._accumulator(var, self._start, "accumulator", self._name)

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        return [*self._slots_of(var, "accumulator"), *self._numbers(var, *self._hyper), *grad]


@export("train.AdagradDAOptimizer")
class AdagradDAOptimizer(_Accumulating):
    """Adagrad by dual averaging: every step is computed from the sums of all gradients.

    G <- G + g,  Q <- Q + g**2,  t = global_step + 1
    w <- -learning_rate * sign(G) * max(|G| - l1 t, 0) / (l2 t learning_rate + sqrt(Q))

    Weights start from 0, whatever they were, and most of them stay there (Duchi, Hazan and Singer
    2011).  A sparse gradient moves only the rows that it names.

    Args:
        learning_rate: float or scalar tensor.
        global_step: the variable that counts the steps.
        initial_gradient_squared_accumulator_value: what Q starts at; positive.
        l1_regularization_strength, l2_regularization_strength: l1 and l2, not negative.
        use_locking: accepted.
        name: prefix of the operations, and name of the slots.

    Raises:
        ValueError: ``initial_gradient_squared_accumulator_value`` is not positive.
    """

    _step = "AdagradDA"

    def __init__(
        self,
        learning_rate: Any,
        global_step: Any,
        initial_gradient_squared_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "AdagradDA",
    ) -> None:
        _check_positive(
            initial_gradient_squared_accumulator_value, "initial_gradient_squared_accumulator_value"
        )
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )
        self._start = initial_gradient_squared_accumulator_value
        self._global_step = global_step

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self._zeros_slot(var, "gradient_accumulator", self._name)
            self._accumulator(var, self._start, "gradient_squared_accumulator", self._name)

    def _prepare(self) -> None:
        super()._prepare()
        # NB: the number of this step, while the variable still counts those before it.
        step = self._global_step
        with get_default_graph().colocate_with(step):
            self._steps = call.AddV2(call.Cast(step, DstT="int64"), 1)

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        slots = self._slots_of(var, "gradient_accumulator", "gradient_squared_accumulator")
        return [*slots, *grad, *self._numbers(var, *self._hyper), self._steps]
