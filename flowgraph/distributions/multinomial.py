"""Counts of classes: the multinomial distribution, and that with Dirichlet probabilities.

Read next: base.py; categorical.py, dirichlet.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.distributions.base import NOT_REPARAMETERIZED, Distribution
from flowgraph.distributions.dirichlet import concentrations
from flowgraph.distributions.parameters import (
    after,
    checked_counts,
    column,
    counts_of_classes,
    floats,
    last_size,
    lbeta,
    log_combinations,
    logits_and_probs,
    new_seed,
    outer,
)
from flowgraph.dtypes import int32
from flowgraph.graph.apply import call
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.checks import assert_equal
from flowgraph.ops.random_classes import multinomial
from flowgraph.ops.random_distributions import random_gamma
from flowgraph.ops.rules import constant_axes, shape_of
from flowgraph.shapes import broadcast_all


class _Counts(Distribution):
    """What both have: a number of draws, and weights of classes along the last axis."""

    _total_count: Tensor

    def _weights(self) -> Tensor:
        raise NotImplementedError

    @property
    def total_count(self) -> Tensor:
        """The number of draws."""
        return self._total_count

    def _batch_shape(self) -> Any:
        dims = self._weights().dims
        return broadcast_all([self._total_count.dims, None if dims is None else dims[:-1]])

    def _batch_shape_tensor(self) -> Tensor:
        shape = shape_of(self._weights())
        leading = call.Slice(
            shape, constant_axes([0]), call.Reshape(call.Size(shape) - 1, constant_axes([1]))
        )
        return call.BroadcastArgs(leading, shape_of(self._total_count))

    def _event_shape(self) -> Any:
        dims = self._weights().dims
        return (None,) if dims is None else dims[-1:]

    def _event_shape_tensor(self) -> Tensor:
        return call.Reshape(last_size(self._weights()), constant_axes([1]))

    def _drawn(self, n: Tensor, logits: Tensor, groups: int, seed: int | None) -> Tensor:
        """Counts [n, batch, classes] from ``logits`` [n, batch, classes] or [batch, classes].

        ``groups``: 1: logits have no axis of samples, and a row serves all n.
        """
        size = self.event_shape_tensor()
        batch = self.batch_shape_tensor()
        lead = batch if groups else call.ConcatV2([call.Reshape(n, [1]), batch], 0)
        logits = call.BroadcastTo(logits, call.ConcatV2([lead, size], 0))
        rows = call.Reshape(logits, call.ConcatV2([constant_axes([-1]), size], 0))
        draws = call.Cast(self._total_count, DstT=int32)
        most = call.Max(call.Reshape(draws, constant_axes([-1])), constant_axes([0]))
        known = constant_value(self._total_count)
        if known is not None:
            most = call.Const(value=np.array(known.max(initial=0), np.int32), dtype=int32)
        classes = multinomial(rows, n * most if groups else most, seed=seed)
        # [batch, n, draws]; what is beyond an item's number of draws does not count
        count = n if groups else call.Const(value=np.array(1, np.int32), dtype=int32)
        classes = call.Reshape(classes, call.Pack([constant_axes([-1])[0], count, most], axis=0))
        valid = None
        if self._total_count.dims != ():
            each = call.Reshape(call.BroadcastTo(draws, batch), constant_axes([-1]))
            if not groups:
                each = call.Reshape(
                    call.BroadcastTo(draws, lead), constant_axes([-1])
                )
            valid = call.Less(call.Range(0, most, 1), call.Reshape(each, constant_axes([-1, 1, 1])))
        counts = counts_of_classes(classes, size[0], valid, self._dtype)  # [batch, n, classes]
        if groups:
            counts = call.Transpose(counts, constant_axes([1, 0, 2]))
        shape = call.ConcatV2([call.Reshape(n, [1]), batch, size], 0)
        return call.Reshape(counts, shape)

    def _valid(self, counts: Tensor) -> Tensor:
        if not self.validate_args:
            return counts
        message = "counts must sum to `self.total_count`"
        total = call.Sum(counts, constant_axes([-1]))
        check = assert_equal(total, self._total_count, message=message)
        return after(checked_counts(counts, True), [check])


@export("distributions.Multinomial")
class Multinomial(_Counts):
    """How often each class is drawn in n independent draws: n! prod p_k^x_k / x_k!.

    Args:
        total_count: n, a float tensor of the shape of the batch, or that broadcasts with it.
        logits: unscaled log p along the last axis, a float tensor.
        probs: p along the last axis, a float tensor; one of the two is given.
        validate_args: whether the run checks parameters and values.
        allow_nan_stats: without effect: all moments exist.
        name: the name scope of its operations.

    Raises:
        ValueError: both of logits and probs are given, or none; a parameter is not float.

    >>> x = tf.distributions.Multinomial(4.0, probs=[0.25, 0.75])
    >>> tf.Session().run(x.mean())
    array([1., 3.], dtype=float32)
    """

    def __init__(
        self,
        total_count: Any,
        logits: Any = None,
        probs: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Multinomial",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[total_count, logits, probs]) as scope:
            (given,) = floats(total_count=total_count)
            self._total_count = checked_counts(given, validate_args)
            self._logits, self._probs = logits_and_probs(
                logits, probs, True, validate_args, "Multinomial"
            )
        super().__init__(
            self._probs.dtype.base_dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats,
            parameters, [self._total_count, self._logits, self._probs], scope,
        )  # fmt: skip

    @property
    def logits(self) -> Tensor:
        """Unscaled log p."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """p."""
        return self._probs

    def _weights(self) -> Tensor:
        return self._logits

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        return self._drawn(n, self._logits, 1, seed)

    def _log_prob(self, counts: Tensor) -> Tensor:
        counts = self._valid(counts)
        each = call.MulNoNan(call.LogSoftmax(self._logits), counts)
        return call.Sum(each, constant_axes([-1])) + log_combinations(self._total_count, counts)

    def _mean(self) -> Tensor:
        return column(self._total_count) * self._probs

    def _variance(self) -> Tensor:
        mean = self._mean()
        return mean - mean * self._probs

    def _covariance(self) -> Tensor:
        mean = self._mean()
        p = self._probs + call.ZerosLike(mean)
        return call.MatrixSetDiag(-outer(mean, p), self._variance())


@export("distributions.DirichletMultinomial")
class DirichletMultinomial(_Counts):
    """How often each class is drawn when the probabilities are themselves drawn from a Dirichlet.

    P(x) = n! / prod x_k!  B(a + x) / B(a)

    Args:
        total_count: n, a float tensor of the shape of the batch, or that broadcasts with it.
        concentration: a, above 0, along the last axis, of the same dtype.
        validate_args: whether the run checks parameters and values.
        allow_nan_stats: without effect: all moments exist.
        name: the name scope of its operations.

    Raises:
        ValueError: a parameter is not float; the concentration is a scalar.

    >>> tf.Session().run(tf.distributions.DirichletMultinomial(4.0, [1.0, 3.0]).mean())
    array([1., 3.], dtype=float32)
    """

    def __init__(
        self,
        total_count: Any,
        concentration: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DirichletMultinomial",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[total_count, concentration]) as scope:
            (given,) = floats(total_count=total_count)
            self._total_count = checked_counts(given, validate_args)
            self._concentration = concentrations(concentration, validate_args)
            self._total = call.Sum(self._concentration, constant_axes([-1]))
        super().__init__(
            self._concentration.dtype.base_dtype, NOT_REPARAMETERIZED, validate_args,
            allow_nan_stats, parameters, [self._total_count, self._concentration], scope,
        )  # fmt: skip

    @property
    def concentration(self) -> Tensor:
        """a."""
        return self._concentration

    @property
    def total_concentration(self) -> Tensor:
        """The sum of a along the last axis."""
        return self._total

    def _weights(self) -> Tensor:
        return self._concentration

    def _sample_n(self, n: Tensor, seed: int | None = None) -> Tensor:
        shape = call.ConcatV2([self.batch_shape_tensor(), self.event_shape_tensor()], 0)
        each = call.BroadcastTo(self._concentration, shape)
        weights = random_gamma(call.Reshape(n, [1]), each, dtype=self._dtype, seed=seed)
        return self._drawn(
            n, call.Log(weights), 0, new_seed(seed, salt="dirichlet_multinomial")
        )

    def _log_prob(self, counts: Tensor) -> Tensor:
        counts = self._valid(counts)
        odds = lbeta(self._concentration + counts) - lbeta(self._concentration)
        return odds + log_combinations(self._total_count, counts)

    def _mean(self) -> Tensor:
        return column(self._total_count) * (self._concentration / column(self._total))

    def _spread_of(self) -> Tensor:
        """(n + sum a) / (1 + sum a): how much wider than with fixed probabilities."""
        return (self._total_count + self._total) / (1 + self._total)

    def _variance(self) -> Tensor:
        p = self._concentration / column(self._total)
        return self._mean() * (1 - p) * column(self._spread_of())

    def _covariance(self) -> Tensor:
        mean = self._mean()
        p = self._concentration / column(self._total) + call.ZerosLike(mean)
        off = -outer(mean, p) * column(column(self._spread_of()))
        return call.MatrixSetDiag(off, self._variance())
