"""The Dirichlet distribution of probabilities.

Read next: base.py; multinomial.py (counts drawn with such probabilities).
"""

from __future__ import annotations

from typing import Any

from flowgraph.distributions.base import FULLY_REPARAMETERIZED, Distribution
from flowgraph.distributions.divergences import RegisterKL
from flowgraph.distributions.parameters import (
    after,
    column,
    floats,
    last_size,
    lbeta,
    like,
    outer,
    positive,
    where_defined,
)
from flowgraph.graph.apply import call
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.checks import assert_less, assert_less_equal, assert_positive
from flowgraph.ops.random_distributions import random_gamma
from flowgraph.ops.rules import constant_axes, shape_of

_LAST = [-1]


def concentrations(concentration: Any, validate_args: bool) -> Tensor:
    """Concentrations as a float tensor of at least one axis.

    Raises:
        ValueError: it is not float, or a scalar.
    """
    (given,) = floats(concentration=concentration)
    if given.dims == ():
        raise ValueError("concentration must have at least one axis, that of the categories")
    if not validate_args:
        return given
    size = last_size(given)
    message = "Rank 1 concentration must have at least two categories."
    return after(positive(given, True), [assert_less(1, size, message=message)])


@export("distributions.Dirichlet")
class Dirichlet(Distribution):
    """The Dirichlet distribution: density prod x_k^(a_k - 1) / B(a), of x >= 0 with sum x = 1.

    Args:
        concentration: a, above 0, a float tensor; its last axis is that of the event.
        validate_args: whether the run checks parameters and values.
        allow_nan_stats: whether the mode is NaN where there is none (an a_k <= 1); else that is an
            error when run.
        name: the name scope of its operations.

    Raises:
        ValueError: the concentration is not float, or a scalar.

    >>> tf.Session().run(tf.distributions.Dirichlet([1.0, 3.0]).mean())
    array([0.25, 0.75], dtype=float32)
    """

    def __init__(
        self,
        concentration: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Dirichlet",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration]) as scope:
            self._concentration = concentrations(concentration, validate_args)
            self._total = call.Sum(self._concentration, constant_axes(_LAST))
        super().__init__(
            self._concentration.dtype.base_dtype, FULLY_REPARAMETERIZED, validate_args,
            allow_nan_stats, parameters, [self._concentration, self._total], scope,
        )  # fmt: skip

    @property
    def concentration(self) -> Tensor:
        """a."""
        return self._concentration

    @property
    def total_concentration(self) -> Tensor:
        """The sum of a along the last axis."""
        return self._total

    def _batch_shape(self) -> Any:
        return self._total.dims

    def _batch_shape_tensor(self) -> Tensor:
        return shape_of(self._total)

    def _event_shape(self) -> Any:
        dims = self._concentration.dims
        return (None,) if dims is None else dims[-1:]

    def _event_shape_tensor(self) -> Tensor:
        return call.Slice(shape_of(self._concentration), call.Reshape(call.Rank(self._total), [1]),
                          constant_axes([1]))  # fmt: skip

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        numbers = random_gamma(
            call.Reshape(n, [1]), self._concentration, dtype=self._dtype, seed=seed
        )
        return numbers / call.Sum(numbers, constant_axes(_LAST), keep_dims=True)

    def _valid(self, x: Tensor) -> Tensor:
        if not self.validate_args:
            return x
        off = call.Abs(call.Sum(x, constant_axes(_LAST)) - 1)
        close = assert_less_equal(off, like(x, 1e-5), message="sample last-dimension must sum to 1")
        return after(x, [assert_positive(x, message="samples must be positive"), close])

    def _log_prob(self, x: Tensor) -> Tensor:
        powers = call.Xlogy(self._concentration - 1, self._valid(x))
        return call.Sum(powers, constant_axes(_LAST)) - lbeta(self._concentration)

    def _entropy(self) -> Tensor:
        a, total = self._concentration, self._total
        size = call.Cast(last_size(a), DstT=self._dtype)
        own = call.Sum((a - 1) * call.Digamma(a), constant_axes(_LAST))
        return lbeta(a) + (total - size) * call.Digamma(total) - own

    def _mean(self) -> Tensor:
        return self._concentration / column(self._total)

    def _variance(self) -> Tensor:
        mean = self._mean()
        return mean * (1 - mean) / (1 + column(self._total))

    def _covariance(self) -> Tensor:
        mean = self._mean()
        scale = 1 / (1 + column(column(self._total)))
        return call.MatrixSetDiag(-outer(mean, mean) * scale, self._variance())

    def _mode(self) -> Tensor:
        a = self._concentration
        size = call.Cast(last_size(a), DstT=self._dtype)
        one, least = like(a, 1), call.Min(a, constant_axes(_LAST), keep_dims=True)
        return where_defined(
            (a - 1) / column(self._total - size), call.Greater(least, one), self.allow_nan_stats,
            one, a, "Mode undefined when any concentration <= 1",
        )  # fmt: skip


@RegisterKL(Dirichlet, Dirichlet)
def _kl_dirichlet_dirichlet(a: Dirichlet, b: Dirichlet, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_dirichlet_dirichlet"):
        # sum (a_k - b_k) (digamma(a_k) - digamma(sum a)) - log B(a) + log B(b)
        slope = call.Digamma(a.concentration) - column(call.Digamma(a.total_concentration))
        first = call.Sum((a.concentration - b.concentration) * slope, constant_axes(_LAST))
        return first - lbeta(a.concentration) + lbeta(b.concentration)
