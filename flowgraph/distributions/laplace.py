"""The Laplace distribution.

Read next: base.py; student_t.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.distributions.base import FULLY_REPARAMETERIZED, Distribution
from flowgraph.distributions.parameters import (
    batch_of,
    batch_tensor_of,
    counted,
    floats,
    like,
    positive,
    spread,
)
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.random import random_uniform


@export("distributions.Laplace")
class Laplace(Distribution):
    """The Laplace distribution: density exp(-|x - loc| / scale) / (2 scale).

    Args:
        loc: medians, a float tensor.
        scale: above 0; they broadcast.
        validate_args: whether the run checks the parameters.
        allow_nan_stats: without effect: all moments exist.
        name: the name scope of its operations.

    Raises:
        ValueError: the parameters are not of one float dtype.

    >>> tf.Session().run(tf.distributions.Laplace(1.0, 2.0).prob(1.0))
    0.25
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Laplace",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[loc, scale]) as scope:
            self._loc, given = floats(loc=loc, scale=scale)
            self._scale = positive(given, validate_args)
        super().__init__(
            self._loc.dtype.base_dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats,
            parameters, [self._loc, self._scale], scope,
        )  # fmt: skip

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return dict.fromkeys(("loc", "scale"), convert_to_tensor(sample_shape, dtype="int32"))

    @property
    def loc(self) -> Tensor:
        """The medians."""
        return self._loc

    @property
    def scale(self) -> Tensor:
        """The mean distances from the medians."""
        return self._scale

    def _batch_shape(self) -> Any:
        return batch_of(self._loc, self._scale)

    def _batch_shape_tensor(self) -> Tensor:
        return batch_tensor_of(self._loc, self._scale)

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        shape = counted(n, self.batch_shape_tensor())
        assert self._dtype is not None
        above = np.nextafter(self._dtype.np.type(-1), self._dtype.np.type(0))  # log1p(-1) = -inf
        u = random_uniform(shape, minval=above, maxval=1.0, dtype=self._dtype, seed=seed)
        return self._loc - self._scale * call.Sign(u) * call.Log1p(-call.Abs(u))

    def _z(self, x: Tensor) -> Tensor:
        return (x - self._loc) / self._scale

    def _log_prob(self, x: Tensor) -> Tensor:
        return -call.Abs(self._z(x)) - (like(x, math.log(2)) + call.Log(self._scale))

    def _log_cdf(self, x: Tensor) -> Tensor:
        return _log_cdf(self._z(x))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return _log_cdf(-self._z(x))

    def _cdf(self, x: Tensor) -> Tensor:
        return _cdf(self._z(x))

    def _survival_function(self, x: Tensor) -> Tensor:
        return _cdf(-self._z(x))

    def _entropy(self) -> Tensor:
        scale = spread(self._scale, self._loc)
        return like(scale, math.log(2) + 1) + call.Log(scale)

    def _mean(self) -> Tensor:
        return spread(self._loc, self._scale)

    def _mode(self) -> Tensor:
        return self._mean()

    def _stddev(self) -> Tensor:
        return like(self._scale, math.sqrt(2)) * spread(self._scale, self._loc)


def _cdf(z: Tensor) -> Tensor:
    tail = like(z, 0.5) * call.Exp(-call.Abs(z))
    return call.SelectV2(call.Less(z, like(z, 0)), tail, 1 - tail)


def _log_cdf(z: Tensor) -> Tensor:
    below = call.Minimum(z, like(z, 0)) - like(z, math.log(2))
    above = call.Log1p(like(z, -0.5) * call.Exp(-call.Abs(z)))
    return call.SelectV2(call.Less(z, like(z, 0)), below, above)
