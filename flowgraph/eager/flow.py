"""Branches and loops, executed: Python's own.

Read next: ops/conditionals.py and ops/loops.py (the same while building a graph).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.nest import assert_same_structure, map_structure


def _one_alone(result: Any) -> Any:
    alone = isinstance(result, (list, tuple)) and len(result) == 1
    return result[0] if alone else result


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any], strict: bool) -> Any:
    """What the branch taken returns; the other is not called."""
    result = true_fn() if bool(convert_to_tensor(pred)) else false_fn()
    return result if strict else _one_alone(result)


def while_loop(
    condition: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    maximum: Any,
    same_structure: bool,
) -> Any:
    """The loop variables when the condition no longer holds."""
    variables = map_structure(_as_tensor, loop_vars)
    limit: Any = None if maximum is None else convert_to_tensor(maximum)
    left = None if limit is None else int(limit)
    packed = False
    while (left is None or left > 0) and bool(convert_to_tensor(condition(*variables))):
        result = body(*variables)
        if len(variables) == 1 and not isinstance(result, (list, tuple)):
            packed, result = True, (result,)
        assert_same_structure(list(variables), list(result), check_types=False)
        variables = map_structure(_as_tensor, result)
        left = None if left is None else left - 1
    if same_structure and packed:
        return [variables[0]] if isinstance(loop_vars, list) else variables
    return variables if same_structure else _one_alone(variables)


def _as_tensor(value: Any) -> Any:
    if isinstance(value, (SparseTensor, IndexedSlices)) or hasattr(value, "flow"):
        return value
    return convert_to_tensor(value)
