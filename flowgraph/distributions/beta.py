"""The beta distribution.

Read next: base.py; dirichlet.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.distributions.base import FULLY_REPARAMETERIZED, Distribution
from flowgraph.distributions.divergences import RegisterKL
from flowgraph.distributions.parameters import (
    after,
    batch_of,
    batch_tensor_of,
    floats,
    like,
    new_seed,
    positive,
    spread,
    where_defined,
)
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.checks import assert_less, assert_positive
from flowgraph.ops.random_distributions import random_gamma


@export("distributions.Beta")
class Beta(Distribution):
    """The beta distribution of (0, 1): density x^(a - 1) (1 - x)^(b - 1) / B(a, b).

    Args:
        concentration1: a, above 0; 1 by default.
        concentration0: b, above 0; 1 by default; both of one float dtype, they broadcast.
        validate_args: whether the run checks parameters and values.
        allow_nan_stats: whether the mode is NaN where there is none (a or b <= 1); else that is an
            error when run.
        name: the name scope of its operations.

    Raises:
        ValueError: the parameters are not of one float dtype.

    >>> tf.Session().run(tf.distributions.Beta(1.0, 3.0).mean())
    0.25
    """

    def __init__(
        self,
        concentration1: Any = None,
        concentration0: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Beta",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration1, concentration0]) as scope:
            given = floats(
                concentration1=1.0 if concentration1 is None else concentration1,
                concentration0=1.0 if concentration0 is None else concentration0,
            )
            self._concentration1, self._concentration0 = (positive(x, validate_args) for x in given)
            self._total = self._concentration1 + self._concentration0
        super().__init__(
            self._total.dtype.base_dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats,
            parameters, [self._concentration1, self._concentration0, self._total], scope,
        )  # fmt: skip

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        shape = convert_to_tensor(sample_shape, dtype="int32")
        return dict.fromkeys(("concentration1", "concentration0"), shape)

    @property
    def concentration1(self) -> Tensor:
        """a: what draws towards 1."""
        return self._concentration1

    @property
    def concentration0(self) -> Tensor:
        """b: what draws towards 0."""
        return self._concentration0

    @property
    def total_concentration(self) -> Tensor:
        """a + b."""
        return self._total

    def _batch_shape(self) -> Any:
        return batch_of(self._total)

    def _batch_shape_tensor(self) -> Tensor:
        return batch_tensor_of(self._total)

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        a = spread(self._concentration1, self._total)
        b = spread(self._concentration0, self._total)
        count = call.Reshape(n, [1])
        one = random_gamma(count, a, dtype=self._dtype, seed=seed)
        other = random_gamma(count, b, dtype=self._dtype, seed=new_seed(seed, salt="beta"))
        return one / (one + other)

    def _valid(self, x: Tensor) -> Tensor:
        if not self.validate_args:
            return x
        below = assert_less(x, like(x, 1), message="sample must be less than 1")
        return after(x, [assert_positive(x, message="sample must be positive"), below])

    def _log_prob(self, x: Tensor) -> Tensor:
        x, a, b = self._valid(x), self._concentration1, self._concentration0
        normalization = call.Lgamma(a) + call.Lgamma(b) - call.Lgamma(self._total)
        return call.Xlogy(a - 1, x) + call.Xlog1py(b - 1, -x) - normalization

    def _cdf(self, x: Tensor) -> Tensor:
        x = self._valid(x)
        a, b = (spread(p, self._total, x) for p in (self._concentration1, self._concentration0))
        return call.Betainc(a, b, spread(x, self._total))

    def _entropy(self) -> Tensor:
        a, b, total = self._concentration1, self._concentration0, self._total
        normalization = call.Lgamma(a) + call.Lgamma(b) - call.Lgamma(total)
        return (
            normalization - (a - 1) * call.Digamma(a) - (b - 1) * call.Digamma(b)
            + (total - 2) * call.Digamma(total)
        )  # fmt: skip

    def _mean(self) -> Tensor:
        return self._concentration1 / self._total

    def _variance(self) -> Tensor:
        mean = self._mean()
        return mean * (1 - mean) / (1 + self._total)

    def _mode(self) -> Tensor:
        a, b = self._concentration1, self._concentration0
        one, lesser = like(a, 1), call.Minimum(a, b)
        return where_defined(
            (a - 1) / (self._total - 2), call.Greater(lesser, one), self.allow_nan_stats, one,
            lesser, "Mode undefined where a concentration <= 1.",
        )  # fmt: skip


@RegisterKL(Beta, Beta)
def _kl_beta_beta(a: Beta, b: Beta, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_beta_beta"):

        def difference(function: Any, parameter: str) -> Tensor:
            return function(getattr(b, parameter)) - function(getattr(a, parameter))

        def weighted(parameter: str) -> Tensor:
            here, there = getattr(a, parameter), getattr(b, parameter)
            return (here - there) * call.Digamma(here)

        one, zero, total = "concentration1", "concentration0", "total_concentration"
        normalization = (
            difference(call.Lgamma, one) + difference(call.Lgamma, zero)
            - difference(call.Lgamma, total)
        )  # fmt: skip
        return normalization + weighted(one) + weighted(zero) - weighted(total)
