"""tf.contrib.opt: optimizers beside those of tf.train.

Read next: train/optimizer.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies, name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.gradients import IndexedSlices
from flowgraph.graph.node import Operation
from flowgraph.ops.control import group
from flowgraph.ops.variables import Variable
from flowgraph.train.adam import AdamOptimizer
from flowgraph.train.momentum import MomentumOptimizer
from flowgraph.train.moving_averages import ExponentialMovingAverage
from flowgraph.train.optimizer import Optimizer, StepOptimizer, cast
from flowgraph.train.step_counter import get_or_create_global_step


@export("contrib.opt.AdaMaxOptimizer")
class AdaMaxOptimizer(AdamOptimizer):
    """Adam by the maximum norm (Kingma and Ba 2015, section 7.1).

    m <- beta1 * m + (1 - beta1) * g
    v <- max(beta2 * v, |g|)
    w <- w - learning_rate / (1 - beta1**t) * m / (v + epsilon)

    A sparse gradient moves only the rows that it names.

    Args:
        learning_rate, beta1, beta2, epsilon, use_locking, name: as of tf.train.AdamOptimizer.
    """

    _step = "AdaMax"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "AdaMax",
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking, name)

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        power = cast(self._get_non_slot_variable("beta1_power").value(), var)
        return [*self._slots_of(var, "m", "v"), power, *self._numbers(var, *self._hyper), *grad]

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Variable) -> Operation:
        return Optimizer._apply_sparse_duplicate_indices(self, grad, var)

    def _apply_sparse(self, grad: IndexedSlices, var: Variable) -> Operation:
        rate, beta1, beta2, epsilon = self._numbers(var, *self._hyper)
        power = cast(self._get_non_slot_variable("beta1_power").value(), var)
        m, v = self._slots_of(var, "m", "v")
        rows = grad.indices
        m_rows = call.GatherV2(m, rows, 0) * beta1 + grad.values * (1.0 - beta1)
        v_rows = call.Maximum(call.GatherV2(v, rows, 0) * beta2, call.Abs(grad.values))
        step = rate / (1.0 - power) * (m_rows / (v_rows + epsilon))
        return group(
            call.ScatterUpdate(m, rows, m_rows),
            call.ScatterUpdate(v, rows, v_rows),
            call.ScatterSub(var, rows, step),
        )


@export("contrib.opt.NadamOptimizer")
class NadamOptimizer(AdamOptimizer):
    """Adam with Nesterov's momentum (Dozat 2016): the step uses ``beta1 * m + (1 - beta1) * g``.

    Args:
        learning_rate, beta1, beta2, epsilon, use_locking, name: as of tf.train.AdamOptimizer.
    """

    def _attrs(self) -> dict[str, Any]:
        return {"use_nesterov": True}


@export("contrib.opt.LazyAdamOptimizer")
class LazyAdamOptimizer(AdamOptimizer):
    """Adam that leaves rows alone which a sparse gradient does not name: faster, not the same.

    Args:
        learning_rate, beta1, beta2, epsilon, use_locking, name: as of tf.train.AdamOptimizer.
    """

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Variable) -> Operation:
        return Optimizer._apply_sparse_duplicate_indices(self, grad, var)

    def _apply_sparse(self, grad: IndexedSlices, var: Variable) -> Operation:
        rate, beta1, beta2, epsilon = self._numbers(var, *self._hyper)
        power1, power2 = (
            cast(self._get_non_slot_variable(f"{name}_power").value(), var)
            for name in ("beta1", "beta2")
        )
        m, v = self._slots_of(var, "m", "v")
        rows, g = grad.indices, grad.values
        m_rows = call.GatherV2(m, rows, 0) * beta1 + g * (1.0 - beta1)
        v_rows = call.GatherV2(v, rows, 0) * beta2 + call.Square(g) * (1.0 - beta2)
        corrected = rate * call.Sqrt(1.0 - power2) / (1.0 - power1)
        step = corrected * m_rows / (call.Sqrt(v_rows) + epsilon)
        return group(
            call.ScatterUpdate(m, rows, m_rows),
            call.ScatterUpdate(v, rows, v_rows),
            call.ScatterSub(var, rows, step),
        )


class _SignOptimizer(StepOptimizer):
    """With a momentum of which only the sign counts."""

    def __init__(
        self, use_locking: bool, name: str, sign_decay_fn: Callable[[Any], Any] | None, **hyper: Any
    ) -> None:
        super().__init__(use_locking, name, **hyper)
        self._sign_decay_fn = sign_decay_fn

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self._zeros_slot(var, "m", self._name)

    def _prepare(self) -> None:
        super()._prepare()
        decay: Any = 1.0
        if self._sign_decay_fn is not None:
            decay = self._sign_decay_fn(get_or_create_global_step())
        self._tensors["sign_decay"] = convert_to_tensor(decay, name="sign_decay")

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        rate, scale = list(self._hyper)[:2]
        numbers = self._numbers(var, rate, scale, "sign_decay", "beta")
        return [*self._slots_of(var, "m"), *numbers, *grad]

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Variable) -> Operation:
        rows = var.shape[0].value
        return self._apply_dense(call.UnsortedSegmentSum(grad.values, grad.indices, rows), var)


@export("contrib.opt.AddSignOptimizer")
class AddSignOptimizer(_SignOptimizer):
    """Larger steps where gradient and momentum agree (Bello et al. 2017).

    m <- beta * m + (1 - beta) * g
    w <- w - learning_rate * (alpha + sign_decay * sign(g) * sign(m)) * g

    Args:
        learning_rate, alpha, beta: floats or scalar tensors.
        sign_decay_fn: from the global step to sign_decay; 1 without.
        use_locking: accepted.
        name: prefix of the operations, and name of the slot.
    """

    _step = "AddSign"

    def __init__(
        self,
        learning_rate: Any = 0.1,
        alpha: Any = 1.0,
        beta: Any = 0.9,
        sign_decay_fn: Callable[[Any], Any] | None = None,
        use_locking: bool = False,
        name: str = "AddSignOptimizer",
    ) -> None:
        super().__init__(
            use_locking, name, sign_decay_fn, learning_rate=learning_rate, alpha=alpha, beta=beta
        )


@export("contrib.opt.PowerSignOptimizer")
class PowerSignOptimizer(_SignOptimizer):
    """Larger steps where gradient and momentum agree (Bello et al. 2017).

    m <- beta * m + (1 - beta) * g
    w <- w - learning_rate * base ** (sign_decay * sign(g) * sign(m)) * g

    Args:
        learning_rate, beta: floats or scalar tensors.
        base: a number above 0.
        sign_decay_fn: from the global step to sign_decay; 1 without.
        use_locking: accepted.
        name: prefix of the operations, and name of the slot.
    """

    _step = "PowerSign"

    def __init__(
        self,
        learning_rate: Any = 0.1,
        base: float = math.e,
        beta: Any = 0.9,
        sign_decay_fn: Callable[[Any], Any] | None = None,
        use_locking: bool = False,
        name: str = "PowerSignOptimizer",
    ) -> None:
        super().__init__(
            use_locking,
            name,
            sign_decay_fn,
            learning_rate=learning_rate,
            logbase=math.log(base),
            beta=beta,
        )


# ------------------------------------------------------------------------------------ weight decay


@export("contrib.opt.DecoupledWeightDecayExtension")
class DecoupledWeightDecayExtension:
    """Mixed into an optimizer: ``w <- w - weight_decay * w`` before each of its steps.

    Not the same as a penalty on the loss where the rate of each weight is its own (Loshchilov and
    Hutter 2019).  ``minimize`` and ``apply_gradients`` take ``decay_var_list``: what decays; all
    that is trained by default.

    Args:
        weight_decay: float or scalar tensor, to be lowered with the learning rate.
        kwargs: those of the optimizer.
    """

    def __init__(self, weight_decay: Any, **kwargs: Any) -> None:
        self._decay_var_list: set[Any] | None = None
        self._weight_decay = weight_decay
        super().__init__(**kwargs)

    def minimize(self, loss: Any, *args: Any, **kwargs: Any) -> Any:
        """As of Optimizer; ``decay_var_list`` says what decays."""
        chosen = kwargs.pop("decay_var_list", None)
        self._decay_var_list = None if chosen is None else set(chosen)
        return super().minimize(loss, *args, **kwargs)  # type: ignore[misc]

    def apply_gradients(self, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        """As of Optimizer; ``decay_var_list`` says what decays."""
        chosen = kwargs.pop("decay_var_list", None)
        if chosen is not None:
            self._decay_var_list = set(chosen)
        return super().apply_gradients(grads_and_vars, *args, **kwargs)  # type: ignore[misc]

    def _update(self, gradient: Any, variable: Variable) -> Operation:
        if self._decay_var_list is not None and variable not in self._decay_var_list:
            return super()._update(gradient, variable)  # type: ignore[misc]
        rate = self._weight_decay() if callable(self._weight_decay) else self._weight_decay
        rate = cast(convert_to_tensor(rate, name="weight_decay"), variable)
        decay = call.AssignSub(variable, rate * variable)
        with control_dependencies([decay.op]):
            return super()._update(gradient, variable)  # type: ignore[misc]


@export("contrib.opt.extend_with_decoupled_weight_decay")
def extend_with_decoupled_weight_decay(base_optimizer: type[Optimizer]) -> type[Optimizer]:
    """A class of optimizers like ``base_optimizer`` whose first argument is ``weight_decay``.

    Args:
        base_optimizer: a class of optimizers.
    """

    class Extended(DecoupledWeightDecayExtension, base_optimizer):  # type: ignore[misc,valid-type]
        """With decoupled weight decay."""

        def __init__(self, weight_decay: Any, *args: Any, **kwargs: Any) -> None:
            self._decay_var_list = None
            self._weight_decay = weight_decay
            base_optimizer.__init__(self, *args, **kwargs)

    return Extended


@export("contrib.opt.AdamWOptimizer")
class AdamWOptimizer(DecoupledWeightDecayExtension, AdamOptimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    Args:
        weight_decay: see DecoupledWeightDecayExtension.
        learning_rate, beta1, beta2, epsilon, use_locking, name: as of tf.train.AdamOptimizer.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "AdamW",
    ) -> None:
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            use_locking=use_locking,
            name=name,
        )


@export("contrib.opt.MomentumWOptimizer")
class MomentumWOptimizer(DecoupledWeightDecayExtension, MomentumOptimizer):
    """Momentum with decoupled weight decay (Loshchilov and Hutter 2019).

    Args:
        weight_decay: see DecoupledWeightDecayExtension.
        learning_rate, momentum, use_locking, name, use_nesterov: as of tf.train.MomentumOptimizer.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "MomentumW",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            momentum=momentum,
            use_locking=use_locking,
            name=name,
            use_nesterov=use_nesterov,
        )


# ------------------------------------------------------------------------------- around another one


@export("contrib.opt.MovingAverageOptimizer")
class MovingAverageOptimizer(Optimizer):
    """Another optimizer, with moving averages of what it trains.

    Args:
        opt: the optimizer.
        average_decay, num_updates: as of tf.train.ExponentialMovingAverage.
        sequential_update: accepted: averages see the variables after the step.
    """

    def __init__(
        self,
        opt: Optimizer,
        average_decay: Any = 0.9999,
        num_updates: Any = None,
        sequential_update: bool = True,
    ) -> None:
        super().__init__(False, opt.get_name())
        self._optimizer = opt
        self._ema = ExponentialMovingAverage(average_decay, num_updates=num_updates)
        self._averaged: list[Variable] = []

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(
        self, grads_and_vars: Iterable[Any], global_step: Any = None, name: str | None = None
    ) -> Operation:
        """The optimizer's step, and then the averages.

        Args:
            grads_and_vars, global_step, name: as of Optimizer.
        """
        pairs = list(grads_and_vars)
        step = self._optimizer.apply_gradients(pairs, global_step=global_step)
        self._averaged = [v for g, v in pairs if g is not None]
        with control_dependencies([step]):
            average = self._ema.apply(self._averaged)
        with name_scope(name, "train") as scope:
            return group(step, average, name=scope)

    def get_slot(self, var: Variable, name: str) -> Variable | None:
        """The optimizer's.

        Args:
            var: a trained variable.   name: of a slot.
        """
        return self._optimizer.get_slot(var, name)

    def get_slot_names(self) -> list[str]:
        """The optimizer's."""
        return self._optimizer.get_slot_names()

    def variables(self) -> list[Variable]:
        """The optimizer's, and the averages."""
        averages = [self._ema.average(v) for v in self._averaged]
        return [*self._optimizer.variables(), *(v for v in averages if v is not None)]

    def swapping_saver(
        self, var_list: Any = None, name: str = "swapping_saver", **kwargs: Any
    ) -> Any:
        """A tf.train.Saver that saves the averages under the names of the variables.

        Args:
            var_list: what to save; all variables by default.
            name: of the Saver.
            kwargs: of the Saver.
        """
        chosen = EXPORTS["global_variables"]() if var_list is None else list(var_list)
        averages = {v: self._ema.average(v) for v in self._averaged}
        saved = {v.op.name: averages.get(v) or v for v in chosen if v not in averages.values()}
        return EXPORTS["train.Saver"](saved, name=name, **kwargs)
