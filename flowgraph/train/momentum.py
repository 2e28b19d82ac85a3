"""Momentum: gradient descent that keeps going (Polyak 1964; Nesterov 1983).

Read next: rmsprop.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.graph.export import export
from flowgraph.ops.variables import Variable
from flowgraph.train.optimizer import StepOptimizer


@export("train.MomentumOptimizer")
class MomentumOptimizer(StepOptimizer):
    """Gradient descent with momentum.

    accum <- momentum * accum + g
    w <- w - learning_rate * accum
    with Nesterov's: w <- w - learning_rate * (g + momentum * accum)

    A sparse gradient moves only the rows that it names, and decays only their ``accum``.

    Args:
        learning_rate, momentum: floats, scalar tensors, or functions without arguments that give
            them.
        use_locking: accepted; updates never race here.
        name: prefix of the operations, and name of the slot.
        use_nesterov: see above.
    """

    _step = "Momentum"

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name, learning_rate=learning_rate, momentum=momentum)
        self._use_nesterov = use_nesterov

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self._zeros_slot(var, "momentum", self._name)

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        rate, momentum = self._numbers(var, "learning_rate", "momentum")
        return [*self._slots_of(var, "momentum"), rate, *grad, momentum]

    def _attrs(self) -> dict[str, Any]:
        return {"use_nesterov": self._use_nesterov}
