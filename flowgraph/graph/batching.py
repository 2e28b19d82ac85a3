"""A piece of a graph applied to every row of a batch at once, without a loop.

    y = f(x)     x: [3] -> y: [2]          batched([y], {x: xs})     xs: [B, 3] -> ys: [B, 2]

The operations between ``x`` and ``y`` are made once more, in order, on tensors that have one
axis more in front (*stacked* tensors); what does not depend on ``x`` is used as it is.  RULES says
per op type how: a sum over axis 0 becomes a sum over axis 1, a matrix product a batch of them.
Elementwise ops need no rule.  An op without rule is applied to each row by itself, which is always
right but makes a copy of it per row.

Jacobians and Hessians come from this (ops/jacobians.py): a gradient is linear in the dy that
enters, and the identity matrix is a batch of them.  ``tf.vectorized_map`` does the same for
functions of users.

Read next: batching_rules.py, ops/jacobians.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import make_constant
from flowgraph.graph.default import name_scope
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS, WRITE, Call, Loops
from flowgraph.shapes import ShapeError, is_fully_known

#: ``rule(batch, op, inputs, stacked) -> stacked outputs``, or None: not in this case.
Rule = Callable[["Batch", Operation, list[Tensor], list[bool]], list[Tensor] | None]

#: Op type -> how it is applied to stacked inputs; filled by batching_rules.py.
RULES: dict[str, Rule] = {}


def rule(*types: str) -> Callable[[Rule], Rule]:
    """Register how ops of these types are applied to stacked inputs."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(types, function))
        return function

    return register


def batched(
    ys: Sequence[Tensor], stacked: Mapping[Tensor, Tensor], name: str = "batched"
) -> list[Tensor]:
    """``ys`` for every row: each key of ``stacked`` replaced by its value, which has an axis more.

    Args:
        ys: tensors made from the keys, or not.
        stacked: tensor -> tensor of the same dtype and of shape ``[B, *tensor.shape]``.
        name: the name scope of the new operations.

    Returns:
        One tensor of shape ``[B, *y.shape]`` per y.

    Raises:
        NotImplementedError: an op must be applied row by row, and B is not known; or it writes
            variables.
    """
    with name_scope(name):
        batch = Batch(next(iter(stacked.values())))
        return batch.run(ys, stacked)


class Batch:
    """The rows: how many, and the tensors made so far."""

    def __init__(self, example: Tensor) -> None:
        self._example = example
        #: The number of rows, when it is known.
        self.size: int | None = None if example.dims is None else example.dims[0]
        self._size_vector: Tensor | None = None

    def run(self, ys: Sequence[Tensor], stacked: Mapping[Tensor, Tensor]) -> list[Tensor]:
        """See ``batched``."""
        new: dict[Tensor, Tensor] = dict(stacked)
        for op in _between(list(stacked), ys):
            if op.type in _LOOKS_AT_SHAPES:
                continue  # one row has the shape that every row has
            flags = [tensor in new for tensor in op.inputs]
            if not any(flags):
                continue
            inputs = [new.get(tensor, tensor) for tensor in op.inputs]
            for old, made in zip(op.outputs, self._apply(op, inputs, flags), strict=True):
                if old not in stacked:
                    new[old] = made
                if old.dims is not None:
                    new[old].set_shape((self.size, *old.dims))
        return [new[y] if y in new else self.stack(y) for y in ys]

    def _apply(self, op: Operation, inputs: list[Tensor], flags: list[bool]) -> Sequence[Tensor]:
        opdef = OPDEFS[op.type]
        if opdef.effect == WRITE:
            raise NotImplementedError(f"{op.name!r} ({op.type}) cannot be applied to a batch")
        rule = RULES.get(op.type)
        if rule is None and _is_plain(op.type):
            rule = _broadcasting if _broadcasts(op.type) else _elementwise
        made = rule(self, op, inputs, flags) if rule is not None else None
        return self._row_by_row(op, inputs, flags) if made is None else made

    def _row_by_row(
        self, op: Operation, inputs: list[Tensor], flags: list[bool]
    ) -> Sequence[Tensor]:
        if self.size is None:
            raise NotImplementedError(
                f"{op.name!r} ({op.type}) must be applied to each row by itself, but the number of "
                "rows is not known while the graph is built"
            )
        if not self.size:
            return [self.stack(tensor) for tensor in op.outputs]
        rows = [
            call.Unpack(tensor, num=self.size, axis=0) if flag else [tensor] * self.size
            for tensor, flag in zip(inputs, flags, strict=True)
        ]
        results = [again(op, row) for row in zip(*rows, strict=True)]
        return [call.Pack(list(parts), axis=0) for parts in zip(*results, strict=True)]

    # ---------------------------------------------------------------------------------- shapes

    def size_vector(self) -> Tensor:
        """``[B]``."""
        if self._size_vector is None:
            if self.size is not None:
                self._size_vector = vector([self.size])
            else:
                self._size_vector = call.Slice(call.Shape(self._example), [0], [1])
        return self._size_vector

    def sizes(self, *parts: Any) -> Tensor:
        """``[B, *parts]`` as a shape: parts are ints, or tensors whose shapes are meant."""
        known: list[int] | None = None if self.size is None else [self.size]
        pieces = [self.size_vector()]
        for part in parts:
            if isinstance(part, Tensor):
                if known is not None and is_fully_known(part.dims):
                    known.extend(part.dims)  # type: ignore[arg-type]
                else:
                    known = None
                pieces.append(shape_vector(part))
            else:
                if known is not None:
                    known.append(part)
                pieces.append(vector([part]))
        return vector(known) if known is not None else call.ConcatV2(pieces, 0)

    def merged_sizes(self, tensor: Tensor) -> Tensor:
        """``[B * n, ...]`` for a tensor of shape ``[n, ...]``, as a shape."""
        if self.size is not None and is_fully_known(tensor.dims):
            first, *rest = tensor.dims  # type: ignore[misc]
            return vector([self.size * first, *rest])  # type: ignore[operator]
        shape = shape_vector(tensor)
        first = call.Mul(self.size_vector(), call.Slice(shape, [0], [1]))
        return call.ConcatV2([first, call.Slice(shape, [1], [-1])], 0)

    def stack(self, tensor: Tensor) -> Tensor:
        """``tensor`` repeated in every row."""
        return call.BroadcastTo(tensor, self.sizes(tensor))

    def stack_all(self, inputs: Sequence[Tensor], flags: Sequence[bool]) -> list[Tensor]:
        """All ``inputs`` stacked."""
        return [t if f else self.stack(t) for t, f in zip(inputs, flags, strict=True)]

    def aligned(
        self, inputs: Sequence[Tensor], flags: Sequence[bool], olds: Sequence[Tensor]
    ) -> list[Tensor]:
        """Inputs that broadcast as ``olds`` do: ``[B, 1, ..., *old.shape]`` where stacked."""
        if all(old.dims is not None for old in olds):
            rank = max(len(old.dims or ()) for old in olds)
            return [
                self.with_rank(new, old, rank) if flag else new
                for new, flag, old in zip(inputs, flags, olds, strict=True)
            ]
        ranks = [call.Rank(old) for old in olds]
        most = ranks[0]
        for other in ranks[1:]:
            most = call.Maximum(most, other)
        result = []
        for new, flag, old, rank_of in zip(inputs, flags, olds, ranks, strict=True):
            ones = call.Fill(call.Reshape(call.Sub(most, rank_of), vector([1])), 1)
            shape = call.ConcatV2([self.size_vector(), ones, call.Shape(old)], 0)
            result.append(call.Reshape(new, shape) if flag else new)
        return result

    def with_rank(self, stacked: Tensor, tensor: Tensor, rank: int) -> Tensor:
        """``stacked`` with axes of size 1 behind the first: ``[B, 1, ..., *tensor.shape]``."""
        missing = rank - len(tensor.dims or ())
        return call.Reshape(stacked, self.sizes(*[1] * missing, tensor)) if missing else stacked


def vector(values: Sequence[int]) -> Tensor:
    """An int32 constant."""
    return make_constant(np.array(values, np.int32).reshape(-1))


def shape_vector(tensor: Tensor) -> Tensor:
    """The shape as a vector: a constant when it is known."""
    return vector(tensor.dims) if is_fully_known(tensor.dims) else call.Shape(tensor)  # type: ignore[arg-type]


def again(op: Operation, inputs: Sequence[Tensor], **changed: Any) -> list[Tensor]:
    """The outputs of one more operation like ``op``, with other inputs and some other attrs."""
    signature = OPDEFS[op.type].signature
    attrs = {**op.attrs, **changed}
    given: list[Any] = []
    rest = list(inputs)
    for arg in signature.inputs:
        if arg.is_list:
            count = attrs[arg.count_attr] if arg.count_attr else len(attrs[arg.dtype_attr])
            given.append(rest[:count])
            del rest[:count]
        else:
            given.append(rest.pop(0))
    result = apply_op(op.type, *given, name=op.name.rpartition("/")[2], **attrs)
    return result if isinstance(result, list) else [result]


def _between(starts: Sequence[Tensor], ends: Sequence[Tensor]) -> list[Operation]:
    """Operations that lead from ``starts`` to ``ends``, in the order they were made."""
    reached: set[Operation] = set()
    todo = list(starts)
    while todo:
        for op in todo.pop()._consumers or ():
            if op not in reached:
                reached.add(op)
                todo.extend(op.outputs)
    between: set[Operation] = set()
    stack = [y.op for y in ends]
    while stack:
        op = stack.pop()
        if op in reached and op not in between:
            between.add(op)
            stack.extend(tensor.op for tensor in op.inputs)
    return sorted(between, key=lambda op: op._id)


# --------------------------------------------------------------------------- ops that need no rule

#: Ops that read only shapes, which all rows share.
_LOOKS_AT_SHAPES = frozenset(("Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"))

_broadcasting_types: dict[str, bool] = {}


def _is_plain(type: str) -> bool:
    """True for elementwise ops: loops without reduction or index maps."""
    kernel = OPDEFS[type].kernel
    return isinstance(kernel, Loops) and not (
        kernel.reduced or kernel.domain or kernel.operands or kernel.reads
    )


def _broadcasts(type: str) -> bool:
    """True when the op's shape rule lets sizes of 1 and missing axes broadcast."""
    if type not in _broadcasting_types:
        opdef = OPDEFS[type]
        arguments = opdef.signature.inputs
        shapes = [(2, 1), (1, 3), *[(1, 1)] * (len(arguments) - 2)]
        try:
            found = (
                len(arguments) >= 2
                and not any(argument.is_list for argument in arguments)
                and opdef.infer(Call(type, {}, [], shapes)) == [(2, 3)]
            )
        except (ShapeError, KeyError):
            found = False
        _broadcasting_types[type] = found
    return _broadcasting_types[type]


def _broadcasting(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    return again(op, batch.aligned(inputs, flags, op.inputs))


def _elementwise(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    scalars = [t.dims == () for t in op.inputs]
    if any(scalars) and not all(scalars):
        return None
    return again(op, batch.stack_all(inputs, flags))
