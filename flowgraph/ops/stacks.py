"""Stacks: one element per iteration of a loop, in one tensor.

    EmptyStack(capacity)            [capacity, ?]: not one element is known yet
    StackStore(stack, i, value)      the same with row i = value, in place inside a loop
    StackCapacity(n)                room for n iterations
    StackResize(stack, capacity)    zeros behind the elements
    StackMark, StackCheck           which elements of a TensorArray are written

They keep what a gradient needs of every iteration (loop_gradients.py) and what a TensorArray holds
(tensor_array.py).  The size of a row is found out from what is pushed, when the sizes of a run are
known (optimize/flow.py).

Read next: loop_gradients.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL
from flowgraph.graph.apply import call
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Attr,
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import f32, i32, invalid, only_one, require_rank
from flowgraph.shapes import Dims, ShapeError, format_dims, is_compatible, is_fully_known, merge

# ------------------------------------------------------------------------------------ StackCapacity


def _capacity(call_: Call, n: Any) -> Any:
    count = max(int(n), 1)
    return np.array(1 << (count - 1).bit_length(), np.int32)


define(
    "StackCapacity",
    "count: int32 -> capacity: int32",
    infer=lambda call_: [()],
    grad=not_differentiable("a number of elements"),
    reference=_capacity,
    samples=(sample(i32(0)), sample(i32(1)), sample(i32(5)), sample(i32(64))),
    doc="The least power of two from ``count`` on, so that few sizes are planned; ``count`` itself "
    "where it is known before running.",
)

# --------------------------------------------------------------------------------------- EmptyStack


def _empty_infer(call_: Call) -> list[Dims]:
    capacity = call_.value(0)
    row = call_.attrs["row_shape"]
    if capacity is not None and only_one(capacity, "capacity") < 0:
        raise ShapeError(f"capacity must not be negative, got {int(capacity)}")
    if row is None:
        return [None]
    return [(None if capacity is None else int(capacity), *row)]


def _empty_reference(call_: Call, capacity: Any) -> Any:
    row = call_.attrs["row_shape"]
    if capacity < 0 or not is_fully_known(row):
        raise invalid(f"a stack of {int(capacity)} elements of shape {format_dims(row)}")
    return np.zeros((int(capacity), *row), call_.out_dtypes[0].np)


define(
    "EmptyStack",
    "capacity: int32 -> stack: dtype",
    dtype=dtypes_of(ALL),
    row_shape=Attr("shape", None),
    unwritten=False,
    infer=_empty_infer,
    kernel=Procedure(
        "return 0\n", sizes=lambda call_: {}, known=(0,), fill={0: 0},
        moves=("dtype",),
        natively=lambda call_: not call_.out_dtypes[0].np.hasobject,
    ),
    grad=not_differentiable("a number of elements"),
    reference=_empty_reference,
    samples=(
        sample(i32(3), const=(0,), dtype="float32", row_shape=(2,)),
        sample(i32(0), const=(0,), dtype="int32", row_shape=()),
        sample(i32(2), const=(0,), dtype="float64", row_shape=(0,)),
    ),
    errors=(
        error_sample(ValueError, "must not be negative", i32(-1), const=(0,), dtype="float32",
                     row_shape=()),
    ),
    doc="Room for ``capacity`` elements; nothing is in it yet (zeros, where one looks; anything, "
    "if ``unwritten``, the promise that nobody does).",
)  # fmt: skip

# --------------------------------------------------------------------------------------- StackStore


def _push_infer(call_: Call) -> list[Dims]:
    stack, index, value = call_.shapes
    require_rank(index, 0, "the index")
    if stack is None:
        return [None if value is None else (None, *value)]
    if not stack:
        raise ShapeError("the stack must have an axis")
    if not is_compatible(stack[1:], value):
        raise ShapeError(
            f"an element of shape {format_dims(value)} does not fit into a stack of elements of "
            f"shape {format_dims(stack[1:])}"
        )
    return [(stack[0], *(merge(stack[1:], value) or ()))]


def _push_reference(call_: Call, stack: Any, index: Any, value: Any) -> Any:
    if stack.shape[1:] != value.shape:
        raise invalid(f"an element of shape {value.shape} in a stack {stack.shape}")
    if not 0 <= index < len(stack):
        raise invalid(f"index {int(index)} is not in [0, {len(stack)})")
    result = stack.copy()
    result[index] = value
    return result


def _is_plain(call_: Call) -> bool:
    return not call_.dtypes[0].np.hasobject


def _push_sizes(call_: Call) -> Mapping[str, int]:
    stack: Any = call_.shapes[0]
    return {"capacity": stack[0], "row": math.prod(stack[1:])}


def _push_gradient(op: Any, dy: Tensor) -> Any:
    # Each row is pushed once: what is under it has no reader, so dy may pass as it is.
    row = call.GatherV2(dy, op.index, 0) if op.wants(op.value) else None
    return dy if op.wants(op.stack) else None, None, row


_STACK = f32(3, 2)

define(
    "StackStore",
    "stack: T, index: int32, value: T -> result: T",
    T=dtypes_of(ALL),
    infer=_push_infer,
    kernel=Procedure(
        """
i = int64(load(index, 0))
if (i < 0) | (i >= capacity):
    return 2
{copy}
return 0
""",
        sizes=_push_sizes,
        updates={0: 0},
        moves=("T",),
        choices=lambda call_: {
            "copy": "for k in independent(row):\n"
            "    store(result, i * row + k, load(value, k))"
        },
        natively=_is_plain,
    ),
    grad=_push_gradient,
    reference=_push_reference,
    samples=(
        sample(_STACK, i32(1), f32(2), differentiable=(2,)),
        sample(f32(1), i32(0), f32(), differentiable=(1,)),
        sample(f32(4, 0), i32(3), f32(0), differentiable=()),
        sample(i32([[1, 2], [3, 4]]), i32(0), i32([7, 8])),
    ),
    errors=(
        error_sample(ValueError, "does not fit into a stack", _STACK, i32(0), f32(3)),
        error_sample(ValueError, "must have an axis", f32(), i32(0), f32()),
        error_sample(Exception, "index 3 is not in", _STACK, i32(3), f32(2), stage="run"),
        error_sample(Exception, "index -1 is not in", _STACK, i32(-1), f32(2), stage="run"),
    ),
    doc="``stack`` with ``value`` in place of row ``index``.  Gradient: dy, and its row.",
)

# ------------------------------------------------------------------------------------- StackResize


def _resize_infer(call_: Call) -> list[Dims]:
    stack, capacity = call_.shapes
    require_rank(capacity, 0, "capacity")
    if stack is None:
        return [None]
    if not stack:
        raise ShapeError("the stack must have an axis")
    known = call_.value(1)
    return [(None if known is None else int(known), *stack[1:])]


def _resize_reference(call_: Call, stack: Any, capacity: Any) -> Any:
    if capacity < len(stack):
        raise invalid(f"{len(stack)} elements do not fit into {int(capacity)}")
    result = np.zeros((int(capacity), *stack.shape[1:]), stack.dtype)
    result[: len(stack)] = stack
    return result


def _resize_gradient(op: Any, dy: Tensor) -> Any:
    shape = call.Shape(op.stack)
    return call.Slice(dy, call.ZerosLike(shape), shape), None


def _zero(call_: Call) -> Mapping[str, str]:
    name = call_.dtypes[0].base_dtype.name
    return {"zero": "bool_(False)" if name == "bool" else f"{name}(0)"}


def _resize_sizes(call_: Call) -> Mapping[str, int]:
    stack: Any = call_.shapes[0]
    capacity: Any = call_.value(1)
    return {"old": stack[0], "new": int(capacity), "row": math.prod(stack[1:])}


define(
    "StackResize",
    "stack: T, capacity: int32 -> result: T",
    T=dtypes_of(ALL),
    infer=_resize_infer,
    kernel=Procedure(
        """
if old > new:
    return 3
for i in independent(old * row):
    store(result, i, load(stack, i))
for i in independent((new - old) * row):
    store(result, old * row + i, {zero})
return 0
""",
        sizes=_resize_sizes,
        known=(1,),
        whole=True,
        choices=_zero,
        natively=_is_plain,
    ),
    grad=_resize_gradient,
    reference=_resize_reference,
    samples=(
        sample(f32(2, 3), i32(4), const=(1,)),
        sample(f32(2), i32(2), const=(1,)),
        sample(f32(0, 2), i32(3), const=(1,)),
        sample(i32([1, 2]), i32(3)),
        sample(np.array([[True], [False]]), i32(4), const=(1,)),
    ),
    errors=(
        error_sample(Exception, "do not fit", f32(3), i32(2), const=(1,), stage="run"),
        error_sample(ValueError, "must have an axis", f32(), i32(2), const=(1,)),
    ),
    doc="``stack`` with zeros behind its elements.  Gradient: dy, of those elements.",
)


# ---------------------------------------------------------------------------------- what is written


def _mark_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "written")
    require_rank(call_.shapes[1], 0, "the index")
    return [call_.shapes[0], ()]


def _check_infer(call_: Call) -> list[Dims]:
    return _mark_infer(call_)[1:]


def _place(call_: Call, written: Any, index: Any) -> int:
    if not 0 <= index < len(written):
        raise invalid(
            f"{call_.attrs['array']}: index {int(index)} is not in [0, {len(written)}), its size"
        )
    return int(index)


def _mark_reference(call_: Call, written: Any, index: Any) -> Any:
    place = _place(call_, written, index)
    if written[place]:
        raise invalid(f"{call_.attrs['array']}: element {place} is written for the second time")
    result = written.copy()
    result[place] = True
    return result, index


def _check_reference(call_: Call, written: Any, index: Any) -> Any:
    place = _place(call_, written, index)
    if not written[place]:
        raise invalid(f"{call_.attrs['array']}: element {place} is read, but nothing wrote it")
    return index


_SIZE: Any = {"sizes": lambda call_: {"n": call_.shapes[0][0]}}
_WRITTEN = np.array([True, False, True])

define(
    "StackMark",
    "written: bool, index: int32 -> result: bool, checked: int32",
    array="TensorArray",
    infer=_mark_infer,
    kernel=Procedure(
        """
i = int64(load(index, 0))
if (i < 0) | (i >= n):
    return 2
if load(result, i):
    return 3
store(result, i, bool_(1))
store(checked, 0, load(index, 0))
return 0
""",
        updates={0: 0},
        **_SIZE,
    ),
    grad=not_differentiable("it looks at which elements are written"),
    reference=_mark_reference,
    samples=(sample(_WRITTEN, i32(1)), sample(np.zeros(1, bool), i32(0))),
    errors=(
        error_sample(Exception, "written for the second", _WRITTEN, i32(0), stage="run"),
        error_sample(Exception, "index 3 is not in", _WRITTEN, i32(3), stage="run"),
        error_sample(Exception, "index -1 is not in", _WRITTEN, i32(-1), stage="run"),
    ),
    doc="Note that element ``index`` is written, for the first time; ``checked`` is ``index``.",
)

define(
    "StackCheck",
    "written: bool, index: int32 -> checked: int32",
    array="TensorArray",
    infer=_check_infer,
    kernel=Procedure(
        """
i = int64(load(index, 0))
if (i < 0) | (i >= n):
    return 2
if not load(written, i):
    return 3
store(checked, 0, load(index, 0))
return 0
""",
        **_SIZE,
    ),
    grad=not_differentiable("it looks at which elements are written"),
    reference=_check_reference,
    samples=(sample(_WRITTEN, i32(0)), sample(_WRITTEN, i32(2))),
    errors=(
        error_sample(Exception, "nothing wrote it", _WRITTEN, i32(1), stage="run"),
        error_sample(Exception, "index 3 is not in", _WRITTEN, i32(3), stage="run"),
    ),
    doc="``index``, when that element is written.",
)
