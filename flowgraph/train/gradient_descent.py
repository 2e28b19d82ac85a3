"""Gradient descent.

Read next: adam.py, an optimizer with slots.
"""

from __future__ import annotations

from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.gradients import IndexedSlices
from flowgraph.graph.node import Operation, Tensor
from flowgraph.ops.variables import Variable
from flowgraph.train.optimizer import Optimizer


@export("train.GradientDescentOptimizer")
class GradientDescentOptimizer(Optimizer):
    """w <- w - learning_rate * d loss / d w.

    Args:
        learning_rate: float or scalar tensor.

    >>> import flowgraph as tf
    >>> w = tf.Variable(3.0)
    >>> step = tf.train.GradientDescentOptimizer(0.1).minimize(w * w)
    >>> with tf.Session() as sess:
    ...     sess.run(tf.global_variables_initializer())
    ...     sess.run(step)
    ...     print(round(float(sess.run(w)), 4))
    2.4
    """

    def __init__(
        self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent"
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate

    def _prepare(self) -> None:
        rate = self._learning_rate() if callable(self._learning_rate) else self._learning_rate
        self._learning_rate_tensor = convert_to_tensor(rate, name="learning_rate")

    def _rate(self, var: Variable) -> Tensor:
        return _cast(self._learning_rate_tensor, var)

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        return call.ApplyGradientDescent(
            var, self._rate(var), grad, use_locking=self._use_locking
        ).op

    def _apply_sparse(self, grad: IndexedSlices, var: Variable) -> Operation:
        step = grad.values * self._rate(var)
        return call.ScatterSub(var, grad.indices, step, use_locking=self._use_locking).op


def _cast(tensor: Tensor, var: Variable) -> Tensor:
    dtype = var.dtype.base_dtype
    return tensor if tensor.dtype.base_dtype is dtype else call.Cast(tensor, DstT=dtype)
