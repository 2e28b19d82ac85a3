"""Layers of Keras 1 that Keras 2 has dropped: MaxoutDense, Highway."""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras import initializers
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.common import Configured, Shape, positive


class MaxoutDense(Configured):
    """The largest of several linear functions: ``max_k(inputs @ W[k] + b[k])``.

    An activation that is learnt (Goodfellow et al. 2013).

    Args:
        output_dim: the number of outputs.
        nb_feature: how many linear functions the largest is taken of.
        init: the first values of W.
        W_regularizer, b_regularizer: what weights add to the loss.
        activity_regularizer: what the output adds to the loss.
        W_constraint, b_constraint: applied to weights after every update.
        bias: whether there is a bias.
        kwargs: of every layer.

    Input shape: (samples, size).   Output shape: (samples, output_dim).
    Weights: W (nb_feature, size, output_dim), b (nb_feature, output_dim).
    """

    def __init__(
        self,
        output_dim: int,
        nb_feature: int = 4,
        init: Any = "glorot_uniform",
        W_regularizer: Any = None,
        b_regularizer: Any = None,
        activity_regularizer: Any = None,
        W_constraint: Any = None,
        b_constraint: Any = None,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settle(
            output_dim=positive("MaxoutDense", "output_dim", output_dim),
            nb_feature=positive("MaxoutDense", "nb_feature", nb_feature),
        )
        self.W_initializer, self.b_initializer = initializers.get(init), initializers.Zeros()
        self._settle(
            W_regularizer=W_regularizer, b_regularizer=b_regularizer,
            activity_regularizer=activity_regularizer, W_constraint=W_constraint,
            b_constraint=b_constraint, bias=bias,
        )  # fmt: skip
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        size = self._size(input_shape, -1)
        self.input_spec = InputSpec(ndim=2, axes={-1: size})
        self.W = self._weight("W", (self.nb_feature, size, self.output_dim))
        self.b = self._weight("b", (self.nb_feature, self.output_dim)) if self.bias else None
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        # One product with all functions side by side: (size, nb_feature * output_dim)
        size = K.int_shape(self.W)[1]  # type: ignore[index]
        wide = tf.reshape(tf.transpose(self.W, [1, 0, 2]), [size, -1])
        output = tf.reshape(tf.matmul(inputs, wide), [-1, self.nb_feature, self.output_dim])
        if self.bias:
            output += self.b
        return K.max(output, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(samples, output_dim)."""
        return (input_shape[0], self.output_dim)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain data."""
        return {**super().get_config(), "init": initializers.serialize(self.W_initializer)}


class Highway(Configured):
    """``t * activation(x @ W + b) + (1 - t) * x`` with ``t = sigmoid(x @ W_carry + b_carry)``.

    A layer that learns how much of its input it lets pass (Srivastava et al. 2015).

    Args:
        init: the first values of both matrices.
        activation: a name or function; None: linear.
        W_regularizer, b_regularizer: what weights add to the loss.
        activity_regularizer: what the output adds to the loss.
        W_constraint, b_constraint: applied to weights after every update.
        bias: whether there are biases; that of t begins with 1.
        kwargs: of every layer.

    Input shape: (samples, size); output: the same.
    Weights: W, W_carry (size, size), b, b_carry (size,).
    """

    def __init__(
        self,
        init: Any = "glorot_uniform",
        activation: Any = None,
        W_regularizer: Any = None,
        b_regularizer: Any = None,
        activity_regularizer: Any = None,
        W_constraint: Any = None,
        b_constraint: Any = None,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.W_initializer, self.b_initializer = initializers.get(init), initializers.Zeros()
        self._settle(
            activation=activation, W_regularizer=W_regularizer, b_regularizer=b_regularizer,
            activity_regularizer=activity_regularizer, W_constraint=W_constraint,
            b_constraint=b_constraint, bias=bias,
        )  # fmt: skip
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        size = self._size(input_shape, -1)
        self.input_spec = InputSpec(ndim=2, axes={-1: size})
        self.W = self._weight("W", (size, size))
        self.W_carry = self.add_weight("W_carry", (size, size), initializer=self.W_initializer)
        if self.bias:
            self.b = self._weight("b", (size,))
            self.b_carry = self.add_weight("b_carry", (size,), initializer="ones")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        carry, new = tf.matmul(inputs, self.W_carry), tf.matmul(inputs, self.W)
        if self.bias:
            carry, new = carry + self.b_carry, new + self.b
        t = tf.sigmoid(carry)
        return self.activation(new) * t + (1 - t) * inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``input_shape``."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain data."""
        return {**super().get_config(), "init": initializers.serialize(self.W_initializer)}
