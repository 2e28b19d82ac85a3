"""What is known of a tensor's value while the graph is built.

Shape inference asks ``reshape(x, stack([shape(x)[0], 12]))`` for its target: ``[?, 12]``.  Integer
scalars and vectors are evaluated element by element with unknown elements (None); whatever else has
only known inputs is evaluated by its NumPy reference.

Only small values are computed, and only a bounded piece of the graph is looked at, so that building
stays linear.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.errors import OpError
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS, PURE, Call
from flowgraph.shapes import Dims, num_elements

#: Larger results are not computed before running.
_MAX_ELEMENTS = 4096
#: Operations looked at for one question.
_MAX_OPERATIONS = 256

Array = np.ndarray[Any, Any]
#: An integer array (object dtype) whose unknown elements are None.
Partial = Array | None


@export("get_static_value", "contrib.util.constant_value")
def constant_value(tensor: Tensor, partial: bool = False) -> Any:
    """The value of ``tensor`` when it does not depend on feeds or variables, else None.

    Args:
        tensor: any tensor.
        partial: True gives integer scalars and vectors as object arrays with None for unknown
            elements.

    NB: as in TensorFlow, a constant counts as known although a run may feed it another value.
    """
    if tensor.op.type == "Const":
        return tensor.op.attrs["value"]
    found = _Evaluation().of(tensor)
    if found is None or partial:
        return found
    return None if _has_unknown(found) else found.astype(tensor.dtype.base_dtype.np)


def constant_value_as_dims(tensor: Tensor) -> Dims:
    """The 1-D integer ``tensor`` read as a shape: unknown or negative elements are None."""
    found = constant_value(tensor, partial=True)
    if found is None:
        if tensor.dims is None or len(tensor.dims) != 1 or tensor.dims[0] is None:
            return None
        return (None,) * tensor.dims[0]
    return tuple(None if d is None or d < 0 else int(d) for d in found.reshape(-1))


def _has_unknown(value: Array) -> bool:
    return value.dtype == object and any(item is None for item in value.reshape(-1))


def _known(value: Partial) -> Array | None:
    """``value`` as plain integers, or None when an element is unknown."""
    return None if value is None or _has_unknown(value) else value


def _scalar(value: Partial) -> int | None:
    """The single element of ``value``, or None."""
    return None if value is None or value.size != 1 else value.reshape(-1)[0]


def _integers(items: Sequence[int | None]) -> Array:
    result = np.empty(len(items), object)
    result[:] = items
    return result


class _Evaluation:
    """One question about the graph: visits inputs before the operations that need them."""

    def __init__(self) -> None:
        self.values: dict[Tensor, Any] = {}

    def of(self, tensor: Tensor) -> Any:
        # NB: an explicit stack; shape arithmetic can be a long chain.
        stack = [tensor]
        while stack:
            top = stack[-1]
            if top in self.values:
                stack.pop()
                continue
            if top.op.type == "Const":
                self.values[top] = top.op.attrs["value"]
                continue
            if not _may_be_known(top) or len(self.values) + len(stack) > _MAX_OPERATIONS:
                self.values[top] = None
                continue
            needed = [t for t in _inputs_read(top.op) if t not in self.values]
            if needed:
                stack.extend(needed)
                continue
            self.values[top] = self._evaluate(top)
        return self.values[tensor]

    def _evaluate(self, tensor: Tensor) -> Any:
        op = tensor.op
        inputs = [self.values.get(t) for t in op.inputs]
        rule = _PARTIAL_RULES.get(op.type)
        if rule is not None and tensor.dtype.is_integer:
            found = rule(op, inputs)
            if found is not None:
                return found
        arrays = [value for value in inputs if value is not None and not _has_unknown(value)]
        return _by_reference(tensor, arrays) if arrays and len(arrays) == len(inputs) else None


def _may_be_known(tensor: Tensor) -> bool:
    opdef = OPDEFS.get(tensor.op.type)
    if opdef is None or opdef.effect != PURE or not tensor.op.inputs:
        return False
    if tensor.op.type == "PlaceholderWithDefault":
        return False  # it is there to be fed another value
    if any(t.dtype.is_ref for t in tensor.op.inputs):
        return tensor.op.type in _SHAPE_ONLY
    if tensor.dims is None:
        return tensor.op.type in _PARTIAL_RULES
    size = num_elements(tensor.dims)
    return (size is None and tensor.op.type in _PARTIAL_RULES) or (
        size is not None and size <= _MAX_ELEMENTS
    )


#: Ops that read only the static shape of their input.
_SHAPE_ONLY = frozenset(("Shape", "Size", "Rank"))


def _inputs_read(op: Operation) -> Sequence[Tensor]:
    return () if op.type in _SHAPE_ONLY else op.inputs


def _by_reference(tensor: Tensor, inputs: list[Array]) -> Array | None:
    """Run the op's NumPy reference on known inputs; None when it cannot."""
    op, opdef = tensor.op, OPDEFS[tensor.op.type]
    dtypes = [t.dtype.base_dtype for t in op.inputs]
    arrays = [np.asarray(v).astype(d.np) for v, d in zip(inputs, dtypes, strict=True)]
    rule_call = Call(
        op.type,
        op.attrs,
        dtypes,
        [a.shape for a in arrays],
        [t.dtype.base_dtype for t in op.outputs],
        [t.dims for t in op.outputs],
        value=lambda i: arrays[i],
    )
    try:
        with np.errstate(all="ignore"):
            rule_call.out_shapes = opdef.infer(rule_call)
            results = opdef.reference(rule_call, *arrays)
    except (OpError, ArithmeticError, ValueError, IndexError, TypeError):
        return None  # the mistake is reported when the operation runs
    if isinstance(results, (tuple, list)):
        results = results[tensor.value_index]
    return np.asarray(results)


# ---------------------------------------------------------- rules that work with unknown elements

_Rule = Callable[[Operation, list[Any]], Partial]


def _shape(op: Operation, inputs: list[Any]) -> Partial:
    dims = op.inputs[0].dims
    return None if dims is None else _integers(dims)


def _size(op: Operation, inputs: list[Any]) -> Partial:
    size = num_elements(op.inputs[0].dims)
    return None if size is None else np.array(size, object)


def _rank(op: Operation, inputs: list[Any]) -> Partial:
    dims = op.inputs[0].dims
    return None if dims is None else np.array(len(dims), object)


def _pack(op: Operation, inputs: list[Any]) -> Partial:
    if any(t.dims != () for t in op.inputs):
        return None
    return _integers([_scalar(value) for value in inputs])


def _concat(op: Operation, inputs: list[Any]) -> Partial:
    parts: list[int | None] = []
    for value, tensor in zip(inputs[:-1], op.inputs[:-1], strict=True):
        if value is None:
            if tensor.dims is None or len(tensor.dims) != 1 or tensor.dims[0] is None:
                return None
            parts.extend([None] * tensor.dims[0])
        elif value.ndim != 1:
            return None
        else:
            parts.extend(value)
    return _integers(parts)


def _strided_slice(op: Operation, inputs: list[Any]) -> Partial:
    value, (begin, end, stride) = inputs[0], map(_known, inputs[1:])
    if value is None or value.ndim != 1 or begin is None or stride is None or len(begin) != 1:
        return None
    attrs = op.attrs
    if attrs["ellipsis_mask"] or attrs["new_axis_mask"]:
        return None
    if attrs["shrink_axis_mask"] & 1:
        index = int(begin[0])
        inside = -len(value) <= index < len(value)
        return np.array(value[index], object) if inside else None
    if end is None and not attrs["end_mask"] & 1:
        return None
    first = None if attrs["begin_mask"] & 1 else int(begin[0])
    last = None if attrs["end_mask"] & 1 or end is None else int(end[0])
    return value[slice(first, last, int(stride[0]))]


def _slice(op: Operation, inputs: list[Any]) -> Partial:
    value, begin, size = inputs[0], _known(inputs[1]), _known(inputs[2])
    if value is None or value.ndim != 1 or begin is None or size is None:
        return None
    first, count = int(begin[0]), int(size[0])
    return value[first:] if count < 0 else value[first : first + count]


def _gather(op: Operation, inputs: list[Any]) -> Partial:
    value, indices = inputs[0], _known(inputs[1])
    if value is None or value.ndim != 1 or indices is None:
        return None
    if indices.size and not 0 <= indices.min() <= indices.max() < len(value):
        return None
    return np.asarray(value.astype(object)[indices.astype(np.int64)], object)


def _same(op: Operation, inputs: list[Any]) -> Partial:
    value = inputs[0]
    if value is None or not op.inputs[0].dtype.is_integer:
        return None
    return value


def _product(op: Operation, inputs: list[Any]) -> Partial:
    value, axes = inputs[0], inputs[1]
    if value is None or value.ndim != 1 or axes is None or op.attrs["keep_dims"]:
        return None
    known = _known(value)
    result = None if known is None else int(np.prod(known.astype(object), initial=1))
    return np.array(result, object)


def _elementwise(function: Callable[[Any, Any], Any]) -> _Rule:
    def rule(op: Operation, inputs: list[Any]) -> Partial:
        a, b = inputs
        if a is None or b is None or max(a.ndim, b.ndim) > 1:
            return None
        try:
            a, b = np.broadcast_arrays(a.astype(object), b.astype(object))
            result = np.empty(a.shape, object)
            for index in np.ndindex(a.shape):
                x, y = a[index], b[index]
                result[index] = None if x is None or y is None else int(function(x, y))
        except (ValueError, ArithmeticError):
            return None
        return result

    return rule


_PARTIAL_RULES: dict[str, _Rule] = {
    "Shape": _shape,
    "Size": _size,
    "Rank": _rank,
    "Pack": _pack,
    "ConcatV2": _concat,
    "StridedSlice": _strided_slice,
    "Slice": _slice,
    "GatherV2": _gather,
    "Cast": _same,
    "Identity": _same,
    "Prod": _product,
    "Add": _elementwise(lambda x, y: x + y),
    "AddV2": _elementwise(lambda x, y: x + y),
    "Sub": _elementwise(lambda x, y: x - y),
    "Mul": _elementwise(lambda x, y: x * y),
    "FloorDiv": _elementwise(lambda x, y: x // y),
    "Maximum": _elementwise(max),
    "Minimum": _elementwise(min),
}
