"""The Bernoulli distribution: a yes or a no.

Read next: base.py; categorical.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.distributions.base import NOT_REPARAMETERIZED, Distribution
from flowgraph.distributions.divergences import RegisterKL
from flowgraph.distributions.parameters import (
    after,
    checked_counts,
    counted,
    logits_and_probs,
    spread,
)
from flowgraph.dtypes import as_dtype, int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.checks import assert_less_equal
from flowgraph.ops.losses import sigmoid_cross_entropy_with_logits
from flowgraph.ops.random import random_uniform
from flowgraph.ops.rules import number, shape_of


@export("distributions.Bernoulli")
class Bernoulli(Distribution):
    """1 with probability p, else 0.

    Args:
        logits: log(p / (1 - p)), a float tensor.
        probs: p, a float tensor; one of the two is given.
        dtype: of samples.
        validate_args: whether the run checks parameters and values.
        allow_nan_stats: without effect: all moments exist.
        name: the name scope of its operations.

    Raises:
        ValueError: both of logits and probs are given, or none, or it is not float.

    >>> tf.Session().run(tf.distributions.Bernoulli(probs=0.25).prob([0, 1]))
    array([0.75, 0.25], dtype=float32)
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Bernoulli",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[logits, probs]) as scope:
            self._logits, self._probs = logits_and_probs(
                logits, probs, False, validate_args, "Bernoulli"
            )
        super().__init__(
            as_dtype(dtype), NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters,
            [self._logits, self._probs], scope,
        )  # fmt: skip

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return {"logits": convert_to_tensor(sample_shape, dtype="int32")}

    @property
    def logits(self) -> Tensor:
        """log(p / (1 - p))."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """p."""
        return self._probs

    def _batch_shape(self) -> Any:
        return self._logits.dims

    def _batch_shape_tensor(self) -> Tensor:
        return shape_of(self._logits)

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        shape = counted(n, self.batch_shape_tensor())
        u = random_uniform(shape, dtype=self._probs.dtype.base_dtype, seed=seed)
        return call.Cast(call.Less(u, self._probs), DstT=self._dtype)

    def _log_prob(self, event: Tensor) -> Tensor:
        if self.validate_args:
            below = assert_less_equal(event, number(1, event), message="Elements cannot exceed 1.")
            event = after(checked_counts(event, True), [below])
        event = call.Cast(event, DstT=self._logits.dtype.base_dtype)
        logits, event = spread(self._logits, event), spread(event, self._logits)
        return -sigmoid_cross_entropy_with_logits(labels=event, logits=logits)

    def _entropy(self) -> Tensor:
        # -log of no is softplus(logits); on average a yes takes off logits
        return call.Softplus(self._logits) - self._logits * self._mean_of_logits()

    def _mean_of_logits(self) -> Tensor:
        return call.Sigmoid(self._logits)

    def _mean(self) -> Tensor:
        return call.Identity(self._probs)

    def _variance(self) -> Tensor:
        return self._probs * (1 - self._probs)

    def _mode(self) -> Tensor:
        return call.Cast(call.Greater(self._probs, number(0.5, self._probs)), DstT=self._dtype)


@RegisterKL(Bernoulli, Bernoulli)
def _kl_bernoulli_bernoulli(a: Bernoulli, b: Bernoulli, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_bernoulli_bernoulli"):
        # p_a log(p_a / p_b) + (1 - p_a) log((1 - p_a) / (1 - p_b)),  -log p = softplus(-logits)
        yes = call.Softplus(-b.logits) - call.Softplus(-a.logits)
        no = call.Softplus(b.logits) - call.Softplus(a.logits)
        return call.Sigmoid(a.logits) * yes + call.Sigmoid(-a.logits) * no
