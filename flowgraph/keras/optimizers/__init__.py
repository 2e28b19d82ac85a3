"""Optimizers: how the weights of a model change against the gradients of its loss.

An optimizer keeps its numbers (``lr``, ``decay``, ...) and slots in variables, so ``K.set_value(
model.optimizer.lr, 0.1)`` changes the next step without building anything again.  Its updates are
ordinary assignments, in Keras's formulas; the compiler fuses each into one loop over the weights.

``g`` is the gradient, ``w`` a weight and ``t`` the number of the step, from 1.  With ``decay`` the
rate of step t is ``lr / (1 + decay * (t - 1))``.

base.py    the class; gradients and clipping; the variables of a step
rules.py   the formulas

>>> type(get("adam")).__name__, get({"class_name": "SGD", "config": {"lr": 0.5}}).get_config()["lr"]
('Adam', 0.5)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flowgraph as tf
from flowgraph.keras.optimizers.base import Optimizer, clip_norm, variable
from flowgraph.keras.optimizers.rules import SGD, Adadelta, Adagrad, Adam, Adamax, Nadam, RMSprop
from flowgraph.keras.utils.generic_utils import deserialize_keras_object, serialize_keras_object

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "TFOptimizer",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "clip_norm",
    "deserialize",
    "get",
    "nadam",
    "rmsprop",
    "serialize",
    "sgd",
]


class TFOptimizer(Optimizer):
    """An optimizer of ``tf.train`` as one of Keras.

    Args:
        optimizer: a ``tf.train.Optimizer``; its names and formulas apply.
    """

    def __init__(self, optimizer: Any) -> None:
        super().__init__()
        self.optimizer = optimizer
        with tf.name_scope(type(self).__name__), tf.control_dependencies(None):
            self.iterations = variable(0, "int64", "iterations")

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """The operation that makes one step; see Optimizer."""
        params = list(params)
        pairs = self.optimizer.compute_gradients(loss, params)
        step = self.optimizer.apply_gradients(pairs, global_step=self.iterations)
        # NB: constraints are applied by apply_gradients
        self.updates = [step]
        self.weights = [self.iterations, *self.optimizer.variables()]
        return self.updates

    def get_config(self) -> dict[str, Any]:
        """Not known of an optimizer of ``tf.train``."""
        raise NotImplementedError("an optimizer of tf.train cannot be described as plain data")


sgd, rmsprop, adagrad, adadelta = SGD, RMSprop, Adagrad, Adadelta
adam, adamax, nadam = Adam, Adamax, Nadam

#: Every optimizer under its name; names are compared in lower case.
_KNOWN: dict[str, Any] = {
    cls.__name__.lower(): cls
    for cls in (SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam, TFOptimizer)
}


def serialize(optimizer: Optimizer) -> Any:
    """The plain data of an optimizer.

    Args:
        optimizer: the optimizer.
    """
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """The optimizer that plain data describe.

    Args:
        config: as ``serialize`` gives it.
        custom_objects: name -> class, for optimizers of one's own.
    """
    name = config["class_name"]
    if name.lower() in _KNOWN and name not in (custom_objects or {}):
        config = {**config, "class_name": name.lower()}
    return deserialize_keras_object(config, _KNOWN, custom_objects, "optimizer")


def get(identifier: Any) -> Optimizer:
    """The optimizer that ``identifier`` means.

    Args:
        identifier: an optimizer, a name in upper or lower case, plain data, or an optimizer of
            ``tf.train``.

    Raises:
        ValueError: it is none of these, or no optimizer has that name.
    """
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, tf.train.Optimizer):
        return TFOptimizer(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        name = identifier.__name__
        raise ValueError(f"{name} is a class; {name}() is an optimizer")
    if isinstance(identifier, Optimizer) or hasattr(identifier, "get_updates"):
        return identifier
    raise ValueError(f"Could not interpret optimizer identifier: {identifier!r}")
