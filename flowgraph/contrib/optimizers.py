"""optimize_loss: from a loss to the tensor that, when run, trains one step.

Read next: flowgraph/train/optimizer.py.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, control_dependencies, get_default_graph
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Tensor
from flowgraph.ops.initializers import Constant
from flowgraph.ops.variable_scope import get_variable, variable_scope
from flowgraph.ops.variables import Variable, trainable_variables
from flowgraph.train.optimizer import Optimizer
from flowgraph.train.step_counter import get_global_step

#: Names of optimizers, and where they are.
_OPTIMIZERS = {
    "Adagrad": "train.AdagradOptimizer", "Adam": "train.AdamOptimizer",
    "Ftrl": "train.FtrlOptimizer", "Momentum": "train.MomentumOptimizer",
    "RMSProp": "train.RMSPropOptimizer", "SGD": "train.GradientDescentOptimizer",
}  # fmt: skip

GradsAndVars = list[tuple[Any, Variable]]


def _rate(learning_rate: Any) -> Any:
    if learning_rate is None:
        return None
    if isinstance(learning_rate, numbers.Real):
        if float(learning_rate) < 0:
            raise ValueError(f"optimize_loss: learning_rate {learning_rate} is negative")
        start = Constant(float(learning_rate))
        return get_variable("learning_rate", [], trainable=False, initializer=start)
    if isinstance(learning_rate, (Tensor, Variable)) and learning_rate.shape.ndims == 0:
        return learning_rate
    raise ValueError(
        f"optimize_loss: learning_rate must be a number, a scalar tensor or None, got "
        f"{learning_rate!r}"
    )


def _made(optimizer: Any, rate: Any) -> Optimizer:
    if isinstance(optimizer, str):
        if optimizer not in _OPTIMIZERS:
            raise ValueError(
                f"optimize_loss: the optimizer {optimizer!r} is none of {', '.join(_OPTIMIZERS)}"
            )
        if rate is None:
            raise ValueError("optimize_loss: an optimizer given by name needs a learning_rate")
        more = {"momentum": 0.9} if optimizer == "Momentum" else {}
        return EXPORTS[_OPTIMIZERS[optimizer]](learning_rate=rate, **more)
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        if rate is None:
            raise ValueError("optimize_loss: an optimizer class needs a learning_rate")
        return optimizer(learning_rate=rate)  # type: ignore[call-arg]
    if isinstance(optimizer, Optimizer):
        return optimizer
    if callable(optimizer):
        found = optimizer() if rate is None else optimizer(rate)
        if isinstance(found, Optimizer):
            return found
    raise ValueError(f"optimize_loss: {optimizer!r} is no optimizer, name, class or function")


def _scaled(grads_and_vars: GradsAndVars, multipliers: Mapping[Any, Any]) -> GradsAndVars:
    """The gradients of some variables times a number."""
    found: GradsAndVars = []
    for grad, variable in grads_and_vars:
        by = multipliers.get(variable, multipliers.get(variable.name))
        if by is None or grad is None:
            found.append((grad, variable))
        elif isinstance(grad, IndexedSlices):
            found.append(
                (IndexedSlices(grad.values * by, grad.indices, grad.dense_shape), variable)
            )
        else:
            found.append((grad * by, variable))
    return found


@export("contrib.layers.optimize_loss", "contrib.slim.optimize_loss")
def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: Mapping[Any, Any] | None = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable[[Any, Any], Any] | None = None,
    update_ops: Iterable[Any] | None = None,
    variables: Iterable[Variable] | None = None,
    name: str | None = None,
    summaries: Any = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> Tensor:
    """The loss, which is made smaller by one step when it is run.

    Args:
        loss: a scalar.
        global_step: the step counter, or None for that of the graph.
        learning_rate: a number, a scalar tensor, or None where the optimizer knows it.
        optimizer: ``"SGD"``, ``"Momentum"`` (0.9), ``"Adam"``, ``"Adagrad"``, ``"RMSProp"``,
            ``"Ftrl"``; or an optimizer, a class of them, or a function of the learning rate.
        gradient_noise_scale: standard deviation of noise to add to the gradients.
        gradient_multipliers: variables, or their names, -> what to multiply their gradients by.
        clip_gradients: the greatest global norm, or a function of (gradient, variable) pairs.
        learning_rate_decay_fn: ``f(learning_rate, global_step)``.
        update_ops: run before the loss; those in ``GraphKeys.UPDATE_OPS`` by default.
        variables: what to train; all trainable ones by default.
        name: of the scope; ``OptimizeLoss`` by default.
        summaries: accepted.
        colocate_gradients_with_ops: accepted.
        increment_global_step: whether the step counter counts.

    Returns:
        A scalar tensor.

    Raises:
        ValueError: the optimizer or learning rate is none; no variable leads to the loss.
    """
    loss = convert_to_tensor(loss)
    loss.shape.assert_is_compatible_with([])
    step = get_global_step() if global_step is None else global_step
    with variable_scope(name, "OptimizeLoss", [loss]):
        if update_ops is None:
            update_ops = get_default_graph().get_collection(GraphKeys.UPDATE_OPS)
        before = list(dict.fromkeys(update_ops))
        if before:
            with control_dependencies(before):
                loss = call.Identity(loss)
        rate = _rate(learning_rate)
        if rate is not None and learning_rate_decay_fn is not None:
            if step is None:
                raise ValueError("optimize_loss: learning_rate_decay_fn needs a global_step")
            rate = learning_rate_decay_fn(rate, step)
        made = _made(optimizer, rate)
        trained = list(trainable_variables() if variables is None else variables)
        pairs = made.compute_gradients(
            loss, trained, colocate_gradients_with_ops=colocate_gradients_with_ops
        )
        if gradient_noise_scale is not None:
            pairs = [(_with_noise(grad, gradient_noise_scale), v) for grad, v in pairs]
        if gradient_multipliers is not None:
            pairs = _scaled(pairs, gradient_multipliers)
        pairs = _clipped(pairs, clip_gradients)
        counted = step if increment_global_step else None
        update = made.apply_gradients(pairs, global_step=counted, name="train")
        with control_dependencies([update]):
            return call.Identity(loss)


def _with_noise(grad: Any, scale: float) -> Any:
    if grad is None:
        return None
    if isinstance(grad, IndexedSlices):
        shape = call.Shape(grad.values)
        noise = EXPORTS["truncated_normal"](shape) * scale
        return IndexedSlices(grad.values + noise, grad.indices, grad.dense_shape)
    return grad + EXPORTS["truncated_normal"](call.Shape(grad)) * scale


def _clipped(pairs: GradsAndVars, how: Any) -> GradsAndVars:
    if how is None:
        return pairs
    if isinstance(how, numbers.Real):
        grads, _ = EXPORTS["clip_by_global_norm"]([grad for grad, _ in pairs], float(how))
        return [(grad, v) for grad, (_, v) in zip(grads, pairs, strict=True)]
    if callable(how) and len(inspect.signature(how).parameters) >= 1:
        return list(how(pairs))
    raise ValueError(f"optimize_loss: clip_gradients must be a number or a function, got {how!r}")
