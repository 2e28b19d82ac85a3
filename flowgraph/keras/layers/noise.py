"""Noise in training: GaussianNoise, GaussianDropout, AlphaDropout.

Read next: core.py (Dropout).
"""

from __future__ import annotations

import math
from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.common import Configured
from flowgraph.keras.layers.keras1 import keras1


class _Noise(Configured):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking, self.input_spec = True, InputSpec()

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``input_shape``."""
        return input_shape


@keras1(sigma="stddev")
class GaussianNoise(_Noise):
    """In training, a normal number is added to every element.

    Args:
        stddev: its standard deviation.
        kwargs: of every layer.
    """

    def __init__(self, stddev: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle(stddev=stddev)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The operations of the layer."""

        def noised() -> Any:
            return inputs + K.random_normal(
                K.shape(inputs), 0.0, self.stddev, dtype=K.dtype(inputs)
            )

        return K.in_train_phase(noised, inputs, training=training)


@keras1(p="rate")
class GaussianDropout(_Noise):
    """In training, every element times a normal number of mean 1.

    Args:
        rate: as of Dropout: the standard deviation is ``sqrt(rate / (1 - rate))``.
        kwargs: of every layer.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle(rate=rate)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The operations of the layer."""
        if not 0 < self.rate < 1:
            return inputs
        stddev = math.sqrt(self.rate / (1.0 - self.rate))

        def noised() -> Any:
            return inputs * K.random_normal(K.shape(inputs), 1.0, stddev, dtype=K.dtype(inputs))

        return K.in_train_phase(noised, inputs, training=training)


#: Minus the limit of selu at minus infinity: its scale times its alpha.
_ALPHA_PRIME = 1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


class AlphaDropout(_Noise):
    """Dropout to the limit of selu, with mean and variance kept (Klambauer et al. 2017).

    In training, elements become ``-1.758`` with probability ``rate``; then all are scaled and
    shifted such that mean 0 and variance 1 stay.

    Args:
        rate: the probability.
        noise_shape: sizes, with 1 along the axes on which all elements share their fate.
        seed: an int, or None.
        kwargs: of every layer.
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settle(rate=rate, noise_shape=noise_shape, seed=seed)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The operations of the layer."""
        if not 0.0 < self.rate < 1.0:
            return inputs
        found = K.shape(inputs)
        sizes = self.noise_shape or [None] * inputs.shape.ndims
        shape = tf.stack([found[i] if n is None else n for i, n in enumerate(sizes)])
        # a (x m - limit (1 - m)) + b has mean 0 and variance 1 where x has them
        a = ((1 - self.rate) * (1 + self.rate * _ALPHA_PRIME**2)) ** -0.5
        b = a * _ALPHA_PRIME * self.rate

        def dropped() -> Any:
            kept = tf.cast(K.random_uniform(shape, seed=self.seed) >= self.rate, inputs.dtype)
            return a * (inputs * kept - _ALPHA_PRIME * (1 - kept)) + b

        return K.in_train_phase(dropped, inputs, training=training)
