"""BatchNormalization, LayerNormalization."""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.common import Configured
from flowgraph.keras.layers.keras1 import keras1


@keras1(beta_init="beta_initializer", gamma_init="gamma_initializer")
class BatchNormalization(Configured):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` (Ioffe and Szegedy 2015).

    In training, mean and variance are the batch's, and moving averages of them are kept (by updates
    that every training step runs); else they are the moving averages.

    Args:
        axis: of the channels, which are normalized each by themselves.
        momentum: of the moving averages: ``moving = momentum * moving + (1 - momentum) * batch's``.
        epsilon: keeps the quotient finite.
        center: whether there is a beta.
        scale: whether there is a gamma.
        beta_initializer, gamma_initializer: the first values of the weights.
        moving_mean_initializer, moving_variance_initializer: the first moving averages.
        beta_regularizer, gamma_regularizer: what weights add to the loss.
        beta_constraint, gamma_constraint: applied to weights after every update.
        kwargs: of every layer.

    Weights: gamma, beta, moving_mean, moving_variance (channels,); the last two are not trained.

    The moving variance is the unbiased one: of n values, n / (n - 1) times the mean square.

    >>> from flowgraph import keras
    >>> layer = BatchNormalization()
    >>> y = layer(keras.Input((28, 28, 16)))
    >>> [w.op.name for w in layer.trainable_weights], len(layer.updates)
    (['batch_normalization_1/gamma', 'batch_normalization_1/beta'], 2)
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking, self.input_spec = True, InputSpec(min_ndim=2)
        if isinstance(axis, (list, tuple)) and len(axis) == 1:  # as later releases write it
            axis = axis[0]
        self._settle(
            axis=axis, momentum=momentum, epsilon=epsilon, center=center, scale=scale,
            beta_initializer=beta_initializer, gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer, gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint, gamma_constraint=gamma_constraint,
        )  # fmt: skip

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        rank = len(input_shape)
        if not -rank <= self.axis < rank or self.axis % rank == 0:
            raise ValueError(
                f"{self._word}: axis {self.axis} is no axis of samples of shape "
                f"{tuple(input_shape)}"
            )
        count = self._size(input_shape, self.axis)
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: count})
        self.gamma = self._weight("gamma", (count,)) if self.scale else None
        self.beta = self._weight("beta", (count,)) if self.center else None
        self.moving_mean = self._weight("moving_mean", (count,), trainable=False)
        self.moving_variance = self._weight("moving_variance", (count,), trainable=False)
        self.built = True

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The operations of the layer."""
        rank = inputs.shape.ndims
        axis = self.axis % rank
        others = [i for i in range(rank) if i != axis]

        def by_moving_averages() -> Any:
            return K.batch_normalization(
                inputs, self.moving_mean, self.moving_variance, self.beta, self.gamma,
                axis=axis, epsilon=self.epsilon,
            )  # fmt: skip

        if isinstance(training, (bool, int)) and not training:
            return by_moving_averages()
        phase = K.learning_phase() if training is None else training
        if isinstance(phase, (bool, int)) and not phase:
            return by_moving_averages()
        output, mean, variance = K.normalize_batch_in_training(
            inputs, self.gamma, self.beta, others, epsilon=self.epsilon
        )
        count = tf.cast(tf.reduce_prod([K.shape(inputs)[i] for i in others]), variance.dtype)
        variance *= count / (count - (1.0 + self.epsilon))
        self.add_update(
            [
                K.moving_average_update(self.moving_mean, mean, self.momentum),
                K.moving_average_update(self.moving_variance, variance, self.momentum),
            ],
            inputs,
        )
        return K.in_train_phase(output, by_moving_averages, training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``input_shape``."""
        return input_shape


class LayerNormalization(Configured):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` of each sample (Ba et al. 2016).

    Mean and variance are those along ``axis``, in training and else.  A layer of tf.keras.

    Args:
        axis: one axis or several, over which the numbers are normalized.
        epsilon: keeps the quotient finite.
        center: whether there is a beta.
        scale: whether there is a gamma.
        beta_initializer, gamma_initializer: the first values of the weights.
        beta_regularizer, gamma_regularizer: what weights add to the loss.
        beta_constraint, gamma_constraint: applied to weights after every update.
        kwargs: of every layer.

    Weights: gamma, beta, of the sizes along ``axis``.
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking, self.input_spec = True, InputSpec(min_ndim=2)
        self._settle(
            axis=list(axis) if isinstance(axis, (list, tuple)) else axis, epsilon=epsilon,
            center=center, scale=scale, beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer, beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer, beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )  # fmt: skip

    def _axes(self, rank: int) -> list[int]:
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        if any(not -rank <= axis < rank or axis % rank == 0 for axis in axes):
            raise ValueError(f"{self._word}: axis {self.axis} is no axis of samples of {rank} axes")
        return sorted(axis % rank for axis in axes)

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        axes = self._axes(len(input_shape))
        sizes = [self._size(input_shape, axis) for axis in axes]
        self.input_spec = InputSpec(ndim=len(input_shape), axes=dict(zip(axes, sizes, strict=True)))
        self.gamma = self._weight("gamma", sizes) if self.scale else None
        self.beta = self._weight("beta", sizes) if self.center else None
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        axes = self._axes(inputs.shape.ndims)
        shape = [inputs.shape[i].value if i in axes else 1 for i in range(inputs.shape.ndims)]
        mean, variance = tf.nn.moments(inputs, axes, keep_dims=True)
        beta, gamma = (None if w is None else tf.reshape(w, shape) for w in (self.beta, self.gamma))
        return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, self.epsilon)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``input_shape``."""
        return input_shape
