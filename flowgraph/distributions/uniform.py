"""The uniform distribution of an interval.

Read next: base.py; laplace.py.
"""

from __future__ import annotations

import math
from typing import Any

from flowgraph.distributions.base import FULLY_REPARAMETERIZED, Distribution
from flowgraph.distributions.parameters import (
    after,
    batch_of,
    batch_tensor_of,
    counted,
    floats,
    like,
)
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.checks import assert_less
from flowgraph.ops.random import random_uniform


@export("distributions.Uniform")
class Uniform(Distribution):
    """The uniform distribution of [low, high): density 1 / (high - low) there, 0 elsewhere.

    Args:
        low, high: the ends, of one float dtype; low < high; they broadcast.
        validate_args: whether the run checks that low < high.
        allow_nan_stats: without effect: all moments exist.
        name: the name scope of its operations.

    Raises:
        ValueError: the parameters are not of one float dtype.

    >>> tf.Session().run(tf.distributions.Uniform(0.0, 4.0).prob([-1.0, 1.0]))
    array([0.  , 0.25], dtype=float32)
    """

    def __init__(
        self,
        low: Any = 0.0,
        high: Any = 1.0,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Uniform",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[low, high]) as scope:
            self._low, self._high = floats(low=low, high=high)
            if validate_args:
                message = "uniform not defined when low >= high."
                check = [assert_less(self._low, self._high, message=message)]
                self._low, self._high = after(self._low, check), after(self._high, check)
        super().__init__(
            self._low.dtype.base_dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats,
            parameters, [self._low, self._high], scope,
        )  # fmt: skip

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return dict.fromkeys(("low", "high"), convert_to_tensor(sample_shape, dtype="int32"))

    @property
    def low(self) -> Tensor:
        """The lower ends."""
        return self._low

    @property
    def high(self) -> Tensor:
        """The upper ends."""
        return self._high

    def range(self, name: str = "range") -> Tensor:
        """high - low.

        Args:
            name: of the scope of its operations.
        """
        with self._name_scope(name):
            return self._high - self._low

    def _batch_shape(self) -> Any:
        return batch_of(self._low, self._high)

    def _batch_shape_tensor(self) -> Tensor:
        return batch_tensor_of(self._low, self._high)

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        shape = counted(n, self.batch_shape_tensor())
        samples = random_uniform(shape, dtype=self._dtype, seed=seed)
        return self._low + self.range() * samples

    def _prob(self, x: Tensor) -> Tensor:
        outside = call.LogicalOr(call.Less(x, self._low), call.GreaterEqual(x, self._high))
        density = call.SelectV2(outside, like(x, 0), 1 / self.range())
        return call.SelectV2(call.IsNan(x), x, density)

    def _cdf(self, x: Tensor) -> Tensor:
        inside = (x - self._low) / self.range()
        below = call.SelectV2(call.Less(x, self._low), like(x, 0), inside)
        return call.SelectV2(call.GreaterEqual(x, self._high), like(x, 1), below)

    def _entropy(self) -> Tensor:
        return call.Log(self.range())

    def _mean(self) -> Tensor:
        return (self._low + self._high) / 2

    def _variance(self) -> Tensor:
        return call.Square(self.range()) / 12

    def _stddev(self) -> Tensor:
        return self.range() / like(self._low, math.sqrt(12))
