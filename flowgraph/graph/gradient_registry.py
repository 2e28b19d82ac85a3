"""Gradients by users, known by a name: ``tf.RegisterGradient``.

An operation made under an override carries the attr ``_gradient_op_type``; gradients.py asks here
before it uses the rule of the op type.

Read next: ops/custom_gradient.py (functions that bring their own gradient).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowgraph.errors import did_you_mean, format_message
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, describe
from flowgraph.graph.opdef import OPDEFS
from flowgraph.graph.site import format_site

#: ``f(op, *dys) -> dx or list of dx``
GradientFunction = Callable[..., Any]

_registered: dict[str, GradientFunction] = {}


@export("RegisterGradient")
class RegisterGradient:
    """Decorator: register ``f(op, *dys)`` as a gradient under a name.

    Operations take it when they are made inside ``graph.gradient_override_map({op_type: name})``.
    ``f`` gets the Operation and one gradient per output (zeros where none flows) and returns one
    gradient, or a list with one per input; None where no gradient flows.

    Raises:
        KeyError: the name is registered, or is an op type that has a gradient.
    """

    def __init__(self, op_type: str) -> None:
        if not isinstance(op_type, str):
            raise TypeError(f"RegisterGradient takes a name, got {op_type!r}")
        self._name = op_type

    def __call__(self, f: GradientFunction) -> GradientFunction:
        if self._name in _registered or self._name in OPDEFS:
            raise KeyError(f"a gradient named {self._name!r} is registered already")
        _registered[self._name] = f
        return f


@export("NotDifferentiable", "NoGradient", "no_gradient")
def NotDifferentiable(op_type: str) -> None:
    """Register the name ``op_type`` for "no gradient", to be used in ``gradient_override_map``.

    Raises:
        KeyError: the name is registered, or is an op type, which says itself whether it has a
            gradient.
    """
    RegisterGradient(op_type)(lambda op, *dys: [None] * len(op.inputs))


def registered_gradient(op: Operation) -> GradientFunction | None:
    """The gradient function that overrides the rule of ``op``, or None.

    Raises:
        LookupError: the overriding name is not registered.
    """
    name = op.attrs.get("_gradient_op_type")
    if name is None:
        return None
    function = op.graph._gradient_functions.get(name) or _registered.get(name)
    if function is None:
        raise LookupError(
            format_message(
                f"operation {op.name!r} should take the gradient {name!r}, which is not registered"
                + did_you_mean(name, _registered),
                [describe(f"input {i}", tensor) for i, tensor in enumerate(op.inputs)],
                (op.name, format_site(op.site)),
                f"register it: @tf.RegisterGradient({name!r})",
            )
        )
    return function
