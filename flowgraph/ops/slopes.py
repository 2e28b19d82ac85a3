"""The derivative of a branch or body, made inside another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.graph.contexts import Context
from flowgraph.graph.gradients import gradients
from flowgraph.graph.node import Tensor


def slopes(
    context: Context, outputs: Sequence[int], dys: Sequence[Tensor], xs: Sequence[Tensor]
) -> list[Any]:
    """Inside the gradient of ``context``: dx of each x, from dys of some of its outputs."""
    ys = []
    given = []
    for place, dy in zip(outputs, dys, strict=True):
        y = context.outputs[place]
        if y is not None:
            ys.append(y)
            given.append(dy)
    if not ys:
        return [None] * len(xs)
    return gradients(ys, list(xs), given, stop_gradients=list(xs), name="slopes")
