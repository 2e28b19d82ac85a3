"""The categorical distribution: one of K classes.

Read next: base.py; multinomial.py (how often each is drawn).
"""

from __future__ import annotations

from typing import Any

from flowgraph.distributions.base import NOT_REPARAMETERIZED, Distribution
from flowgraph.distributions.divergences import RegisterKL
from flowgraph.distributions.parameters import (
    after,
    checked_counts,
    last_size,
    logits_and_probs,
)
from flowgraph.dtypes import as_dtype, int32
from flowgraph.graph.apply import call
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.checks import assert_less_equal
from flowgraph.ops.random_classes import multinomial
from flowgraph.ops.rules import constant_axes, number, shape_of
from flowgraph.ops.softmax import sparse_softmax_cross_entropy_with_logits


@export("distributions.Categorical")
class Categorical(Distribution):
    """A class k of [0, K) with probability p_k.

    Args:
        logits: unscaled log p along the last axis, a float tensor.
        probs: p along the last axis, a float tensor; one of the two is given.
        dtype: of samples.
        validate_args: whether the run checks parameters and values.
        allow_nan_stats: without effect.
        name: the name scope of its operations.

    Raises:
        ValueError: both of logits and probs are given, or none, or it is not float or a scalar.

    >>> tf.Session().run(tf.distributions.Categorical(probs=[0.25, 0.75]).mode())
    1
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Categorical",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[logits, probs]) as scope:
            self._logits, self._probs = logits_and_probs(
                logits, probs, True, validate_args, "Categorical"
            )
            if self._logits.dims == ():
                raise ValueError("Categorical: logits must have at least one axis, the classes")
            self._event_size = last_size(self._logits)
        super().__init__(
            as_dtype(dtype), NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters,
            [self._logits, self._probs], scope,
        )  # fmt: skip

    @property
    def event_size(self) -> Tensor:
        """K, a scalar int32."""
        return self._event_size

    @property
    def logits(self) -> Tensor:
        """Unscaled log p."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """p."""
        return self._probs

    def _batch_shape(self) -> Any:
        dims = self._logits.dims
        return None if dims is None else dims[:-1]

    def _batch_shape_tensor(self) -> Tensor:
        shape = shape_of(self._logits)
        return call.Slice(
            shape, constant_axes([0]), call.Reshape(call.Size(shape) - 1, constant_axes([1]))
        )

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        # one row for each distribution of the batch
        size = call.Reshape(self._event_size, constant_axes([1]))
        rows = call.Reshape(self._logits, call.ConcatV2([constant_axes([-1]), size], 0))
        draws = call.Transpose(multinomial(rows, n, seed=seed), constant_axes([1, 0]))
        shape = call.ConcatV2(
            [call.Reshape(n, constant_axes([1])), self.batch_shape_tensor()], 0
        )
        return call.Cast(call.Reshape(draws, shape), DstT=self._dtype)

    def _together(self, k: Tensor) -> tuple[Tensor, Tensor]:
        """Classes and logits with one shape of batch."""
        if self.validate_args:
            most = call.Cast(self._event_size - 1, DstT=k.dtype.base_dtype)
            k = after(checked_counts(k, True), [assert_less_equal(k, most)])
        if k.dtype.is_floating:
            k = call.Cast(k, DstT=int32)
        of_batch = shape_of(k)
        both = call.BroadcastArgs(of_batch, self.batch_shape_tensor())
        size = call.Reshape(self._event_size, constant_axes([1]))
        logits = call.BroadcastTo(self._logits, call.ConcatV2([both, size], 0))
        return call.BroadcastTo(k, both), logits

    def _log_prob(self, k: Tensor) -> Tensor:
        k, logits = self._together(k)
        return -sparse_softmax_cross_entropy_with_logits(labels=k, logits=logits)

    def _cdf(self, k: Tensor) -> Tensor:
        # NB: TensorFlow's is P(X < k), without k itself.
        k, logits = self._together(k)
        classes = call.Cast(call.Range(0, self._event_size, 1), DstT=k.dtype.base_dtype)
        below = call.Less(classes, call.ExpandDims(k, -1))
        p = call.Softmax(logits)
        return call.Sum(call.SelectV2(below, p, number(0, p)), constant_axes([-1]))

    def _entropy(self) -> Tensor:
        # p log p is 0 where p is 0
        p = call.Softmax(self._logits)
        return -call.Sum(call.MulNoNan(call.LogSoftmax(self._logits), p), constant_axes([-1]))

    def _mode(self) -> Tensor:
        return call.Cast(call.ArgMax(self._logits, -1), DstT=self._dtype)


@RegisterKL(Categorical, Categorical)
def _kl_categorical_categorical(a: Categorical, b: Categorical, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_categorical_categorical"):
        difference = call.LogSoftmax(a.logits) - call.LogSoftmax(b.logits)
        p = call.Softmax(a.logits)
        p = p + call.ZerosLike(call.LogSoftmax(b.logits))
        return call.Sum(call.MulNoNan(difference, p), constant_axes([-1]))

