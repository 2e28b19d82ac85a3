"""Gradients by users: ``tf.RegisterGradient`` and ``tf.custom_gradient``.

An operation made under an override carries the attr ``_gradient_op_type``; gradients.py asks here
before it uses the rule of the op type.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from flowgraph.errors import did_you_mean
from flowgraph.graph.apply import apply_op, call, variable_of
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS

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


@export("NotDifferentiable", "NoGradient")
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
            f"operation {op.name!r} should take the gradient {name!r}, which is not registered"
            + did_you_mean(name, _registered)
        )
    return function


@export("custom_gradient")
def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a function of tensors that brings its own gradient.

    ``f(*args)`` returns ``(y, grad)`` with y a tensor or list of tensors, and ``grad(*dys)``
    returns one gradient per argument.  When f reads trainable variables, ``grad`` must take
    ``variables=`` and return ``(gradients of the arguments, gradients of the variables)``.

    Raises:
        TypeError: f reads trainable variables but ``grad`` does not take ``variables``.
        ValueError: ``grad`` returns the wrong number of gradients (when ``tf.gradients`` calls it).

    Source: tf.custom_gradient (TensorFlow 1.15), with variables of the default kind allowed as
    well.
    """

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        graph = get_default_graph()
        inputs = [call.Identity(convert_to_tensor(arg)) for arg in args]
        first = graph.version
        result, grad = f(*inputs, **kwargs)
        single = not isinstance(result, (list, tuple))
        results = [convert_to_tensor(y) for y in ([result] if single else result)]
        variables = _variables_read(graph, first)
        takes_variables = "variables" in inspect.signature(grad).parameters
        if variables and not takes_variables:
            names = ", ".join(repr(v.name) for v in variables)
            raise TypeError(
                f"custom_gradient: {f.__name__} reads the variables {names}, so its gradient "
                "function must take the argument `variables`"
            )

        def rule(op: Operation, *dys: Any) -> list[Any]:
            extra = {"variables": variables} if variables else {}
            dxs = grad(*dys[: len(results)], **extra)
            dxs, dvs = dxs if variables else (dxs, [])
            dxs = list(dxs) if isinstance(dxs, (list, tuple)) else [dxs]
            if len(dxs) != len(inputs) or len(dvs) != len(variables):
                raise ValueError(
                    f"custom_gradient: {f.__name__} has {len(inputs)} argument(s) and "
                    f"{len(variables)} variable(s), its gradient function gave {len(dxs)} and "
                    f"{len(dvs)}"
                )
            return [None] * len(results) + dxs + list(dvs)

        # The arguments pass through the same operation as the results: so the gradient of the
        # results reaches the arguments directly, and not through what f computed.
        name = f"CustomGradient-{len(graph._gradient_functions)}"
        graph._gradient_functions[name] = rule
        with graph.gradient_override_map({"IdentityN": name}):
            outputs = apply_op("IdentityN", [*results, *inputs, *variables])
        outputs = outputs[: len(results)]
        return outputs[0] if single else type(result)(outputs)

    return decorated


def _variables_read(graph: Any, first: int) -> list[Any]:
    """The trainable variables that operations from number ``first`` on read."""
    by_op = {v.op: v for v in graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)}
    found: dict[Operation, Any] = {}
    for op in graph._operations[first:]:
        for tensor in op.inputs:
            source = _read_from(tensor)
            if source is not None and source in by_op:
                found[source] = by_op[source]
    return list(found.values())


def _read_from(tensor: Tensor) -> Operation | None:
    """The variable operation that ``tensor`` is the value of: directly, or by an Identity."""
    if tensor.op.type == "Identity" and tensor.op.inputs[0].dtype.is_ref:
        tensor = tensor.op.inputs[0]
    return variable_of(tensor) if tensor.dtype.is_ref else None
