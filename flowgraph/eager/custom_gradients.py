"""Functions that bring their own gradient, executed: one entry on the tapes for each call.

Read next: ops/custom_gradient.py (the same while building a graph).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flowgraph.eager.recording import Record, note, paused, start, stop, tapes
from flowgraph.eager.tape import GradientTape, backward
from flowgraph.eager.tensor import EagerTensor
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.ops.custom_gradient import (
    call_gradient,
    call_with_gradient,
    check_takes_variables,
)
from flowgraph.ops.nest import flatten, map_structure, pack_sequence_as


def custom_gradient(f: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """What ``f`` returns; its gradient function is noted instead of what it executes."""
    inputs: list[Any] = map_structure(convert_to_tensor, list(args))
    seen = Record(watches_variables=True)
    with paused():
        start(seen)
        try:
            results, grad = call_with_gradient(f, inputs, kwargs)
        finally:
            stop(seen)
    flat_inputs = flatten(inputs)
    variables = list(seen.variables)
    check_takes_variables(f, grad, variables)
    # New tensors: the results may be tensors that others know, arguments among them.
    outputs = [_anew(convert_to_tensor(y)) for y in flatten(results)]
    if tapes():
        read = [variable._read_value() for variable in variables]

        def rule(dys: Sequence[Any]) -> Sequence[Any]:
            filled = [
                call.ZerosLike(y) if dy is None else dy for y, dy in zip(outputs, dys, strict=True)
            ]
            dxs, dvs = call_gradient(f, grad, filled, len(flat_inputs), variables)
            return [None if dx is None else convert_to_tensor(dx) for dx in (*dxs, *dvs)]

        note("CustomGradient", {}, [*flat_inputs, *read], outputs, rule)
    return pack_sequence_as(results, outputs)


def _anew(tensor: Any) -> EagerTensor:
    return EagerTensor(tensor._array, tensor._spec)


def recomputed(
    f: Callable[..., Any], args: Any, kwargs: dict[str, Any], dys: Any, variables: Sequence[Any]
) -> Any:
    """The gradients of the arguments of ``f`` (and of ``variables``), by executing it again."""
    xs = flatten(list(args))
    tape = GradientTape()
    with tape:
        tape.watch([x for x in xs if isinstance(x, EagerTensor)])
        results = flatten(f(*args, **kwargs))
    record = tape._asked()
    dxs = backward(record, results, xs, list(dys))
    if not variables:
        return dxs
    return dxs, backward(record, results, list(variables), list(dys))
