"""Student's t distribution.

Read next: base.py; gamma.py.
"""

from __future__ import annotations

import math
from typing import Any

from flowgraph.distributions.base import FULLY_REPARAMETERIZED, Distribution
from flowgraph.distributions.parameters import (
    batch_of,
    batch_tensor_of,
    counted,
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
from flowgraph.ops.random import random_normal
from flowgraph.ops.random_distributions import random_gamma


@export("distributions.StudentT")
class StudentT(Distribution):
    """Student's t distribution: density Z^-1 (1 + z^2 / df)^(-(df + 1) / 2), z = (x - loc) / scale.

    Z = |scale| sqrt(df pi) Gamma(df / 2) / Gamma((df + 1) / 2)

    Args:
        df: degrees of freedom, above 0.
        loc: medians.
        scale: not 0; all are of one float dtype and broadcast.
        validate_args: whether the run checks the parameters.
        allow_nan_stats: whether moments that do not exist (the mean where df <= 1, the variance
            where df <= 1) are NaN; else they are an error when run.
        name: the name scope of its operations.

    Raises:
        ValueError: the parameters are not of one float dtype.

    >>> tf.Session().run(tf.distributions.StudentT(4.0, 1.0, 2.0).variance())
    8.0
    """

    def __init__(
        self,
        df: Any,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "StudentT",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[df, loc, scale]) as scope:
            given, self._loc, self._scale = floats(df=df, loc=loc, scale=scale)
            self._df = positive(given, validate_args)
        super().__init__(
            self._scale.dtype.base_dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats,
            parameters, [self._df, self._loc, self._scale], scope,
        )  # fmt: skip

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        shape = convert_to_tensor(sample_shape, dtype="int32")
        return dict.fromkeys(("df", "loc", "scale"), shape)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self._df

    @property
    def loc(self) -> Tensor:
        """The medians."""
        return self._loc

    @property
    def scale(self) -> Tensor:
        """The scales."""
        return self._scale

    def _batch_shape(self) -> Any:
        return batch_of(self._df, self._loc, self._scale)

    def _batch_shape_tensor(self) -> Tensor:
        return batch_tensor_of(self._df, self._loc, self._scale)

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        # a normal number over the root of a chi-squared one
        shape = counted(n, self.batch_shape_tensor())
        z = random_normal(shape, dtype=self._dtype, seed=seed)
        df = spread(self._df, self._loc, self._scale)
        half = like(df, 0.5)
        square = random_gamma(
            call.Reshape(n, [1]), half * df, half, dtype=self._dtype,
            seed=new_seed(seed, salt="student_t"),
        )  # fmt: skip
        return z * call.Rsqrt(square / df) * self._scale + self._loc

    def _log_prob(self, x: Tensor) -> Tensor:
        half = like(x, 0.5)
        z = (x - self._loc) / self._scale
        upper = half * (self._df + 1)
        normalization = (
            call.Log(call.Abs(self._scale)) + half * call.Log(self._df)
            + like(x, 0.5 * math.log(math.pi)) + call.Lgamma(half * self._df) - call.Lgamma(upper)
        )  # fmt: skip
        return -upper * call.Log1p(z * z / self._df) - normalization

    def _cdf(self, x: Tensor) -> Tensor:
        z = (x - self._loc) / call.Abs(self._scale)
        half = spread(like(z, 0.5), z)
        df = spread(self._df, z)
        tail = half * call.Betainc(half * df, half, df / (z * z + df))
        return call.SelectV2(call.Less(z, like(z, 0)), tail, 1 - tail)

    def _entropy(self) -> Tensor:
        df, scale = (spread(p, self._loc, self._df, self._scale) for p in (self._df, self._scale))
        half = like(df, 0.5)
        upper = half * (df + 1)
        log_beta = call.Lgamma(half * df) + call.Lgamma(half) - call.Lgamma(upper)
        return (
            call.Log(call.Abs(scale)) + half * call.Log(df) + log_beta
            + upper * (call.Digamma(upper) - call.Digamma(half * df))
        )  # fmt: skip

    def _mean(self) -> Tensor:
        one = like(self._df, 1)
        return where_defined(
            spread(self._loc, self._df, self._scale), call.Greater(self._df, one),
            self.allow_nan_stats, one, self._df, "mean not defined for components of df <= 1",
        )  # fmt: skip

    def _variance(self) -> Tensor:
        one, two = like(self._df, 1), like(self._df, 2)
        is_finite = call.Greater(self._df, two)
        rest = call.SelectV2(is_finite, self._df - 2, one)
        finite = call.Square(spread(self._scale, self._loc)) * self._df / rest
        variance = call.SelectV2(is_finite, finite, like(self._df, math.inf))
        return where_defined(
            variance, call.Greater(self._df, one), self.allow_nan_stats, one, self._df,
            "variance not defined for components of df <= 1",
        )  # fmt: skip

    def _mode(self) -> Tensor:
        return spread(self._loc, self._df, self._scale)
