"""Functions that bring their own gradient: custom_gradient, grad_pass_through, recompute_grad.

The arguments, the results and the variables read pass through one IdentityN operation that takes
the user's gradient; so the gradient of the results reaches the arguments directly, and not through
what the function computed.  (IdentityN costs nothing when running.)

Read next: graph/gradient_registry.py (gradients by name).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from flowgraph.graph.apply import apply_op, call, variable_of
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, control_dependencies, get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.gradients import UnconnectedGradients, gradients
from flowgraph.graph.node import Operation, Tensor
from flowgraph.ops.nest import flatten, map_structure, pack_sequence_as


@export("custom_gradient")
def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a function of tensors that brings its own gradient.

    ``f(*args, **kwargs)`` returns ``(y, grad)``: y is a tensor or a list, tuple or dict of tensors,
    and ``grad(*dys)`` gets one gradient per tensor of y and returns one per argument in ``args``
    (None where none flows).

    When f reads trainable variables, ``grad`` must take ``variables=`` (a list of them) and return
    ``(gradients of the arguments, gradients of the variables)``.

    Args:
        f: the function; its positional arguments, also inside lists and dicts, become tensors;
            keyword arguments are handed on as they are.

    Raises:
        TypeError: f does not return a pair, or reads trainable variables but ``grad`` does not take
            ``variables``.
        ValueError: ``grad`` returns the wrong number of gradients (when the gradient is taken).

    Gradient: ``grad``'s; of second order through what ``grad`` computes, so custom gradients nest.
    Source: tf.custom_gradient (TensorFlow 1.15), with keyword arguments and variables of the
    default kind allowed while building a graph as well.

    >>> @tf.custom_gradient
    ... def clip_gradient(x):
    ...     return tf.identity(x), lambda dy: tf.clip_by_value(dy, -1.0, 1.0)
    >>> x = tf.constant(2.0)
    >>> tf.Session().run(tf.gradients(10.0 * clip_gradient(x), x))
    [1.0]
    """

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        graph = get_default_graph()
        if graph.executes:
            return graph.custom_gradient(f, args, kwargs)  # type: ignore[attr-defined]
        inputs = map_structure(lambda x: call.Identity(convert_to_tensor(x)), list(args))
        first = graph.version
        results, grad = call_with_gradient(f, inputs, kwargs)
        flat_inputs = flatten(inputs)
        flat_results = [convert_to_tensor(y) for y in flatten(results)]
        variables = _variables_read(graph, first)
        check_takes_variables(f, grad, variables)

        def rule(op: Operation, *dys: Any) -> list[Any]:
            dxs, dvs = call_gradient(f, grad, dys[: len(flat_results)], len(flat_inputs), variables)
            return [None] * len(flat_results) + dxs + dvs

        name = f"CustomGradient-{len(graph._gradient_functions)}"
        graph._gradient_functions[name] = rule
        with graph.gradient_override_map({"IdentityN": name}):
            outputs = apply_op("IdentityN", [*flat_results, *flat_inputs, *variables])
        return pack_sequence_as(results, outputs[: len(flat_results)])

    return decorated


def call_with_gradient(
    f: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
) -> tuple[Any, Any]:
    """``f(*args, **kwargs)``, which must be (y, grad)."""
    returned = f(*args, **kwargs)
    if not isinstance(returned, tuple) or len(returned) != 2 or not callable(returned[1]):
        raise TypeError(
            f"custom_gradient: {_name_of(f)} must return (y, grad) with a function grad, it "
            f"returned {returned!r}"
        )
    return returned


def _name_of(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", repr(f))


def check_takes_variables(f: Callable[..., Any], grad: Any, variables: list[Any]) -> None:
    """TypeError when f read variables and its gradient function does not take them."""
    if not variables:
        return
    parameters = inspect.signature(grad).parameters.values()
    if not any(p.name == "variables" or p.kind is p.VAR_KEYWORD for p in parameters):
        names = ", ".join(repr(v.name) for v in variables)
        raise TypeError(
            f"custom_gradient: {_name_of(f)} reads the variables {names}, so its gradient "
            "function must take the argument `variables`"
        )


def call_gradient(
    f: Callable[..., Any], grad: Callable[..., Any], dys: Any, count: int, variables: list[Any]
) -> tuple[list[Any], list[Any]]:
    """The user's gradients of ``count`` arguments, and of the variables.

    Raises:
        ValueError: there are more or fewer.
    """
    if variables:
        dxs, dvs = grad(*dys, variables=variables)
    else:
        dxs, dvs = grad(*dys), []
    flat, flat_variables = flatten(dxs), flatten(dvs)
    if len(flat) != count or len(flat_variables) != len(variables):
        raise ValueError(
            f"custom_gradient: {_name_of(f)} has {count} argument(s) and {len(variables)} "
            f"variable(s), its gradient function gave {len(flat)} and {len(flat_variables)}"
        )
    return flat, flat_variables


def _variables_read(graph: Graph, first: int) -> list[Any]:
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


@export("grad_pass_through")
def grad_pass_through(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` with the gradient of the identity: the straight-through estimator.

    Args:
        f: takes tensors and returns tensors of the same number and shapes (or reads only the first
            ones of its arguments).

    Returns:
        A function with the values of f, whose gradients are those of its results.

    Source: tf.grad_pass_through (TensorFlow 1.15).

    >>> x = tf.constant(2.6)
    >>> y = tf.grad_pass_through(tf.round)(x)
    >>> tf.Session().run([y, tf.gradients(y * y, x)[0]])
    [3.0, 6.0]
    """

    @custom_gradient
    def passing(*args: Any, **kwargs: Any) -> Any:
        def grad(*dys: Any, **kept: Any) -> Any:
            count = len(flatten(list(args)))
            dxs = [*dys, *[None] * (count - len(dys))][:count]
            variables = kept.get("variables")
            return (dxs, [None] * len(variables)) if variables is not None else dxs

        return f(*args, **kwargs), grad

    return functools.wraps(f)(passing)


@export("recompute_grad", "contrib.layers.recompute_grad")
def recompute_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f``, computed a second time for its gradient instead of keeping what it computed.

    Trades time for memory: between the forward and the backward pass only the arguments are kept.

    Args:
        f: takes tensors and returns tensors; it may read variables.

    Returns:
        A function with the values and gradients of f.

    NB: random numbers drawn in f are drawn anew the second time, as in TensorFlow 1.15; give such
    operations seeds, or draw outside.
    Source: tf.recompute_grad (TensorFlow 1.15).

    >>> x = tf.constant([0.0, 1.0])
    >>> tf.Session().run(tf.gradients(tf.recompute_grad(lambda x: x * x * x)(x), x))
    [array([0., 3.], dtype=float32)]
    """

    @custom_gradient
    def recomputing(*args: Any, **kwargs: Any) -> Any:
        def grad(*dys: Any, variables: Any = ()) -> Any:
            if get_default_graph().executes:
                return get_default_graph().gradient_of(f, args, kwargs, dys, variables)  # type: ignore[attr-defined]
            present = [dy for dy in dys if dy is not None]
            with control_dependencies(present):
                again = map_structure(lambda x: _not_before(x, present), list(args))
                results = flatten(f(*again, **kwargs))
            xs = flatten(again)
            found = gradients(
                results, [*xs, *variables], list(dys),
                unconnected_gradients=UnconnectedGradients.ZERO,
            )  # fmt: skip
            dxs = found[: len(xs)]
            return (dxs, found[len(xs) :]) if variables else dxs

        return f(*args, **kwargs), grad

    return functools.wraps(f)(recomputing)


def _not_before(x: Tensor, dys: list[Tensor]) -> Tensor:
    """``x``, as something that the compiler cannot have before the first of ``dys``.

    Else it would see that both computations are the same, and do only one.
    """
    if not dys:
        return x
    first = call.Slice(call.Reshape(dys[0], [-1]), [0], call.Minimum(call.Size(dys[0]), 1)[None])
    known = call.Any(call.IsNan(first), [0])
    return call.Select(known, x, x)
