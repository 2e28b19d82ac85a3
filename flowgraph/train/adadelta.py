"""Adadelta: steps measured by the steps before (Zeiler 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.graph.export import export
from flowgraph.ops.variables import Variable
from flowgraph.train.optimizer import StepOptimizer


@export("train.AdadeltaOptimizer")
class AdadeltaOptimizer(StepOptimizer):
    """Adadelta.

    accum <- rho * accum + (1 - rho) * g**2
    u = sqrt(accum_update + epsilon) / sqrt(accum + epsilon) * g
    accum_update <- rho * accum_update + (1 - rho) * u**2
    w <- w - learning_rate * u

    The paper has learning_rate 1.  A sparse gradient moves only the rows that it names.

    Args:
        learning_rate, rho, epsilon: floats, scalar tensors, or functions without arguments that
            give them.
        use_locking: accepted; updates never race here.
        name: prefix of the operations, and name of the slots.
    """

    _step = "Adadelta"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name, lr=learning_rate, rho=rho, epsilon=epsilon)

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self._zeros_slot(var, "accum", self._name)
            self._zeros_slot(var, "accum_update", self._name)

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        slots = self._slots_of(var, "accum", "accum_update")
        return [*slots, *self._numbers(var, "lr", "rho", "epsilon"), *grad]
