"""Attention and AdditiveAttention, of tf.keras: means of values, by how keys fit a query."""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.layers.common import Configured, Shape


class _Attention(Configured):
    """What both share: from scores (samples, queries, values) to the weighted means."""

    def __init__(self, causal: bool, **kwargs: Any) -> None:
        kwargs.pop("dropout", None)  # files of later releases have it
        super().__init__(**kwargs)
        self._settle(causal=causal)
        self.supports_masking = True

    def _shapes(self, input_shape: Any) -> list[Shape]:
        """The shapes of query, value and key.

        Raises:
            ValueError: there are not two or three inputs of three axes.
        """
        many = isinstance(input_shape, list) and len(input_shape) in (2, 3)
        shapes = [tuple(s) for s in input_shape] if many else []
        if not many or any(len(shape) != 3 for shape in shapes):
            raise ValueError(
                f"{self._word} takes [query, value] or [query, value, key], (samples, steps, size) "
                f"each; found shape {input_shape}"
            )
        query, value, key = *shapes[:2], shapes[-1]
        if None not in (query[2], key[2]) and query[2] != key[2]:
            raise ValueError(
                f"{self._word}: query and key must have one size, found shapes {query} and {key}"
            )
        return [query, value, key]

    def _scores(self, query: Any, key: Any) -> Any:
        raise NotImplementedError

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The operations of the layer."""
        self._shapes([K.int_shape(x) for x in inputs])
        query, value, key = inputs[0], inputs[1], inputs[-1]
        scores = self._scores(query, key)
        masks = mask if isinstance(mask, (list, tuple)) else [mask, None]
        allowed = None if masks[1] is None else tf.expand_dims(tf.cast(masks[1], tf.bool), 1)
        if self.causal:
            sizes = tf.shape(scores)
            earlier = tf.range(sizes[2]) <= tf.expand_dims(tf.range(sizes[1]), 1)
            allowed = earlier if allowed is None else tf.logical_and(allowed, earlier)
        if allowed is not None:
            # NB: a large number and not infinity, so that a row without a key has a mean, too
            scores -= 1e9 * (1.0 - tf.cast(allowed, scores.dtype))
        result = tf.matmul(tf.nn.softmax(scores), value)
        if masks[0] is not None:
            result *= tf.expand_dims(tf.cast(masks[0], result.dtype), 2)
        return result

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The query's mask."""
        return mask[0] if isinstance(mask, (list, tuple)) else None

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(samples, queries, size of the values)."""
        query, value, _ = self._shapes(input_shape)
        return (*query[:2], value[2])


class Attention(_Attention):
    """``softmax(query @ transpose(key)) @ value`` (Luong et al. 2015).

    Args:
        use_scale: whether the products are multiplied with a trained number.
        causal: whether step i of the query sees the values up to step i only.
        kwargs: of every layer.

    Inputs: ``[query, value]``, or ``[query, value, key]``; the key is the value by default.
    Input shapes: (samples, queries, size), (samples, values, width), (samples, values, size).
    Masks: values that are masked have no weight; results of masked queries are 0.
    Output shape: (samples, queries, width).   Weights: scale, if ``use_scale``.
    """

    def __init__(self, use_scale: bool = False, causal: bool = False, **kwargs: Any) -> None:
        if kwargs.pop("score_mode", "dot") != "dot":  # of later releases
            raise ValueError("Attention: score_mode must be 'dot'")
        super().__init__(causal, **kwargs)
        self._settle(use_scale=use_scale)

    def build(self, input_shape: Any) -> None:
        """Make the weight."""
        self._shapes(input_shape)
        self.scale = self.add_weight("scale", (), initializer="ones") if self.use_scale else None
        self.built = True

    def _scores(self, query: Any, key: Any) -> Any:
        scores = tf.matmul(query, key, transpose_b=True)
        return scores if self.scale is None else scores * self.scale


class AdditiveAttention(_Attention):
    """``softmax(sum(scale * tanh(query + key))) @ value`` (Bahdanau et al. 2015).

    Args:
        use_scale: whether there are trained factors in the sum; else they are 1.
        causal: whether step i of the query sees the values up to step i only.
        kwargs: of every layer.

    Inputs, masks and output: as of Attention.   Weights: scale (size,), if ``use_scale``.
    """

    def __init__(self, use_scale: bool = True, causal: bool = False, **kwargs: Any) -> None:
        super().__init__(causal, **kwargs)
        self._settle(use_scale=use_scale)

    def build(self, input_shape: Any) -> None:
        """Make the weight."""
        query = self._shapes(input_shape)[0]
        self.scale = (
            self.add_weight("scale", (self._size(query, 2),), initializer="glorot_uniform")
            if self.use_scale
            else None
        )
        self.built = True

    def _scores(self, query: Any, key: Any) -> Any:
        sums = tf.tanh(tf.expand_dims(query, 2) + tf.expand_dims(key, 1))
        return tf.reduce_sum(sums if self.scale is None else sums * self.scale, -1)
