"""The gradient of If: another If, whose branches are the gradients of the branches.

What a branch of the gradient needs of the forward branch becomes one more output of the forward
If, which the other branch does not have.

Read next: loop_gradients.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flowgraph.graph.apply import call, note_effects
from flowgraph.graph.contexts import Context
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.node import Operation, Tensor
from flowgraph.ops.flow_rules import is_differentiable, made_in, remade
from flowgraph.ops.slopes import slopes


def if_grad(op: Any, *dys: Any) -> list[Any]:
    """Gradient rule of If."""
    operation: Operation = op.op
    graph = operation.graph
    captures = operation.inputs[1:]
    xs = [t for t in captures if is_differentiable(t) and op.wants(t)]
    flowing = [i for i, dy in enumerate(dys) if dy is not None]
    given = [dys[i] for i in flowing]
    if not xs or not flowing:
        return [None] * len(operation.inputs)
    scope = graph.get_name_scope()
    branches: list[Context] = []
    parts: list[list[Tensor | None]] = []
    for kind, attr in (("then", "then_branch"), ("else", "else_branch")):
        forward: Context = operation.attrs[attr]
        with graph._inside(kind, scope) as context:
            context.forward = forward.origin
            context.substitute = partial(_exposed, operation, attr)
            parts.append(_dense(slopes(forward, flowing, given, xs)))
            branches.append(context)
    used = [k for k in range(len(xs)) if any(part[k] is not None for part in parts)]
    if not used:
        return [None] * len(operation.inputs)
    for context, part in zip(branches, parts, strict=True):
        with made_in(graph, context, None):
            outputs = []
            for k in used:
                dx = part[k]
                outputs.append(call.ZerosLike(xs[k]) if dx is None else dx)
            context.close(graph, outputs)
    inner = list(dict.fromkeys(t for context in branches for t in context.captures))
    results = call.If(
        operation.inputs[0],
        inner,
        Tout=[xs[k].dtype.base_dtype for k in used],
        then_branch=branches[0],
        else_branch=branches[1],
    )
    note_effects(graph, results[0].op, branches)
    found = {xs[k]: dx for k, dx in zip(used, results, strict=True)}
    return [None, *(found.get(t) for t in captures)]


def _dense(dxs: Sequence[Any]) -> list[Tensor | None]:
    return [None if dx is None else convert_to_tensor(dx) for dx in dxs]


def _exposed(operation: Operation, attr: str, tensor: Tensor) -> Tensor:
    """``tensor`` of a branch as an output of the If."""
    again = remade(tensor)
    if again is not None:
        return again
    context: Context = operation.attrs[attr]
    for place, output in enumerate(context.outputs):
        if output is tensor:
            return operation.outputs[place]
    for name in ("then_branch", "else_branch"):
        branch: Context = operation.attrs[name]
        branch.outputs.append(tensor if name == attr else None)
    operation.attrs["Tout"] = [*operation.attrs["Tout"], tensor.dtype.base_dtype]
    new = Tensor(operation, len(operation.outputs), tensor.dtype.base_dtype, tensor.dims)
    operation.outputs.append(new)
    operation.graph._edited()
    return new
