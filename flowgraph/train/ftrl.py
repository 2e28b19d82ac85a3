"""Ftrl: follow the regularized leader, for models of which most weights are zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.graph.export import export
from flowgraph.ops.initializers import Constant
from flowgraph.ops.variables import Variable
from flowgraph.train.optimizer import StepOptimizer


@export("train.FtrlOptimizer")
class FtrlOptimizer(StepOptimizer):
    """FTRL-Proximal (McMahan et al. 2013).

    a = accum + g**2
    linear <- linear + g - (a**-p - accum**-p) / learning_rate * w       p = learning_rate_power
    w <- (l1 sign(linear) - linear) / (a**-p / learning_rate + 2 l2)     where |linear| > l1, else 0
    accum <- a

    With shrinkage s the gradient that moves ``linear`` is ``g + 2 s w``.  A sparse gradient moves
    only the rows that it names.

    Args:
        learning_rate: float, scalar tensor, or a function without arguments that gives one.
        learning_rate_power: p, not positive; 0 keeps the rate, -0.5 is Adagrad's.
        initial_accumulator_value: what accum starts at; not negative.
        l1_regularization_strength, l2_regularization_strength: l1 and l2, not negative.
        use_locking: accepted.
        name: prefix of the operations, and name of the slots.
        accum_name, linear_name: of the slots, instead.
        l2_shrinkage_regularization_strength: s, not negative.

    Raises:
        ValueError: a number has the wrong sign.
    """

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
    ) -> None:
        for label, value in (
            ("initial_accumulator_value", initial_accumulator_value),
            ("l1_regularization_strength", l1_regularization_strength),
            ("l2_regularization_strength", l2_regularization_strength),
            ("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength),
        ):
            if value < 0.0:
                raise ValueError(f"{label} {value} needs to be positive or zero")
        if learning_rate_power > 0.0:
            raise ValueError(
                f"learning_rate_power {learning_rate_power} needs to be negative or zero"
            )
        shrinks = l2_shrinkage_regularization_strength > 0.0
        hyper = {
            "learning_rate": learning_rate,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            **(
                {"l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength}
                if shrinks
                else {}
            ),
            "learning_rate_power": learning_rate_power,
        }
        super().__init__(use_locking, name, **hyper)
        self._step = "FtrlV2" if shrinks else "Ftrl"
        self._start = initial_accumulator_value
        self._accum_name, self._linear_name = accum_name, linear_name

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            dtype = var.dtype.base_dtype
            initializer = Constant(self._start, dtype=dtype)
            self._get_or_make_slot_with_initializer(
                var, initializer, var.shape, dtype, "accum", self._accum_name or self._name
            )
            self._zeros_slot(var, "linear", self._linear_name or self._name)

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        numbers = self._numbers(var, *self._hyper)
        return [*self._slots_of(var, "accum", "linear"), *grad, *numbers]
