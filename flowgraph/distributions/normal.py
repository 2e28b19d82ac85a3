"""The normal distribution.

Read next: base.py; uniform.py.
"""

from __future__ import annotations

import math
from typing import Any

from flowgraph.distributions.base import FULLY_REPARAMETERIZED, Distribution
from flowgraph.distributions.divergences import RegisterKL
from flowgraph.distributions.parameters import (
    batch_of,
    batch_tensor_of,
    counted,
    floats,
    like,
    log_ndtr,
    ndtr,
    positive,
    spread,
)
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.random import random_normal

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


@export("distributions.Normal")
class Normal(Distribution):
    """The normal distribution: density exp(-z^2 / 2) / (scale sqrt(2 pi)), z = (x - loc) / scale.

    Args:
        loc: means, a float tensor.
        scale: standard deviations, above 0; they broadcast.
        validate_args: whether the run checks parameters and values.
        allow_nan_stats: without effect: all moments exist.
        name: the name scope of its operations.

    Raises:
        ValueError: the parameters are not of one float dtype.

    >>> tf.Session().run(tf.distributions.Normal(1.0, 2.0).cdf(1.0))
    0.5
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Normal",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[loc, scale]) as scope:
            self._loc, given = floats(loc=loc, scale=scale)
            self._scale = positive(given, validate_args)
        super().__init__(
            self._scale.dtype.base_dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats,
            parameters, [self._loc, self._scale], scope,
        )  # fmt: skip

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return dict.fromkeys(("loc", "scale"), convert_to_tensor(sample_shape, dtype="int32"))

    @property
    def loc(self) -> Tensor:
        """The means."""
        return self._loc

    @property
    def scale(self) -> Tensor:
        """The standard deviations."""
        return self._scale

    def _batch_shape(self) -> Any:
        return batch_of(self._loc, self._scale)

    def _batch_shape_tensor(self) -> Tensor:
        return batch_tensor_of(self._loc, self._scale)

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        shape = counted(n, self.batch_shape_tensor())
        return random_normal(shape, dtype=self._dtype, seed=seed) * self._scale + self._loc

    def _z(self, x: Tensor) -> Tensor:
        return (x - self._loc) / self._scale

    def _log_prob(self, x: Tensor) -> Tensor:
        return like(x, -0.5) * call.Square(self._z(x)) - (
            like(x, _HALF_LOG_TWO_PI) + call.Log(self._scale)
        )

    def _log_cdf(self, x: Tensor) -> Tensor:
        return log_ndtr(self._z(x))

    def _cdf(self, x: Tensor) -> Tensor:
        return ndtr(self._z(x))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return log_ndtr(-self._z(x))

    def _survival_function(self, x: Tensor) -> Tensor:
        return ndtr(-self._z(x))

    def _quantile(self, p: Tensor) -> Tensor:
        return call.Ndtri(p) * self._scale + self._loc

    def _entropy(self) -> Tensor:
        scale = spread(self._scale, self._loc)
        return like(scale, 0.5 + _HALF_LOG_TWO_PI) + call.Log(scale)

    def _mean(self) -> Tensor:
        return spread(self._loc, self._scale)

    def _mode(self) -> Tensor:
        return self._mean()

    def _stddev(self) -> Tensor:
        return spread(self._scale, self._loc)


@RegisterKL(Normal, Normal)
def _kl_normal_normal(a: Normal, b: Normal, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_normal_normal"):
        # (mu_a - mu_b)^2 / (2 s_b^2) + (r - 1 - log r) / 2,  r = s_a^2 / s_b^2
        variance = call.Square(b.scale)
        ratio = call.Square(a.scale) / variance
        half = like(ratio, 0.5)
        return call.Square(a.loc - b.loc) / (2 * variance) + half * (ratio - 1 - call.Log(ratio))
