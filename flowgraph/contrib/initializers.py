"""Initializers of tf.contrib.layers: Xavier, variance scaling.

Read next: flowgraph/ops/initializers.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from flowgraph.dtypes import as_dtype, float32
from flowgraph.graph.export import EXPORTS, export
from flowgraph.tensor_shape import as_shape


@export(
    "contrib.layers.variance_scaling_initializer",
    "contrib.slim.variance_scaling_initializer",
)
def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: Any = float32,
) -> Callable[..., Any]:
    """Random numbers of variance factor / n, with n the inputs or outputs of a unit.

    Args:
        factor: 2.0 suits layers with relu.
        mode: n is ``FAN_IN``: the number of inputs; ``FAN_OUT``: of outputs; ``FAN_AVG``: the mean.
        uniform: draw from a uniform distribution; else from a normal one, cut off at two standard
            deviations.
        seed: of the random numbers.
        dtype: a float dtype.

    Returns:
        A function ``f(shape, dtype)``.

    Raises:
        TypeError: the dtype is not float, or the mode is unknown.
    """
    own = as_dtype(dtype)
    if not own.is_floating:
        raise TypeError(f"variance_scaling_initializer: dtype must be float, not {own.name}")
    if mode not in ("FAN_IN", "FAN_OUT", "FAN_AVG"):
        raise TypeError(
            f"variance_scaling_initializer: mode must be FAN_IN, FAN_OUT or FAN_AVG, not {mode!r}"
        )

    def initializer(shape: Any, dtype: Any = own, partition_info: Any = None) -> Any:
        wanted = as_dtype(dtype)
        if not wanted.is_floating:
            raise TypeError(f"variance_scaling_initializer: {wanted.name} variables are not float")
        sizes = [int(size) for size in as_shape(shape)]
        # As for a filter: (window..., inputs, outputs).
        window = math.prod(sizes[:-2])
        fan_in = float(sizes[-2] if len(sizes) > 1 else sizes[-1]) * window if sizes else 1.0
        fan_out = float(sizes[-1]) * window if sizes else 1.0
        n = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2.0}[mode]
        if uniform:
            limit = math.sqrt(3.0 * factor / n)
            return EXPORTS["random_uniform"](sizes, -limit, limit, wanted, seed=seed)
        # What the cut takes from the variance, about, is given back.
        deviation = math.sqrt(1.3 * factor / n)
        return EXPORTS["truncated_normal"](sizes, 0.0, deviation, wanted, seed=seed)

    return initializer


@export(
    "contrib.layers.xavier_initializer", "contrib.layers.xavier_initializer_conv2d",
    "contrib.slim.xavier_initializer", "contrib.slim.xavier_initializer_conv2d",
)  # fmt: skip
def xavier_initializer(
    uniform: bool = True, seed: int | None = None, dtype: Any = float32
) -> Callable[..., Any]:
    """Random numbers of variance 2 / (inputs + outputs) (Glorot and Bengio 2010).

    Args:
        uniform: draw from a uniform distribution; else from a normal one, cut off at two standard
            deviations.
        seed: of the random numbers.
        dtype: a float dtype.

    Returns:
        A function ``f(shape, dtype)``.
    """
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)
