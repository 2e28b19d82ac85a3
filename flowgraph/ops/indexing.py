"""Python's indexing: ``x[1:, ..., tf.newaxis, ::-1]``, ``x[mask]``, ``v[2:].assign(y)``.

Read next: slicing.py (what it makes), partitioning.py (masks).
"""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export_value
from flowgraph.graph.node import Tensor
from flowgraph.ops.slicing import make_assignable
from flowgraph.ops.variables import Variable
from flowgraph.tensor_shape import dimension_value

#: ``x[:, tf.newaxis]``
newaxis = None
export_value(newaxis, "newaxis")


def _is_index(item: Any) -> bool:
    """True for what can be one bound: an int, or a scalar integer tensor."""
    if isinstance(item, Tensor):
        return item.dtype.is_integer and item.dims in ((), None)
    item = dimension_value(item)
    return not isinstance(item, (bool, np.bool_)) and hasattr(item, "__index__")


def _bound(item: Any) -> Any:
    return item if isinstance(item, Tensor) else int(dimension_value(item))


def _vector(items: list[Any], name: str) -> Any:
    """The bounds as an int32 (or, where one is, int64) vector under the name ``name``."""
    tensors = [item for item in items if isinstance(item, Tensor)]
    if not tensors:
        return convert_to_tensor(np.array(items, np.int32), name=name)
    wide = next((t.dtype for t in tensors if t.dtype.size == 8), tensors[0].dtype)
    mixed = [
        call.Cast(item, DstT=wide) if isinstance(item, Tensor) and item.dtype is not wide else item
        for item in items
    ]
    return apply_op("Pack", mixed, T=wide, name=name)


def _is_mask(key: Any) -> bool:
    """True for what chooses elements by truth values."""
    if isinstance(key, Tensor):
        return key.dtype.is_bool
    return isinstance(key, np.ndarray) and key.dtype == bool


def getitem(x: Tensor, key: Any, var: Any = None) -> Tensor:
    """``x[key]``: ints, slices, ``...``, ``tf.newaxis`` and scalar tensors, in any mixture.

    A bool tensor or array is a mask: ``tf.boolean_mask(x, key)``.  ``var``: the Variable that ``x``
    is the value of, whose part the result can then assign.

    >>> x = tf.reshape(tf.range(6), [2, 3])
    >>> tf.Session().run(x[:, ::-1])
    array([[2, 1, 0],
           [5, 4, 3]], dtype=int32)
    >>> x[1, tf.newaxis, ...].shape.as_list()
    [1, 3]
    """
    if _is_mask(key):
        return EXPORTS["boolean_mask"](x, key)
    items = list(key) if isinstance(key, (tuple, list)) else [key]
    begin, end, strides = [], [], []
    masks = {
        "begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0,
        "shrink_axis_mask": 0,
    }  # fmt: skip

    def entry(first: Any, last: Any, step: Any) -> None:
        begin.append(first)
        end.append(last)
        strides.append(step)

    for i, item in enumerate(items):
        bit = 1 << i
        if isinstance(item, EllipsisType):
            masks["ellipsis_mask"] |= bit
            entry(0, 0, 1)
        elif item is None:
            masks["new_axis_mask"] |= bit
            entry(0, 0, 1)
        elif isinstance(item, slice):
            for side, value in (("begin_mask", item.start), ("end_mask", item.stop)):
                if value is None:
                    masks[side] |= bit
                elif not _is_index(value):
                    raise TypeError(_bad_index(x, value))
            if item.step is not None and not _is_index(item.step):
                raise TypeError(_bad_index(x, item.step))
            entry(*(d if v is None else _bound(v) for v, d in zip(
                (item.start, item.stop, item.step), (0, 0, 1), strict=True)))  # fmt: skip
        elif _is_index(item):
            masks["shrink_axis_mask"] |= bit
            first = _bound(item)
            entry(first, first + 1, 1)
        else:
            raise TypeError(_bad_index(x, item))
    with name_scope(None, "strided_slice", [x]) as scope:
        vectors = [_vector(v, n) for v, n in zip(
            (begin, end, strides), ("stack", "stack_1", "stack_2"), strict=True)]  # fmt: skip
        wide = next((v.dtype for v in vectors if v.dtype.size == 8), vectors[0].dtype)
        vectors = [v if v.dtype is wide else call.Cast(v, DstT=wide) for v in vectors]
        part = apply_op("StridedSlice", x, *vectors, name=scope, **masks)
    if var is not None:
        make_assignable(part, var)
    return part


def _bad_index(x: Tensor, item: Any) -> str:
    shown = str(item) if isinstance(item, Tensor) else repr(item)
    return (
        f"{x.name!r} cannot be indexed by {shown}: use integers, slices, `...`, tf.newaxis or "
        "scalar integer tensors; tf.gather takes rows by a list of indices, tf.boolean_mask by "
        "truth values"
    )


def _variable_getitem(self: Variable, key: Any) -> Tensor:
    """``v[key]``: the part of the value; ``v[key].assign(y)`` puts ``y`` there."""
    return getitem(self.value(), key, self)


Tensor._override_operator("__getitem__", getitem)
setattr(Variable, "__getitem__", _variable_getitem)  # noqa: B010  mypy takes it for a type's
