"""Gradient descent, plain and with a proximal step.

Read next: momentum.py, an optimizer with slots.
"""

from __future__ import annotations

from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.export import export
from flowgraph.graph.gradients import IndexedSlices
from flowgraph.graph.node import Operation
from flowgraph.ops.variables import Variable
from flowgraph.train.optimizer import StepOptimizer


@export("train.GradientDescentOptimizer")
class GradientDescentOptimizer(StepOptimizer):
    """w <- w - learning_rate * d loss / d w.

    Args:
        learning_rate: float, scalar tensor, or a function without arguments that gives one.
        use_locking: accepted; updates never race here.
        name: prefix of the operations.

    >>> import flowgraph as tf
    >>> w = tf.Variable(3.0)
    >>> step = tf.train.GradientDescentOptimizer(0.1).minimize(w * w)
    >>> with tf.Session() as sess:
    ...     sess.run(tf.global_variables_initializer())
    ...     sess.run(step)
    ...     print(round(float(sess.run(w)), 4))
    2.4
    """

    _step = "GradientDescent"

    def __init__(
        self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent"
    ) -> None:
        super().__init__(use_locking, name, learning_rate=learning_rate)

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        return [*self._numbers(var, "learning_rate"), *grad]

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Variable) -> Operation:
        (rate,) = self._numbers(var, "learning_rate")
        step = grad.values * rate
        return call.ScatterSub(var, grad.indices, step, use_locking=self._use_locking).op


@export("train.ProximalGradientDescentOptimizer")
class ProximalGradientDescentOptimizer(StepOptimizer):
    """Gradient descent on the loss, with exact steps on ``l1 |w| + l2/2 w**2``.

    x = w - learning_rate * d loss / d w
    w <- sign(x) * max(|x| - learning_rate * l1, 0) / (1 + learning_rate * l2)

    So weights become exactly zero (Duchi and Singer 2009).

    Args:
        learning_rate: float, scalar tensor, or a function without arguments that gives one.
        l1_regularization_strength, l2_regularization_strength: l1 and l2, not negative.
        use_locking: accepted.
        name: prefix of the operations.
    """

    _step = "ProximalGradientDescent"

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )

    def _arguments(self, var: Variable, grad: list[Any]) -> list[Any]:
        return [*self._numbers(var, *self._hyper), *grad]
