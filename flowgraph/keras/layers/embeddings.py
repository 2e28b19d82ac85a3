"""Embedding: a vector for every integer."""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.common import Configured, Shape, positive
from flowgraph.keras.layers.keras1 import keras1


@keras1(
    init="embeddings_initializer",
    W_regularizer="embeddings_regularizer",
    W_constraint="embeddings_constraint",
    dropout="",
)
class Embedding(Configured):
    """Rows of a matrix: ``embeddings[i]`` for every integer i.

    Args:
        input_dim: how many integers there are: 0 to ``input_dim - 1``.
        output_dim: the size of the vectors.
        embeddings_initializer: their first values.
        embeddings_regularizer: what they add to the loss.
        activity_regularizer: what the output adds to the loss.
        embeddings_constraint: applied to them after every update.
        mask_zero: whether 0 means that there is nothing: layers behind skip those steps.
        input_length: the number of steps, when it is known; sizes, for more axes.
        kwargs: of every layer.

    Input shape: (samples, steps).   Output shape: (samples, steps, output_dim).
    Weights: embeddings (input_dim, output_dim).

    An integer that is out of range is an InvalidArgumentError when it is run.

    >>> from flowgraph import keras
    >>> layer = Embedding(3, 2, weights=[[[0, 0], [1, 2], [3, 4]]])
    >>> x = keras.Input((2,), dtype="int32")
    >>> tf.keras.backend.function([x], [layer(x)])([[[2, 1]]])
    [array([[[3., 4.],
            [1., 2.]]], dtype=float32)]
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        activity_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        input_length: Any = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" not in kwargs and "batch_input_shape" not in kwargs:
            many = isinstance(input_length, (list, tuple))
            kwargs["input_shape"] = tuple(input_length) if many else (input_length,)
        super().__init__(**kwargs)
        self._settle(
            input_dim=positive("Embedding", "input_dim", input_dim),
            output_dim=positive("Embedding", "output_dim", output_dim),
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            activity_regularizer=activity_regularizer,
            embeddings_constraint=embeddings_constraint, mask_zero=mask_zero,
            input_length=input_length,
        )  # fmt: skip
        self.supports_masking, self.input_spec = mask_zero, InputSpec()

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        self.embeddings = self._weight("embeddings", (self.input_dim, self.output_dim))
        self.built = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The integers that are not 0, if ``mask_zero``."""
        return K.not_equal(inputs, tf.zeros([], inputs.dtype)) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """``input_shape`` and ``output_dim``."""
        shape = tuple(input_shape)
        if self.input_length is None:
            return (*shape, self.output_dim)
        many = isinstance(self.input_length, (list, tuple))
        lengths = tuple(self.input_length) if many else (self.input_length,)
        found = shape[1:]
        if len(lengths) != len(found) or any(
            None not in (a, b) and a != b for a, b in zip(lengths, found, strict=True)
        ):
            raise ValueError(
                f"{self._word}: input_length is {self.input_length}, found an input of shape "
                f"{shape}"
            )
        sizes = (b if a is None else a for a, b in zip(lengths, found, strict=True))
        return (shape[0], *sizes, self.output_dim)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        self.compute_output_shape(K.int_shape(inputs))
        if inputs.dtype.base_dtype not in (tf.int32, tf.int64):
            inputs = tf.cast(inputs, tf.int32)
        return K.gather(self.embeddings, inputs)
