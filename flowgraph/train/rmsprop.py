"""RMSProp: rates divided by a running root mean square of the gradient.

Read next: adam.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.graph.export import export
from flowgraph.ops.initializers import Ones
from flowgraph.ops.variables import Variable
from flowgraph.train.optimizer import StepOptimizer


@export("train.RMSPropOptimizer")
class RMSPropOptimizer(StepOptimizer):
    """RMSProp (Tieleman and Hinton 2012), in TensorFlow's form.

    rms <- decay * rms + (1 - decay) * g**2                     starts at 1
    mom <- momentum * mom + learning_rate * g / sqrt(rms + epsilon)
    w <- w - mom

    centered: rms is replaced by the variance, ``rms - mg**2``, with ``mg <- decay * mg + (1 -
    decay) * g``.  A sparse gradient moves only the rows that it names.

    Args:
        learning_rate, decay, momentum, epsilon: floats, scalar tensors, or functions without
            arguments that give them.
        use_locking: accepted.
        centered: see above.
        name: prefix of the operations, and name of the slots.
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            decay=decay,
            momentum=momentum,
            epsilon=epsilon,
        )
        self._step = "CenteredRMSProp" if centered else "RMSProp"
        self._state = ("mg", "rms", "momentum") if centered else ("rms", "momentum")

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            dtype = var.dtype.base_dtype
            ones = Ones(dtype=dtype)
            self._get_or_make_slot_with_initializer(var, ones, var.shape, dtype, "rms", self._name)
            if "mg" in self._state:
                self._zeros_slot(var, "mg", self._name)
            self._zeros_slot(var, "momentum", self._name)

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        numbers = self._numbers(var, "learning_rate", "decay", "momentum", "epsilon")
        return [*self._slots_of(var, *self._state), *numbers, *grad]
