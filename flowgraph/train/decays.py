"""Learning rates that decay with the global step.

    exponential      rate * decay_rate ** (step / decay_steps)
    inverse time     rate / (1 + decay_rate * step / decay_steps)
    polynomial       (rate - end) * (1 - step / decay_steps) ** power + end
    cosine           rate * (1 + cos(pi * step / decay_steps)) / 2, also with restarts

While a graph is built they give a tensor, in eager mode a function without arguments that gives the
rate of the moment: both are what optimizers take.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.report import call_message
from flowgraph.ops.random import random_normal


def _schedule(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """``function`` of tensors, with the global step checked, and late in eager mode."""

    @functools.wraps(function)
    def decayed(*args: Any, **kwargs: Any) -> Any:
        if (len(args) > 1 and args[1] is None) or kwargs.get("global_step", 0) is None:
            raise ValueError("global_step is required for a decayed learning rate.")
        if get_default_graph().executes:
            return functools.partial(function, *args, **kwargs)
        return function(*args, **kwargs)

    return decayed


def _as(dtype: Any, value: Any) -> Tensor:
    """``value`` as a tensor of ``dtype``."""
    if isinstance(value, (int, float)):
        return convert_to_tensor(value, dtype)
    tensor = convert_to_tensor(value)
    return tensor if tensor.dtype.base_dtype is dtype else call.Cast(tensor, DstT=dtype)


def _rate(value: Any) -> tuple[Tensor, Any]:
    rate = convert_to_tensor(value, name="initial_learning_rate")
    return rate, rate.dtype.base_dtype


@export("train.exponential_decay")
@_schedule
def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """``learning_rate * decay_rate ** (global_step / decay_steps)``.

    Args:
        learning_rate: float or scalar tensor: the rate at step 0.
        global_step: scalar number, tensor or variable: how many steps were made.
        decay_steps: after how many steps ``decay_rate`` counts once more.
        decay_rate: the factor.
        staircase: True rounds the exponent down.
        name: of the operation; ``ExponentialDecay`` by default.

    Returns:
        A scalar tensor of the dtype of ``learning_rate``; in eager mode a function without
        arguments that gives it.

    Raises:
        ValueError: ``global_step`` is None.

    >>> rate = tf.train.exponential_decay(1.0, 20, decay_steps=10, decay_rate=0.5)
    >>> tf.Session().run(rate)
    0.25
    """
    with name_scope(name, "ExponentialDecay") as scope:
        rate, dtype = _rate(learning_rate)
        exponent = _as(dtype, global_step) / _as(dtype, decay_steps)
        if staircase:
            exponent = call.Floor(exponent)
        return call.Mul(rate, call.Pow(_as(dtype, decay_rate), exponent), name=scope)


@export("train.natural_exp_decay")
def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """``learning_rate * exp(-decay_rate * global_step / decay_steps)``.

    Args:
        learning_rate, global_step, staircase: as for ``exponential_decay``.
        decay_steps: the unit of time.
        decay_rate: how fast.
        name: of the operation; ``ExponentialDecay`` by default.

    Returns:
        As ``exponential_decay``.

    Raises:
        ValueError: ``global_step`` is None.
    """
    if isinstance(decay_rate, (int, float)):
        factor: Any = math.exp(-decay_rate)
    else:
        factor = call.Exp(call.Neg(convert_to_tensor(decay_rate)))
    return exponential_decay(learning_rate, global_step, decay_steps, factor, staircase, name)


@export("train.inverse_time_decay")
@_schedule
def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """``learning_rate / (1 + decay_rate * global_step / decay_steps)``.

    Args:
        learning_rate, global_step: as for ``exponential_decay``.
        decay_steps: the unit of time.
        decay_rate: how fast.
        staircase: True rounds ``global_step / decay_steps`` down.
        name: of the operation; ``InverseTimeDecay`` by default.

    Returns:
        As ``exponential_decay``.

    Raises:
        ValueError: ``global_step`` is None.
    """
    with name_scope(name, "InverseTimeDecay") as scope:
        rate, dtype = _rate(learning_rate)
        time = _as(dtype, global_step) / _as(dtype, decay_steps)
        if staircase:
            time = call.Floor(time)
        return call.RealDiv(rate, 1 + _as(dtype, decay_rate) * time, name=scope)


@export("train.polynomial_decay")
@_schedule
def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: Any = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Tensor:
    """``(learning_rate - end) * (1 - global_step / decay_steps) ** power + end``, then ``end``.

    Args:
        learning_rate, global_step: as for ``exponential_decay``.
        decay_steps: when the end is reached.
        end_learning_rate: the rate from then on.
        power: 1 is a straight line.
        cycle: True lengthens ``decay_steps`` to its next multiple whenever it is passed.
        name: of the operation; ``PolynomialDecay`` by default.

    Returns:
        As ``exponential_decay``.

    Raises:
        ValueError: ``global_step`` is None.
    """
    with name_scope(name, "PolynomialDecay") as scope:
        rate, dtype = _rate(learning_rate)
        step, steps = _as(dtype, global_step), _as(dtype, decay_steps)
        end, power = _as(dtype, end_learning_rate), _as(dtype, power)
        if cycle:
            # At step 0 the first stretch begins, of which there is one.
            begun = call.Select(call.Equal(step, 0), call.OnesLike(step), call.Ceil(step / steps))
            steps = steps * begun
        else:
            step = call.Minimum(step, steps)
        left = call.Pow(1 - step / steps, power)
        return call.AddV2((rate - end) * left, end, name=scope)


@export("train.piecewise_constant", "train.piecewise_constant_decay")
@_schedule
def piecewise_constant(
    x: Any, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None
) -> Tensor:
    """A staircase: ``values[0]`` up to ``boundaries[0]``, ``values[1]`` up to ``boundaries[1]``...

    ``values[k]`` for ``boundaries[k - 1] < x <= boundaries[k]``.

    Args:
        x: scalar number, tensor or variable, such as the global step.
        boundaries: numbers or scalar tensors that grow.
        values: one more, of one dtype.
        name: of the operations' scope; ``PiecewiseConstant`` by default.

    Returns:
        A scalar tensor of the dtype of ``values``; in eager mode a function without arguments that
        gives it.

    Raises:
        ValueError: the lengths do not fit, or dtypes differ.

    >>> rate = tf.train.piecewise_constant(150, [100, 200], [0.5, 0.25, 0.125])
    >>> tf.Session().run(rate)
    0.25
    """
    if len(boundaries) != len(values) - 1:
        raise ValueError(
            call_message(
                "The length of boundaries should be 1 less than the length of values",
                [("boundaries", boundaries), ("values", values)],
                fix="give the value before the first boundary too",
            )
        )
    with name_scope(name, "PiecewiseConstant"):
        place = convert_to_tensor(x)
        place = call.Identity(place) if place.dtype.is_ref else place
        bounds = [_bound(place, boundary) for boundary in boundaries]
        steps = [convert_to_tensor(value) for value in values]
        dtypes = {value.dtype.base_dtype for value in steps}
        if len(dtypes) > 1:
            raise ValueError(f"values must have one dtype, not {sorted(d.name for d in dtypes)}")
        if not bounds:
            return steps[0]
        passed = call.Sum(call.Cast(call.Greater(place, call.Pack(bounds)), DstT="int32"), 0)
        return call.GatherV2(call.Pack(steps), passed, 0)


def _bound(x: Tensor, boundary: Any) -> Tensor:
    if isinstance(boundary, (int, float)) and x.dtype.is_integer and boundary != int(boundary):
        raise ValueError(f"boundary {boundary} does not fit an x of dtype {x.dtype.name}")
    bound = convert_to_tensor(boundary) if isinstance(boundary, Tensor) else None
    if bound is None:
        return _as(x.dtype.base_dtype, boundary)
    if bound.dtype.base_dtype is x.dtype.base_dtype:
        return bound
    if x.dtype.is_floating or bound.dtype.base_dtype.name == "int32":
        return call.Cast(bound, DstT=x.dtype.base_dtype)
    raise ValueError(
        f"Boundaries ({bound.dtype.name}) must have the same dtype as x ({x.dtype.name})."
    )


def _cosine(fraction: Tensor) -> Tensor:
    """From 1 at 0 to 0 at 1, along half a cosine."""
    return 0.5 * (1.0 + call.Cos(fraction * math.pi))


@export("train.cosine_decay")
@_schedule
def cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Tensor:
    """``learning_rate * ((1 - alpha) * (1 + cos(pi t)) / 2 + alpha)``, t = step / decay_steps <= 1.

    Args:
        learning_rate, global_step: as for ``exponential_decay``.
        decay_steps: when the end is reached.
        alpha: the end, as a fraction of ``learning_rate``.
        name: of the operations' scope; ``CosineDecay`` by default.

    Returns:
        As ``exponential_decay``.

    Raises:
        ValueError: ``global_step`` is None.

    Source: Loshchilov and Hutter (2017), SGDR, without restarts.
    """
    with name_scope(name, "CosineDecay"):
        rate, dtype = _rate(learning_rate)
        steps = _as(dtype, decay_steps)
        fraction = call.Minimum(_as(dtype, global_step), steps) / steps
        alpha = _as(dtype, alpha)
        return call.Mul(rate, (1 - alpha) * _cosine(fraction) + alpha)


@export("train.cosine_decay_restarts")
@_schedule
def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: Any = 2.0,
    m_mul: Any = 1.0,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Tensor:
    """As ``cosine_decay``, again and again: warm restarts.

    Args:
        learning_rate, global_step: as for ``exponential_decay``.
        first_decay_steps: the length of the first period.
        t_mul: how much longer each period is than the one before.
        m_mul: where each period starts, as a fraction of the start of the one before.
        alpha: the end of the periods, as a fraction of ``learning_rate``.
        name: of the operation; ``SGDRDecay`` by default.

    Returns:
        As ``exponential_decay``.

    Raises:
        ValueError: ``global_step`` is None.

    Source: Loshchilov and Hutter (2017), SGDR.
    """
    with name_scope(name, "SGDRDecay") as scope:
        rate, dtype = _rate(learning_rate)
        alpha, longer, lower = _as(dtype, alpha), _as(dtype, t_mul), _as(dtype, m_mul)
        time = _as(dtype, global_step) / _as(dtype, first_decay_steps)
        equal = call.Equal(longer, 1.0)
        # Periods before: time = (longer**k - 1) / (longer - 1) at the start of period k.
        other = call.Select(equal, longer + 1.0, longer)  # any number, where all are equally long
        begun = call.Floor(call.Log(1.0 - time * (1.0 - other)) / call.Log(other))
        length = call.Pow(other, begun)
        long = (time - (1.0 - length) / (1.0 - other)) / length
        period = call.Select(equal, call.Floor(time), begun)
        fraction = call.Select(equal, time - call.Floor(time), long)
        start = call.Pow(lower, period)
        return call.Mul(rate, (1 - alpha) * (start * _cosine(fraction)) + alpha, name=scope)


@export("train.linear_cosine_decay")
@_schedule
def linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """``learning_rate * ((alpha + 1 - t) * (1 + cos(2 pi num_periods t)) / 2 + beta)``.

    t = step / decay_steps <= 1

    Args:
        learning_rate, global_step: as for ``exponential_decay``.
        decay_steps: when the end is reached.
        num_periods: how many periods the cosine has.
        alpha, beta: see above.
        name: of the operation; ``LinearCosineDecay`` by default.

    Returns:
        As ``exponential_decay``.

    Raises:
        ValueError: ``global_step`` is None.

    Source: Bello et al. (2017), neural optimizer search.
    """
    return _linear_cosine(
        "LinearCosineDecay", name, learning_rate, global_step, decay_steps, num_periods, alpha, beta
    )


@export("train.noisy_linear_cosine_decay")
@_schedule
def noisy_linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    initial_variance: Any = 1.0,
    variance_decay: Any = 0.55,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """``linear_cosine_decay`` with noise added to its straight line.

    The noise is normal, of variance ``initial_variance / (1 + global_step) ** variance_decay``.

    Args:
        learning_rate, global_step, decay_steps, num_periods, alpha, beta: as for
            ``linear_cosine_decay``.
        initial_variance, variance_decay: see above.
        name: of the operation; ``NoisyLinearCosineDecay`` by default.

    Returns:
        As ``exponential_decay``.

    Raises:
        ValueError: ``global_step`` is None.

    Source: Bello et al. (2017), neural optimizer search.
    """

    def noise(step: Tensor, dtype: Any) -> Tensor:
        variance = _as(dtype, initial_variance) / call.Pow(1.0 + step, _as(dtype, variance_decay))
        return random_normal([], dtype=dtype) * call.Sqrt(variance)

    return _linear_cosine(
        "NoisyLinearCosineDecay", name, learning_rate, global_step, decay_steps, num_periods, alpha,
        beta, noise,
    )  # fmt: skip


def _linear_cosine(
    default: str, name: str | None, learning_rate: Any, global_step: Any, decay_steps: Any,
    num_periods: Any, alpha: Any, beta: Any, noise: Any = None,
) -> Tensor:  # fmt: skip
    with name_scope(name, default) as scope:
        rate, dtype = _rate(learning_rate)
        steps = _as(dtype, decay_steps)
        step = call.Minimum(_as(dtype, global_step), steps)
        line = (steps - step) / steps
        if noise is not None:
            line = line + noise(step, dtype)
        turns = _as(dtype, num_periods) * (step / steps)
        factor = (_as(dtype, alpha) + line) * _cosine(2.0 * turns) + _as(dtype, beta)
        return call.Mul(rate, factor, name=scope)
