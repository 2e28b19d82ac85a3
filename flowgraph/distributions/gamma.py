"""The gamma distribution, and the exponential one.

Read next: base.py; beta.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.distributions.base import FULLY_REPARAMETERIZED, Distribution, arguments
from flowgraph.distributions.divergences import RegisterKL
from flowgraph.distributions.parameters import (
    after,
    batch_of,
    batch_tensor_of,
    counted,
    floats,
    like,
    positive,
    spread,
    where_defined,
)
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.checks import assert_positive
from flowgraph.ops.random import random_uniform
from flowgraph.ops.random_distributions import random_gamma


@export("distributions.Gamma")
class Gamma(Distribution):
    """The gamma distribution: density rate^a x^(a - 1) exp(-rate x) / Gamma(a), a = concentration.

    Args:
        concentration: a, above 0.
        rate: inverse scales, above 0; both of one float dtype, they broadcast.
        validate_args: whether the run checks parameters and values.
        allow_nan_stats: whether the mode is NaN where there is none (concentration <= 1); else that
            is an error when run.
        name: the name scope of its operations.

    Raises:
        ValueError: the parameters are not of one float dtype.

    >>> tf.Session().run(tf.distributions.Gamma(3.0, 2.0).mean())
    1.5
    """

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Gamma",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration, rate]) as scope:
            given = floats(concentration=concentration, rate=rate)
            self._concentration, self._rate = (positive(x, validate_args) for x in given)
        super().__init__(
            self._concentration.dtype.base_dtype, FULLY_REPARAMETERIZED, validate_args,
            allow_nan_stats, parameters, [self._concentration, self._rate], scope,
        )  # fmt: skip

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        shape = convert_to_tensor(sample_shape, dtype="int32")
        return dict.fromkeys(("concentration", "rate"), shape)

    @property
    def concentration(self) -> Tensor:
        """The shape parameters."""
        return self._concentration

    @property
    def rate(self) -> Tensor:
        """The inverse scales."""
        return self._rate

    def _batch_shape(self) -> Any:
        return batch_of(self._concentration, self._rate)

    def _batch_shape_tensor(self) -> Tensor:
        return batch_tensor_of(self._concentration, self._rate)

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        return random_gamma(
            call.Reshape(n, [1]), self._concentration, self._rate, dtype=self._dtype, seed=seed
        )

    def _valid(self, x: Tensor) -> Tensor:
        return after(x, [assert_positive(x)]) if self.validate_args else x

    def _log_prob(self, x: Tensor) -> Tensor:
        x, a = self._valid(x), self._concentration
        normalization = call.Lgamma(a) - a * call.Log(self._rate)
        return call.Xlogy(a - 1, x) - self._rate * x - normalization

    def _cdf(self, x: Tensor) -> Tensor:
        scaled = self._rate * self._valid(x)
        return call.Igamma(spread(self._concentration, scaled), spread(scaled, self._concentration))

    def _entropy(self) -> Tensor:
        a = self._concentration
        return a - call.Log(self._rate) + call.Lgamma(a) + (1 - a) * call.Digamma(a)

    def _mean(self) -> Tensor:
        return self._concentration / self._rate

    def _variance(self) -> Tensor:
        return self._concentration / call.Square(self._rate)

    def _stddev(self) -> Tensor:
        return call.Sqrt(self._concentration) / self._rate

    def _mode(self) -> Tensor:
        a = self._concentration
        one = like(a, 1)
        return where_defined(
            (a - 1) / self._rate, call.Greater(a, one), self.allow_nan_stats, one, a,
            "mode not defined when any concentration <= 1",
        )  # fmt: skip


@export("distributions.Exponential")
class Exponential(Gamma):
    """The exponential distribution: density rate exp(-rate x); a Gamma with concentration 1.

    Args:
        rate: inverse scales, above 0, a float tensor.
        validate_args: whether the run checks parameters and values.
        allow_nan_stats: as of Gamma.
        name: the name scope of its operations.

    Raises:
        ValueError: the rate is not float.

    >>> tf.Session().run(tf.distributions.Exponential(2.0).mean())
    0.5
    """

    def __init__(
        self,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Exponential",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[rate]) as scope:
            (self._rate,) = floats(rate=rate)
        super().__init__(
            like(self._rate, 1), self._rate, validate_args, allow_nan_stats, name=scope
        )
        self._parameters = arguments(parameters)

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return {"rate": convert_to_tensor(sample_shape, dtype="int32")}

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        shape = counted(n, self.batch_shape_tensor())
        assert self._dtype is not None
        tiny = np.finfo(self._dtype.np).tiny  # above 0, whose logarithm is infinite
        u = random_uniform(shape, minval=tiny, maxval=1.0, dtype=self._dtype, seed=seed)
        return -call.Log(u) / self._rate


@RegisterKL(Gamma, Gamma)
def _kl_gamma_gamma(a: Gamma, b: Gamma, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_gamma_gamma"):
        # (k_a - k_b) digamma(k_a) + log G(k_b) / G(k_a) + k_b log r_a / r_b + k_a (r_b / r_a - 1)
        return (
            (a.concentration - b.concentration) * call.Digamma(a.concentration)
            + call.Lgamma(b.concentration) - call.Lgamma(a.concentration)
            + b.concentration * (call.Log(a.rate) - call.Log(b.rate))
            + a.concentration * (b.rate / a.rate - 1)
        )  # fmt: skip
