"""Activations with settings or weights of their own: LeakyReLU, PReLU, ELU, ThresholdedReLU, ..."""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.common import Configured
from flowgraph.keras.layers.keras1 import keras1


class _Elementwise(Configured):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking, self.input_spec = True, InputSpec()

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``input_shape``."""
        return input_shape


class LeakyReLU(_Elementwise):
    """``x`` where x > 0, else ``alpha * x``.

    Args:
        alpha: the slope below 0.
        kwargs: of every layer.
    """

    def __init__(self, alpha: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle(alpha=float(alpha))

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return K.relu(inputs, alpha=self.alpha)


@keras1(init="alpha_initializer")
class PReLU(_Elementwise):
    """``x`` where x > 0, else ``alpha * x`` with a trained alpha for every place.

    Args:
        alpha_initializer: the first slopes.
        alpha_regularizer: what they add to the loss.
        alpha_constraint: applied to them after every update.
        shared_axes: axes, from 1, along which all places share their slope; of images (1, 2).
        kwargs: of every layer.

    Weights: alpha, of the shape of a sample, with 1 along the shared axes.
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes
        self._settle(
            alpha_initializer=alpha_initializer, alpha_regularizer=alpha_regularizer,
            alpha_constraint=alpha_constraint, shared_axes=None if axes is None else list(axes),
        )  # fmt: skip

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        shared = self.shared_axes or ()
        if any(not 1 <= axis < len(input_shape) for axis in shared):
            raise ValueError(
                f"{self._word}: shared_axes {shared} are not all axes of samples of shape "
                f"{tuple(input_shape)}"
            )
        shape = [
            1 if axis in shared else self._size(input_shape, axis)
            for axis in range(1, len(input_shape))
        ]
        self.alpha = self._weight("alpha", shape)
        fixed = {axis: input_shape[axis] for axis in range(1, len(input_shape))}
        self.input_spec = InputSpec(
            ndim=len(input_shape), axes={i: n for i, n in fixed.items() if i not in shared}
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return tf.nn.relu(inputs) - self.alpha * tf.nn.relu(-inputs)


class ELU(_Elementwise):
    """``x`` where x > 0, else ``alpha * (exp(x) - 1)``.

    Args:
        alpha: minus the limit at minus infinity.
        kwargs: of every layer.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle(alpha=float(alpha))

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return K.elu(inputs, self.alpha)


class ThresholdedReLU(_Elementwise):
    """``x`` where x > theta, else 0.

    Args:
        theta: the threshold.
        kwargs: of every layer.
    """

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle(theta=float(theta))

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return inputs * tf.cast(inputs > self.theta, inputs.dtype)


class Softmax(_Elementwise):
    """``exp(x) / sum(exp(x))`` along ``axis``.

    Args:
        axis: along which the results sum to 1.
        kwargs: of every layer.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle(axis=axis)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return tf.nn.softmax(inputs, axis=self.axis)


class ReLU(_Elementwise):
    """``x`` from ``threshold`` to ``max_value``, ``negative_slope * (x - threshold)`` below.

    Args:
        max_value: what larger values become; None: they stay.
        negative_slope: slope below ``threshold``.
        threshold: where the function starts to be x.
        kwargs: of every layer.

    Raises:
        ValueError: ``max_value`` or ``negative_slope`` is negative.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for what, value in (("max_value", max_value), ("negative_slope", negative_slope)):
            if value is not None and value < 0.0:
                raise ValueError(f"ReLU: {what} must not be negative, got {value}")
        self._settle(
            max_value=None if max_value is None else float(max_value),
            negative_slope=float(negative_slope), threshold=float(threshold),
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return K.relu(
            inputs, alpha=self.negative_slope, max_value=self.max_value, threshold=self.threshold
        )
