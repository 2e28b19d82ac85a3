"""Adam: adaptive moment estimation (Kingma and Ba, 2015), in TensorFlow's form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.default import control_dependencies
from flowgraph.graph.export import export
from flowgraph.graph.gradients import IndexedSlices
from flowgraph.graph.node import Operation
from flowgraph.ops.control import group
from flowgraph.ops.sizes import shape
from flowgraph.ops.variables import Variable
from flowgraph.train.optimizer import StepOptimizer, cast


@export("train.AdamOptimizer")
class AdamOptimizer(StepOptimizer):
    """Adam.

    t <- t + 1
    lr_t = learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t)
    m <- beta1 * m + (1 - beta1) * g
    v <- beta2 * v + (1 - beta2) * g**2
    w <- w - lr_t * m / (sqrt(v) + epsilon)

    As in TensorFlow the bias correction is folded into the rate, so ``epsilon`` is the paper's
    "epsilon hat".  A sparse gradient (IndexedSlices) moves all rows: the moments of unused ones
    decay.

    Args:
        learning_rate, beta1, beta2, epsilon: floats, scalar tensors, or functions without arguments
            that give them.
        use_locking: accepted; updates never race here.
        name: prefix of the operations, and name of the slots.
    """

    _step = "Adam"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
        )

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        first = min(var_list, key=lambda v: v.name)
        for name in ("beta1", "beta2"):
            initial = self._call_if_callable(self._hyper[name])
            self._create_non_slot_variable(initial, f"{name}_power", first)
        for var in var_list:
            self._zeros_slot(var, "m", self._name)
            self._zeros_slot(var, "v", self._name)

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        powers = [
            cast(self._get_non_slot_variable(f"{name}_power").value(), var)
            for name in ("beta1", "beta2")
        ]
        return [*self._slots_of(var, "m", "v"), *powers, *self._numbers(var, *self._hyper), *grad]

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Variable) -> Operation:
        # Duplicate rows add up before they are squared, and the moments of all rows decay: that is
        # the dense update with zeros elsewhere.
        rows = call.GatherV2(shape(var), 0, 0) if var.shape[0].value is None else var.shape[0].value
        dense = call.UnsortedSegmentSum(grad.values, grad.indices, rows)
        return self._apply_dense(dense, var)

    def _finish(self, update_ops: list[Operation], name_scope: str) -> Operation:
        with control_dependencies(update_ops):
            powers = []
            for name in ("beta1", "beta2"):
                power = self._get_non_slot_variable(f"{name}_power")
                powers.append(power.assign(power * cast(self._tensors[name], power)).op)
        return group(*update_ops, *powers, name=name_scope)
