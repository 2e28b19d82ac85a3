"""Moving averages of variables and tensors: ExponentialMovingAverage.

    average <- average - (1 - decay) * (average - value)

Read next: slots.py (averages are slots named after their variable).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowgraph.dtypes import float16, float32, float64
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import (
    GraphKeys,
    control_dependencies,
    get_default_graph,
    name_scope,
)
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.ops.control import group
from flowgraph.ops.initializers import Zeros
from flowgraph.ops.variable_scope import get_variable, variable_scope
from flowgraph.ops.variables import (
    Variable,
    global_variables,
    moving_average_variables,
    trainable_variables,
)
from flowgraph.train.slots import create_slot, create_zeros_slot


def assign_moving_average(
    variable: Variable, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Tensor:
    """``variable <- variable * decay + value * (1 - decay)``.

    Args:
        variable: the average.   value: of its shape and dtype.
        decay: float or scalar tensor, close to 1.
        zero_debias: True divides by ``1 - decay ** t`` after t updates, so that an average that
            starts as zeros is right from the first update on.
        name: of the operation; ``AssignMovingAvg`` by default.

    Returns:
        The new average.

    Source: Kingma and Ba (2015), section 3 (bias correction).
    """
    graph = get_default_graph()
    with (
        name_scope(name, "AssignMovingAvg", [variable, value, decay]) as scope,
        graph.colocate_with(variable),
    ):
        rest = convert_to_tensor(1.0 - decay, name="decay")
        dtype = variable.dtype.base_dtype
        if rest.dtype.base_dtype is not dtype:
            rest = call.Cast(rest, DstT=dtype)
        delta = _unbiased_delta(variable, value, rest) if zero_debias else (variable - value) * rest
        return call.AssignSub(variable, delta, name=scope)


def _unbiased_delta(unbiased: Variable, value: Any, rest: Tensor) -> Tensor:
    """How far ``unbiased`` is above the average of what came, which is kept beside it."""
    dtype = unbiased.dtype.base_dtype
    with variable_scope(unbiased.op.name, values=[unbiased, value, rest]):
        biased = get_variable(
            "biased", shape=unbiased.shape, dtype=dtype, initializer=Zeros(), trainable=False
        )
        steps = get_variable(
            "local_step", shape=[], dtype=dtype, initializer=Zeros(), trainable=False
        )
    sum_ = call.AssignSub(biased, (biased - value) * rest, name=biased.op.name.split("/")[-1])
    count = call.AssignAdd(steps, convert_to_tensor(1, dtype))
    with control_dependencies([sum_.op, count.op]):
        return unbiased - biased.read_value() / (1 - call.Pow(1.0 - rest, steps.read_value()))


@export("train.ExponentialMovingAverage")
class ExponentialMovingAverage:
    """Keeps moving averages of variables, such as the weights of a network.

    average <- decay * average + (1 - decay) * value

    The averages of variables start at their initial values, those of tensors at 0.

    Args:
        decay: float or scalar tensor, close to 1: 0.999.
        num_updates: how many steps were made (a number or scalar tensor); the decay is then
            ``min(decay, (1 + num_updates) / (10 + num_updates))``, so averages move fast at first.
        zero_debias: True corrects the averages of tensors for their start at 0.
        name: prefix of the operations, and name of the averages.

    >>> v = tf.Variable(0.0)
    >>> ema = tf.train.ExponentialMovingAverage(decay=0.5)
    >>> update = ema.apply([v])
    >>> with tf.Session() as sess:
    ...     sess.run(tf.global_variables_initializer())
    ...     v.load(8.0, sess)
    ...     sess.run(update)
    ...     print(sess.run(ema.average(v)))
    4.0
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        self._decay, self._num_updates, self._zero_debias = decay, num_updates, zero_debias
        self._name = name
        self._averages: dict[Any, Variable] = {}

    @property
    def name(self) -> str:
        """The name given."""
        return self._name

    def apply(self, var_list: Iterable[Any] | None = None) -> Operation:
        """The operation that moves the averages; it makes those that are not there yet.

        Args:
            var_list: variables, and tensors of a floating dtype; ``tf.trainable_variables()`` by
                default.

        Raises:
            TypeError: something is no float.
            ValueError: a moving average of it exists already.
        """
        items = list(trainable_variables() if var_list is None else var_list)
        fresh = set()
        for item in items:
            if item.dtype.base_dtype not in (float16, float32, float64):
                raise TypeError(f"The variables must be half, float, or double: {item.name}")
            if item not in self._averages:
                fresh.add(item)
                self._averages[item] = self._make(item)
        with name_scope(self._name) as scope:
            decay = convert_to_tensor(self._decay, name="decay")
            if self._num_updates is not None:
                updates = call.Cast(self._num_updates, DstT=float32, name="num_updates")
                decay = call.Minimum(decay, (1.0 + updates) / (10.0 + updates))
            updates_ = [
                assign_moving_average(
                    self._averages[item],
                    item,
                    decay,
                    # That of a variable starts at its initial value, which is no bias.
                    zero_debias=self._zero_debias and not isinstance(item, Variable),
                )
                for item in items
            ]
            return group(*updates_, name=scope)

    def _make(self, item: Any) -> Variable:
        with control_dependencies(None):
            if isinstance(item, Variable):
                average = create_slot(item, item.initialized_value(), self._name)
                get_default_graph().add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, item)
                return average
            return create_zeros_slot(item, self._name)

    def average(self, var: Any) -> Variable | None:
        """The variable that holds the average of ``var``; None before ``apply``.

        Args:
            var: a variable or tensor.
        """
        return self._averages.get(var)

    def average_name(self, var: Any) -> str:
        """The name of the operation of that variable, also when it is not there yet.

        Args:
            var: a variable or tensor.
        """
        average = self._averages.get(var)
        return f"{var.op.name}/{self._name}" if average is None else average.op.name

    def variables_to_restore(self, moving_avg_variables: Iterable[Any] | None = None) -> dict:
        """Which variables a checkpoint's values go to so that averages replace what they average.

        Args:
            moving_avg_variables: whose averages to use; ``tf.moving_average_variables()`` and
                ``tf.trainable_variables()`` by default.

        Returns:
            A dict from names in the checkpoint to variables: the names of averages for those, their
            own for all others.
        """
        if moving_avg_variables is None:
            moving_avg_variables = [*trainable_variables(), *moving_average_variables()]
        averaged = list(dict.fromkeys(moving_avg_variables))
        found: dict[str, Any] = {self.average_name(v): v for v in averaged}
        names = {v.name for v in averaged}
        for variable in global_variables():
            if variable.name not in names and variable.op.name not in found:
                found[variable.op.name] = variable
        return found
